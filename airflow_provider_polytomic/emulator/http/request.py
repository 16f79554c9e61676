"""API requests as their handlers see them: parameters, pages and the wrapping of handlers for Starlette."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.domain.syncs import BULK, MODEL, Caller, Sync
from airflow_provider_polytomic.emulator.http.access import credentials, role
from airflow_provider_polytomic.emulator.http.responses import ApiResponse

T = TypeVar("T")
Position = tuple[float, str]
_LISTS = frozenset({"data", "entries", "schemas", "urls", "URLs", "values"})


@dataclass(frozen=True)
class RequestContext:
    """One API request.

    :param kind: kind of syncs below its path.
    :param now: time of the request.
    :param caller: headers that a start records.
    :param role: role of the caller; see ``access``.
    :param version: API version of the request.
    :param base_url: URL at which the caller reached the emulator, without a slash at the end.
    """

    state: State
    kind: str
    now: float
    ids: dict[str, str]
    query: QueryParams
    body: dict[str, Any]
    caller: Caller
    role: str | None
    version: str
    base_url: str

    @property
    def behavior(self) -> Behavior:
        """The switches."""
        return self.state.behavior

    @property
    def sync(self) -> Sync:
        """The sync of the path."""
        return self.state.sync(self.ids["sync_id"], self.kind)

    @property
    def execution(self) -> Execution:
        """The execution of the path."""
        return self.sync.execution(self.ids["execution_id"])

    @property
    def connection(self) -> Connection:
        """The connection of the path."""
        return self.state.connection(self.ids["connection_id"])

    def number(self, name: str, *, error_status: int = 400) -> int | None:
        """Read a whole number of the query, None if it is absent."""
        text = self.query.get(name)
        try:
            return None if text is None else int(text)
        except ValueError:
            raise ApiError(error_status, f"{name} must be a number.") from None

    def flag(self, name: str) -> bool | None:
        """Read a boolean of the query, None if it is absent."""
        text = self.query.get(name)
        if text is None:
            return None
        if text not in ("true", "false"):
            raise ApiError(400, f"{name} must be true or false.")
        return text == "true"

    def period(self, start: str, end: str) -> tuple[float, float]:
        """Read two times of the query as epoch seconds; infinities if they are absent."""
        return self._time(start, float("-inf")), self._time(end, float("inf"))

    def _time(self, name: str, default: float) -> float:
        text = self.query.get(name)
        if text is None:
            return default
        try:
            time = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        except ValueError:
            raise ApiError(422, f"{name} must be a date and time as of RFC 3339.") from None
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()

    def params(self) -> dict[str, str]:
        """Read ``params[…]`` of the query by name; the last of several values counts."""
        found = ((re.fullmatch(r"params\[(.+)\]", name), value) for name, value in self.query.multi_items())
        return {match[1]: value for match, value in found if match}

    def field(self, name: str, type: type, *, required: bool = False) -> Any:
        """Read a field of the body, None if it is absent.

        :raises ApiError: if it is of another type, or absent though required.
        """
        value = self.body.get(name)
        if value is None and required:
            raise ApiError(422, f"{name} is required.")
        if value is not None and not isinstance(value, type):
            raise ApiError(400, f"{name} must be of type {type.__name__}.")
        return value

    def objects(self, name: str, *, required: bool = False) -> list[dict[str, Any]]:
        """Read a field of the body that is a list of objects, empty if it is absent."""
        values = self.field(name, list, required=required) or []
        if not all(isinstance(each, dict) for each in values):
            raise ApiError(400, f"{name} must be a list of objects.")
        return list(values)

    def choice(self, name: str, allowed: tuple[str, ...], *, required: bool = False) -> str | None:
        """Read a field of the body that is one of the texts ``allowed``."""
        value: str | None = self.field(name, str, required=required)
        if value is not None and value not in allowed:
            raise ApiError(400, f"{name} must be one of {', '.join(allowed)}.")
        return value

    def limit(self, largest: int | None = None) -> int:
        """Read ``limit``; if it is absent, too large or below one, return the largest."""
        largest, limit = largest or self.behavior.page_size, self.number("limit")
        return limit if limit is not None and 0 < limit <= largest else largest

    def page(
        self,
        items: Iterable[T],
        position: Callable[[T], Position],
        to_json: Callable[[T], dict[str, Any]],
        limit: int | None = None,
    ) -> dict[str, Any]:
        """Return one page of ``items``, sorted by their unique ``position``, with the token of the next page.

        A token holds a position, so that it stays valid when items are added or removed.
        """
        limit, token = limit or self.limit(), self.query.get("page_token")
        rows = sorted(items, key=position)
        if token:
            after = _read_token(token)
            rows = [each for each in rows if position(each) > after]
        more = {"next_page_token": _write_token(position(rows[limit - 1]))} if len(rows) > limit else {}
        return {"data": [to_json(each) for each in rows[:limit]], "pagination": more}


def _write_token(position: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _read_token(token: str) -> Position:
    try:
        number, text = json.loads(base64.urlsafe_b64decode(token))
        return (float(number), str(text))
    except (ValueError, TypeError, binascii.Error):
        raise ApiError(400, "page_token is not one that was given out.") from None


Handler = Callable[[RequestContext], Any]
Handlers = dict[tuple[str, str], Handler]
"""Handlers by method and path."""


def endpoint(handler: Handler, state: State) -> Callable[[Request], Any]:
    """Wrap ``handler`` for Starlette: read the request, hold the lock, return the result as JSON (None: no body)."""

    async def respond(request: Request) -> Response:
        body = await request.body()
        try:
            with state.lock:
                result = handler(_context(request, body, state))
                response = result if isinstance(result, ApiResponse) else _to_response(result, state.behavior)
        except ApiError as error:
            response = ApiResponse.from_error(error, state.behavior)
        return Response(response.body, response.status, dict(response.headers))

    return respond


def _to_response(result: Any, behavior: Behavior) -> ApiResponse:
    if result is None:
        return ApiResponse(behavior.no_body_status, b"")
    return ApiResponse.from_json(_without_empty_lists(result) if behavior.empty_list == "null" else result)


def _without_empty_lists(value: Any) -> Any:
    """Replace empty lists by null where the API may do so."""
    if isinstance(value, list):
        return [_without_empty_lists(each) for each in value]
    if isinstance(value, dict):
        return {
            name: None if name in _LISTS and item == [] else _without_empty_lists(item) for name, item in value.items()
        }
    return value


def _context(request: Request, body: bytes, state: State) -> RequestContext:
    return RequestContext(
        state=state,
        kind=BULK if request.scope["path"].startswith("/api/bulk/") else MODEL,
        now=state.clock(),
        ids={name: unquote(value) for name, value in request.path_params.items()},
        query=request.query_params,
        body=_json_object(body),
        caller=Caller(request.headers.get("idempotency-key"), request.headers.get("user-agent")),
        role=role(credentials(request.headers), state),
        version=request.headers.get("x-polytomic-version", state.behavior.default_version),
        base_url=str(request.base_url).rstrip("/"),
    )


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise ApiError(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return value
