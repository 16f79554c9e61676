"""Wait for the end of an execution while polls fail."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.api.errors import (
    PolytomicAuthError,
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicPermissionError,
    PolytomicResponseError,
    PolytomicTransportError,
    PolytomicValidationError,
    class_of_status,
)
from airflow_provider_polytomic.api.flow import Flow, Pause
from airflow_provider_polytomic.executions import (
    DeadlinePassed,
    Execution,
    ExecutionRef,
    Outcome,
    wait_for_end,
)
from airflow_provider_polytomic.executions import outcome as outcomes
from airflow_provider_polytomic.executions.wait import WaitState
from tests.support.simulated_api import (
    EPOCH,
    KINDS,
    POLL_FAULTS,
    Plan,
    Process,
    SimulatedApi,
    clock,
    drive,
    runs,
)


@pytest.fixture(params=KINDS)
def api(request: pytest.FixtureRequest) -> SimulatedApi:
    return SimulatedApi(request.param)


def waiting(
    api: SimulatedApi,
    run: ExecutionRef,
    *,
    poll_interval: float = 30.0,
    deadline: float | None = None,
    pause_first: bool = False,
) -> Flow[Execution]:
    return wait_for_end(run, poll_interval=poll_interval, deadline=deadline, pause_first=pause_first, clock=clock(api))


@pytest.mark.parametrize("fault", POLL_FAULTS)
def test_a_failed_poll_does_not_end_the_wait(api: SimulatedApi, fault: str) -> None:
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
    assert process.error.execution.status == "running", "the last answer"
    assert sum(pauses) == pytest.approx(100.0, abs=0.1)


def test_the_deadline_passes_without_an_answer(api: SimulatedApi) -> None:
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
def test_a_refusal_ends_the_wait(api: SimulatedApi, fault: str, error: type[PolytomicError]) -> None:
    _, run = runs(api, Plan(after=1000.0))
    api.faults = ["", "503", fault]
    process, _ = drive(api, waiting(api, run))
    assert isinstance(process.error, error)
    assert len(api.requests) == 3


@pytest.mark.parametrize("pause_first", [False, True])
def test_the_status_is_requested_before_the_deadline_is_applied(api: SimulatedApi, pause_first: bool) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    api.end(execution, "completed")
    process, pauses = drive(api, waiting(api, run, deadline=EPOCH - 500.0, pause_first=pause_first))
    assert process.result.status == "completed"
    assert sum(pauses) == 0.0


def test_the_last_poll_is_at_the_deadline(api: SimulatedApi) -> None:
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


def test_an_unknown_status_is_running_and_logged_once(
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


def test_failures_are_logged_at_growing_intervals(api: SimulatedApi, caplog: pytest.LogCaptureFixture) -> None:
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
    assert [record.message for record in caplog.records if record.name.endswith("wait")] == [
        f"Failed polls: 1, last status unknown: {outage} ({run})",
        f"Failed polls: 2, last status unknown: {outage} ({run})",
        f"Polytomic answers again. Failed polls: 2 ({run})",
        f"running, 0 records, after 1 min 0 s ({run})",
        *(f"Failed polls: {number}, last status running at {last}: {outage} ({run})" for number in (1, 2, 4, 8)),
        f"Polytomic answers again. Failed polls: 9 ({run})",
        f"completed, 0 records, after 6 min 0 s ({run})",
    ]


def test_each_change_of_the_status_is_logged_at_once(api: SimulatedApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    execution, run = runs(api, Plan(after=1000.0))
    process = Process(api, waiting(api, run, poll_interval=1.0))
    for status in ("scheduled", "running", "running", "processing", "completed"):
        execution.status = status
        process.step()
        if not process.ended:
            process.step()
    lines = [record.message.partition(" (")[0] for record in caplog.records if record.name.endswith("wait")]
    words = [line.partition(", after")[0] for line in lines]
    assert words == [f"{status}, 0 records" for status in ("scheduled", "running", "processing", "completed")]


def test_a_client_waits_with_a_timeout_and_without_airflow(emulator: Any) -> None:
    sync = emulator.add_model_sync(duration=100.0)
    ref = ExecutionRef("model", sync.id, emulator.start(sync.id).id)
    with PolytomicClient(api_key=emulator.api_key, base_url=emulator.url, sleep=emulator.clock.advance) as client:
        with pytest.raises(TimeoutError, match="has not ended in time"):
            client.run(wait_for_end(ref, timeout=50.0, clock=emulator.clock))
        assert client.run(wait_for_end(ref, timeout=100.0, clock=emulator.clock)).status == "completed"


@pytest.mark.parametrize(("timeout", "left", "expected"), [(50.0, 100.0, 50.0), (100.0, 50.0, 50.0)])
def test_the_earlier_of_timeout_and_deadline_counts(timeout: float, left: float, expected: float) -> None:
    api = SimulatedApi()
    _, run = runs(api, Plan(after=1000.0))
    process, _ = drive(api, wait_for_end(run, 30.0, timeout, deadline=EPOCH + left, clock=clock(api)))
    assert isinstance(process.error, DeadlinePassed)
    assert api.now == pytest.approx(EPOCH + expected, abs=0.1)


# ---- answers that cannot be understood

MISREAD = {
    "another execution": {"data": {"id": "another", "status": "completed"}},
    "errors as objects": {"data": {"id": "e", "status": "completed", "errors": [{"message": "m"}], "counts": []}},
    "no data": {"id": "e"},
    "an end with an unknown status": {
        "data": {"id": "e", "status": "finished", "completed_at": "2026-01-01T00:00:00Z"},
    },
}


def poll_misread(payload: Any, polls: int, poll_interval: float = 30.0) -> Any:
    """Wait while each poll is answered with a payload or an error, and return what the wait raises."""
    waiting = wait_for_end(ExecutionRef("model", "s", "e"), poll_interval)
    step = next(waiting)
    for _ in range(polls):
        while isinstance(step, Pause):
            step = next(waiting)
        if isinstance(payload, PolytomicError):
            step = waiting.throw(payload)
            continue
        try:
            answer = step.read(payload)
        except PolytomicError as error:
            step = waiting.throw(error)
        else:
            step = waiting.send(answer)
    waiting.close()


@pytest.mark.parametrize("payload", MISREAD.values(), ids=MISREAD)
@pytest.mark.parametrize(("poll_interval", "polls"), [(30.0, 120), (3600.0, 10), (0.5, 300)])
def test_a_wait_ends_after_an_hour_of_answers_that_cannot_be_understood(payload, poll_interval, polls):
    poll_misread(payload, polls - 1, poll_interval)
    with pytest.raises(PolytomicResponseError, match=f"the last {polls} responses could not be understood"):
        poll_misread(payload, polls, poll_interval)


def test_a_status_that_is_neither_a_refusal_nor_a_failure_cannot_be_understood():
    gone = class_of_status(410)(410, method="GET", path="/")
    with pytest.raises(PolytomicResponseError, match="the last 120 responses could not be understood.* answered 410"):
        poll_misread(gone, 120)


@pytest.mark.parametrize(
    "failure",
    [
        class_of_status(503)(503, method="GET", path="/"),
        class_of_status(429)(429, method="GET", path="/"),
        PolytomicTransportError("reset", method="GET", path="/", sent=True),
        PolytomicResponseError("an HTML page", method="GET", path="/", status_code=404),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failures_are_ridden_out_for_any_time(failure):
    poll_misread(failure, 2000)


def test_an_answer_that_is_understood_begins_the_count_anew():
    ref = ExecutionRef("model", "s", "e")
    state = WaitState(ref, 30.0, None, lambda: 0.0, time.time)
    misread = PolytomicResponseError("another shape", method="GET", path="/", is_json=True)
    for _ in range(5):
        for _ in range(119):
            assert state.update(misread) is None
        assert state.update(Execution.unknown("model", "s", "e")) is None


@pytest.mark.parametrize("name", ["poll_interval", "timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "60", True], ids=repr)
def test_an_invalid_interval_or_timeout_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a number of seconds or a timedelta greater than 0"):
        next(wait_for_end(ExecutionRef("model", "s", "e"), **{name: value}))


def test_the_id_of_an_execution_is_compared_without_its_case():
    ref = ExecutionRef("model", "s", "ABC")
    fetching = ref.fetch()
    answer = next(fetching).read({"data": {"id": "abc", "status": "completed"}})
    with pytest.raises(StopIteration) as stop:
        fetching.send(answer)
    assert stop.value.value.outcome is Outcome.SUCCESS
