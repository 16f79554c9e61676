"""Share one object among all users that have the same settings and the same event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_polytomic.api.clients import AsyncPolytomicClient
from airflow_provider_polytomic.api.config import ClientConfig

T = TypeVar("T")


class RefCounted(Generic[T]):
    """Build an object for its first user and close it after its last one.

    :param build: Build the object for these settings.
    :param close: Close the object.
    """

    def __init__(self, build: Callable[[ClientConfig], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._build = build
        self._close = close
        self._entries: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ClientConfig, tuple[T, int]]]
        self._entries = WeakKeyDictionary()

    def __call__(self, config: ClientConfig) -> AbstractAsyncContextManager[T]:
        """Return a context manager that acquires the object for these settings and releases it."""
        return _Reference(self, config)

    def acquire(self, config: ClientConfig) -> T:
        """Return the object and count one more user, who releases it on the same event loop."""
        entries = self._entries.setdefault(asyncio.get_running_loop(), {})
        value, users = entries.get(config) or (self._build(config), 0)
        entries[config] = value, users + 1
        return value

    async def release(self, config: ClientConfig) -> None:
        """Count one user fewer, and close the object after the last."""
        entries = self._entries[asyncio.get_running_loop()]
        value, users = entries.pop(config)
        if users > 1:
            entries[config] = value, users - 1
        else:
            await self._close(value)


class _Reference(AbstractAsyncContextManager[T]):
    """Hold a shared object; a generator in place of this class would cost each wait four times the memory."""

    __slots__ = ("_config", "_shared")

    def __init__(self, shared: RefCounted[T], config: ClientConfig) -> None:
        self._shared = shared
        self._config = config

    async def __aenter__(self) -> T:
        return self._shared.acquire(self._config)

    async def __aexit__(self, *error: object) -> None:
        await self._shared.release(self._config)


shared_client = RefCounted(lambda config: AsyncPolytomicClient(config=config), AsyncPolytomicClient.aclose)
"""Asynchronous client for these settings. Building one costs many times what a request costs, and its connections serve
one poll after another."""
