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
from airflow_provider_polytomic.executions import CompletedSince, Execution, ExecutionRef
from airflow_provider_polytomic.executions.poller.poller import ExecutionPoller

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
        self.watcher = ExecutionPoller(self.config, lend=self.lend, wall=self.wall)
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
        transport, clock = _Far(self), self.loop.time
        async with AsyncPolytomicClient(config=config, transport=transport, clock=clock, sleep=asyncio.sleep) as client:
            self.lent += 1
            try:
                yield client
            finally:
                self.lent -= 1

    def start(self, kind: str = "model", **plan: Any) -> ExecutionRef:
        """Plan and start an execution that runs until it is ended, unless the plan says otherwise."""
        plan = {"duration": FOREVER, **plan}
        if kind == "bulk":
            sync = self.polytomic.add_bulk_sync(**{"schemas": [{"id": "contact"}], **plan})
        else:
            sync = self.polytomic.add_model_sync(**plan)
        return ExecutionRef(kind, sync.id, self.polytomic.start(sync.id).id)

    def wait(
        self, target: ExecutionRef | CompletedSince, poll_interval: float = 30.0, deadline: float | None = None
    ) -> Waiting:
        """Wait for an end beside everything else."""
        wait = Waiting(self, target, poll_interval, None if deadline is None else EPOCH + deadline)
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

    def __init__(
        self, world: World, target: ExecutionRef | CompletedSince, poll_interval: float, deadline: float | None
    ) -> None:
        self.world = world
        self.target = target
        self.ended_at: float | None = None
        self.task = asyncio.ensure_future(self._wait(target, poll_interval, deadline))

    async def _wait(
        self, target: ExecutionRef | CompletedSince, poll_interval: float, deadline: float | None
    ) -> Execution:
        try:
            return await self.world.watcher.wait_for_end(target, poll_interval=poll_interval, deadline=deadline)
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
