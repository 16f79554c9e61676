"""Simulate a triggerer and Polytomic in one process and in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from airflow_provider_polytomic.api import AsyncPolytomicClient, ClientConfig
from airflow_provider_polytomic.emulator.control.methods import Controls
from airflow_provider_polytomic.emulator.control.routes import build_app
from airflow_provider_polytomic.executions import CompletedSince, Execution, ExecutionRef
from airflow_provider_polytomic.executions.poller import ExecutionPoller

EPOCH = 1_750_000_000.0
LATENCY = 0.05
FOREVER = float("inf")


class SimulatedTriggerer:
    """Poll the emulator through a client without a socket."""

    def __init__(self, **settings: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.polytomic = Controls(clock=self.wall_clock)
        self.config = ClientConfig(self.polytomic.api_key, base_url="http://localhost", **settings)
        self.open_clients = 0
        self.poller = ExecutionPoller(self.config, acquire_client=self.acquire_client, wall_clock=self.wall_clock)
        self.waits: list[Wait] = []
        self.schemas: dict[ExecutionRef | CompletedSince, str] = {}
        self.refuse: Callable[[str, int], int | None] = lambda path, ids: None
        self._app = build_app(self.polytomic, _cut)

    async def __aenter__(self) -> SimulatedTriggerer:
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        for wait in self.waits:
            await wait.cancel()
        await self.poller.aclose()
        assert self.open_clients == 0

    def wall_clock(self) -> float:
        return EPOCH + self.loop.time()

    @asynccontextmanager
    async def acquire_client(self, config: ClientConfig) -> AsyncIterator[AsyncPolytomicClient]:
        transport, clock = _DelayedTransport(self), self.loop.time
        async with AsyncPolytomicClient(config=config, transport=transport, clock=clock, sleep=asyncio.sleep) as client:
            self.open_clients += 1
            try:
                yield client
            finally:
                self.open_clients -= 1

    def start(self, kind: str = "model", **plan: Any) -> ExecutionRef:
        """Start an execution that runs until it is ended, unless the plan says otherwise.

        :param kind: "model", "bulk", or "schema" for a bulk sync of which one schema is waited for
        """
        plan = {"duration": FOREVER, **plan}
        if kind == "schema":
            ref = self.start("bulk", **plan)
            self.schemas[ref] = "contact"
            return ref
        if kind == "bulk":
            sync = self.polytomic.add_bulk_sync(**{"schemas": [{"id": "contact"}], **plan})
        else:
            sync = self.polytomic.add_model_sync(**plan)
        return ExecutionRef(kind, sync.id, self.polytomic.start(sync.id).id)

    def wait(
        self,
        target: ExecutionRef | CompletedSince,
        poll_interval: float = 30.0,
        deadline: float | None = None,
        schema: str | None = None,
    ) -> Wait:
        """Start a wait in a task of its own."""
        ends_at = None if deadline is None else EPOCH + deadline
        wait = Wait(self, target, poll_interval, ends_at, schema or self.schemas.get(target))
        self.waits.append(wait)
        return wait

    async def until(self, moment: float) -> None:
        await asyncio.sleep(moment - self.loop.time())

    def asked(self, *words: str, since: float = 0.0) -> list[float]:
        """Return the times of the requests whose path has these words."""
        times = [(each.path, each.at - EPOCH) for each in self.polytomic.requests]
        return [at for path, at in times if at >= since and all(word in path for word in words)]


class Wait:
    """One wait, and the time of its end."""

    def __init__(
        self,
        triggerer: SimulatedTriggerer,
        target: ExecutionRef | CompletedSince,
        poll_interval: float,
        deadline: float | None,
        schema: str | None,
    ) -> None:
        self.triggerer = triggerer
        self.target = target
        self.ended_at: float | None = None
        self.task = asyncio.ensure_future(self._wait(target, poll_interval, deadline, schema))

    async def _wait(
        self,
        target: ExecutionRef | CompletedSince,
        poll_interval: float,
        deadline: float | None,
        schema: str | None,
    ) -> Execution:
        try:
            poller = self.triggerer.poller
            return await poller.wait_for_end(target, poll_interval=poll_interval, deadline=deadline, schema=schema)
        finally:
            self.ended_at = self.triggerer.loop.time()

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    def __await__(self) -> Any:
        return self.task.__await__()


class _DelayedTransport(httpx.ASGITransport):
    """Delay each request."""

    def __init__(self, triggerer: SimulatedTriggerer) -> None:
        super().__init__(triggerer._app)
        self._triggerer = triggerer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(LATENCY)
        status = self._triggerer.refuse(request.url.path, len(request.url.params.get_list("sync_id")))
        if status:
            return httpx.Response(status, json={"message": "refused"})
        return await super().handle_async_request(request)


def _cut(scope: Any) -> None:
    raise httpx.ReadError("cut")
