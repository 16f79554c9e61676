"""Middleware around the API: records requests, injects faults, limits the rate, authenticates and replays."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_polytomic.emulator.domain.connections import redact
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.http.access import authorize, credentials
from airflow_provider_polytomic.emulator.http.faults import Fault
from airflow_provider_polytomic.emulator.http.responses import ApiResponse, IdempotencyStore

_MINUTE = 60.0


@dataclass
class RecordedRequest:
    """One request that the emulator received.

    :param method: HTTP method.
    :param path: path as it was sent, percent-encoded.
    :param query: names and values of the query, in order.
    :param at: epoch seconds by the emulator's clock.
    :param auth: ``bearer``, ``basic`` or None; never the key itself.
    :param version: ``X-Polytomic-Version``.
    :param user_agent: ``User-Agent``.
    :param idempotency_key: ``Idempotency-Key``.
    :param body: JSON body with secrets masked.
    :param status: status of the response; None before it is sent, and if the connection was reset.
    :param replayed: whether the response was the stored one of an Idempotency-Key.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    at: float
    auth: str | None = None
    version: str | None = None
    user_agent: str | None = None
    idempotency_key: str | None = None
    body: Any = None
    status: int | None = None
    replayed: bool = False


class Traffic:
    """The requests received, the faults injected, oldest first, and the responses kept for Idempotency-Keys."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Clear everything."""
        self.requests: list[RecordedRequest] = []
        self.faults: list[Fault] = []
        self.idempotency = IdempotencyStore()


@dataclass(frozen=True)
class _ReceivedRequest:
    scope: Scope
    headers: Headers
    body: bytes
    record: RecordedRequest


class ApiMiddleware:
    """Pass API requests to the application and return its responses.

    :param application: the API itself.
    :param reset_connection: called with the scope of a request whose connection is to be reset.
    """

    def __init__(
        self, state: State, traffic: Traffic, application: ASGIApp, reset_connection: Callable[[Scope], None]
    ) -> None:
        self._state = state
        self._traffic = traffic
        self._application = application
        self._reset_connection = reset_connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = self._record(Request(scope), await Request(scope, receive).body())
        response = await self._respond(request)
        if response is None:
            self._reset_connection(scope)
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        request.record.status = response.status
        headers = dict(response.headers)
        if not response.foreign:
            headers["x-polytomic-version"] = request.record.version or self._state.behavior.default_version
        await Response(response.body, response.status, headers)(scope, receive, send)

    def _record(self, request: Request, body: bytes) -> _ReceivedRequest:
        headers = request.headers
        record = RecordedRequest(
            method=request.method,
            path=request.scope["path"],
            query=request.query_params.multi_items(),
            at=self._state.clock(),
            auth=credentials(headers).scheme,
            version=headers.get("x-polytomic-version"),
            user_agent=headers.get("user-agent"),
            idempotency_key=headers.get("idempotency-key"),
            body=_redacted_json(body),
        )
        with self._state.lock:
            self._traffic.requests.append(record)
        return _ReceivedRequest(request.scope, headers, body, record)

    async def _respond(self, request: _ReceivedRequest) -> ApiResponse | None:
        """Return the response to send; None resets the connection."""
        before = self._next_fault("before", request)
        if before is not None:
            if before.kind == "reset":
                return None
            await asyncio.sleep(before.delay)
            if before.kind == "status":
                return before.response()
        response = self._limit_rate(request) or await self._authorize(request)
        after = self._next_fault("after", request)
        if after is None:
            return response
        await asyncio.sleep(after.delay)
        if after.kind == "reset":
            return None
        if after.kind == "status":
            return after.response()
        return after.corrupt(response) if after.kind == "malformed" else response

    def _limit_rate(self, request: _ReceivedRequest) -> ApiResponse | None:
        """Return a 429 for a request beyond the rate limit, if there is one."""
        behavior, now = self._state.behavior, request.record.at
        limit = behavior.rate_limit
        if limit is None:
            return None
        with self._state.lock:
            recent = [
                each.at
                for each in self._traffic.requests
                if each is not request.record and each.at > now - _MINUTE and each.status != 429
            ]
        if len(recent) < limit:
            return None
        wait = math.ceil(recent[-limit] + _MINUTE - now) if limit else int(_MINUTE)
        value = {"seconds": str(wait), "date": formatdate(now + wait, usegmt=True)}.get(behavior.retry_after)
        headers = (("retry-after", value),) if value else ()
        return ApiResponse.from_error(ApiError(429, "Too many requests."), behavior, headers)

    async def _authorize(self, request: _ReceivedRequest) -> ApiResponse:
        """Check the credentials; whether an Idempotency-Key keeps a 401 is a switch."""
        try:
            authorize(credentials(request.headers), request.record.path, self._state)
        except ApiError as error:
            response = ApiResponse.from_error(error, self._state.behavior)
            return await self._once_per_key(request, response) if error.status == 401 else response
        return await self._once_per_key(request)

    async def _once_per_key(self, request: _ReceivedRequest, unauthorized: ApiResponse | None = None) -> ApiResponse:
        """Pass the request on, unless there is a stored response to its Idempotency-Key.

        :param unauthorized: response to return instead.
        """
        record, behavior, store = request.record, self._state.behavior, self._traffic.idempotency
        if record.idempotency_key is None or record.method != "POST":
            return unauthorized or await self._pass_on(request)
        scopes = {"path": record.path, "credential": request.headers.get("authorization", "")}
        key = (record.idempotency_key, scopes.get(behavior.idempotency_scope, ""))
        try:
            with self._state.lock:
                stored = store.begin(key, (record.path, request.body), self._state.clock(), behavior)
        except ApiError as error:
            return unauthorized or ApiResponse.from_error(error, behavior)
        if stored is not None:
            record.replayed = unauthorized is None
            marker = ((behavior.replay_header, "true"),) if behavior.replay_header else ()
            return unauthorized or ApiResponse(stored.status, stored.body, stored.headers + marker)
        try:
            response = unauthorized or await self._pass_on(request)
        except BaseException:
            store.abandon(key)
            raise
        with self._state.lock:
            store.finish(key, response, behavior)
        return response

    async def _pass_on(self, request: _ReceivedRequest) -> ApiResponse:
        fault = self._next_fault("within", request)
        if fault is not None:
            await asyncio.sleep(fault.delay)
            if fault.kind == "status":
                return fault.response()
        return await _call(self._application, request.scope, request.body)

    def _next_fault(self, stage: str, request: _ReceivedRequest) -> Fault | None:
        method, path, now = request.record.method, request.record.path, self._state.clock()
        with self._state.lock:
            at_stage = (each for each in self._traffic.faults if each.when == stage)
            return next((each for each in at_stage if each.applies(method, path, now)), None)


async def _call(application: ASGIApp, scope: Scope, body: bytes) -> ApiResponse:
    """Call an ASGI application and return its response as a value."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await application(scope, receive, send)
    head = next(each for each in messages if each["type"] == "http.response.start")
    content = b"".join(each.get("body", b"") for each in messages if each["type"] == "http.response.body")
    headers = tuple((name.decode(), value.decode()) for name, value in head["headers"] if name != b"content-length")
    return ApiResponse(head["status"], content, headers)


def _redacted_json(body: bytes) -> Any:
    try:
        return redact(json.loads(body)) if body else None
    except (ValueError, RecursionError):
        return None
