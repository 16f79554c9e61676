"""Measure one cell, a system and a number of waits: ``python -m benchmarks.cell``.

A cell has its own process, so that it is alone in the measured memory and CPU time. It prints a line when it is ready,
begins when it reads a line, and prints its measurements as JSON. The triggers run in the main thread's event loop. A
second thread takes the measurements, since some triggers block the loop, and ends the process on time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import selectors
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import psutil

from benchmarks.plan import Plan
from benchmarks.systems import SYSTEMS, System

WARM_UP_TIMEOUT = 30.0


class TimedSelector(selectors.DefaultSelector):
    """Record the longest iteration of the event loop, for which all other tasks had to wait.

    A periodic task could measure the same, but would cost more than the measured waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self._longest = 0.0
        self._iteration_began: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._longest = self.longest
        self._iteration_began = None
        ready = super().select(timeout)
        self._iteration_began = time.perf_counter()
        return ready

    @property
    def longest(self) -> float:
        """Seconds of the longest iteration, including the present one."""
        began = self._iteration_began
        return self._longest if began is None else max(self._longest, time.perf_counter() - began)

    def reset(self) -> None:
        """Start a new measurement."""
        self._longest, self._iteration_began = 0.0, time.perf_counter()


class LoopbackApi:
    """The process of the loopback API, and the pipe to it."""

    def __init__(self, **options: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.api", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port: int = self._read_response()["port"]

    def command(self, **command: Any) -> dict[str, Any]:
        """Send a command and return the response."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read_response()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _read_response(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the loopback API has ended")
        response: dict[str, Any] = json.loads(line)
        return response


class Cell:
    """Run the triggers of one system, and measure their cost."""

    def __init__(
        self, system: System, plan: Plan, api: LoopbackApi, selector: TimedSelector, write_line: Callable[[str], None]
    ) -> None:
        self._system, self._plan, self._api, self._write_line = system, plan, api, write_line
        self._begin = 0.0
        self._started: dict[int, float] = {}
        self._left: dict[int, float] = {}
        self._noticed: dict[int, float] = {}
        self._errors: list[str] = []
        self._selector = selector
        self._waiting: set[asyncio.Task[None]] = set()
        self.lookups = 0

    async def run(self) -> None:
        """Start the triggers at their planned times, and wait until the process ends."""
        self._send_plan()
        if self._system.ends:
            await asyncio.wait_for(self._first_event(self._plan.waits, 0.1), WARM_UP_TIMEOUT)
            await asyncio.sleep(0.5)
        self._write_line("ready")
        await asyncio.to_thread(sys.stdin.readline)
        gc.collect()
        self._send_plan()
        threading.Thread(target=self._observe, args=(self._snapshot(),), daemon=True).start()
        self._selector.reset()
        for at, number in sorted((at, number) for number, at in enumerate(self._plan.starts)):
            if (pause := self._begin + at - time.time()) > 0:
                await asyncio.sleep(pause)
            self._started[number] = time.time()
            task = asyncio.create_task(self._wait(number))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        await asyncio.Event().wait()

    def _send_plan(self) -> None:
        self._begin = time.time()
        self._api.command(do="plan", begin=self._begin, ends=self._plan.ends, ages=self._plan.ages)

    async def _first_event(self, number: int, interval: float) -> Any:
        events = self._system.trigger(number, interval).run()
        try:
            async for event in events:
                return getattr(event, "payload", event)
        finally:
            await events.aclose()

    async def _wait(self, number: int) -> None:
        event: Any = None
        try:
            event = await self._first_event(number, self._plan.interval)
        except Exception as error:
            event = f"{type(error).__name__}: {error}"
        now, end = time.time(), self._plan.ends[number]
        self._left[number] = now
        if end is not None and now >= self._begin + end and self._system.is_success(event):
            self._noticed[number] = now
        else:
            self._errors.append(str(event))

    def _observe(self, first: dict[str, Any]) -> None:
        try:
            self._write_line(json.dumps(self._measured(first)))
        finally:
            self._api.close()
            os._exit(0)

    def _measured(self, first: dict[str, Any]) -> dict[str, Any]:
        before, after = (self._snapshot_at(moment) for moment in self._plan.window)
        last = self._snapshot_at(self._plan.length)
        minutes = self._wait_seconds(before["at"], after["at"]) / 60
        delays, unnoticed = self._delays(last["at"])
        requests = Counter(after["requests"]) - Counter(before["requests"])
        return {
            "wait_minutes": minutes,
            "requests": requests,
            "requests_per_wait_minute": sum(requests.values()) / minutes,
            "connections": last["connections"] - first["connections"],
            "connections_per_wait_minute": (after["connections"] - before["connections"]) / minutes,
            "lookups_per_wait_minute": (after["lookups"] - before["lookups"]) / minutes,
            "cpu_ms_per_wait_minute": (after["cpu"] - before["cpu"]) * 1000 / minutes,
            "cpu_share": (after["cpu"] - before["cpu"]) / (after["at"] - before["at"]),
            "api_cpu_share": (after["api_cpu"] - before["api_cpu"]) / (after["at"] - before["at"]),
            "memory_kib_per_wait": (after["memory"] - first["memory"]) / 1024 / self._plan.waits,
            "stall": self._selector.longest,
            "delays": delays,
            "unnoticed": unnoticed,
            "late_starts": sum(number not in self._started for number in range(self._plan.waits)),
            "errors": len(self._errors),
            "error": self._errors[0][:300] if self._errors else None,
        }

    def _snapshot_at(self, moment: float) -> dict[str, Any]:
        time.sleep(max(0.0, self._begin + moment - time.time()))
        return self._snapshot()

    def _snapshot(self) -> dict[str, Any]:
        counted = self._api.command(do="count")
        return {
            "at": time.time(),
            "cpu": time.process_time(),
            "memory": psutil.Process().memory_info().rss,
            "api_cpu": counted["cpu"],
            "requests": counted["requests"],
            "connections": counted["connections"],
            "lookups": self.lookups,
        }

    def _wait_seconds(self, begin: float, end: float) -> float:
        """Return the total seconds that the triggers waited between two times."""
        started, left = dict(self._started), dict(self._left)
        return sum(max(0.0, min(end, left.get(number, end)) - max(begin, start)) for number, start in started.items())

    def _delays(self, now: float) -> tuple[list[float], list[float]]:
        """Return the delay of each noticed end, and the present delay of each other end."""
        if not self._system.ends:
            return [], []
        noticed = dict(self._noticed)
        ends = {number: self._begin + end for number, end in enumerate(self._plan.ends[:-1]) if end is not None}
        delays = [noticed[number] - end for number, end in ends.items() if number in noticed]
        return sorted(delays), sorted(now - end for number, end in ends.items() if number not in noticed)


def serve_connection(cell: Cell, fields: dict[str, Any]) -> None:
    """Give every hook the same connection at no cost, since there is no supervisor outside a triggerer."""
    from airflow.sdk import BaseHook, Connection

    connection = Connection(conn_id="benchmark", conn_type="benchmark", **fields)

    def get_connection(cls: type, conn_id: str) -> Connection:
        cell.lookups += 1
        return connection

    async def aget_connection(cls: type, conn_id: str) -> Connection:
        return get_connection(cls, conn_id)

    mock.patch.multiple(
        BaseHook, get_connection=classmethod(get_connection), aget_connection=classmethod(aget_connection)
    ).start()


def always_read_events() -> None:
    """Make the poller read events at its highest rate, even with few waits."""
    from airflow_provider_polytomic.executions.poller import event_hints

    mock.patch.object(event_hints, "MAX_EVENTS_SHARE", float("inf")).start()


def _reserve_standard_output() -> Callable[[str], None]:
    """Return a function that prints a line, and redirect all other output to standard error: Airflow may log."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return lambda line: print(line, file=channel, flush=True)


def main() -> None:
    """Run the cell that the first argument configures."""
    write_line = _reserve_standard_output()
    options = json.loads(sys.argv[1])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    system = SYSTEMS[options["system"]](options["interval"])
    api = LoopbackApi(kind=system.kind, events=options["feed"] != "never", certificate=options["certificate"])
    selector = TimedSelector()
    cell = Cell(system, Plan(options["waits"], options["interval"]), api, selector, write_line)
    serve_connection(cell, system.connection(api.port))
    system.prepare(api.port)
    if options["feed"] == "always":
        always_read_events()
    try:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as loop:
            loop.run(cell.run())
    finally:
        api.close()


if __name__ == "__main__":
    main()
