"""The two clients: the same protocols, driven with blocking I/O or on an event loop."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from airflow_provider_polytomic.api.call import Call, Listing, next_page
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.errors import (
    PolytomicAPIError,
    PolytomicError,
    PolytomicResponseError,
    PolytomicTransportError,
    class_of_status,
)
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.http_log import unlogged
from airflow_provider_polytomic.api.rate_limit import RateLimiter, rate_limited
from airflow_provider_polytomic.api.redaction import hide_from_now_on, redact, secrets_in
from airflow_provider_polytomic.api.retry import RetryPolicy, read_retry_after, retrying

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

KEEP_ALIVE = 300.0
"""Seconds that an idle connection is kept: longer than any sensible poll interval, so that polls share one."""

MOST_CONNECTIONS = 10
"""More requests at once would have httpx search its queue of them again and again, at milliseconds each."""

MOST_TIMEOUTS = 4
"""How many times the timeout one exchange may take: the HTTP library applies it to each read, and there may be many."""


class _Client:
    """What both clients share: the settings, how a call becomes a request, and how an answer is read."""

    def __init__(self, api_key: str | None = None, *, config: ClientConfig | None = None, **settings: Any) -> None:
        self.config = config or ClientConfig(api_key, **settings)
        hide_from_now_on(*self.config.secrets)
        self._policy = RetryPolicy(max_retries=self.config.max_retries)
        self._pace = RateLimiter(self.config.max_requests_per_minute)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config.base_url!r})"

    def _steps(self, protocol: Flow[T]) -> Flow[T]:
        return rate_limited(retrying(protocol, self._policy, time.monotonic), self._pace, time.monotonic)

    def _httpx_settings(self) -> dict[str, Any]:
        return {
            "headers": self.config.headers,
            "timeout": self.config.timeout,
            "verify": tls_context(self.config.verify),
            "proxy": self.config.proxy,
            "follow_redirects": False,
            "limits": httpx.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=KEEP_ALIVE),
        }

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        query = "?" + urlencode(call.query, quote_via=quote) if call.query else ""
        return {
            "method": call.method,
            "url": self.config.base_url + call.path + query,
            "json": None if call.body is None else dict(call.body),
            "headers": {"Idempotency-Key": call.idempotency_key} if call.idempotency_key else None,
            "timeout": min(call.timeout or self.config.timeout, self.config.timeout),
        }

    def _read(self, call: Call[T], response: httpx.Response) -> T:
        if response.is_redirect:
            raise call.response_error(
                f"the answer is a redirect ({response.status_code}), which is not followed since it would carry the "
                "key elsewhere: is the host of the connection right?",
                transient=False,
            )
        if response.is_error:
            raise self._error(call, response)
        if call.model is None and not response.content.strip():
            return call.read(None)
        payload = _decoded(response)
        if payload is _NOT_JSON:
            raise call.response_error(
                f"the answer ({response.status_code}) is {_kind_of_text(response)}, not JSON: is the host of the "
                "connection right, and is there a proxy in between?"
            )
        try:
            return call.read(payload)
        except PolytomicResponseError as error:
            error.args = (redact(str(error), *self._secrets_of(call)),)
            raise

    def _error(self, call: Call[Any], response: httpx.Response) -> PolytomicAPIError:
        try:
            said = redact(_decoded(response), *self._secrets_of(call))
        except RecursionError:
            said = _NOT_JSON
        if not isinstance(said, dict):
            said = {"message": f"the answer is {_kind_of_text(response)}, not JSON as the API gives it"}
        return class_of_status(response.status_code)(
            response.status_code,
            method=call.method,
            path=call.path,
            message=str(said.get("message") or said.get("error") or "") or None,
            key=str(said["key"]) if said.get("key") else None,
            metadata=said["metadata"] if isinstance(said.get("metadata"), dict) else None,
            retry_after=read_retry_after(response.headers.get("retry-after")),
        )

    def _lost(self, call: Call[Any], error: httpx.HTTPError | asyncio.TimeoutError) -> PolytomicError:
        if isinstance(error, httpx.DecodingError):
            return call.response_error("the answer cannot be unpacked: is there a proxy in between?")
        never_ended = isinstance(error, asyncio.TimeoutError)
        nothing_said = "the answer did not come to its end" if never_ended else "the connection ended"
        reason = redact(str(error), *self._secrets_of(call)) or nothing_said
        never_sent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError))
        return PolytomicTransportError(
            f"{type(error).__name__}: {reason} ({self.config.base_url})",
            method=call.method,
            path=call.path,
            sent=not never_sent,
        )

    def _secrets_of(self, call: Call[Any]) -> list[str | None]:
        return [*self.config.secrets, *secrets_in(call.body)]


class PolytomicClient(_Client):
    """Speaks to the Polytomic API with blocking I/O.

    >>> with PolytomicClient(api_key="…") as client:
    ...     started = client.send(syncs.start("248df4b7-aa70-47b8-a036-33ac447e668d"))

    :param api_key: API key; default: the environment variable ``POLYTOMIC_API_KEY``
    :param config: all settings in one; excludes the others
    :param settings: the other fields of :class:`~airflow_provider_polytomic.api.config.ClientConfig`
    :param sleep: how a pause is spent
    :raises ValueError: if there is no key, or the address would carry it in clear
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        config: ClientConfig | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **settings: Any,
    ) -> None:
        super().__init__(api_key, config=config, **settings)
        self._sleep = sleep
        self._http = httpx.Client(**self._httpx_settings())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Send one call, again where the retry policy allows it, and return its answer.

        :param call: what a function of this package has built
        :raises PolytomicError: the last failure
        """
        return self.run(send(call))

    def pages(self, call: Call[Listing[T]]) -> Iterator[T]:
        """Follow a list to its end, one row after another; a page is asked for when its first row is.

        :param call: the list, such as ``syncs.list()``
        :raises PolytomicError: the last failure
        """
        following: Call[Any] | None = call
        while following is not None:
            page = self.send(following)
            yield from page.rows
            following = next_page(following, page)

    def run(self, protocol: Flow[T]) -> T:
        """Drive a protocol to its result.

        :param protocol: what takes more than one request, such as ``syncs.change("…", name="…")``
        :raises PolytomicError: what the protocol does not handle
        """
        steps = self._steps(protocol)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    self._sleep(step.seconds)
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

    def _exchange(self, call: Call[T]) -> T:
        with unlogged(*self._secrets_of(call)):
            try:
                response = self._http.request(**self._request(call))
            except httpx.HTTPError as error:
                lost = self._lost(call, error)
            else:
                return self._read(call, response)
        raise lost


class AsyncPolytomicClient(_Client):
    """Speaks to the Polytomic API on an event loop; otherwise as :class:`PolytomicClient`.

    >>> async with AsyncPolytomicClient(api_key="…") as client:
    ...     status = await client.send(syncs.get_status("248df4b7-aa70-47b8-a036-33ac447e668d"))

    :param api_key: API key; default: the environment variable ``POLYTOMIC_API_KEY``
    :param config: all settings in one; excludes the others
    :param settings: the other fields of :class:`~airflow_provider_polytomic.api.config.ClientConfig`
    :param sleep: how a pause is spent
    :raises ValueError: if there is no key, or the address would carry it in clear
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        config: ClientConfig | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **settings: Any,
    ) -> None:
        super().__init__(api_key, config=config, **settings)
        self._sleep = sleep
        self._http = httpx.AsyncClient(**self._httpx_settings())
        self._turn = asyncio.Semaphore(MOST_CONNECTIONS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Send one call as :meth:`PolytomicClient.send` does.

        :param call: what a function of this package has built
        :raises PolytomicError: the last failure
        """
        return await self.run(send(call))

    async def pages(self, call: Call[Listing[T]]) -> AsyncIterator[T]:
        """Follow a list as :meth:`PolytomicClient.pages` does.

        :param call: the list, such as ``syncs.list()``
        :raises PolytomicError: the last failure
        """
        following: Call[Any] | None = call
        while following is not None:
            page = await self.send(following)
            for row in page.rows:
                yield row
            following = next_page(following, page)

    async def run(self, protocol: Flow[T]) -> T:
        """Drive a protocol as :meth:`PolytomicClient.run` does.

        :param protocol: what takes more than one request, such as ``syncs.change("…", name="…")``
        :raises PolytomicError: what the protocol does not handle
        """
        steps = self._steps(protocol)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await self._sleep(step.seconds)
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

    async def _exchange(self, call: Call[T]) -> T:
        request = self._request(call)
        async with self._turn:
            with unlogged(*self._secrets_of(call)):
                try:
                    response = await _within(MOST_TIMEOUTS * request["timeout"], self._http.request(**request))
                except (httpx.HTTPError, asyncio.TimeoutError) as error:
                    lost = self._lost(call, error)
                else:
                    return self._read(call, response)
        raise lost


async def _within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine, and end it after some seconds.

    ``asyncio.wait_for`` of Python before 3.12 forgets a cancellation that comes together with the result.

    :raises asyncio.TimeoutError: if it has not ended by then
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


_NOT_JSON = object()


def _decoded(response: httpx.Response) -> Any:
    """Return what the answer says, or ``_NOT_JSON``; apart from an error's handling, so that none refers to it."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return _NOT_JSON


@lru_cache(maxsize=8)
def tls_context(verify: bool | str) -> ssl.SSLContext | bool:
    """Build the TLS settings once for all clients: it costs more than a hundred requests."""
    if verify is False:
        return False
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else httpx.create_ssl_context()


def _kind_of_text(response: httpx.Response) -> str:
    text = response.content.strip()
    if text[:1] == b"<" or "html" in response.headers.get("content-type", ""):
        return "an HTML page"
    return "cut short or malformed" if text else "empty"
