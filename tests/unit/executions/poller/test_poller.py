"""Poll for many waits over one connection."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_polytomic.api import ClientConfig, PolytomicRateLimitError
from airflow_provider_polytomic.executions import CompletedSince, DeadlinePassed, ExecutionRef
from airflow_provider_polytomic.executions.poller import ExecutionPoller, shared_poller
from airflow_provider_polytomic.executions.poller.schedule import NEVER, PolledExecution, PollSchedule, Subscription
from tests.support.simulated_triggerer import EPOCH, FOREVER, LATENCY, SimulatedTriggerer
from tests.support.virtual_time import in_virtual_time

MOMENT = 5 * LATENCY
"""Seconds that a few requests take."""


@pytest.mark.parametrize("kind", ["model", "bulk", "schema"])
@in_virtual_time
async def test_an_end_is_noticed_within_the_interval(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        run = triggerer.start(kind)
        wait = triggerer.wait(run)
        await triggerer.until(100.0)
        assert triggerer.asked() == [pytest.approx(each + LATENCY) for each in (30.0, 60.0, 90.0)]
        triggerer.polytomic.finish(run.execution_id, "failed")
        execution = await wait
        assert (execution.id, execution.status) == (run.execution_id, "failed")
        assert wait.ended_at <= 120.0 + MOMENT


@in_virtual_time
async def test_a_completion_is_waited_for() -> None:
    async with SimulatedTriggerer() as triggerer:
        run = triggerer.start()
        target = CompletedSince("model", run.sync_id, datetime.fromtimestamp(EPOCH, timezone.utc))
        wait = triggerer.wait(target)
        await triggerer.until(100.0)
        triggerer.polytomic.finish(run.execution_id)
        assert (await wait).id == run.execution_id
        assert wait.ended_at <= 120.0 + MOMENT


@in_virtual_time
async def test_waits_that_begin_together_are_polled_one_after_the_other() -> None:
    async with SimulatedTriggerer() as triggerer:
        for _ in range(13):
            triggerer.wait(triggerer.start())
        await triggerer.until(30.0 + MOMENT)
        first = triggerer.asked()
        assert len(first) == 13
        assert min(later - previous_executions for previous_executions, later in zip(first, first[1:])) > 1.0
        await triggerer.until(60.0 + MOMENT)
        assert triggerer.asked(since=30.0 + MOMENT) == [pytest.approx(each + 30.0, abs=MOMENT) for each in first]


@in_virtual_time
async def test_polls_that_are_due_soon_go_out_together() -> None:
    async with SimulatedTriggerer() as triggerer:
        runs = [triggerer.start() for _ in range(150)]
        for run in runs:
            triggerer.wait(run)
        await triggerer.until(90.0)
        times = triggerer.asked("/syncs/")
        bursts = [at for at, before in zip(times, [0.0, *times]) if at - before > MOMENT]
        assert len(times) <= 150 * 3 * 1.02, "hardly more requests than one by one"
        assert len(bursts) <= len(times) / 2
        assert max(later - at for at, later in zip(bursts, bursts[1:])) < 2.0, "the bursts are spread over the interval"
        for run in runs:
            polls = triggerer.asked(run.execution_id)
            assert max(later - at for at, later in zip([0.0, *polls], polls)) <= 30.0 + 2 * MOMENT


@pytest.mark.parametrize(("waits", "lines"), [(120, 120), (121, 0)])
@in_virtual_time
async def test_many_waits_do_not_log_that_their_executions_run(
    waits: int, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    async with SimulatedTriggerer() as triggerer:
        runs = [triggerer.start() for _ in range(waits)]
        await triggerer.until(10.0)
        for run in runs:
            triggerer.wait(run)
        await triggerer.until(41.0)
        assert len(triggerer.asked("/syncs/")) >= waits
        assert len([each for each in caplog.messages if each.startswith("running, ")]) == lines


@in_virtual_time
async def test_polls_go_out_one_by_one_after_a_429() -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.polytomic.fault("status", status=429, headers={"Retry-After": "1"}, count=1)
        for _ in range(80):
            triggerer.wait(triggerer.start())
        await triggerer.until(95.0)
        times = triggerer.asked("/syncs/", since=35.0)
        pairs = [at for at, later in zip(times, times[1:]) if later - at < MOMENT / 10]
        assert len(pairs) < len(times) / 10


@in_virtual_time
async def test_a_last_poll_is_not_sent_before_its_deadline() -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.wait(triggerer.start())
        run = triggerer.start()
        wait = triggerer.wait(run, deadline=30.1)
        await triggerer.until(31.0)
        [first, last] = triggerer.asked(run.execution_id)
        assert first < 30.0 < 30.1 <= last
        with pytest.raises(DeadlinePassed):
            await wait


@in_virtual_time
async def test_each_wait_has_its_own_interval() -> None:
    async with SimulatedTriggerer() as triggerer:
        slow, fast = triggerer.start(), triggerer.start()
        triggerer.wait(slow, poll_interval=60.0)
        triggerer.wait(fast, poll_interval=10.0)
        await triggerer.until(121.0)
        assert len(triggerer.asked(slow.execution_id)) == 2
        assert len(triggerer.asked(fast.execution_id)) == 12


@in_virtual_time
async def test_waits_for_one_execution_share_its_polls() -> None:
    async with SimulatedTriggerer() as triggerer:
        run = triggerer.start()
        slow, fast = triggerer.wait(run, poll_interval=60.0), triggerer.wait(run, poll_interval=20.0)
        await triggerer.until(61.0)
        assert len(triggerer.asked()) == 3
        triggerer.polytomic.finish(run.execution_id)
        assert await slow == await fast


@in_virtual_time
async def test_a_canceled_wait_does_not_affect_others() -> None:
    async with SimulatedTriggerer() as triggerer:
        run, other = triggerer.start(), triggerer.start()
        gone, stays, elsewhere = triggerer.wait(run, poll_interval=5.0), triggerer.wait(run), triggerer.wait(other)
        await triggerer.until(5.0 + LATENCY / 2)
        await gone.cancel()
        await triggerer.until(70.0)
        assert len(triggerer.asked(run.execution_id, since=6.0)) == 2, "the shorter interval has gone too"
        for one in (run, other):
            triggerer.polytomic.finish(one.execution_id)
        assert (await stays).id == run.execution_id
        assert (await elsewhere).id == other.execution_id


@in_virtual_time
async def test_a_wait_that_begins_while_the_end_is_published_ends_too() -> None:
    async with SimulatedTriggerer() as triggerer:
        run = triggerer.start(duration=20.0)
        waits = [triggerer.wait(run)]
        await triggerer.until(30.0 - LATENCY)
        for _ in range(30):
            waits.append(triggerer.wait(run))
            await asyncio.sleep(LATENCY / 10)
        assert waits[0].task.done()
        assert {(await wait).status for wait in waits} == {"completed"}
        assert waits[-1].ended_at <= 61.0


# ---- bulk syncs

each_wait = pytest.mark.parametrize("kind", ["bulk", "schema"])
"""Wait for an execution, or for one of its schemas."""


@each_wait
@in_virtual_time
async def test_bulk_syncs_are_polled_together(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        runs = [triggerer.start(kind) for _ in range(120)]
        waits = [triggerer.wait(run) for run in runs]
        await triggerer.until(300.0)
        assert len(triggerer.asked("/bulk/syncs/status", since=60.0)) <= 3 * 8 + 2
        assert triggerer.asked("/executions/", since=60.0) == []
        for run in runs:
            triggerer.polytomic.finish(run.execution_id)
        await asyncio.gather(*waits)
        assert all(wait.ended_at <= 330.0 + 1.0 for wait in waits)
        assert len(triggerer.asked("/executions/", since=60.0)) == len(runs), "the execution alone decides its end"


@each_wait
@in_virtual_time
async def test_an_execution_that_a_batch_does_not_show_running_is_polled_singly(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        replaced, ended, running = (triggerer.start(kind) for _ in range(3))
        waits = [triggerer.wait(run) for run in (replaced, ended, running)]
        await triggerer.until(31.0)
        for run in (replaced, ended):
            triggerer.polytomic.finish(run.execution_id)
        triggerer.polytomic.start(replaced.sync_id)
        done, _ = await asyncio.wait({waits[0].task, waits[1].task}, timeout=30.0 + MOMENT)
        assert {task.result().id for task in done} == {replaced.execution_id, ended.execution_id}
        assert not waits[2].task.done()


@each_wait
@in_virtual_time
async def test_a_sync_that_a_batch_lacks_is_polled_singly(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        missing, there = ExecutionRef("bulk", "no-such-sync", "no-such-execution"), triggerer.start(kind)
        lost, wait = triggerer.wait(missing), triggerer.wait(there)
        with pytest.raises(Exception, match="404"):
            await lost
        assert not wait.task.done()


@pytest.mark.parametrize("refusal", [400, 403, 404, 405, 413, 414, 422, 500])
@each_wait
@in_virtual_time
async def test_a_refused_batch_is_replaced_by_single_requests(refusal: int, kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.polytomic.fault("status", status=refusal, path="/api/bulk/syncs/status", count=None)
        runs = [triggerer.start(kind) for _ in range(5)]
        waits = [triggerer.wait(run) for run in runs]
        await triggerer.until(200.0)
        for run in runs:
            assert len(triggerer.asked(run.execution_id)) >= 6
        for run in runs:
            triggerer.polytomic.finish(run.execution_id)
        await asyncio.gather(*waits)
        assert all(wait.ended_at <= 230.0 + MOMENT for wait in waits)
        batches = triggerer.asked("/bulk/syncs/status")
        assert len(batches) <= 3, "after two refusals it is left alone for some minutes"


@each_wait
@in_virtual_time
async def test_a_refused_batch_is_sent_again_after_some_minutes(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.polytomic.fault("status", status=422, path="/api/bulk/syncs/status", count=2)
        for _ in range(20):
            triggerer.wait(triggerer.start(kind))
        await triggerer.until(1000.0)
        assert len(triggerer.asked("/bulk/syncs/status", since=400.0)) > 10
        assert triggerer.asked("/executions/", since=420.0) == []


@each_wait
@in_virtual_time
async def test_a_batch_that_is_refused_as_too_large_becomes_smaller(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        runs = [triggerer.start(kind) for _ in range(40)]
        refused: list[int] = []

        def too_many(path: str, ids: int) -> int | None:
            if path == "/api/bulk/syncs/status" and ids > 12:
                refused.append(ids)
                return 414
            return None

        triggerer.refuse = too_many
        for run in runs:
            triggerer.wait(run)
        await triggerer.until(3000.0)
        assert refused == sorted(refused, reverse=True)
        assert len(refused) < 6
        assert len(triggerer.asked("/executions/", since=1500.0)) <= len(runs)


@each_wait
@in_virtual_time
async def test_executions_are_polled_singly_now_and_then(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        runs = [triggerer.start(kind) for _ in range(3)]
        for run in runs:
            triggerer.wait(run, poll_interval=1.0)
        await triggerer.until(600.0)
        assert 5 * 3 <= len(triggerer.asked("/executions/", since=5.0)) <= 12 * 3


@each_wait
@in_virtual_time
async def test_a_batch_without_an_answer_delays_polls_a_few_times_only(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.polytomic.fault("delay", path="/api/bulk/syncs/status", delay=3600.0, count=None)
        runs = [triggerer.start(kind) for _ in range(5)]
        waits = [triggerer.wait(run) for run in runs]
        await triggerer.until(200.0)
        assert len(triggerer.asked("/bulk/syncs/status")) == 2
        for run in runs:
            triggerer.polytomic.finish(run.execution_id)
        await asyncio.gather(*waits)
        assert all(wait.ended_at <= 230.0 + MOMENT for wait in waits)


# ---- schemas


ENDS = {"Account": 100.0, "Contact": 200.0, "Order": FOREVER}
SCHEMAS = [{"id": name, "duration": seconds} for name, seconds in ENDS.items()]


@pytest.mark.parametrize("others", [0, 5])
@in_virtual_time
async def test_the_end_of_a_schema_is_noticed_within_the_interval(others: int) -> None:
    async with SimulatedTriggerer() as triggerer:
        for _ in range(others):
            triggerer.wait(triggerer.start("bulk"))
        run = triggerer.start("bulk", schemas=SCHEMAS)
        whole = triggerer.wait(run)
        account, contact = (triggerer.wait(run, schema=name) for name in ("Account", "Contact"))
        assert [row["schema"] for row in (await account).schemas] == ["Account"]
        assert 100.0 <= account.ended_at <= 130.0 + MOMENT
        assert not contact.task.done()
        await contact
        assert 200.0 <= contact.ended_at <= 230.0 + MOMENT
        assert not whole.task.done()


@pytest.mark.parametrize("others", [0, 5])
@in_virtual_time
async def test_two_hundred_waits_for_schemas_of_one_execution_take_two_requests_an_interval(others: int) -> None:
    async with SimulatedTriggerer() as triggerer:
        for _ in range(others):
            triggerer.wait(triggerer.start("bulk"))
        schemas = [{"id": str(number), "duration": 100.0 + number} for number in range(200)]
        run = triggerer.start("bulk", schemas=[*schemas, {"id": "last", "duration": FOREVER}])
        waits = [triggerer.wait(run, schema=schema["id"]) for schema in schemas]
        whole = triggerer.wait(run)
        await asyncio.gather(*waits)
        assert max(wait.ended_at - 100.0 - number for number, wait in enumerate(waits)) <= 30.0 + MOMENT
        assert not whole.task.done()
        sent = triggerer.asked(since=30.0 + MOMENT)
        assert len(sent) <= 2 * (triggerer.loop.time() / 30.0) + 1


@in_virtual_time
async def test_a_schema_that_a_batch_shows_completed_is_confirmed_by_its_execution() -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.wait(triggerer.start("bulk"))
        run = triggerer.start("bulk", schemas=SCHEMAS)
        wait = triggerer.wait(run, schema="Account")
        await triggerer.until(95.0)
        before = len(triggerer.asked(run.execution_id))
        assert (await wait).schemas[0]["status"] == "completed"
        assert len(triggerer.asked(run.execution_id)) == before + 1


@in_virtual_time
async def test_a_schema_that_a_batch_does_not_show_is_polled_singly() -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.wait(triggerer.start("bulk"))
        run = triggerer.start("bulk", schemas=SCHEMAS)
        wait = triggerer.wait(run, schema="Lead")
        await triggerer.until(150.0)
        assert len(triggerer.asked(run.execution_id)) >= 4
        triggerer.polytomic.finish(run.execution_id)
        found = await wait
        assert (found.outcome.value, found.schemas, found.left_out) == ("failed", (), 3)


@in_virtual_time
async def test_a_schema_of_an_execution_that_begins_later_is_found_while_it_runs() -> None:
    async with SimulatedTriggerer() as triggerer:
        sync = triggerer.polytomic.add_bulk_sync(schemas=SCHEMAS, duration=FOREVER)
        target = CompletedSince("bulk", sync.id, datetime.fromtimestamp(EPOCH, timezone.utc))
        waits = [triggerer.wait(target, schema=name) for name in ("Account", "Contact")]
        await triggerer.until(65.0)
        execution = triggerer.polytomic.start(sync.id)
        assert {(await wait).id for wait in waits} == {execution.id}
        assert waits[0].ended_at <= 165.0 + 30.0 + MOMENT
        assert len(triggerer.asked("/status")) <= 10, "both waits share a request an interval"


@pytest.mark.parametrize(("schema", "due"), [(None, 240.0), ("Account", 30.0)])
def test_trusted_events_do_not_delay_the_end_of_a_schema(schema: str | None, due: float) -> None:
    polled = PolledExecution(CompletedSince("bulk", "s", datetime.fromtimestamp(EPOCH, timezone.utc)), -1000.0)
    polled.subscriptions.append(Subscription(30.0, NEVER, schema))
    polled.poll_interval, polled.polled_at = 30.0, 0.0
    assert polled.next_poll(trusting=True) == due


# ---- deadlines


@pytest.mark.parametrize("kind", ["model", "bulk", "schema"])
@in_virtual_time
async def test_the_deadline_is_applied_after_a_last_poll(kind: str) -> None:
    async with SimulatedTriggerer() as triggerer:
        for _ in range(3):
            triggerer.wait(triggerer.start(kind))
        run, in_time = triggerer.start(kind), triggerer.start(kind)
        late, lucky = triggerer.wait(run, deadline=70.0), triggerer.wait(in_time, deadline=70.0)
        await triggerer.until(69.9)
        triggerer.polytomic.finish(in_time.execution_id)
        assert (await lucky).status == "completed"
        with pytest.raises(DeadlinePassed) as passed:
            await late
        assert passed.value.execution.status == "running"
        assert 70.0 <= late.ended_at <= 70.0 + MOMENT


@in_virtual_time
async def test_a_deadline_that_has_passed_allows_one_poll() -> None:
    async with SimulatedTriggerer() as triggerer:
        ended = triggerer.start(duration=0.0)
        assert (await triggerer.wait(ended, deadline=-1000.0)).status == "completed"
        with pytest.raises(DeadlinePassed):
            await triggerer.wait(triggerer.start(), deadline=-1000.0)
        assert triggerer.loop.time() < 1.0


@in_virtual_time
async def test_a_deadline_in_an_outage_passes_after_another_request() -> None:
    async with SimulatedTriggerer() as triggerer:
        waits = [triggerer.wait(triggerer.start(), poll_interval=10.0, deadline=200.0) for _ in range(30)]
        await triggerer.until(50.0)
        triggerer.polytomic.fault("status", status=503, count=None)
        results = await asyncio.gather(*(wait.task for wait in waits), return_exceptions=True)
        assert all(isinstance(result, DeadlinePassed) for result in results)
        assert all(200.0 <= wait.ended_at <= 203.0 for wait in waits)
        assert len(triggerer.asked(since=199.9)) < 5


@in_virtual_time
async def test_the_deadline_holds_after_a_skipped_poll() -> None:
    async with SimulatedTriggerer() as triggerer:
        late = triggerer.wait(triggerer.start(), poll_interval=40.0, deadline=70.0)
        triggerer.wait(triggerer.start(), poll_interval=5.0)
        await triggerer.until(39.0)
        rate_limited = PolytomicRateLimitError(429, method="GET", path="/", retry_after=25.0)
        triggerer.poller._breaker.failed(rate_limited, 39.0, 1.0)
        await triggerer.until(50.0)
        assert triggerer.poller._schedule.next_at <= 64.0
        [polled] = [polled for polled in triggerer.poller._schedule if polled.poll_interval == 40.0]
        assert polled.due == 70.0
        with pytest.raises(DeadlinePassed):
            await late
        assert 70.0 <= late.ended_at <= 70.0 + MOMENT


def test_spread_polls_are_not_later_than_a_deadline() -> None:
    schedule = PollSchedule()
    crowd = [
        schedule.subscribe(ExecutionRef("model", str(number), "e"), Subscription(100.0, deadline), 0.0)
        for number, deadline in enumerate([NEVER, 60.0, 5.0, NEVER])
    ]
    schedule.spread(crowd, 10.0)
    assert [polled.due for polled in crowd] == [35.0, 60.0, 5.0, 110.0]
    schedule.put(crowd[3], 20.0)
    schedule.spread(crowd, 12.0, only_sooner=True)
    assert [polled.due for polled in crowd] == [35.0, 60.0, 5.0, 20.0]


# ---- the log


@in_virtual_time
async def test_each_wait_logs_in_its_own_context(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    task: ContextVar[str] = ContextVar("task", default="poller")
    seen: dict[str, set[str]] = {}

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.setdefault(task.get(), set()).add(record.getMessage().rpartition("(")[2].partition(":")[0])

    handler = Handler()
    logging.getLogger("airflow_provider_polytomic.executions").addHandler(handler)
    try:
        async with SimulatedTriggerer() as triggerer:
            runs = {name: triggerer.start() for name in ("a", "b")}
            for name, run in runs.items():
                task.set(name)
                triggerer.wait(run)
            task.set("test")
            await triggerer.until(100.0)
            triggerer.polytomic.fault("status", status=503, count=None)
            await triggerer.until(300.0)
    finally:
        logging.getLogger("airflow_provider_polytomic.executions").removeHandler(handler)
    assert seen["a"] == {f"{runs['a']})"}
    assert seen["b"] == {f"{runs['b']})"}
    assert seen["poller"] == {"Pausing all waits of this connection until Polytomic answers"}
    assert set(seen) == {"a", "b", "poller"}


# ---- targets that cannot be polled


@pytest.mark.parametrize(
    "impossible",
    [
        ExecutionRef("modle", "sync", "execution"),
        ExecutionRef("model", "", "execution"),
        ExecutionRef("bulk", "sync", " "),
    ],
    ids=["kind", "sync", "execution"],
)
@in_virtual_time
async def test_a_target_that_cannot_be_polled_ends_its_wait_alone(impossible: ExecutionRef) -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.polytomic.add_model_sync(id="sync", duration=0.0)
        triggerer.polytomic.start("sync")
        runs = [triggerer.start(kind) for kind in ("model", "bulk", "bulk")]
        waits = [triggerer.wait(run) for run in runs]
        wrong = triggerer.wait(impossible)
        await triggerer.until(100.0)
        with pytest.raises(RuntimeError, match="waiting has failed"):
            await wrong
        assert wrong.ended_at <= 31.0
        for run in runs:
            triggerer.polytomic.finish(run.execution_id)
        await asyncio.gather(*waits)


# ---- the shared poller


@pytest.fixture
def config(emulator: Any) -> ClientConfig:
    return ClientConfig(emulator.api_key, base_url=emulator.url)


@pytest.mark.usefixtures("no_waiting")
async def test_waits_share_a_poller_that_ends_with_the_last(emulator: Any, config: ClientConfig) -> None:
    sync = emulator.add_model_sync(duration=100.0)
    run = ExecutionRef("model", sync.id, emulator.start(sync.id).id)
    async with shared_poller(config) as first:
        async with shared_poller(config) as second:
            assert first is second
            assert (await second.wait_for_end(run, poll_interval=30.0)).status == "completed"
        task = first._task
        assert task is not None
        assert not task.done()
    assert task.cancelled()
    assert first._client._http.is_closed
    async with shared_poller(config) as third:
        assert third is not first


@pytest.mark.usefixtures("no_waiting")
def test_each_event_loop_has_a_poller(emulator: Any, config: ClientConfig) -> None:
    sync = emulator.add_model_sync(duration=100.0)
    run = ExecutionRef("model", sync.id, emulator.start(sync.id).id)
    watchers: list[ExecutionPoller] = []

    async def wait() -> str:
        async with shared_poller(config) as poller:
            watchers.append(poller)
            return (await poller.wait_for_end(run, poll_interval=30.0)).status

    async def beside() -> list[str]:
        async with shared_poller(config) as poller:
            watchers.append(poller)
            return [await wait(), await asyncio.get_running_loop().run_in_executor(None, asyncio.run, wait())]

    assert asyncio.run(beside()) == ["completed", "completed"]
    assert watchers[0] is watchers[1]
    assert watchers[1] is not watchers[2]


async def test_other_settings_have_another_poller(config: ClientConfig) -> None:
    other = ClientConfig("another-key", base_url=config.base_url)
    async with shared_poller(config) as one, shared_poller(other) as two:
        assert one is not two


@in_virtual_time
async def test_an_error_in_the_poller_ends_its_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async with SimulatedTriggerer() as triggerer:
        wait = triggerer.wait(triggerer.start())

        def fail(*arguments: Any) -> None:
            raise LookupError("a bug")

        await triggerer.until(1.0)
        monkeypatch.setattr(ExecutionPoller, "_polled", fail)
        with pytest.raises(RuntimeError, match="a bug"):
            await wait
        monkeypatch.undo()
        run = triggerer.start(duration=10.0)
        assert (await triggerer.wait(run)).status == "completed", "the next one is waited for all the same"
