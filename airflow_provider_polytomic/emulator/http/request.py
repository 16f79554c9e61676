"""Read what a request asks for, and refuse what cannot be meant."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.domain.syncs import Caller
from airflow_provider_polytomic.emulator.http.access import credentials, role
from airflow_provider_polytomic.emulator.http.paging import PageRequest
from airflow_provider_polytomic.emulator.http.responses import ApiResponse

_LISTS = frozenset({"data", "entries", "schemas", "urls", "URLs", "values"})


@dataclass(frozen=True)
class RequestContext:
    """One API request, as its handler sees it.

    :param role: what the caller is; see ``access``.
    :param version: API version that is spoken.
    :param base_url: where the caller reached the emulator, without a slash at the end.
    """

    state: State
    ids: dict[str, str]
    query: QueryParams
    body: dict[str, Any]
    caller: Caller
    role: str | None
    version: str
    base_url: str

    def page_request(self, largest: int | None = None) -> PageRequest:
        """Read ``limit`` and ``page_token``; a limit that is absent, too large or below one is the largest."""
        largest = largest or self.state.behavior.page_size
        limit = self.number("limit")
        fits = limit is not None and 0 < limit <= largest
        return PageRequest(limit if limit is not None and fits else largest, self.query.get("page_token"))

    def number(self, name: str, *, refuse_with: int = 400) -> int | None:
        """Read a whole number of the query, None where it is absent."""
        text = self.query.get(name)
        try:
            return None if text is None else int(text)
        except ValueError:
            raise ApiError(refuse_with, f"{name} must be a number.") from None

    def flag(self, name: str) -> bool | None:
        """Read a boolean of the query, None where it is absent."""
        text = self.query.get(name)
        if text is None:
            return None
        if text not in ("true", "false"):
            raise ApiError(400, f"{name} must be true or false.")
        return text == "true"

    def moment(self, name: str) -> float | None:
        """Read a moment of the query as epoch seconds, None where it is absent."""
        text = self.query.get(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        except ValueError:
            raise ApiError(422, f"{name} must be a date and time as of RFC 3339.") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()

    def params(self) -> dict[str, str]:
        """Read ``params[…]`` of the query by name; of several values the last counts."""
        found = ((re.fullmatch(r"params\[(.+)\]", name), value) for name, value in self.query.multi_items())
        return {match[1]: value for match, value in found if match}

    def field(self, name: str, type: type, *, required: bool = False) -> Any:
        """Read a field of the body, None where it is absent.

        :raises Refused: when it is of another type, or absent though required.
        """
        value = self.body.get(name)
        if value is None and required:
            raise ApiError(422, f"{name} is required.")
        if value is not None and not isinstance(value, type):
            raise ApiError(400, f"{name} must be of type {type.__name__}.")
        return value

    def objects(self, name: str, *, required: bool = False) -> list[dict[str, Any]]:
        """Read a field of the body that is a list of objects, empty where it is absent."""
        values = self.field(name, list, required=required) or []
        if not all(isinstance(each, dict) for each in values):
            raise ApiError(400, f"{name} must be a list of objects.")
        return list(values)

    def word(self, name: str, known: tuple[str, ...], *, required: bool = False) -> str | None:
        """Read a field of the body that is one of the words ``known``."""
        value: str | None = self.field(name, str, required=required)
        if value is not None and value not in known:
            raise ApiError(400, f"{name} must be one of {', '.join(known)}.")
        return value


Handler = Callable[[RequestContext], Any]


def endpoint(handler: Handler, state: State) -> Callable[[Request], Any]:
    """Wrap ``handler`` for Starlette: read the request, hold the lock, write what it gives as JSON (None: no body)."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        try:
            with state.lock:
                result = handler(_incoming(request, body, state))
                sent = result if isinstance(result, ApiResponse) else _written(result, state)
        except ApiError as error:
            sent = ApiResponse.from_error(error, state.behavior)
        return Response(sent.body, sent.status, dict(sent.headers))

    return answer


def _written(result: Any, state: State) -> ApiResponse:
    if result is None:
        return ApiResponse(state.behavior.no_body_status, b"")
    return ApiResponse.from_json(_without_empty_lists(result) if state.behavior.empty_list == "null" else result)


def _without_empty_lists(value: Any) -> Any:
    """Put null in the place of the empty lists that the API may write so."""
    if isinstance(value, list):
        return [_without_empty_lists(each) for each in value]
    if isinstance(value, dict):
        return {
            name: None if name in _LISTS and item == [] else _without_empty_lists(item) for name, item in value.items()
        }
    return value


def _incoming(request: Request, body: bytes, state: State) -> RequestContext:
    return RequestContext(
        state=state,
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
