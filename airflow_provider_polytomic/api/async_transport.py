"""Send requests on an event loop over a few connections, and stop each request at its deadline.

The pool of the HTTP library checks all its connections before each request, and its network backend sets up a scope for
each read. A poll of a triggerer has one host, few connections and a deadline, so both would cost more than the request.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterable, Coroutine, Iterable
from typing import Any, TypeVar, cast

import httpcore
import httpx

from airflow_provider_polytomic.api import http
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.decoding import MAX_CONTENT
from airflow_provider_polytomic.api.transport import deadline, time_left

T = TypeVar("T")

MAX_CHUNKS_AT_ONCE = 100
"""Chunks of a body that are received before the event loop gets its turn."""

MAX_UNREAD = 256 * 1024
"""Bytes that a connection receives before they are read."""

MAX_PARSED = 8 * 1024
"""Bytes of a response that are parsed before the event loop gets its turn."""

HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds after which the next address of a host is tried as well."""

_PLAIN_TARGET = re.compile(r"(?:/[\w%~-][\w.%~-]*)+(?:\?[\w.%~&=+-]*)?", re.ASCII)
"""Path and query that the HTTP library would not change."""

_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


async def with_timeout(seconds: float | None, coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine, and cancel it after some seconds.

    ``asyncio.wait_for`` before Python 3.12 loses a cancellation that arrives together with the result.

    :param seconds: Timeout in seconds; None for none.
    :raises asyncio.TimeoutError: If the coroutine has not ended by then.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


class AsyncConnections:
    """Send the requests of a client over kept connections, of which the one used last is used first.

    The caller limits the number of requests at once, which is that of the connections.

    :param client: Client of the HTTP library, which has the settings.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._idle: list[httpcore.AsyncConnectionInterface] = []
        self._config: ClientConfig | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().aclose()
        await self._client.aclose()

    async def exchange(self, call: Call[Any], config: ClientConfig) -> tuple[http.Response, bytes]:
        """Send a call, and return the response and its body.

        :raises httpx.HTTPError: If there is no complete response within the timeout.
        """
        with deadline(http.timeout_of(call, config)):
            request = self._request(call, config)
            connection = await self._connection()
            try:
                response = await connection.handle_async_request(request)
                try:
                    body = await receive(cast("AsyncIterable[bytes]", response.stream))
                finally:
                    await response.aclose()
            except _ERRORS as error:
                failure = getattr(httpx, type(error).__name__)(str(error))
            else:
                return http.Response(response.status, response.headers), body
            finally:
                if connection.is_idle() and not connection.is_closed():
                    self._idle.append(connection)
                else:
                    await connection.aclose()
        raise failure

    async def _connection(self) -> httpcore.AsyncConnectionInterface:
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return self._pool.create_connection(self._root.origin)

    def _request(self, call: Call[Any], config: ClientConfig) -> httpcore.Request:
        """Build a request; all requests without a body have the same headers, which are built once."""
        if config is not self._config:
            self._prepare(config)
        target = http.target_of(call)
        if call.body is None and call.idempotency_key is None and _PLAIN_TARGET.fullmatch(target):
            raw_path, headers, content = self._root.target.rstrip(b"/") + target.encode(), self._headers, b""
        else:
            built = self._client.build_request(**http.request_arguments(call, config))
            raw_path, headers, content = built.url.raw_path, built.headers.raw, cast("Any", built.stream)
        url = httpcore.URL(scheme=self._root.scheme, host=self._root.host, port=self._root.port, target=raw_path)
        return httpcore.Request(call.method, url, headers=headers, content=content)

    def _prepare(self, config: ClientConfig) -> None:
        root = self._client.build_request("GET", config.base_url)
        self._config, self._headers = config, root.headers.raw
        transport = cast("httpx.AsyncHTTPTransport", self._client._transport_for_url(root.url))
        self._pool = transport._pool
        self._pool._network_backend = DeadlineBackend()
        self._root = httpcore.URL(
            scheme=root.url.raw_scheme, host=root.url.raw_host, port=root.url.port, target=root.url.raw_path
        )


class CustomTransport:
    """Send the requests of a client over a transport that its user gives.

    :param client: Client of the HTTP library, which has the transport.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.aclose = client.aclose

    async def exchange(self, call: Call[Any], config: ClientConfig) -> tuple[http.Response, bytes]:
        """Do as :meth:`AsyncConnections.exchange` does."""
        return await with_timeout(http.timeout_of(call, config), self._exchange(call, config))

    async def _exchange(self, call: Call[Any], config: ClientConfig) -> tuple[http.Response, bytes]:
        async with self._client.stream(**http.request_arguments(call, config)) as response:
            body = await receive(cast("AsyncIterable[bytes]", response.stream))
        return http.Response(response.status_code, response.headers.raw), body


async def receive(chunks: AsyncIterable[bytes]) -> bytes:
    """Return a body, or its beginning if it is too large."""
    body, count = bytearray(), 0
    async for chunk in chunks:
        body += chunk
        count += 1
        if len(body) > MAX_CONTENT:
            break
        if count % MAX_CHUNKS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return bytes(body)


class DeadlineStream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A connection of an event loop, whose reads and writes fail once the time of the request has passed."""

    _transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._received = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._must_wait = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > MAX_UNREAD:
            self._transport.pause_reading()
        _wake(self._reading)

    def eof_received(self) -> None:
        self._ended = True
        _wake(self._reading)

    def connection_lost(self, error: Exception | None) -> None:
        self._ended, self._error = True, error
        _wake(self._reading)
        _wake(self._writing)

    def pause_writing(self) -> None:
        self._must_wait = True

    def resume_writing(self) -> None:
        self._must_wait = False
        _wake(self._writing)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._received:  # A server that never stops sending must not keep the event loop.
            await asyncio.sleep(0)
            time_left(timeout, httpcore.ReadTimeout)
        elif not self._ended:
            self._reading = self._loop.create_future()
            await self._wait(self._reading, timeout, httpcore.ReadTimeout)
        if not self._received and self._error:
            raise httpcore.ReadError(str(self._error))
        max_bytes = min(max_bytes, MAX_PARSED)
        data = bytes(self._received[:max_bytes])
        if len(self._received) > MAX_UNREAD >= len(self._received) - len(data) and not self._ended:
            self._transport.resume_reading()
        del self._received[:max_bytes]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._ended:
            self._transport.write(buffer)
        while self._must_wait and not self._ended:
            self._writing = self._loop.create_future()
            await self._wait(self._writing, timeout, httpcore.WriteTimeout)
        if self._ended:
            raise httpcore.WriteError(str(self._error or "the connection was closed"))

    async def aclose(self) -> None:
        self._transport.abort()
        await asyncio.sleep(0)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        outer = cast("Any", self._transport)
        if not getattr(outer, "_start_tls_compatible", False):
            outer._start_tls_compatible = True  # Python 3.10 refuses TLS through a proxy with TLS, which works.
        started = self._loop.start_tls(outer, self, ssl_context, server_hostname=server_hostname)
        try:
            inner = await with_timeout(time_left(timeout, httpcore.ConnectTimeout), started)
        except BaseException as error:
            outer.abort()
            raise _of_connecting(error) from None
        if inner is None:  # The other side has closed the connection in the meantime.
            raise httpcore.ConnectError(str(self._error or "the connection was closed"))
        self._transport = inner
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._ended or bool(self._received)
        return self._transport.get_extra_info(info)

    async def _wait(self, future: asyncio.Future[None], timeout: float | None, error: type[Exception]) -> None:
        left = time_left(timeout, error)
        timer = None if left is None else self._loop.call_later(left, _expire, future, error)
        try:
            await future
        finally:
            if timer:
                timer.cancel()


class DeadlineBackend(httpcore.AsyncNetworkBackend):
    """Open connections with a deadline; a triggerer runs asyncio's event loop, an API server uvloop."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        is_asyncio = isinstance(loop, asyncio.BaseEventLoop)  # An API server runs uvloop, which has no such parameter.
        options: dict[str, Any] = {"happy_eyeballs_delay": HAPPY_EYEBALLS_DELAY} if is_asyncio else {}
        connecting = loop.create_connection(lambda: DeadlineStream(loop), host, port, **options)
        try:
            _, stream = await with_timeout(time_left(timeout, httpcore.ConnectTimeout), connecting)
        except BaseException as error:
            raise _of_connecting(error) from None
        return stream

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _of_connecting(error: BaseException) -> BaseException:
    if isinstance(error, asyncio.TimeoutError):
        return httpcore.ConnectTimeout("the connection was not established in time")
    return httpcore.ConnectError(str(error)) if isinstance(error, (OSError, ssl.SSLError)) else error


def _wake(future: asyncio.Future[None] | None) -> None:
    if future and not future.done():
        future.set_result(None)


def _expire(future: asyncio.Future[None], error: type[Exception]) -> None:
    if not future.done():
        future.set_exception(error("the response did not end in time"))
