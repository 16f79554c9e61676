"""Waiting for an end, and bringing it about, with everything in between that can fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import (
    PolytomicAuthError,
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicPermissionError,
    PolytomicValidationError,
)
from airflow_provider_polytomic.api.flow import Flow, Pause
from airflow_provider_polytomic.executions import (
    DeadlinePassed,
    Execution,
    ExecutionRef,
    cancel,
    cancel_and_confirm,
    cancel_current,
    wait_for_end,
)
from airflow_provider_polytomic.executions import outcome as outcomes
from tests.support.simulated_api import EPOCH, KINDS, SYNC, Plan, Process, SimulatedApi, SimulatedExecution

POLL_FAULTS = ("429", "500", "502", "503", "lost", "never", "garbled")


@pytest.fixture(params=KINDS)
def api(request: pytest.FixtureRequest) -> SimulatedApi:
    return SimulatedApi(request.param)


def runs(api: SimulatedApi, plan: Plan) -> tuple[SimulatedExecution, ExecutionRef]:
    execution = api.others_start(plan)
    assert execution
    return execution, ExecutionRef(api.kind, SYNC, execution.id)


def clock(api: SimulatedApi) -> Callable[[], float]:
    return lambda: api.now


def waiting(
    api: SimulatedApi,
    run: ExecutionRef,
    *,
    poll_interval: float = 30.0,
    deadline: float | None = None,
    pause_first: bool = False,
) -> Flow[Execution]:
    return wait_for_end(run, poll_interval=poll_interval, deadline=deadline, pause_first=pause_first, clock=clock(api))


def drive(api: SimulatedApi, protocol: Flow[Any]) -> tuple[Process, list[float]]:
    """Run a protocol to its end and return it with the pauses that it made."""
    process, pauses = Process(api, protocol), []
    while not process.ended:
        assert process.steps < 2000
        if isinstance(process.waiting, Pause):
            pauses.append(process.waiting.seconds)
        process.step()
    return process, pauses


def posts(api: SimulatedApi) -> list[Call[object]]:
    return [call for call, _ in api.requests if call.method == "POST"]


# ---- waiting


@pytest.mark.parametrize("fault", POLL_FAULTS)
def test_a_failed_poll_decides_nothing(api: SimulatedApi, fault: str) -> None:
    _, run = runs(api, Plan("completed", after=100.0))
    api.faults = [fault] * 20
    process, pauses = drive(api, waiting(api, run))
    assert process.result.status == "completed"
    assert pauses == [30.0] * 20
    assert len(api.requests) == 21, "a poll is one request: the next one comes anyway"


@pytest.mark.parametrize("fault", POLL_FAULTS)
def test_failing_polls_end_at_the_deadline(api: SimulatedApi, fault: str) -> None:
    _, run = runs(api, Plan(after=10.0))
    api.faults = ["", *[fault] * 99]
    process, pauses = drive(api, waiting(api, run, deadline=EPOCH + 100.0))
    assert isinstance(process.error, DeadlinePassed)
    assert process.error.execution is not None
    assert process.error.execution.status == "running", "the last that was heard"
    assert sum(pauses) == pytest.approx(100.0, abs=0.1)


def test_nothing_was_heard_until_the_deadline(api: SimulatedApi) -> None:
    _, run = runs(api, Plan(after=10.0))
    api.faults = ["lost"] * 99
    process, _ = drive(api, waiting(api, run, deadline=EPOCH + 100.0))
    assert isinstance(process.error, DeadlinePassed)
    assert process.error.execution is None
    assert str(process.error) == f"{run} has not ended in time"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", PolytomicAuthError),
        ("403", PolytomicPermissionError),
        ("404", PolytomicNotFoundError),
        ("422", PolytomicValidationError),
    ],
)
def test_what_no_waiting_mends_ends_it(api: SimulatedApi, fault: str, error: type[PolytomicError]) -> None:
    _, run = runs(api, Plan(after=1000.0))
    api.faults = ["", "503", fault]
    process, _ = drive(api, waiting(api, run))
    assert isinstance(process.error, error)
    assert len(api.requests) == 3


@pytest.mark.parametrize("pause_first", [False, True])
def test_the_status_is_asked_before_the_deadline_is_applied(api: SimulatedApi, pause_first: bool) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    api.end(execution, "completed")
    process, pauses = drive(api, waiting(api, run, deadline=EPOCH - 500.0, pause_first=pause_first))
    assert process.result.status == "completed"
    assert sum(pauses) == 0.0


def test_the_last_look_is_at_the_deadline(api: SimulatedApi) -> None:
    _, run = runs(api, Plan("completed", after=70.0))
    process, pauses = drive(api, waiting(api, run, deadline=EPOCH + 70.0))
    assert process.result.status == "completed"
    assert pauses[:2] == [30.0, 30.0]
    assert 0 < pauses[2] < 10.0


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(
    poll_interval=st.floats(0.1, 100.0),
    left=st.one_of(st.none(), st.floats(-10.0, 500.0)),
    after=st.floats(0.1, 400.0),
    faults=st.lists(st.sampled_from(["", *POLL_FAULTS]), max_size=10),
    pause_first=st.booleans(),
)
def test_no_pause_exceeds_the_interval_or_the_deadline(
    poll_interval: float, left: float | None, after: float, faults: list[str], pause_first: bool
) -> None:
    api = SimulatedApi()
    _, run = runs(api, Plan(after=after))
    api.faults = list(faults)
    deadline = None if left is None else EPOCH + left
    process = Process(api, waiting(api, run, poll_interval=poll_interval, deadline=deadline, pause_first=pause_first))
    assert isinstance(process.waiting, Pause) == pause_first
    while not process.ended:
        if isinstance(process.waiting, Pause):
            assert 0 <= process.waiting.seconds <= poll_interval
            if deadline is not None:
                assert process.waiting.seconds <= max(0.0, deadline - api.now)
        process.step()
    if deadline is None:
        assert process.result.status == "completed"
        assert api.now <= EPOCH + after + (len(faults) + 1) * (poll_interval + 0.01), (
            "an end goes unnoticed for one interval"
        )
    else:
        assert api.now <= max(EPOCH, deadline) + 0.05
        assert process.result or isinstance(process.error, DeadlinePassed)


def test_an_unknown_status_is_running_and_warned_about_once(
    api: SimulatedApi, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "_warned", set())
    execution, run = runs(api, Plan(after=1000.0))
    execution.status = "paginating"
    process = Process(api, waiting(api, run))
    for _ in range(10):
        process.step()
    assert not process.ended
    api.end(execution, "completed")
    assert process.run().result.status == "completed"
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "Unknown execution status 'paginating': treating the execution as still running"
    ]


def test_interrupted_is_an_end_only_with_a_time_of_completion(api: SimulatedApi) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    execution.status = "interrupted"
    process = Process(api, waiting(api, run))
    for _ in range(10):
        process.step()
    assert not process.ended
    api.end(execution, "interrupted")
    result = process.run().result
    assert (result.status, result.outcome.value) == ("interrupted", "failed")


def test_the_log_tells_changes_and_failures_sparsely(api: SimulatedApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    execution, run = runs(api, Plan(after=10_000.0))
    process = Process(api, waiting(api, run))
    api.faults = ["503", "503", "", *["503"] * 9]
    for _ in range(24):
        process.step()
    api.end(execution, "completed")
    process.run()
    last = "2023-11-14T22:14:20+00:00"
    outage = f"GET {api.requests[0][0].path} was answered 503: because of 503"
    assert [record.message for record in caplog.records if record.name.endswith("progress")] == [
        f"1 failed polls, last status unknown: {outage} ({run})",
        f"2 failed polls, last status unknown: {outage} ({run})",
        f"Polytomic answers again after 2 failed polls ({run})",
        f"running, 0 records, after 1 min 0 s ({run})",
        *(f"{number} failed polls, last status running at {last}: {outage} ({run})" for number in (1, 2, 4, 8)),
        f"Polytomic answers again after 9 failed polls ({run})",
        f"completed, 0 records, after 6 min 0 s ({run})",
    ]


def test_the_log_tells_each_change_at_once(api: SimulatedApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    execution, run = runs(api, Plan(after=1000.0))
    process = Process(api, waiting(api, run, poll_interval=1.0))
    for status in ("scheduled", "running", "running", "processing", "completed"):
        execution.status = status
        process.step()
        if not process.ended:
            process.step()
    lines = [record.message.partition(" (")[0] for record in caplog.records if record.name.endswith("progress")]
    words = [line.partition(", after")[0] for line in lines]
    assert words == [f"{status}, 0 records" for status in ("scheduled", "running", "processing", "completed")]


# ---- canceling


@pytest.mark.parametrize("fault", [*POLL_FAULTS, "500 acted"])
def test_a_cancellation_is_repeated_until_it_is_answered(api: SimulatedApi, fault: str) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    api.faults = [fault] * 5
    process, pauses = drive(api, cancel(run, timeout=60.0, clock=clock(api)))
    assert process.result is True
    assert execution.status == "canceling"
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6]


def test_a_cancellation_is_not_repeated_beyond_the_patience(api: SimulatedApi) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    api.faults = ["503"] * 99
    process, pauses = drive(api, cancel(run, timeout=0.5, clock=clock(api)))
    assert isinstance(process.error, PolytomicError)
    assert pauses == [0.1, 0.2]
    assert len(api.requests) == 3
    assert execution.status == "running"


@pytest.mark.parametrize("fault", ["401", "403"])
def test_a_refused_cancellation_is_not_repeated(api: SimulatedApi, fault: str) -> None:
    _, run = runs(api, Plan(after=1000.0))
    api.faults = [fault]
    process, _ = drive(api, cancel(run, timeout=60.0, clock=clock(api)))
    assert isinstance(process.error, PolytomicError)
    assert len(api.requests) == 1


@pytest.mark.parametrize("fault", ["", "404", "409", "422", "400"])
def test_nothing_to_cancel_is_no_error(api: SimulatedApi, fault: str) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    api.end(execution, "completed")
    api.faults = [fault]
    process, _ = drive(api, cancel(run, timeout=60.0, clock=clock(api)))
    assert process.result is False
    assert len(api.requests) == 1


@pytest.mark.parametrize("ends", ["canceled", "completed", "failed"])
def test_a_canceled_execution_is_seen_to_its_end_whichever_that_is(api: SimulatedApi, ends: str) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    process = Process(api, cancel_and_confirm(run, timeout=60.0, clock=clock(api)))
    api.faults = ["lost", "503"]
    while execution.status != "canceling" or process.steps < 8:
        process.step()
    api.end(execution, ends)
    assert process.run().result.status == ends


def test_one_that_does_not_end_is_returned_as_it_was_last_seen(api: SimulatedApi) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    execution.cancels = 1
    execution.status, execution.canceled_at = "canceling", EPOCH + 10_000.0
    process, _ = drive(api, cancel_and_confirm(run, timeout=60.0, clock=clock(api)))
    assert process.result.status == "canceling"
    assert api.now == pytest.approx(EPOCH + 60.0, abs=0.2)


def test_cancel_and_confirm_fails_where_it_cannot_ask(api: SimulatedApi) -> None:
    _, run = runs(api, Plan(after=1000.0))
    api.faults = ["503"] * 999
    process, _ = drive(api, cancel_and_confirm(run, timeout=10.0, clock=clock(api)))
    assert isinstance(process.error, PolytomicError)


def current(api: SimulatedApi, timeout: float | None = 100.0) -> Flow[Execution | None]:
    return cancel_current(api.kind, SYNC, poll_interval=5.0, timeout=timeout, clock=clock(api))


@pytest.mark.parametrize("nothing", ["absent", "null"])
def test_where_nothing_runs_nothing_is_canceled(api: SimulatedApi, nothing: str) -> None:
    api.nothing = nothing
    execution, _ = runs(api, Plan())
    api.end(execution, "completed")
    process, _ = drive(api, current(api))
    assert process.ended
    assert process.result is None
    assert process.error is None
    assert posts(api) == []


@pytest.mark.parametrize("ends", ["canceled", "completed"])
def test_the_current_execution_is_canceled_and_waited_for(api: SimulatedApi, ends: str) -> None:
    execution, _ = runs(api, Plan(after=1000.0))
    process = Process(api, current(api))
    for _ in range(3):
        process.step()
    assert execution.status == "canceling"
    api.end(execution, ends)
    assert process.run().result.status == ends


def test_without_patience_it_is_returned_on_its_way(api: SimulatedApi) -> None:
    runs(api, Plan(after=1000.0))
    process, pauses = drive(api, current(api, timeout=None))
    assert process.result.status == "canceling"
    assert pauses == []


def test_one_that_does_not_end_in_time_is_told(api: SimulatedApi) -> None:
    execution, _ = runs(api, Plan(after=1000.0))
    execution.status, execution.canceled_at = "canceling", EPOCH + 10_000.0
    process, _ = drive(api, current(api, timeout=20.0))
    assert isinstance(process.error, DeadlinePassed)
    assert process.error.execution is not None


def test_the_next_execution_is_not_hit_by_a_repeated_cancellation(api: SimulatedApi) -> None:
    first, _ = runs(api, Plan(after=1000.0))
    process = Process(api, current(api))
    process.step()
    process.step("lost")
    api.end(first, "canceled")
    second, _ = runs(api, Plan(after=1000.0))
    process.run()
    assert process.result.id == first.id
    assert second.cancels == 0
    assert second.status == "running"
