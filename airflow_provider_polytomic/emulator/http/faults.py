"""Break answers on purpose, to see what callers make of it.

A fault strikes *before* the application sees the request (as a proxy or a network would), *within* the
application (so that an Idempotency-Key is in flight meanwhile and keeps the outcome), or *after* it has acted
(so that the caller loses an answer to something that happened).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.http.responses import ApiResponse

KINDS = ("status", "delay", "reset", "malformed")
STAGES = ("before", "within", "after")
MALFORMED = ("truncated", "html")
_HTML = b"<html><head><title>Something else</title></head><body><h1>Not the API</h1></body></html>"
_HTML_HEADERS = (("content-type", "text/html"),)


@dataclass
class Fault:
    """One fault and the requests it strikes.

    :param kind: ``status`` answers with another status, ``delay`` waits, ``reset`` cuts the connection,
        ``malformed`` spoils the body of the true answer.
    :param when: ``before``, ``within`` or ``after`` acting; ``reset`` knows no ``within``,
        ``malformed`` only ``after``. Default ``after`` for ``malformed``, else ``before``.
    :param method: HTTP method; None: any.
    :param path: path pattern, where ``*`` is one segment and ``**`` any number of them; None: any.
    :param skip: how many matching requests pass first.
    :param count: how many requests it strikes; None: no limit.
    :param seconds: how long it lasts by the emulator's clock; None: no limit.
    :param status: HTTP status of a ``status`` fault.
    :param body: its body, a string as it is, else as JSON; None: an error body.
    :param html: give an HTML page as a proxy would instead of ``body``.
    :param headers: further headers of a ``status`` fault, such as ``Retry-After``.
    :param delay: seconds that a ``delay`` fault waits, in real time.
    :param malformed: ``truncated`` cuts the JSON in the middle, ``html`` puts a page in its place.
    """

    kind: str
    when: str | None = None
    method: str | None = None
    path: str | None = None
    skip: int = 0
    count: int | None = 1
    seconds: float | None = None
    status: int = 503
    body: Any = None
    html: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    malformed: str = "truncated"
    since: float = field(default=0.0, init=False)
    seen: int = field(default=0, init=False)
    hits: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.when is None:
            self.when = "after" if self.kind == "malformed" else "before"
        for value, allowed in ((self.kind, KINDS), (self.when, STAGES), (self.malformed, MALFORMED)):
            if value not in allowed:
                raise ValueError(f"{value!r} is not one of {', '.join(allowed)}.")
        if (self.kind, self.when) in (("reset", "within"), ("malformed", "before"), ("malformed", "within")):
            raise ValueError(f"A {self.kind} fault cannot strike {self.when!r}.")

    def strikes(self, method: str, path: str, now: float) -> bool:
        """Tell whether the fault strikes this request, and count it."""
        if self.method is not None and self.method.upper() != method:
            return False
        if self.path is not None and not _pattern(self.path).fullmatch(path):
            return False
        if self.seconds is not None and now >= self.since + self.seconds:
            return False
        if self.count is not None and self.hits >= self.count:
            return False
        self.seen += 1
        if self.seen <= self.skip:
            return False
        self.hits += 1
        return True

    def answer(self) -> ApiResponse:
        """Give the answer of a ``status`` fault."""
        headers = tuple((name, str(value)) for name, value in self.headers.items())
        if self.html:
            return ApiResponse(self.status, _HTML, _HTML_HEADERS + headers)
        if self.body is None:
            error = ApiError(self.status, f"Injected fault: {self.status}.")
            return ApiResponse.from_json(error.body(), self.status, headers)
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return ApiResponse(self.status, text.encode(), headers)

    def corrupt(self, answer: ApiResponse) -> ApiResponse:
        """Give ``answer`` with its body spoiled."""
        if self.malformed == "html":
            return ApiResponse(answer.status, _HTML, _HTML_HEADERS)
        return ApiResponse(answer.status, answer.body[: len(answer.body) // 2], answer.headers)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", path)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self.all: list[Fault] = []

    def take(self, when: str, method: str, path: str, now: float) -> Fault | None:
        """Give the first fault that strikes this request at the stage ``when``."""
        return next((each for each in self.all if each.when == when and each.strikes(method, path, now)), None)
