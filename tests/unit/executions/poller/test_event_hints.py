"""Notice ends sooner by events, and in time without them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from airflow_provider_polytomic.api import PolytomicPermissionError
from airflow_provider_polytomic.executions import ExecutionRef
from airflow_provider_polytomic.executions.poller.event_hints import STALE_AFTER, EventHints, events_interval
from airflow_provider_polytomic.executions.poller.schedule import NEVER
from tests.support.simulated_triggerer import EPOCH, LATENCY, SimulatedTriggerer, Wait
from tests.support.virtual_time import in_virtual_time

MANY = 70
"""Waits enough to poll the events every eight seconds."""

MOMENT = 5 * LATENCY


def crowd(
    triggerer: SimulatedTriggerer, poll_interval: float = 30.0, number: int = MANY
) -> list[tuple[ExecutionRef, Wait]]:
    runs = [triggerer.start(("model", "bulk", "schema")[place % 3]) for place in range(number)]
    return [(run, triggerer.wait(run, poll_interval)) for run in runs]


async def delays(
    triggerer: SimulatedTriggerer, crowd: list[tuple[ExecutionRef, Wait]], apart: float = 1.7
) -> list[float]:
    """End all executions, one after the other, and return how long each end went unnoticed."""
    ended_at = []
    for run, _ in crowd:
        await asyncio.sleep(apart)
        triggerer.polytomic.finish(run.execution_id)
        ended_at.append(triggerer.loop.time())
    await asyncio.gather(*(wait.task for _, wait in crowd))
    return sorted(wait.ended_at - at for (_, wait), at in zip(crowd, ended_at))


@in_virtual_time
async def test_an_end_is_noticed_by_its_event() -> None:
    async with SimulatedTriggerer() as triggerer:
        noticed = await delays(triggerer, crowd(triggerer)[:10])
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
async def test_ends_are_noticed_in_time_whatever_happens_to_events(trouble: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        for name, value in TROUBLE[trouble].items():
            triggerer.polytomic.set_switch(name, value)
        noisy = triggerer.polytomic.add_model_sync(duration=0.1)
        for _ in range(150):
            triggerer.polytomic.start(noisy.id)
            await asyncio.sleep(0.2)
        noticed = await delays(triggerer, crowd(triggerer)[:30])
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
    async with SimulatedTriggerer() as triggerer:
        triggerer.polytomic.fault(path="/api/events", count=None, **fault)
        noticed = await delays(triggerer, crowd(triggerer)[:30], apart=3.0)
        assert noticed[-1] <= 30.0 + MOMENT + (2.0 if fault.get("status") == 429 else 0.0)
        if fault.get("status") != 200:
            assert len(triggerer.asked("/api/events")) <= 8
            said = [record for record in caplog.records if "events could not be read" in record.getMessage()]
            assert [record.levelno for record in said] == [logging.WARNING]


@in_virtual_time
async def test_a_few_waits_poll_no_events() -> None:
    async with SimulatedTriggerer() as triggerer:
        crowd(triggerer, number=15)
        await triggerer.until(300.0)
        assert triggerer.asked("/api/events") == []


@in_virtual_time
async def test_many_waits_poll_the_events() -> None:
    async with SimulatedTriggerer() as triggerer:
        waits = crowd(triggerer)
        await triggerer.until(300.0)
        assert 34 <= len(triggerer.asked("/api/events")) <= 40
        for _, wait in waits[10:]:
            await wait.cancel()
        await triggerer.until(600.0)
        assert triggerer.asked("/api/events", since=301.0) == []


@pytest.mark.parametrize(
    ("waits", "poll_interval", "interval"),
    [(1, 30, NEVER), (19, 30, NEVER), (20, 30, 15), (30, 30, 10), (38, 30, 8), (1000, 30, 8), (1000, 15, NEVER)],
)
def test_the_interval_of_event_polls(waits: int, poll_interval: float, interval: float) -> None:
    assert events_interval(waits / poll_interval, waits) == pytest.approx(interval)


def test_no_event_polls_without_waits() -> None:
    assert events_interval(0.0, 0) == NEVER


@in_virtual_time
async def test_an_event_during_a_poll_is_followed_by_another_poll() -> None:
    async with SimulatedTriggerer() as triggerer:
        waits = crowd(triggerer)
        run, wait = waits[0]
        await asyncio.sleep(0)
        polled = next(polled for polled in triggerer.poller._schedule if polled.target == run)
        while not polled.polling:
            await asyncio.sleep(LATENCY / 10)
        triggerer.polytomic.fault("delay", path=f"/api/syncs/{run.sync_id}/**", when="after", delay=7.0)
        await asyncio.sleep(LATENCY)
        triggerer.polytomic.finish(run.execution_id)
        ended_at = triggerer.loop.time()
        await wait
        assert wait.ended_at - ended_at <= 12.5


@in_virtual_time
async def test_events_are_not_polled_if_they_take_too_many_requests() -> None:
    async with SimulatedTriggerer() as triggerer:
        noisy = [triggerer.polytomic.add_model_sync(duration=0.1) for _ in range(4)]

        async def others() -> None:
            while True:
                for sync in noisy:
                    triggerer.polytomic.start(sync.id)
                await asyncio.sleep(2.0)

        beside = asyncio.ensure_future(others())
        waits = crowd(triggerer, number=25)
        await triggerer.until(300.0)
        assert len(triggerer.asked("/api/events", since=100.0)) <= 0.1 * len(
            triggerer.asked("/executions/", since=100.0)
        )
        beside.cancel()
        assert (await delays(triggerer, waits[:5], apart=3.0))[-1] <= 30.0 + MOMENT


def test_a_pause_and_the_feed_outlast_a_moment_with_few_waits() -> None:
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
    hints.adapt(*many, 400.0 + STALE_AFTER + 1.0)
    assert hints._feed is not feed, "no current wait is for an end in between"


class TestTrust:
    """``trust_events``: poll less often, as long as events announce every end."""

    @in_virtual_time
    async def test_long_executions_are_polled_less_often(self) -> None:
        async with SimulatedTriggerer(trust_events=True) as triggerer:
            models = [triggerer.start() for _ in range(MANY)]
            for run in models:
                triggerer.wait(run)
            await triggerer.until(1500.0)
            polls = len(triggerer.asked("/executions/", since=900.0))
            events = len(triggerer.asked("/api/events", since=900.0))
            assert polls <= 2 * 10 * MANY / 8 * 1.3
            assert polls + events <= 2 * 10 * MANY / 4

    @in_virtual_time
    async def test_ends_are_noticed_by_their_events(self) -> None:
        async with SimulatedTriggerer(trust_events=True) as triggerer:
            waits = crowd(triggerer)
            await triggerer.until(1000.0)
            noticed = await delays(triggerer, waits[:10])
            assert noticed[-1] <= 8.0 + MOMENT

    @in_virtual_time
    async def test_one_end_without_an_event_ends_the_trust(self, caplog: pytest.LogCaptureFixture) -> None:
        async with SimulatedTriggerer(trust_events=True) as triggerer:
            waits = [(run, triggerer.wait(run)) for run in (triggerer.start() for _ in range(MANY))]
            await triggerer.until(1000.0)
            run, wait = waits[0]
            triggerer.polytomic.set_switch("events_lost", [run.execution_id])
            triggerer.polytomic.finish(run.execution_id)
            await wait
            assert wait.ended_at <= 1000.0 + 8 * 30.0 + MOMENT
            await asyncio.sleep(100.0)
            triggerer.polytomic.set_switch("events_lost", ["*"])
            assert (await delays(triggerer, waits[1:20]))[-1] <= 30.0 + MOMENT
            assert len([each for each in caplog.records if "ended without an event" in each.getMessage()]) == 1

    @in_virtual_time
    async def test_a_delayed_event_does_not_end_the_trust(self, caplog: pytest.LogCaptureFixture) -> None:
        async with SimulatedTriggerer(trust_events=True) as triggerer:
            triggerer.polytomic.set_switch("events_delayed", {"*": 20.0})
            waits = crowd(triggerer)
            await triggerer.until(20.0)
            for run, _ in waits[:15]:
                triggerer.polytomic.finish(run.execution_id)
            await asyncio.sleep(300.0)
            assert "ended without an event" not in caplog.text
            assert triggerer.poller._hints.trusted

    @pytest.mark.parametrize("status", [403, 500])
    @in_virtual_time
    async def test_while_events_fail_the_interval_holds(self, status: int) -> None:
        async with SimulatedTriggerer(trust_events=True) as triggerer:
            waits = crowd(triggerer)
            await triggerer.until(1000.0)
            triggerer.polytomic.fault("status", status=status, path="/api/events", count=None)
            await asyncio.sleep(6.0)
            noticed = await delays(triggerer, waits[:30])
            assert noticed[-1] <= 30.0 + MOMENT

    @in_virtual_time
    async def test_with_few_waits_the_interval_holds(self) -> None:
        async with SimulatedTriggerer(trust_events=True) as triggerer:
            waits = crowd(triggerer)
            await triggerer.until(1000.0)
            for _, wait in waits[5:]:
                await wait.cancel()
            assert (await delays(triggerer, waits[:5]))[-1] <= 30.0 + MOMENT

    @in_virtual_time
    async def test_it_is_off_by_default(self) -> None:
        async with SimulatedTriggerer() as triggerer:
            for run in [triggerer.start() for _ in range(MANY)]:
                triggerer.wait(run)
            await triggerer.until(1000.0)
            assert len(triggerer.asked("/executions/", since=400.0)) >= 20 * MANY - MANY
