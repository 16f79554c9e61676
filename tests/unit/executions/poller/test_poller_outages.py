"""Poll in outages: no burst, no starvation, and each end is noticed once Polytomic answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic.api import (
    Call,
    ClientConfig,
    PolytomicAuthError,
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicPermissionError,
    PolytomicTransportError,
    PolytomicValidationError,
    clients,
)
from airflow_provider_polytomic.api.errors import class_of_status
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution, SyncExecution
from airflow_provider_polytomic.api.models.syncs import BulkSyncSummary
from airflow_provider_polytomic.executions import ConsoleLogReader, DeadlinePassed, ExecutionRef, follow_console_log
from airflow_provider_polytomic.executions.poller import ExecutionPoller
from tests.support.simulated_triggerer import EPOCH, FOREVER, LATENCY, SimulatedTriggerer
from tests.support.virtual_time import in_virtual_time

MOMENT = 5 * LATENCY
KINDS = ["model", "bulk", "schema"]


@dataclass
class SimulatedClient:
    """Simulate a client and its server by functions of time, fast enough for thousands of waits.

    :param trouble: failure of a request at a time: None, a status, or seconds until its timeout
    """

    trouble: Callable[[float], float | None] = lambda now: None
    ends: dict[str, float] = field(default_factory=dict)
    requests: list[float] = field(default_factory=list)
    in_flight: int = 0
    max_in_flight: int = 0

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.poller = ExecutionPoller(
            ClientConfig("key"), acquire_client=self.acquire_client, wall_clock=lambda: EPOCH + self.loop.time()
        )

    @asynccontextmanager
    async def acquire_client(self, config: ClientConfig) -> AsyncIterator[Any]:
        yield self

    async def run(self, flow: Any) -> Any:
        answer: Any = None
        error: PolytomicError | None = None
        while True:
            try:
                call = flow.throw(error) if error else flow.send(answer)
            except StopIteration as stop:
                return stop.value
            self.requests.append(self.loop.time())
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
            try:
                answer, error = await self.answer(call), None
            except PolytomicError as raised:
                error = raised
            finally:
                self.in_flight -= 1

    async def answer(self, call: Call[Any]) -> Any:
        trouble = self.trouble(self.loop.time())
        if trouble is not None and trouble < 100:
            await asyncio.sleep(trouble)
            raise PolytomicTransportError("ReadTimeout", method=call.method, path=call.path, sent=True)
        await asyncio.sleep(LATENCY)
        if trouble is not None:
            raise class_of_status(int(trouble))(int(trouble), method=call.method, path=call.path)
        if call.path == "/api/events":
            return Page[Any](data=[])
        if call.path == "/api/bulk/syncs/status":
            return Page[BulkSyncSummary](data=[self.summary(sync_id) for _, sync_id in call.query])
        execution_id = call.path.rpartition("/")[2]
        model = BulkSyncExecution if "/bulk/" in call.path else SyncExecution
        answer = model(id=execution_id, status=self.status(execution_id))
        return call.convert(answer) if call.convert else answer

    def summary(self, sync_id: str) -> BulkSyncSummary:
        status = self.status(sync_id)
        schema = {"schema": "contact", "execution_id": sync_id, "status": status}
        return BulkSyncSummary(sync_id=sync_id, status=status, schemas=[schema])

    def status(self, execution_id: str) -> str:
        return "completed" if self.loop.time() >= self.ends.get(execution_id, FOREVER) else "running"

    def wait(self, number: int, kind: str = "model", poll_interval: float = 30.0) -> list[asyncio.Task[Any]]:
        kind_of_sync, schema = ("bulk", "contact") if kind == "schema" else (kind, None)
        runs = [ExecutionRef(kind_of_sync, f"{kind}-{place}", f"{kind}-{place}") for place in range(number)]
        waits = (self.poller.wait_for_end(run, poll_interval=poll_interval, schema=schema) for run in runs)
        return [asyncio.ensure_future(wait) for wait in waits]

    async def until(self, moment: float) -> None:
        await asyncio.sleep(moment - self.loop.time())

    def between(self, since: float, until: float) -> int:
        return len([at for at in self.requests if since <= at < until])

    async def over(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self.poller.aclose()


@pytest.mark.parametrize("trouble", [30.0, 0.01, 503.0], ids=["no answer", "refused at once", "503"])
@pytest.mark.parametrize("kind", KINDS)
@in_virtual_time
async def test_no_burst_follows_an_outage_with_a_thousand_waits(
    kind: str, trouble: float, caplog: pytest.LogCaptureFixture
) -> None:
    polytomic = SimulatedClient(trouble=lambda now: trouble if 120.0 <= now < 240.0 else None)
    waits = polytomic.wait(1000, kind)
    await polytomic.until(240.0)
    steady = polytomic.between(60.0, 120.0) / 60.0
    assert polytomic.between(160.0, 240.0) / 80.0 <= max(1.0, steady / 10), "an outage takes fewer requests, not more"
    await polytomic.until(400.0)
    back = 240.0 + 30.0 if trouble == 30.0 else 240.0
    for begin in range(240, 390, 5):
        assert polytomic.between(begin, begin + 5.0) <= 2 * steady * 5.0 + 1, begin
    assert polytomic.between(back, back + 30.0 + 5.0) >= steady * 25.0
    assert polytomic.max_in_flight <= clients.MAX_CONNECTIONS
    failing = [each.getMessage() for each in caplog.records if each.getMessage().startswith("Failed polls: ")]
    assert len({line.rpartition("(")[2] for line in failing}) > 900, "each wait logs it"
    assert len(failing) < 4000
    polytomic.ends = {f"{kind}-{place}": 400.0 for place in range(1000)}
    await asyncio.wait(waits)
    assert polytomic.loop.time() <= 430.0 + 5.0
    await polytomic.poller.aclose()


@pytest.mark.parametrize("trouble", [0.01, 503.0], ids=["refused at once", "503"])
@pytest.mark.parametrize("kind", KINDS)
@in_virtual_time
async def test_an_outage_that_begins_with_a_429(kind: str, trouble: float) -> None:
    def one_429_first(now: float) -> float | None:
        if not 120.0 <= now < 240.0:
            return None
        return 429.0 if now < 124.0 else trouble

    polytomic = SimulatedClient(trouble=one_429_first)
    waits = polytomic.wait(20, kind, poll_interval=10.0)
    await polytomic.until(240.0)
    assert max(polytomic.between(begin, begin + 1) for begin in range(120, 240)) <= 3
    assert polytomic.between(140.0, 240.0) <= 100.0 / (10.0 / 8) + 1
    polytomic.ends = {f"{kind}-{place}": 240.0 for place in range(20)}
    await asyncio.wait(waits)
    assert polytomic.loop.time() <= 250.0 + 10.0 / 8 + MOMENT
    await polytomic.poller.aclose()


@in_virtual_time
async def test_a_wait_that_is_canceled_during_a_failing_poll_leaves_nothing_behind() -> None:
    async with SimulatedTriggerer() as triggerer:
        gone = triggerer.start()
        wait, _ = triggerer.wait(gone, poll_interval=10.0), triggerer.wait(triggerer.start())
        triggerer.polytomic.fault("status", status=503, path=f"/api/**/{gone.execution_id}", count=None)
        await triggerer.until(10.0 + LATENCY / 2)
        await wait.cancel()
        await triggerer.until(12.0)
        assert len(triggerer.asked(gone.execution_id)) == 1
        assert triggerer.poller._skipped == {}


@in_virtual_time
async def test_a_thousand_waits_that_begin_together_are_spread() -> None:
    polytomic = SimulatedClient()
    waits = polytomic.wait(1000)
    await polytomic.until(90.0)
    assert max(polytomic.between(begin, begin + 1) for begin in range(90)) <= 1000 / 30 + 20
    assert polytomic.max_in_flight <= clients.MAX_CONNECTIONS
    await polytomic.over(waits)


@settings(max_examples=40, derandomize=True, database=None, deadline=None)
@given(
    number=st.integers(1, 30),
    kind=st.sampled_from(KINDS),
    poll_interval=st.sampled_from([10.0, 30.0, 100.0]),
    outages=st.lists(
        st.tuples(st.floats(1.0, 200.0), st.floats(0.5, 300.0), st.sampled_from([0.01, 5.0, 500.0, 503.0, 408.0])),
        max_size=4,
    ),
    end=st.floats(1.0, 600.0),
)
def test_an_end_is_noticed_within_the_interval_of_answers(
    number: int, kind: str, poll_interval: float, outages: list[tuple[float, float, float]], end: float
) -> None:
    """Each outage begins so many seconds after the one before, lasts so long, and gives this instead of answers."""

    @in_virtual_time
    async def check() -> None:
        spans, now = [], 0.0
        for pause, length, instead in outages:
            spans.append((now + pause, now + pause + length, instead))
            now += pause + length

        def trouble(at: float) -> float | None:
            return next((instead for begin, finish, instead in spans if begin <= at < finish), None)

        polytomic = SimulatedClient(trouble=trouble)
        waits = polytomic.wait(number, kind, poll_interval)
        polytomic.ends = {f"{kind}-{place}": end for place in range(number)}
        await asyncio.wait(waits)
        assert all(wait.result().status == "completed" for wait in waits)
        answers_from = end
        for begin, finish, instead in spans:
            slow = instead if instead < 100 else 0.0
            if begin - LATENCY <= answers_from + poll_interval + MOMENT and finish + slow > answers_from:
                answers_from = finish + slow
        assert polytomic.loop.time() <= answers_from + poll_interval + MOMENT
        await polytomic.poller.aclose()

    check()


# ---- refusals


@in_virtual_time
async def test_a_revoked_key_ends_all_waits_of_its_connection_alone() -> None:
    async with SimulatedTriggerer() as revoked, SimulatedTriggerer() as other:
        waits = [revoked.wait(revoked.start(kind)) for kind in ("model", "bulk", "schema", "bulk", "model")]
        unconcerned = other.wait(other.start())
        await revoked.until(100.0)
        revoked.polytomic.fault("status", status=401, count=None)
        results = await asyncio.gather(*(wait.task for wait in waits), return_exceptions=True)
        assert [type(result) for result in results] == [PolytomicAuthError] * 5
        assert len({id(result) for result in results}) == 5, "raising an error changes it"
        assert revoked.loop.time() <= 130.0
        await other.until(200.0)
        assert not unconcerned.task.done()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, PolytomicValidationError),
        (403, PolytomicPermissionError),
        (404, PolytomicNotFoundError),
        (422, PolytomicValidationError),
    ],
)
@in_virtual_time
async def test_a_refusal_of_one_execution_ends_its_wait_alone(
    kind: str, status: int, error: type[PolytomicError]
) -> None:
    async with SimulatedTriggerer() as triggerer:
        waits = [triggerer.wait(run) for run in [triggerer.start(kind) for _ in range(5)]]
        gone = triggerer.start(kind)
        refused = triggerer.wait(gone)
        await triggerer.until(70.0)
        triggerer.polytomic.fault("status", status=status, path=f"/api/**/{gone.execution_id}", count=None)
        triggerer.polytomic.finish(gone.execution_id)
        with pytest.raises(error):
            await refused
        assert refused.ended_at <= 100.0 + MOMENT
        await triggerer.until(200.0)
        assert not [wait for wait in waits if wait.task.done()]


@pytest.mark.parametrize("status", [409, 410])
@in_virtual_time
async def test_another_refusal_does_not_end_the_wait(status: int) -> None:
    async with SimulatedTriggerer() as triggerer:
        run, other = triggerer.start(), triggerer.start()
        triggerer.polytomic.fault(
            "status", status=status, path=f"/api/**/{run.execution_id}", seconds=500.0, count=None
        )
        wait, beside = triggerer.wait(run), triggerer.wait(other)
        await triggerer.until(400.0)
        assert len(triggerer.asked(other.execution_id)) >= 13, "it says nothing about the others"
        assert not beside.task.done()
        triggerer.polytomic.finish(run.execution_id)
        assert (await wait).status == "completed"


# ---- rate limits


@in_virtual_time
async def test_a_429_pauses_all_waits_for_as_long_as_it_asks(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedTriggerer() as triggerer:
        waits = [triggerer.wait(run, poll_interval=10.0) for run in [triggerer.start() for _ in range(40)]]
        await triggerer.until(100.0)
        fault = triggerer.polytomic.fault("status", status=429, headers={"Retry-After": "25"}, seconds=3.0, count=None)
        await triggerer.until(160.0)
        first = min(at for at in triggerer.asked(since=100.0))
        assert fault.hits <= 3, "what was in flight"
        assert triggerer.asked(since=first + 1.0)[0] >= first + 25.0
        after = triggerer.asked(since=first + 25.0)
        assert len([at for at in after if at < first + 30.0]) <= 2 * 4 * 5
        assert not [wait for wait in waits if wait.task.done()]
        said = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
        assert said == ["Pausing all waits of this connection for 25 s: Polytomic limits requests (1 in succession)"]


@pytest.mark.parametrize("limited", [True, False])
@in_virtual_time
async def test_console_logs_delay_no_wait_and_respect_a_rate_limit(
    limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SimulatedTriggerer(max_requests_per_minute=60 if limited else None) as triggerer:
        runs = [triggerer.start() for _ in range(20)]
        waits = [triggerer.wait(run) for run in runs]
        await triggerer.until(1.0)
        client, shown = triggerer.poller._client, list[str]()
        following = [
            asyncio.ensure_future(client.run(follow_console_log(ConsoleLogReader(run, shown.append)))) for run in runs
        ]
        await triggerer.until(300.0)
        triggerer.polytomic.finish(runs[7].execution_id)
        assert (await waits[7]).status == "completed"
        assert waits[7].ended_at <= 300.0 + 30.0 + 2.0
        assert shown
        began = triggerer.loop.time()
        triggerer.polytomic.fault("status", status=429, headers={"Retry-After": "50"}, count=1)
        await triggerer.until(began + 90.0)
        [refused] = [each.at - EPOCH for each in triggerer.polytomic.requests if each.status == 429]
        assert not [at for at in triggerer.asked("consolelog") if refused + MOMENT < at < refused + 50.0]
        for each in following:
            each.cancel()
        await asyncio.gather(*following, return_exceptions=True)


@in_virtual_time
async def test_pauses_grow_after_429s_without_retry_after() -> None:
    async with SimulatedTriggerer() as triggerer:
        for run in [triggerer.start() for _ in range(20)]:
            triggerer.wait(run, poll_interval=10.0)
        await triggerer.until(50.0)
        triggerer.polytomic.fault("status", status=429, count=None)
        await triggerer.until(400.0)
        asked = triggerer.asked(since=50.5)
        pauses = [later - previous_executions for previous_executions, later in zip(asked, asked[1:])]
        assert pauses[:5] == [pytest.approx(each, abs=MOMENT) for each in (2.0, 4.0, 8.0, 16.0, 32.0)]
        assert max(pauses) <= 60.0 + MOMENT


@in_virtual_time
async def test_each_execution_is_polled_under_a_lasting_limit() -> None:
    async with SimulatedTriggerer() as triggerer:
        triggerer.polytomic.set_switch("rate_limit", 60)
        triggerer.polytomic.set_switch("retry_after", "seconds")
        runs = [triggerer.start() for _ in range(19)]
        for run in runs:
            triggerer.wait(run, poll_interval=10.0)
        await triggerer.until(600.0)
        answered = [each.path for each in triggerer.polytomic.requests if each.status == 200]
        asked = [len([path for path in answered if run.execution_id in path]) for run in runs]
        assert sum(asked) >= 400
        assert min(asked) >= 0.6 * max(asked)


@in_virtual_time
async def test_a_deadline_in_a_pause_is_applied_after_it() -> None:
    async with SimulatedTriggerer() as triggerer:
        run = triggerer.start(duration=40.0)
        for other in [triggerer.start() for _ in range(5)]:
            triggerer.wait(other, poll_interval=10.0)
        wait = triggerer.wait(run, poll_interval=30.0, deadline=45.0)
        await triggerer.until(31.0)
        triggerer.polytomic.fault("status", status=429, headers={"Retry-After": "20"})
        assert (await wait).status == "completed", "it ended in time, during the pause"
        assert wait.ended_at <= 60.0


@in_virtual_time
async def test_deadlines_are_applied_soon_under_a_lasting_limit() -> None:
    async with SimulatedTriggerer() as triggerer:
        waits = [triggerer.wait(triggerer.start(), poll_interval=30.0, deadline=300.0) for _ in range(50)]
        await triggerer.until(250.0)
        triggerer.polytomic.fault("status", status=429, headers={"Retry-After": "60"}, count=None)
        for wait in waits:
            with pytest.raises(DeadlinePassed):
                await wait
        assert max(wait.ended_at or FOREVER for wait in waits) <= 300.0 + 60.0 + MOMENT


@pytest.mark.parametrize("kind", KINDS)
@in_virtual_time
async def test_each_kind_is_polled_if_there_are_too_many_waits(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SimulatedTriggerer(max_requests_per_minute=30) as triggerer:
        for run in [triggerer.start("model") for _ in range(30)]:
            triggerer.wait(run, poll_interval=10.0)
        late = triggerer.wait(triggerer.start(kind), poll_interval=10.0, deadline=300.0)
        await triggerer.until(299.0)
        assert len(triggerer.asked(late.target.execution_id)) >= 3 or len(triggerer.asked("/bulk/syncs/status")) >= 3
        with pytest.raises(DeadlinePassed):
            await late
        assert late.ended_at <= 300.0 + 120.0


@in_virtual_time
async def test_requests_a_minute_can_be_limited(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with SimulatedTriggerer(max_requests_per_minute=30) as triggerer:
        runs = [triggerer.start() for _ in range(30)]
        for run in runs:
            triggerer.wait(run)
        await triggerer.until(900.0)
        asked = triggerer.asked()
        assert max(len([at for at in asked if begin <= at < begin + 60.0]) for begin in range(840)) <= 30
        assert len(asked) >= 30 * 14
        polls = [len(triggerer.asked(run.execution_id)) for run in runs]
        assert min(polls) >= max(polls) - 2
        said = [each.getMessage() for each in caplog.records if "requests a minute" in each.getMessage()]
        assert len(said) == 1
        assert "16 waits need about 32 requests a minute, and the connection allows 30" in said[0]
