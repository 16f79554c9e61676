"""One API request as immutable data."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, cast
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from airflow_provider_polytomic.api.errors import PolytomicResponseError

T = TypeVar("T", covariant=True)
Row = TypeVar("Row", covariant=True)


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request: what is sent, what its answer becomes, and what may be done with it.

    :param method: HTTP method
    :param path: path below the base URL, ids already percent-encoded; see :func:`path`
    :param model: type that the answer is read as; None where the answer says nothing
    :param query: name and value pairs, in order; names may repeat
    :param body: JSON body; None sends none
    :param idempotency_key: sent as ``Idempotency-Key``; makes a POST safe to repeat
    :param read_only: the request changes nothing
    :param destructive: the request removes something for good
    :param enveloped: the answer stands under ``data``
    :param repeatable: the client may repeat it by its retry policy; see :meth:`without_retries`
    :param timeout: seconds for it, instead of the client's; see :meth:`with_timeout`
    :param best_effort: the client leaves it out where it would delay another or Polytomic wants peace; see :meth:`with_timeout`
    """

    method: str
    path: str
    model: type[T] | None = None
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    read_only: bool = False
    destructive: bool = False
    enveloped: bool = True
    repeatable: bool = True
    timeout: float | None = None
    best_effort: bool = False

    def __post_init__(self) -> None:
        key = self.idempotency_key
        if key is not None and not (key and key.isascii() and key.isprintable()):
            raise ValueError("an Idempotency-Key has letters, digits, '-' and '_', and 8 to 255 of them")

    @property
    def idempotent(self) -> bool:
        """Tell whether sending it twice has the effect of sending it once, by its method or its key."""
        return self.method in ("GET", "PUT", "DELETE") or self.idempotency_key is not None

    def without_retries(self) -> Call[T]:
        """Return the same call, to be sent a single time whatever the client's retry policy says."""
        return replace(self, repeatable=False)

    def with_timeout(self, seconds: float, *, best_effort: bool = False) -> Call[T]:
        """Return the same call, to be sent a single time and given up after so many seconds.

        :param best_effort: nobody misses it: it is left out where it would delay another call, or after a 429
        """
        return replace(self, repeatable=False, timeout=seconds, best_effort=best_effort)

    def read(self, payload: Any) -> T:
        """Turn the decoded JSON of the answer into the model.

        :raises PolytomicResponseError: if the answer has another shape
        """
        if self.model is None:
            return None  # type: ignore[return-value]
        if self.enveloped:
            if not isinstance(payload, dict) or "data" not in payload:
                raise self.response_error("the answer has no 'data'")
            payload = payload["data"]
        try:
            answer: T = _adapter(cast("Hashable", self.model)).validate_python(payload)
        except (ValidationError, RecursionError, OverflowError) as error:
            problem = _first_problem(error)
        else:
            return answer
        raise self.response_error(problem)

    def response_error(self, problem: str, *, transient: bool = True) -> PolytomicResponseError:
        """Build the error that says why the answer to this call cannot be used."""
        return PolytomicResponseError(problem, method=self.method, path=self.path, transient=transient)


class Listing(Protocol[Row]):
    """What a model needs to be followed page by page."""

    @property
    def rows(self) -> Sequence[Row]: ...

    @property
    def cursor(self) -> tuple[str, str] | None:
        """The query parameter that asks for the next page; None on the last one."""

    @property
    def grows(self) -> bool:
        """Whether rows are still added at its end: a page that points at itself then is the last one so far."""


def next_page(call: Call[Any], page: Listing[Any]) -> Call[Any] | None:
    """Build the call for the page after ``page``, or None where there is none.

    :raises PolytomicResponseError: if the answer points at itself, which would never end
    """
    cursor = page.cursor
    if cursor is None or not cursor[1]:
        return None
    if cursor in call.query:
        if page.grows:
            return None
        raise call.response_error("the list's next page is the page itself")
    others = tuple(pair for pair in call.query if pair[0] != cursor[0])
    return replace(call, query=(*others, cursor))


def path(template: str, *ids: str) -> str:
    """Fill ids into a path, percent-encoded so that no id can leave its place.

    :raises ValueError: if an id is empty, or a dot segment, which no encoding keeps in place
    """
    for given in ids:
        if str(given).strip() in ("", ".", ".."):
            raise ValueError(f"{given!r} is not an id")
    return template.format(*(quote(str(given), safe="") for given in ids))


def query(**parameters: Any) -> tuple[tuple[str, str], ...]:
    """Encode query parameters: None is left out, booleans are words, lists repeat, mappings become ``name[key]``."""
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        pairs.extend(_pairs(name, value))
    return tuple(pairs)


def given(**fields: Any) -> dict[str, Any]:
    """Build a request body from the fields that are not None; moments become texts."""
    return {name: _moment(value) for name, value in fields.items() if value is not None}


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _pairs(f"{name}[{key}]", item)]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [pair for item in value for pair in _pairs(name, item)]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    return [(name, str(_moment(value)))]


def _moment(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


@cache
def _adapter(model: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", model))


def _first_problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "the answer is nested too deeply"
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"the answer has another shape than promised: {place or 'it'}: {problem['msg']}"
