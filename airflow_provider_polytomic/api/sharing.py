"""One asynchronous client for all that speak with the same settings on the same event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from airflow_provider_polytomic.api.clients import AsyncPolytomicClient
from airflow_provider_polytomic.api.config import ClientConfig


@dataclass
class _Shared:
    client: AsyncPolytomicClient
    users: int = 0


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ClientConfig, _Shared]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_client(config: ClientConfig) -> AsyncIterator[AsyncPolytomicClient]:
    """Lend the client for these settings; it is built for the first who asks and closed after the last.

    A client costs many times what a request costs, and its connections are worth keeping from one poll to the next.
    """
    clients = _shared.setdefault(asyncio.get_running_loop(), {})
    lent = clients.get(config) or clients.setdefault(config, _Shared(AsyncPolytomicClient(config=config)))
    lent.users += 1
    try:
        yield lent.client
    finally:
        lent.users -= 1
        if not lent.users:
            del clients[config]
            await lent.client.aclose()
