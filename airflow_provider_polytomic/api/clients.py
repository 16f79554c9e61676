"""Send calls and run flows with blocking I/O or on an event loop."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import httpx

from airflow_provider_polytomic.api import http
from airflow_provider_polytomic.api.async_transport import AsyncConnections, CustomTransport
from airflow_provider_polytomic.api.call import Call, first_page, next_page
from airflow_provider_polytomic.api.config import DEFAULT_API_VERSION, DEFAULT_BASE_URL, ClientConfig, ConfigSource
from airflow_provider_polytomic.api.credentials import KEY_LOOKUP_INTERVAL, ReadKeyAgain, reauthorized, with_key_of
from airflow_provider_polytomic.api.decoding import MAX_CONTENT
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.metering import metered
from airflow_provider_polytomic.api.models.base import Listing
from airflow_provider_polytomic.api.rate_limit import RateLimiter, rate_limited
from airflow_provider_polytomic.api.redaction import register_secrets
from airflow_provider_polytomic.api.retry import RetryPolicy, retrying
from airflow_provider_polytomic.api.transport import HttpClient, deadline, open_http_client, tls_context
from airflow_provider_polytomic.metrics import NO_METER

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")
Transport = TypeVar("Transport")
Slept = TypeVar("Slept")

KEEP_ALIVE = 300.0
"""Seconds that an idle connection is kept: longer than any sensible poll interval, so that polls share one."""

MAX_CONNECTIONS = 10
"""More requests at once would make httpx search its queue of them again and again, at milliseconds each."""

MAX_INLINE_BODY = 16 * 1024
"""Bytes of a body that are read on the event loop, which takes some milliseconds, or tens of them for an error."""

MAX_INLINE_COMPRESSED_BODY = 256
"""The same for a compressed body, which unpacks to a thousand times as much at most."""

_decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="polytomic-decoder")
"""Reads the large bodies of all event loops, one at a time: more threads would delay the event loop more."""


class _Client(Generic[Transport, Slept]):
    """Hold the settings of a client and its limits on requests."""

    _http: Any
    _read_key_at = float("-inf")

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str = DEFAULT_BASE_URL,
        organization_id: str | None = None,
        api_version: str = DEFAULT_API_VERSION,
        timeout: float = 30.0,
        verify: bool | str = True,
        proxy: str | None = None,
        max_retries: int = 5,
        allow_http: bool = False,
        max_requests_per_minute: int | None = None,
        trust_events: bool = False,
        retry_timeout: float = RetryPolicy.budget,
        config: ClientConfig | None = None,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Slept] | None = None,
    ) -> None:
        settings = {**locals(), "source": None, "meter": NO_METER}
        self.config = config or ClientConfig(**{field.name: settings[field.name] for field in fields(ClientConfig)})
        register_secrets(*self.config.secrets)
        self._clock = clock
        self._retry_policy = RetryPolicy(max_retries=self.config.max_retries, budget=retry_timeout)
        self._rate_limiter = RateLimiter(self.config.max_requests_per_minute)
        self._open(transport, sleep)

    @abstractmethod
    def _open(self, transport: Transport | None, sleep: Callable[[float], Slept] | None) -> None:
        """Create the client of the HTTP library."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config.base_url!r})"

    def _steps(self, flow: Flow[T]) -> Flow[T]:
        if not isinstance(flow, Generator):
            raise TypeError(f"run() takes a flow, not a {type(flow).__name__}: send a call with client.send(…)")
        steps = reauthorized(retrying(flow, self._retry_policy, self._clock), lambda: self.config)
        steps = rate_limited(steps, self._rate_limiter, self._clock)
        return steps if self.config.meter is NO_METER else metered(steps, self.config.meter)

    def _use_key_of(self, found: ClientConfig | Exception) -> None:
        self._read_key_at = self._clock() + KEY_LOOKUP_INTERVAL
        self.config = with_key_of(self.config, found)
        self._http.headers.update(self.config.headers)

    def _open_http(self, kind: type[HttpClient], transport: object) -> HttpClient:
        return open_http_client(
            kind,
            self.config.base_url,
            proxy=self.config.proxy if transport is None else None,
            transport=transport,
            verify=tls_context(self.config.verify) if transport is None else False,
            headers=self.config.headers,
            timeout=self.config.timeout,
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE),
        )


class PolytomicClient(_Client[httpx.BaseTransport, None]):
    """Send calls to the Polytomic API with blocking I/O.

    .. code-block:: python

        with PolytomicClient(api_key="…") as client:
            started = client.send(syncs.start("248df4b7-aa70-47b8-a036-33ac447e668d"))

    .. seealso::
        How-to: ``docs/reference/api.md``.

    :param api_key: API key; None (the default) reads the environment variable ``POLYTOMIC_API_KEY``.
    :param base_url: URL of Polytomic, with or without scheme; a path is kept. Default ``https://app.polytomic.com``.
    :param organization_id: Organization for a partner or deployment key, then sent as basic credentials; default None.
    :param api_version: Value of the ``X-Polytomic-Version`` header; default ``2025-09-18``.
    :param timeout: Seconds for one HTTP request; default 30.
    :param verify: Verify the server's certificate: True (the default), False, or the path of a CA bundle.
    :param proxy: URL of a proxy; None (the default) uses the usual environment variables.
    :param max_retries: Number of retries of one request that is safe to repeat; default 5.
    :param allow_http: Allow sending the key over plain HTTP to another host than this one; default False.
    :param max_requests_per_minute: Limit of requests of one client in any minute; None (the default) for no limit.
    :param trust_events: Poll long-running executions less often while events report ends; default False.
    :param retry_timeout: Seconds after a request in which a retry of it may begin; default 180.
    :param config: All settings as one value, in place of those above but for ``retry_timeout``; default None.
    :param transport: httpx transport, which replaces ``verify`` and ``proxy``; None (the default) for the network.
    :param clock: Return monotonic seconds, for retries and the rate limit; default ``time.monotonic``.
    :param sleep: Wait for a number of seconds; default ``time.sleep``.
    :raises ValueError: If there is no key, the URL is not valid, or the key would be sent unencrypted.
    """

    _http: httpx.Client

    def _open(self, transport: httpx.BaseTransport | None, sleep: Callable[[float], None] | None) -> None:
        self._sleep = sleep or time.sleep
        self._http = self._open_http(httpx.Client, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Send one call, with retries where the retry policy allows them, and return its result.

        :param call: Call built by a function of this package.
        :raises PolytomicError: If the last request fails.
        :raises TypeError: If it is a flow, which :meth:`run` runs.
        """
        return self.run(send(call))

    def pages(self, call: Call[Listing[T]]) -> Iterator[T]:
        """Iterate over the rows of all pages of a list; each page is requested when its first row is needed.

        :param call: Call of a list, such as ``syncs.list()``.
        :raises PolytomicError: If the last request for a page fails.
        :raises TypeError: If the response to the call is not a list.
        """
        following: Call[Any] | None = first_page(call)
        while following is not None:
            page = self.send(following)
            yield from page
            following = next_page(following, page)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow and return its result.

        :param flow: Flow built by a function of this package, such as ``syncs.change("…", name="…")``.
        :raises PolytomicError: If a request fails and the flow does not handle it.
        :raises TypeError: If it is a call, which :meth:`send` sends.
        """
        steps = self._steps(flow)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    self._pause(step)
                    step = steps.send(None)
                    continue
                try:
                    answer = self._exchange(step)
                except PolytomicError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    def _pause(self, pause: Pause) -> None:
        if not isinstance(pause, ReadKeyAgain):
            self._sleep(pause.seconds)
        elif pause.used.source and self.config is pause.used and self._clock() >= self._read_key_at:
            try:
                self._use_key_of(pause.used.source.read())
            except Exception as error:
                self._use_key_of(error)

    def _exchange(self, call: Call[T]) -> T:
        request = http.request_arguments(call, self.config)
        with http.hidden_secrets(call, self.config):
            try:
                with deadline(request["timeout"]):
                    response, body = self._receive(request)
            except http.FAULTS as error:
                failure = http.transport_error(call, self.config, error)
            else:
                return http.read_response(call, self.config, response, body)
        raise failure

    def _receive(self, request: dict[str, Any]) -> tuple[http.Response, bytes]:
        body = bytearray()
        with self._http.stream(**request) as response:
            for chunk in cast("Iterable[bytes]", response.stream):
                body += chunk
                if len(body) > MAX_CONTENT:
                    break
        return http.Response(response.status_code, response.headers.raw), bytes(body)


class AsyncPolytomicClient(_Client[httpx.AsyncBaseTransport, Awaitable[None]]):
    """Send calls to the Polytomic API on an event loop; the parameters are those of :class:`PolytomicClient`.

    .. code-block:: python

        async with AsyncPolytomicClient(api_key="…") as client:
            status = await client.send(syncs.get_status("248df4b7-aa70-47b8-a036-33ac447e668d"))

    .. seealso::
        How-to: ``docs/reference/api.md``.

    :param api_key: API key; None (the default) reads the environment variable ``POLYTOMIC_API_KEY``.
    :param base_url: URL of Polytomic, with or without scheme; a path is kept. Default ``https://app.polytomic.com``.
    :param organization_id: Organization for a partner or deployment key, then sent as basic credentials; default None.
    :param api_version: Value of the ``X-Polytomic-Version`` header; default ``2025-09-18``.
    :param timeout: Seconds for one HTTP request; default 30.
    :param verify: Verify the server's certificate: True (the default), False, or the path of a CA bundle.
    :param proxy: URL of a proxy; None (the default) uses the usual environment variables.
    :param max_retries: Number of retries of one request that is safe to repeat; default 5.
    :param allow_http: Allow sending the key over plain HTTP to another host than this one; default False.
    :param max_requests_per_minute: Limit of requests of one client in any minute; None (the default) for no limit.
    :param trust_events: Poll long-running executions less often while events report ends; default False.
    :param retry_timeout: Seconds after a request in which a retry of it may begin; default 180.
    :param config: All settings as one value, in place of those above but for ``retry_timeout``; default None.
    :param transport: httpx transport, which replaces ``verify`` and ``proxy``; None (the default) for the network.
    :param clock: Return monotonic seconds, for retries and the rate limit; default ``time.monotonic``.
    :param sleep: Wait for a number of seconds; default ``asyncio.sleep``.
    :raises ValueError: If there is no key, the URL is not valid, or the key would be sent unencrypted.
    """

    _http: httpx.AsyncClient

    def _open(
        self, transport: httpx.AsyncBaseTransport | None, sleep: Callable[[float], Awaitable[None]] | None
    ) -> None:
        self._sleep = sleep or asyncio.sleep
        self._http = self._open_http(httpx.AsyncClient, transport)
        self._connections = AsyncConnections(self._http) if transport is None else CustomTransport(self._http)
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._reading_key: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        await self._connections.aclose()

    async def send(self, call: Call[T]) -> T:
        """Send one call as :meth:`PolytomicClient.send` does."""
        return await self.run(send(call))

    async def pages(self, call: Call[Listing[T]]) -> AsyncIterator[T]:
        """Iterate over the rows of a list as :meth:`PolytomicClient.pages` does."""
        following: Call[Any] | None = first_page(call)
        while following is not None:
            page = await self.send(following)
            for row in page:
                yield row
            following = next_page(following, page)

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow as :meth:`PolytomicClient.run` does."""
        steps = self._steps(flow)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await self._pause(step)
                    step = steps.send(None)
                    continue
                try:
                    answer = await self._exchange(step)
                except PolytomicError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    async def _pause(self, pause: Pause) -> None:
        if not isinstance(pause, ReadKeyAgain):
            await self._sleep(pause.seconds)
            return
        refused = self.config is pause.used and self._clock() >= self._read_key_at
        if refused and self._reading_key is None and pause.used.source:
            self._reading_key = asyncio.ensure_future(self._read_key(pause.used.source))
        if self._reading_key is not None:
            await asyncio.shield(self._reading_key)

    async def _read_key(self, source: ConfigSource) -> None:
        try:
            self._use_key_of(await source.aread())
        except Exception as error:
            self._use_key_of(error)
        self._reading_key = None

    async def _exchange(self, call: Call[T]) -> T:
        async with self._slots:
            with http.hidden_secrets(call, self.config):
                try:
                    response, body = await self._connections.exchange(call, self.config)
                except http.FAULTS as error:
                    failure = http.transport_error(call, self.config, error)
                else:
                    read = partial(http.read_response, call, self.config, response, body)
                    if len(body) <= (MAX_INLINE_COMPRESSED_BODY if response.coding else MAX_INLINE_BODY):
                        return read()
                    return await asyncio.get_running_loop().run_in_executor(_decoder, copy_context().run, read)
        raise failure
