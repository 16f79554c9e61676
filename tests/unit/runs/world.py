"""Polytomic in the same process and the same virtual time as those who ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from airflow_provider_polytomic.api import AsyncPolytomicClient, ClientConfig
from airflow_provider_polytomic.emulator.app import build_app
from airflow_provider_polytomic.emulator.controls import Controls
from airflow_provider_polytomic.runs import Completion, Execution, Run
from airflow_provider_polytomic.runs.watcher import Watcher

EPOCH = 1_750_000_000.0
LATENCY = 0.05
FOREVER = float("inf")


class World:
    """The emulator behind a client, without a socket between them."""

    def __init__(self, **settings: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.polytomic = Controls(clock=self.wall)
        self.config = ClientConfig(self.polytomic.api_key, base_url="http://localhost", **settings)
        self.lent = 0
        self.watcher = Watcher(self.config, lend=self.lend, wall=self.wall)
        self.waits: list[Waiting] = []
        self.refuse: Callable[[str, int], int | None] = lambda path, ids: None
        self._app = build_app(self.polytomic._state, _nothing, _cut)

    async def __aenter__(self) -> World:
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        for wait in self.waits:
            await wait.cancel()
        await self.watcher.aclose()
        assert self.lent == 0

    def wall(self) -> float:
        return EPOCH + self.loop.time()

    @asynccontextmanager
    async def lend(self, config: ClientConfig) -> AsyncIterator[AsyncPolytomicClient]:
        async with AsyncPolytomicClient(config=config, sleep=asyncio.sleep) as client:
            await client._http.aclose()
            client._http = httpx.AsyncClient(transport=_Far(self), headers=config.headers, timeout=30.0)
            self.lent += 1
            try:
                yield client
            finally:
                self.lent -= 1

    def start(self, kind: str = "model", **plan: Any) -> Run:
        """Plan and start an execution that runs until it is ended, unless the plan says otherwise."""
        plan = {"duration": FOREVER, **plan}
        if kind == "bulk":
            sync = self.polytomic.add_bulk_sync(**{"schemas": [{"id": "contact"}], **plan})
        else:
            sync = self.polytomic.add_model_sync(**plan)
        return Run(kind, sync.id, self.polytomic.start(sync.id).id)

    def wait(self, awaited: Run | Completion, every: float = 30.0, deadline: float | None = None) -> Waiting:
        """Wait for an end beside everything else."""
        wait = Waiting(self, awaited, every, None if deadline is None else EPOCH + deadline)
        self.waits.append(wait)
        return wait

    async def until(self, moment: float) -> None:
        await asyncio.sleep(moment - self.loop.time())

    def asked(self, *words: str, since: float = 0.0) -> list[float]:
        """Return when requests came whose path has these words."""
        times = [(each.path, each.at - EPOCH) for each in self.polytomic.requests]
        return [at for path, at in times if at >= since and all(word in path for word in words)]


class Waiting:
    """One wait, and when it ended."""

    def __init__(self, world: World, awaited: Run | Completion, every: float, deadline: float | None) -> None:
        self.world = world
        self.awaited = awaited
        self.ended_at: float | None = None
        self.task = asyncio.ensure_future(self._wait(awaited, every, deadline))

    async def _wait(self, awaited: Run | Completion, every: float, deadline: float | None) -> Execution:
        try:
            return await self.world.watcher.end_of(awaited, every=every, deadline=deadline)
        finally:
            self.ended_at = self.world.loop.time()

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    def __await__(self) -> Any:
        return self.task.__await__()


class _Far(httpx.ASGITransport):
    """A server that a request takes a moment to reach."""

    def __init__(self, world: World) -> None:
        super().__init__(world._app)
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(LATENCY)
        status = self._world.refuse(request.url.path, len(request.url.params.get_list("sync_id")))
        if status:
            return httpx.Response(status, json={"message": "refused"})
        return await super().handle_async_request(request)


def _cut(scope: Any) -> None:
    raise httpx.ReadError("cut")


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError
