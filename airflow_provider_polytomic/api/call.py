"""Describe one API request as immutable data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from airflow_provider_polytomic.api.errors import PolytomicResponseError
from airflow_provider_polytomic.api.models.base import Listing
from airflow_provider_polytomic.api.redaction import one_line

T = TypeVar("T", covariant=True)
M = TypeVar("M")


MAX_PAGES = 2_000
"""Pages of one list, which are 100,000 rows of most lists."""

MAX_CURSOR_LENGTH = 4_096


class UnusableResponse(Exception):
    """The response has the documented shape, but cannot be used; raised by a :attr:`Call.convert`."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """Describe one request and the model that its response is read as.

    .. code-block:: python

        call = Call("GET", path("/api/syncs/{}", sync_id), Sync)
        with PolytomicClient() as client:
            sync = client.send(call.with_timeout(5))

    .. seealso::
        How-to: ``docs/reference/api.md``.

    :param method: HTTP method.
    :param path: Path below the base URL, with percent-encoded ids; see :func:`path`.
    :param model: Type of the response; None (the default) if the response has no content.
    :param query: Pairs of name and value, in order; a name may repeat. Default: none.
    :param body: JSON body; None (the default) sends none.
    :param idempotency_key: Value of the ``Idempotency-Key`` header, which makes a POST safe to repeat; default None.
    :param read_only: True if the request changes nothing; default False, always True for a GET.
    :param repeatable: False for no retries whatever the retry policy of the client is; default True.
    :param timeout: Seconds after which the request fails; None (the default) for the timeout of the client.
    :param best_effort: True if the client may drop the call when it would delay others; default False.
    :param visited: Hashes of the cursors so far, by which :func:`next_page` notices a repetition; default: none.
    :param convert: Function that makes the result from the model; None (the default) for the model itself.
    :raises ValueError: If ``idempotency_key`` cannot be sent as a header.
    """

    method: str
    path: str
    model: type[T] | None = None
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    read_only: bool = False
    repeatable: bool = True
    timeout: float | None = None
    best_effort: bool = False
    visited: frozenset[int] = field(default=frozenset(), repr=False, compare=False)
    convert: Callable[[Any], T] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        key = self.idempotency_key
        if key is not None and not (key and key.isascii() and key.isprintable()):
            raise ValueError("an Idempotency-Key has 8 to 255 letters, digits, '-' and '_'")
        if self.method == "GET":
            object.__setattr__(self, "read_only", True)

    @staticmethod
    def get(model: type[M], template: str, *ids: str, query: tuple[tuple[str, str], ...] = ()) -> Call[M]:
        """Build a GET; see :func:`path` for the template."""
        return Call("GET", path(template, *ids), model, query=query)

    @staticmethod
    def post(
        model: type[M] | None, template: str, *ids: str, body: Mapping[str, Any] | None = None, key: str | None = None
    ) -> Call[M]:
        """Build a POST without those fields of the body that are None; ``key`` is the Idempotency-Key."""
        fields = None if body is None else drop_none(body)
        return Call("POST", path(template, *ids), model, body=fields, idempotency_key=key)

    @staticmethod
    def put(model: type[M], template: str, *ids: str, body: Mapping[str, Any]) -> Call[M]:
        """Build a PUT without those fields of the body that are None."""
        return Call("PUT", path(template, *ids), model, body=drop_none(body))

    @property
    def idempotent(self) -> bool:
        """Return whether sending it twice has the effect of sending it once, because of its method or its key."""
        return self.method in ("GET", "PUT", "DELETE") or self.idempotency_key is not None

    @property
    def destructive(self) -> bool:
        """Return whether it deletes something."""
        return self.method == "DELETE"

    @property
    def enveloped(self) -> bool:
        """Return whether the model is read from the ``data`` field of the response, not from all of it."""
        return getattr(self.model, "enveloped", True)

    def without_retries(self) -> Call[T]:
        """Return the same call, sent only once whatever the retry policy of the client is."""
        return replace(self, repeatable=False)

    def with_timeout(self, seconds: float, *, best_effort: bool = False) -> Call[T]:
        """Return the same call, sent only once and with a timeout.

        :param seconds: Timeout in seconds; the timeout of the client is the upper bound.
        :param best_effort: Drop the call if it would delay another one, and for a while after a 429.
        """
        return replace(self, repeatable=False, timeout=seconds, best_effort=best_effort)

    def converted(self, convert: Callable[[Any], M]) -> Call[M]:
        """Return the same call with another result, which is made where a long response is read: off the event loop.

        :param convert: Function that makes the result from the model.
        """
        return replace(cast("Call[Any]", self), convert=convert)

    def read(self, payload: Any) -> T:
        """Validate the decoded JSON of a response and return the result.

        :param payload: Decoded JSON.
        :raises PolytomicResponseError: If the payload does not have the shape of the model, or cannot be converted.
        """
        if self.model is None:
            return None  # type: ignore[return-value]
        if self.enveloped:
            if not isinstance(payload, dict) or "data" not in payload:
                raise self.response_error("the response has no 'data'", is_json=True)
            payload = payload["data"]
        try:
            answer: T = validated(self.model, payload)
            return self.convert(answer) if self.convert else answer
        except Exception as error:
            problem = _describe(error)
        raise self.response_error(problem, is_json=True)

    def response_error(
        self, problem: str, *, transient: bool = True, is_json: bool = False, status_code: int | None = None
    ) -> PolytomicResponseError:
        """Build the error for a response to this call that cannot be used."""
        return PolytomicResponseError(
            problem,
            method=self.method,
            path=self.path,
            transient=transient,
            is_json=is_json,
            status_code=status_code,
        )


def first_page(call: Call[Listing[M]]) -> Call[Listing[M]]:
    """Return a call for a list.

    :raises TypeError: If the response to the call is not a list.
    """
    if not (isinstance(call, Call) and isinstance(call.model, type) and issubclass(call.model, Listing)):
        raise TypeError("pages() takes the call of a list, such as syncs.list(); send(…) any other call, run(…) a flow")
    return call


def next_page(call: Call[Any], page: Listing[Any]) -> Call[Any] | None:
    """Build the call for the page after ``page``, or return None if it is the last.

    :raises PolytomicResponseError: If the list would not end: its cursor was there before, or it has too many pages.
    """
    cursor = page.cursor
    if cursor is None or not cursor[1]:
        return None
    if cursor in call.query:
        if page.open_ended:
            return None
        raise call.response_error("the next page of the list is the page itself")
    if len(cursor[1]) > MAX_CURSOR_LENGTH:
        raise call.response_error(f"the token of the next page is longer than {MAX_CURSOR_LENGTH:,} characters")
    if hash(cursor) in call.visited:
        raise call.response_error("the list repeats the token of a page, so it would not end")
    if len(call.visited) >= MAX_PAGES:
        raise call.response_error(f"the list has more than {MAX_PAGES:,} pages; ask for a part of it")
    others = tuple(pair for pair in call.query if pair[0] != cursor[0])
    return replace(call, query=(*others, cursor), visited=call.visited | {hash(cursor)})


def path(template: str, *ids: str) -> str:
    """Insert percent-encoded ids into a path.

    :raises ValueError: If an id is None, empty or a dot segment, which percent-encoding does not change.
    """
    for each in ids:
        if each is None or str(each).strip() in ("", ".", ".."):
            raise ValueError(f"{each!r} is not an id")
    return template.format(*(quote(str(each), safe="") for each in ids))


def query(**parameters: Any) -> tuple[tuple[str, str], ...]:
    """Encode query parameters: None is dropped, lists repeat the name, mappings become ``name[key]``."""
    return tuple(pair for name, value in parameters.items() for pair in _pairs(name, value))


def drop_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are not None, as JSON has them: datetimes as text and mappings as dicts."""
    return {name: _encode(value) for name, value in fields.items() if value is not None}


def body_of(arguments: Mapping[str, Any], *exclude: str) -> dict[str, Any]:
    """Return the fields of a body from the ``locals()`` of a function that has a parameter for each of them.

    :param exclude: Parameters that are not fields, besides ``idempotency_key``.
    """
    return {name: arguments[name] for name in arguments if name not in (*exclude, "idempotency_key")}


def check_fields(options: Mapping[str, Any], known: type) -> Mapping[str, Any]:
    """Return ``options`` if all of them are fields of the TypedDict ``known``.

    :raises TypeError: If one is not, as Python raises for a misspelled argument.
    """
    unknown = sorted(options.keys() - known.__annotations__.keys())
    if unknown:
        raise TypeError(f"unexpected field {unknown[0]!r}; known are {', '.join(sorted(known.__annotations__))}")
    return options


def reject_masks(**settings: Any) -> None:
    """Refuse to overwrite secrets with the asterisks that the API returns in their place.

    :raises ValueError: If a text at any depth consists of asterisks only.
    """
    if masked := [place for name, value in settings.items() for place in _masks(value, name)]:
        raise ValueError(f"the API returns these settings masked, so set them again: {', '.join(masked)}")


def idempotency_key(*facts: str | int | None) -> str:
    """Hash facts to an Idempotency-Key, which is the same for the same facts in every process; None is left out."""
    return hashlib.sha256(json.dumps([fact for fact in facts if fact is not None]).encode()).hexdigest()


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _pairs(f"{name}[{key}]", item)]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [pair for item in value for pair in _pairs(name, item)]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    return [(name, str(_encode(value)))]


def _encode(value: Any) -> Any:
    if not isinstance(value, datetime):
        return dict(value) if isinstance(value, Mapping) else value
    aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _masks(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, str):
        if re.fullmatch(r"\*{3,}", value):
            yield place
    elif isinstance(value, (Mapping, Sequence)):
        for name, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _masks(item, f"{place}.{name}")


def validated(model: type[M], payload: Any) -> M:
    """Validate decoded JSON as a model.

    :raises ValidationError: If it does not have the shape of the model.
    """
    answer: M = _adapter(cast("Hashable", model)).validate_python(payload)
    return answer


@cache
def _adapter(model: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", model))


def _describe(error: Exception) -> str:
    if isinstance(error, UnusableResponse):
        return str(error)
    if not isinstance(error, ValidationError):
        return f"the response cannot be evaluated: {type(error).__name__}"
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return one_line(f"the response has another shape than documented: {place or 'it'}: {problem['msg']}")
