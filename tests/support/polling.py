"""Wait by the poller as a flow, whose requests and pauses are steps at which it can be stopped."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from airflow_provider_polytomic.api import ClientConfig, PolytomicError
from airflow_provider_polytomic.api.flow import Flow, Pause
from airflow_provider_polytomic.executions import Execution, ExecutionRef
from airflow_provider_polytomic.executions.poller import ExecutionPoller
from tests.support.simulated_api import EPOCH
from tests.support.virtual_time import VirtualLoop

CONFIG = ClientConfig("key")

TICK = 1e-6
"""Resolution of seconds since 1970: a shorter pause may never end."""


class _SteppedLoop(VirtualLoop):
    """Stop when all tasks wait; use the time of the server.

    :param pause: seconds until something is due; None if nothing is
    """

    pause: float | None = None

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        super().__init__()

    def time(self) -> float:
        return self.clock() - EPOCH

    def idle(self, seconds: float | None) -> None:
        self.pause = None if seconds is None else seconds + TICK
        self.stop()


def poll_for_end(
    run: ExecutionRef, *, poll_interval: float, deadline: float | None, clock: Callable[[], float]
) -> Flow[Execution]:
    """Wait as ``wait_for_end`` does, in a triggerer with no other wait."""
    loop = _SteppedLoop(clock)
    requests: deque[tuple[Flow[Any], asyncio.Future[Any]]] = deque()

    async def send(flow: Flow[Any]) -> Any:
        answer = loop.create_future()
        requests.append((flow, answer))
        return await answer

    @asynccontextmanager
    async def acquire_client(config: ClientConfig) -> AsyncIterator[Any]:
        yield SimpleNamespace(run=send)

    async def wait() -> Execution:
        poller = ExecutionPoller(CONFIG, acquire_client=acquire_client, wall_clock=clock)
        try:
            return await poller.wait_for_end(run, poll_interval=poll_interval, deadline=deadline)
        finally:
            await poller.aclose()

    waiting = loop.create_task(wait())
    try:
        while True:
            loop.run_forever()
            if waiting.done():
                return waiting.result()
            if not requests:
                assert loop.pause is not None, "nothing is due"
                yield Pause(loop.pause)
                continue
            flow, answer = requests.popleft()
            try:
                answer.set_result((yield from flow))
            except PolytomicError as error:
                answer.set_exception(error)
    finally:
        waiting.cancel()
        loop.run_until_complete(asyncio.wait({waiting}))
        loop.close()
