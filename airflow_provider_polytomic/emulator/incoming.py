"""Read what a request asks for, and refuse what cannot be meant."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_polytomic.emulator.answers import Answer
from airflow_provider_polytomic.emulator.paging import PageRequest
from airflow_provider_polytomic.emulator.refusals import Refused
from airflow_provider_polytomic.emulator.state import State
from airflow_provider_polytomic.emulator.syncs import Caller


@dataclass(frozen=True)
class Credentials:
    """What an ``Authorization`` header carries.

    :param scheme: ``bearer`` or ``basic``; None for anything else.
    """

    scheme: str | None = None
    key: str = field(default="", repr=False)
    organization_id: str | None = None


def credentials(headers: Headers) -> Credentials:
    """Read the ``Authorization`` header."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credentials("bearer", value.strip())
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return Credentials()
        return Credentials("basic", password, user)
    return Credentials()


@dataclass(frozen=True)
class Incoming:
    """One API request, as its handler sees it."""

    state: State
    ids: dict[str, str]
    query: QueryParams
    body: dict[str, Any]
    caller: Caller
    auth: str | None

    def page_request(self, largest: int | None = None) -> PageRequest:
        """Read ``limit`` and ``page_token``; a limit that is absent, too large or below one is the largest."""
        largest = largest or self.state.switches.page_size
        text = self.query.get("limit")
        try:
            limit = largest if text is None else int(text)
        except ValueError:
            raise Refused(400, "limit must be a number.") from None
        return PageRequest(limit if 0 < limit <= largest else largest, self.query.get("page_token"))

    def listed(self, data: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        """Give ``data`` as a list answer holds it: an empty list may have to be null."""
        return None if not data and self.state.switches.empty_list == "null" else data

    def flag(self, name: str) -> bool | None:
        """Read a boolean of the query, None where it is absent."""
        text = self.query.get(name)
        if text is None:
            return None
        if text not in ("true", "false"):
            raise Refused(400, f"{name} must be true or false.")
        return text == "true"

    def field(self, name: str, type: type, *, required: bool = False) -> Any:
        """Read a field of the body, None where it is absent.

        :raises Refused: when it is of another type, or absent though required.
        """
        value = self.body.get(name)
        if value is None and required:
            raise Refused(422, f"{name} is required.")
        if value is not None and not isinstance(value, type):
            raise Refused(400, f"{name} must be of type {type.__name__}.")
        return value


Handler = Callable[[Incoming], Any]


def endpoint(handler: Handler, state: State) -> Callable[[Request], Any]:
    """Wrap ``handler`` for Starlette: read the request, hold the lock, write what it gives as JSON (None: no body)."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        try:
            with state.lock:
                result = handler(_incoming(request, body, state))
                sent = Answer(200, b"") if result is None else Answer.of_json(result)
        except Refused as refused:
            sent = Answer.of_refusal(refused)
        return Response(sent.body, sent.status, dict(sent.headers))

    return answer


def _incoming(request: Request, body: bytes, state: State) -> Incoming:
    return Incoming(
        state=state,
        ids={name: unquote(value) for name, value in request.path_params.items()},
        query=request.query_params,
        body=_json_object(body),
        caller=Caller(request.headers.get("idempotency-key"), request.headers.get("user-agent")),
        auth=credentials(request.headers).scheme,
    )


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise Refused(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise Refused(400, "The body must be a JSON object.")
    return value
