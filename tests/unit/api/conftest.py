from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_polytomic.api import AsyncPolytomicClient, Call, Flow, PolytomicClient
from tests.support.scripted_server import Server

KEY = "canary-5ecret-4pi-key"


@pytest.fixture(scope="session")
def _running() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(_running: Server) -> Server:
    _running.answers()
    return _running


class Driver:
    """Use one of the two clients with a clock that only sleeping advances, and record the pauses."""

    def __init__(self, url: str) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.settings: dict[str, Any] = {"api_key": KEY, "base_url": url, "clock": lambda: self.now}

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def send(self, call: Call[Any], **settings: Any) -> Any:
        return self._use(lambda client: client.send(call), settings)

    def run(self, flow: Flow[Any], **settings: Any) -> Any:
        return self._use(lambda client: client.run(flow), settings)

    def pages(self, call: Call[Any], **settings: Any) -> list[Any]:
        raise NotImplementedError

    def _use(self, use: Callable[[Any], Any], settings: dict[str, Any]) -> Any:
        raise NotImplementedError


class SyncDriver(Driver):
    def _use(self, use: Callable[[Any], Any], settings: dict[str, Any]) -> Any:
        with PolytomicClient(sleep=self.sleep, **{**self.settings, **settings}) as client:
            return use(client)

    def pages(self, call: Call[Any], **settings: Any) -> list[Any]:
        return self._use(lambda client: [*client.pages(call)], settings)


class AsyncDriver(Driver):
    def _use(self, use: Callable[[Any], Any], settings: dict[str, Any]) -> Any:
        async def sleep(seconds: float) -> None:
            self.sleep(seconds)

        async def main() -> Any:
            async with AsyncPolytomicClient(sleep=sleep, **{**self.settings, **settings}) as client:
                return await use(client)

        return asyncio.run(main())

    def pages(self, call: Call[Any], **settings: Any) -> list[Any]:
        async def all_rows(client: AsyncPolytomicClient) -> list[Any]:
            return [row async for row in client.pages(call)]

        return self._use(all_rows, settings)


@pytest.fixture
def sync_driver(server: Server) -> Driver:
    """Use the blocking client, for what the code of both clients has in common."""
    return SyncDriver(server.url)


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["sync", "async"])
def driver(request: pytest.FixtureRequest, server: Server) -> Driver:
    return request.param(server.url)
