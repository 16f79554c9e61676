from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_polytomic.api import AsyncPolytomicClient, Call, PolytomicClient
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
    """Sends calls and runs protocols by one of the two clients, and keeps the pauses instead of making them."""

    def __init__(self, url: str) -> None:
        self.settings: dict[str, Any] = {"api_key": KEY, "base_url": url}
        self.pauses: list[float] = []

    def send(self, call: Call[Any], **settings: Any) -> Any:
        return self._use(lambda client: client.send(call), settings)

    def run(self, protocol: Any, **settings: Any) -> Any:
        return self._use(lambda client: client.run(protocol), settings)

    def pages(self, call: Call[Any], **settings: Any) -> list[Any]:
        raise NotImplementedError

    def _use(self, use: Callable[[Any], Any], settings: dict[str, Any]) -> Any:
        raise NotImplementedError


class Blocking(Driver):
    def _use(self, use: Callable[[Any], Any], settings: dict[str, Any]) -> Any:
        with PolytomicClient(sleep=self.pauses.append, **{**self.settings, **settings}) as client:
            return use(client)

    def pages(self, call: Call[Any], **settings: Any) -> list[Any]:
        return self._use(lambda client: [*client.pages(call)], settings)


class OnLoop(Driver):
    def _use(self, use: Callable[[Any], Any], settings: dict[str, Any]) -> Any:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        async def main() -> Any:
            async with AsyncPolytomicClient(sleep=pause, **{**self.settings, **settings}) as client:
                return await use(client)

        return asyncio.run(main())

    def pages(self, call: Call[Any], **settings: Any) -> list[Any]:
        async def everything(client: AsyncPolytomicClient) -> list[Any]:
            return [row async for row in client.pages(call)]

        return self._use(everything, settings)


@pytest.fixture(params=[Blocking, OnLoop], ids=["sync", "async"])
def driver(request: pytest.FixtureRequest, server: Server) -> Driver:
    return request.param(server.url)
