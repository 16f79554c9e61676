"""Polytomic's events as hints: sooner with them, in time without them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from airflow_provider_polytomic.api import PolytomicPermissionError
from airflow_provider_polytomic.executions import ExecutionRef
from airflow_provider_polytomic.executions.poller.event_hints import STALE, EventHints, feed_interval
from airflow_provider_polytomic.executions.poller.polled_execution import NEVER
from tests.support.simulated_triggerer import EPOCH, LATENCY, Waiting, World
from tests.support.virtual_time import in_virtual_time

MANY = 70
"""Waits enough for events to be asked for every eight seconds."""

MOMENT = 5 * LATENCY


def crowd(world: World, poll_interval: float = 30.0, number: int = MANY) -> list[tuple[ExecutionRef, Waiting]]:
    runs = [world.start("bulk" if place % 2 else "model") for place in range(number)]
    return [(run, world.wait(run, poll_interval)) for run in runs]


async def delays(world: World, crowd: list[tuple[ExecutionRef, Waiting]], apart: float = 1.7) -> list[float]:
    """End all executions, one after the other, and return how long each end went unnoticed."""
    ended_at = []
    for run, _ in crowd:
        await asyncio.sleep(apart)
        world.polytomic.finish(run.execution_id)
        ended_at.append(world.loop.time())
    await asyncio.gather(*(wait.task for _, wait in crowd))
    return sorted(wait.ended_at - at for (_, wait), at in zip(crowd, ended_at))


@in_virtual_time
async def test_with_events_an_end_is_noticed_at_once() -> None:
    async with World() as world:
        noticed = await delays(world, crowd(world)[:10])
        assert noticed[-1] <= 8.0 + MOMENT
        assert noticed[len(noticed) // 2] <= 6.0


TROUBLE: dict[str, dict[str, Any]] = {
    "lost": {"events_lost": ["*"]},
    "some lost": {"events_lost": ["bulk_sync.*"]},
    "in any order": {"event_order": "shuffled"},
    "the oldest first": {"event_order": "oldest_first"},
    "twice": {"events_repeated": ["*"]},
    "late": {"events_delayed": {"*": 45.0}},
    "cut at 100": {"event_paging": "none"},
    "lost, late, twice and in any order": {
        "events_lost": ["sync.*"],
        "events_delayed": {"*": 20.0},
        "events_repeated": ["*"],
        "event_order": "shuffled",
        "event_paging": "none",
    },
}


@pytest.mark.parametrize("trouble", TROUBLE)
@in_virtual_time
async def test_whatever_becomes_of_the_events_ends_are_noticed_in_time(trouble: str) -> None:
    async with World() as world:
        for name, value in TROUBLE[trouble].items():
            world.polytomic.set_switch(name, value)
        noisy = world.polytomic.add_model_sync(duration=0.1)
        for _ in range(150):
            world.polytomic.start(noisy.id)
            await asyncio.sleep(0.2)
        noticed = await delays(world, crowd(world)[:30])
        assert noticed[-1] <= 30.0 + MOMENT


@pytest.mark.parametrize(
    "fault",
    [
        *({"kind": "status", "status": status} for status in (401, 403, 404, 422, 429, 500)),
        {"kind": "malformed", "malformed": "html"},
        {"kind": "malformed", "malformed": "truncated"},
        {"kind": "status", "status": 200, "body": {"data": [1, None, {"id": 7}]}},
        {"kind": "reset"},
    ],
    ids=lambda fault: "-".join(str(each)[:12] for each in fault.values()),
)
@in_virtual_time
async def test_without_events_ends_are_noticed_in_time(fault: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    async with World() as world:
        world.polytomic.fault(path="/api/events", count=None, **fault)
        noticed = await delays(world, crowd(world)[:30], apart=3.0)
        assert noticed[-1] <= 30.0 + MOMENT + (2.0 if fault.get("status") == 429 else 0.0)
        if fault.get("status") != 200:
            assert len(world.asked("/api/events")) <= 8
            said = [record for record in caplog.records if "events cannot be had" in record.getMessage()]
            assert [record.levelno for record in said] == [logging.WARNING]


@in_virtual_time
async def test_a_few_waits_ask_for_no_events() -> None:
    async with World() as world:
        crowd(world, number=15)
        await world.until(300.0)
        assert world.asked("/api/events") == []


@in_virtual_time
async def test_events_are_asked_for_while_there_are_many_waits() -> None:
    async with World() as world:
        waits = crowd(world)
        await world.until(300.0)
        assert 34 <= len(world.asked("/api/events")) <= 40
        for _, wait in waits[10:]:
            await wait.cancel()
        await world.until(600.0)
        assert world.asked("/api/events", since=301.0) == []


@pytest.mark.parametrize(
    ("waits", "poll_interval", "interval"),
    [(1, 30, NEVER), (19, 30, NEVER), (20, 30, 15), (30, 30, 10), (38, 30, 8), (1000, 30, 8), (1000, 15, NEVER)],
)
def test_events_pay_from_a_number_of_waits_on(waits: int, poll_interval: float, interval: float) -> None:
    assert feed_interval(waits / poll_interval, waits) == pytest.approx(interval)


def test_without_waits_events_do_not_pay() -> None:
    assert feed_interval(0.0, 0) == NEVER


@in_virtual_time
async def test_an_event_that_comes_during_a_look_is_followed_by_another_look() -> None:
    async with World() as world:
        waits = crowd(world)
        run, wait = waits[0]
        await asyncio.sleep(0)
        watch = next(watch for watch in world.watcher._watches if watch.target == run)
        while not watch.asking:
            await asyncio.sleep(LATENCY / 10)
        world.polytomic.fault("delay", path=f"/api/syncs/{run.sync_id}/**", when="after", delay=7.0)
        await asyncio.sleep(LATENCY)
        world.polytomic.finish(run.execution_id)
        ended_at = world.loop.time()
        await wait
        assert wait.ended_at - ended_at <= 12.5


@in_virtual_time
async def test_events_of_a_busy_organization_are_left_alone_where_they_cost_too_much() -> None:
    async with World() as world:
        noisy = [world.polytomic.add_model_sync(duration=0.1) for _ in range(4)]

        async def others() -> None:
            while True:
                for sync in noisy:
                    world.polytomic.start(sync.id)
                await asyncio.sleep(2.0)

        beside = asyncio.ensure_future(others())
        waits = crowd(world, number=25)
        await world.until(300.0)
        assert len(world.asked("/api/events", since=100.0)) <= 0.1 * len(world.asked("/executions/", since=100.0))
        beside.cancel()
        assert (await delays(world, waits[:5], apart=3.0))[-1] <= 30.0 + MOMENT


def test_a_pause_and_what_was_read_outlast_a_moment_with_few_waits() -> None:
    hints = EventHints(True, lambda ended: (), lambda: EPOCH)
    many, few = (70 / 30, 70), (3 / 30, 3)
    hints.adapt(*many, 0.0)
    assert hints.next_at == 0.0
    feed = hints._feed
    hints.failed(PolytomicPermissionError(403, method="GET", path="/api/events"), 1.0)
    hints.adapt(*few, 2.0)
    assert hints.next_at == NEVER
    hints.adapt(*many, 3.0)
    assert hints.next_at == 301.0
    assert hints._feed is feed
    hints.adapt(*few, 400.0)
    hints.adapt(*many, 400.0 + STALE + 1.0)
    assert hints._feed is not feed, "what has ended in between concerns nobody who waits now"


class TestTrust:
    """``trust_events``: looking less often, as long as events tell of every end."""

    @in_virtual_time
    async def test_long_executions_are_looked_at_less_often(self) -> None:
        async with World(trust_events=True) as world:
            models = [world.start() for _ in range(MANY)]
            for run in models:
                world.wait(run)
            await world.until(1500.0)
            looks = len(world.asked("/executions/", since=900.0))
            events = len(world.asked("/api/events", since=900.0))
            assert looks <= 2 * 10 * MANY / 8 * 1.3
            assert looks + events <= 2 * 10 * MANY / 4

    @in_virtual_time
    async def test_ends_are_noticed_by_their_events(self) -> None:
        async with World(trust_events=True) as world:
            waits = crowd(world)
            await world.until(1000.0)
            noticed = await delays(world, waits[:10])
            assert noticed[-1] <= 8.0 + MOMENT

    @in_virtual_time
    async def test_one_end_without_an_event_ends_it(self, caplog: pytest.LogCaptureFixture) -> None:
        async with World(trust_events=True) as world:
            waits = [(run, world.wait(run)) for run in (world.start() for _ in range(MANY))]
            await world.until(1000.0)
            run, wait = waits[0]
            world.polytomic.set_switch("events_lost", [run.execution_id])
            world.polytomic.finish(run.execution_id)
            await wait
            assert wait.ended_at <= 1000.0 + 8 * 30.0 + MOMENT
            await asyncio.sleep(100.0)
            world.polytomic.set_switch("events_lost", ["*"])
            assert (await delays(world, waits[1:20]))[-1] <= 30.0 + MOMENT
            assert len([each for each in caplog.records if "ended without an event" in each.getMessage()]) == 1

    @in_virtual_time
    async def test_an_event_that_comes_later_is_no_loss(self, caplog: pytest.LogCaptureFixture) -> None:
        async with World(trust_events=True) as world:
            world.polytomic.set_switch("events_delayed", {"*": 20.0})
            waits = crowd(world)
            await world.until(20.0)
            for run, _ in waits[:15]:
                world.polytomic.finish(run.execution_id)
            await asyncio.sleep(300.0)
            assert "ended without an event" not in caplog.text
            assert world.watcher._hints.trusted

    @pytest.mark.parametrize("status", [403, 500])
    @in_virtual_time
    async def test_while_events_fail_the_interval_holds(self, status: int) -> None:
        async with World(trust_events=True) as world:
            waits = crowd(world)
            await world.until(1000.0)
            world.polytomic.fault("status", status=status, path="/api/events", count=None)
            await asyncio.sleep(6.0)
            noticed = await delays(world, waits[:30])
            assert noticed[-1] <= 30.0 + MOMENT

    @in_virtual_time
    async def test_with_few_waits_the_interval_holds(self) -> None:
        async with World(trust_events=True) as world:
            waits = crowd(world)
            await world.until(1000.0)
            for _, wait in waits[5:]:
                await wait.cancel()
            assert (await delays(world, waits[:5]))[-1] <= 30.0 + MOMENT

    @in_virtual_time
    async def test_it_is_off_by_default(self) -> None:
        async with World() as world:
            for run in [world.start() for _ in range(MANY)]:
                world.wait(run)
            await world.until(1000.0)
            assert len(world.asked("/executions/", since=400.0)) >= 20 * MANY - MANY
