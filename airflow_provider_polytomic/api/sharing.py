"""One of a thing for all that want it with the same settings on the same event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_polytomic.api.clients import AsyncPolytomicClient
from airflow_provider_polytomic.api.config import ClientConfig

T = TypeVar("T")


@dataclass
class _Lent(Generic[T]):
    thing: T
    users: int = 0


class RefCounted(Generic[T]):
    """Lends a thing to whoever asks: it is built for the first of its users and closed after the last.

    :param build: makes one for these settings
    :param close: ends one
    """

    def __init__(self, build: Callable[[ClientConfig], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._build = build
        self._close = close
        self._lent: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ClientConfig, _Lent[T]]] = WeakKeyDictionary()

    def __call__(self, config: ClientConfig) -> AbstractAsyncContextManager[T]:
        """Lend the one for these settings."""
        return _Loan(self, config)

    def acquire(self, config: ClientConfig) -> T:
        """Count one more user; each gives it back on the same event loop."""
        things = self._lent.setdefault(asyncio.get_running_loop(), {})
        lent = things.get(config) or things.setdefault(config, _Lent(self._build(config)))
        lent.users += 1
        return lent.thing

    async def release(self, config: ClientConfig) -> None:
        """Count one user fewer."""
        things = self._lent[asyncio.get_running_loop()]
        lent = things[config]
        lent.users -= 1
        if not lent.users:
            del things[config]
            await self._close(lent.thing)


class _Loan(AbstractAsyncContextManager[T]):
    """The use of a shared thing; a generator in its place would cost every wait four times the memory."""

    __slots__ = ("_config", "_shared")

    def __init__(self, shared: RefCounted[T], config: ClientConfig) -> None:
        self._shared = shared
        self._config = config

    async def __aenter__(self) -> T:
        return self._shared.acquire(self._config)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._shared.release(self._config)


shared_client = RefCounted(lambda config: AsyncPolytomicClient(config=config), AsyncPolytomicClient.aclose)
"""The asynchronous client for these settings: building one costs many times what a request costs, and its connections
are worth keeping from one poll to the next."""
