"""Injected faults.

A fault applies *before* the request reaches the application (as with a proxy or a network), *within* the application
(so that its Idempotency-Key is in flight meanwhile and keeps the response), or *after* it has acted (so that the caller
loses the response to something that happened).
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
    """Inject a fault into the requests that match.

    :param kind: ``status`` responds with an error status, ``delay`` waits, ``reset`` resets the connection,
        ``malformed`` corrupts the body of the response.
    :param when: ``before``, ``within`` or ``after`` the application acts; ``reset`` cannot apply ``within``, and
        ``malformed`` only ``after``. Default None: ``after`` for ``malformed``, else ``before``.
    :param method: HTTP method; default None, any.
    :param path: path pattern, in which ``*`` is one segment and ``**`` any number of them; default None, any.
    :param skip: number of matching requests to let pass first; default 0.
    :param count: number of requests to which it applies; None: no limit. Default 1.
    :param seconds: duration by the emulator's clock; default None, no limit.
    :param status: HTTP status of a ``status`` fault, from 200 to 999; default 503.
    :param body: body of a ``status`` fault: text, or a value to send as JSON; unless it is an object with a message,
        the response lacks the header of the API's version, as a proxy's does. Default None, an error body.
    :param html: respond with an HTML page, as a proxy does, instead of ``body``; default False.
    :param headers: further headers of a ``status`` fault, such as ``Retry-After``; default none.
    :param delay: seconds of real time that a ``delay`` fault waits; default 0.
    :param malformed: ``truncated`` cuts the JSON in half, ``html`` replaces it by a page; default ``truncated``.
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
            raise ValueError(f"A {self.kind} fault cannot apply {self.when!r}.")
        if self.status not in range(200, 1000):
            raise ValueError(f"status must be a number from 200 to 999, not {self.status!r}.")
        for name in ("skip", "count", "seconds", "delay"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise ValueError(f"{name} must be a number, not {value!r}.")

    def applies(self, method: str, path: str, now: float) -> bool:
        """Return whether the fault applies to this request, and count the request."""
        matches = (
            (self.method is None or self.method.upper() == method)
            and (self.path is None or _pattern(self.path).fullmatch(path) is not None)
            and (self.seconds is None or now < self.since + self.seconds)
            and (self.count is None or self.hits < self.count)
        )
        self.seen += matches
        applies = matches and self.seen > self.skip
        self.hits += applies
        return applies

    def response(self) -> ApiResponse:
        """Return the response of a ``status`` fault."""
        headers = tuple((name, str(value)) for name, value in self.headers.items())
        if self.html:
            return ApiResponse(self.status, _HTML, _HTML_HEADERS + headers, foreign=True)
        if self.body is None:
            error = ApiError(self.status, f"Injected fault: {self.status}.")
            return ApiResponse.from_json(error.body(), self.status, headers)
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        foreign = not (isinstance(self.body, dict) and "message" in self.body)
        return ApiResponse(self.status, text.encode(), headers, foreign=foreign)

    def corrupt(self, response: ApiResponse) -> ApiResponse:
        """Return ``response`` with a corrupt body."""
        if self.malformed == "html":
            return ApiResponse(response.status, _HTML, _HTML_HEADERS, foreign=True)
        return ApiResponse(response.status, response.body[: len(response.body) // 2], response.headers)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", path)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))
