"""Stand where a proxy and a gateway would: record, break, authenticate and replay requests around the application."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_polytomic.emulator.domain.connections import redact
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.state import RecordedRequest, State
from airflow_provider_polytomic.emulator.http.access import authorize, credentials
from airflow_provider_polytomic.emulator.http.faults import Fault
from airflow_provider_polytomic.emulator.http.responses import ApiResponse

_MINUTE = 60.0


@dataclass(frozen=True)
class _Exchange:
    """One request on its way through."""

    scope: Scope
    headers: Headers
    body: bytes
    record: RecordedRequest


class Edge:
    """Pass API requests to the application and its answers back, through faults, authentication and idempotency.

    :param application: the API itself.
    :param cut: called with the scope of a request whose connection is to be reset.
    """

    def __init__(self, state: State, application: ASGIApp, cut: Callable[[Scope], None]) -> None:
        self._state = state
        self._application = application
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = self._exchange(scope, await _read_body(receive))
        answer = await self._answer(exchange)
        if answer is None:
            self._cut(scope)
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        exchange.record.status = answer.status
        version = exchange.record.version or self._state.behavior.default_version
        await _send(send, answer, (("x-polytomic-version", version),))

    def _exchange(self, scope: Scope, body: bytes) -> _Exchange:
        headers = Headers(scope=scope)
        record = RecordedRequest(
            method=scope["method"],
            path=scope["path"],
            query=QueryParams(scope["query_string"]).multi_items(),
            at=self._state.clock(),
            auth=credentials(headers).scheme,
            version=headers.get("x-polytomic-version"),
            user_agent=headers.get("user-agent"),
            idempotency_key=headers.get("idempotency-key"),
            body=_shown(body),
        )
        with self._state.lock:
            self._state.requests.append(record)
        return _Exchange(scope, headers, body, record)

    async def _answer(self, exchange: _Exchange) -> ApiResponse | None:
        """Give what is sent back; None cuts the connection."""
        before = self._strike("before", exchange)
        if before is not None:
            if before.kind == "reset":
                return None
            await asyncio.sleep(before.delay)
            if before.kind == "status":
                return before.answer()
        answer = self._too_many(exchange) or await self._admitted(exchange)
        after = self._strike("after", exchange)
        return answer if after is None else await _struck(after, answer)

    def _too_many(self, exchange: _Exchange) -> ApiResponse | None:
        """Refuse what goes beyond the rate limit, if there is one."""
        limit, now = self._state.behavior.rate_limit, exchange.record.at
        if limit is None:
            return None
        with self._state.lock:
            recent = [
                each.at
                for each in self._state.requests
                if each is not exchange.record and each.at > now - _MINUTE and each.status != 429
            ]
        if len(recent) < limit:
            return None
        wait = math.ceil(recent[-limit] + _MINUTE - now) if limit else int(_MINUTE)
        shown = {"seconds": str(wait), "date": formatdate(now + wait, usegmt=True)}
        headers = tuple(
            ("retry-after", value) for name, value in shown.items() if name == self._state.behavior.retry_after
        )
        return ApiResponse.from_error(ApiError(429, "Too many requests."), self._state.behavior, headers)

    async def _admitted(self, exchange: _Exchange) -> ApiResponse:
        """Let in whoever may come in; whether an Idempotency-Key keeps a 401 is a switch."""
        try:
            authorize(credentials(exchange.headers), exchange.record.path, self._state)
        except ApiError as error:
            answer = ApiResponse.from_error(error, self._state.behavior)
            return await self._once(exchange, answer) if error.status == 401 else answer
        return await self._once(exchange)

    async def _once(self, exchange: _Exchange, refusal: ApiResponse | None = None) -> ApiResponse:
        """Let the application act, unless an Idempotency-Key says that it has.

        :param refusal: what it answers instead of acting.
        """
        name = exchange.record.idempotency_key
        if name is None or exchange.record.method != "POST":
            return refusal or await self._act(exchange)
        key = (name, self._within(exchange))
        store = self._state.idempotency
        try:
            with self._state.lock:
                kept = store.begin(key, (exchange.record.path, exchange.body), self._state.clock())
        except ApiError as error:
            return refusal or ApiResponse.from_error(error, self._state.behavior)
        if kept is not None:
            exchange.record.replayed = refusal is None
            marker = self._state.behavior.replay_header
            return refusal or (kept.marked(marker) if marker else kept)
        try:
            answer = refusal or await self._act(exchange)
        except BaseException:
            store.abandon(key)
            raise
        with self._state.lock:
            store.finish(key, answer)
        return answer

    def _within(self, exchange: _Exchange) -> str:
        """Tell within what an Idempotency-Key is known."""
        scopes = {"path": exchange.record.path, "credential": exchange.headers.get("authorization", "")}
        return scopes.get(self._state.behavior.idempotency_scope, "")

    async def _act(self, exchange: _Exchange) -> ApiResponse:
        fault = self._strike("within", exchange)
        if fault is not None:
            await asyncio.sleep(fault.delay)
            if fault.kind == "status":
                return fault.answer()
        return await _call(self._application, exchange.scope, exchange.body)

    def _strike(self, when: str, exchange: _Exchange) -> Fault | None:
        with self._state.lock:
            return self._state.faults.take(when, exchange.record.method, exchange.record.path, self._state.clock())


async def _struck(fault: Fault, answer: ApiResponse) -> ApiResponse | None:
    await asyncio.sleep(fault.delay)
    if fault.kind == "reset":
        return None
    if fault.kind == "status":
        return fault.answer()
    return fault.corrupt(answer) if fault.kind == "malformed" else answer


async def _call(application: ASGIApp, scope: Scope, body: bytes) -> ApiResponse:
    """Call an ASGI application and give its answer as a value."""
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


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, answer: ApiResponse, more: tuple[tuple[str, str], ...]) -> None:
    headers = [*answer.headers, *more, ("content-length", str(len(answer.body)))]
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": answer.body})


def _shown(body: bytes) -> Any:
    try:
        return redact(json.loads(body)) if body else None
    except ValueError:
        return None
