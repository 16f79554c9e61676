"""One of a thing for all that want it with the same settings on the same event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_polytomic.api.clients import AsyncPolytomicClient
from airflow_provider_polytomic.api.config import ClientConfig

T = TypeVar("T")


@dataclass
class _Lent(Generic[T]):
    thing: T
    users: int = 0


class Shared(Generic[T]):
    """Lends a thing to whoever asks: it is built for the first of its users and closed after the last.

    :param build: makes one for these settings
    :param close: ends one
    """

    def __init__(self, build: Callable[[ClientConfig], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._build = build
        self._close = close
        self._lent: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ClientConfig, _Lent[T]]] = WeakKeyDictionary()

    @asynccontextmanager
    async def __call__(self, config: ClientConfig) -> AsyncIterator[T]:
        """Lend the one for these settings."""
        things = self._lent.setdefault(asyncio.get_running_loop(), {})
        lent = things.get(config) or things.setdefault(config, _Lent(self._build(config)))
        lent.users += 1
        try:
            yield lent.thing
        finally:
            lent.users -= 1
            if not lent.users:
                del things[config]
                await self._close(lent.thing)


shared_client = Shared(lambda config: AsyncPolytomicClient(config=config), AsyncPolytomicClient.aclose)
"""The asynchronous client for these settings: building one costs many times what a request costs, and its connections
are worth keeping from one poll to the next."""
