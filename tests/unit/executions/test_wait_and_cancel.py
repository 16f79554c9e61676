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
from tests.support.simulated_api import EPOCH, KINDS, SYNC, Made, Plan, Process, Server

POLL_FAULTS = ("429", "500", "502", "503", "lost", "never", "garbled")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Server:
    return Server(request.param)


def runs(server: Server, plan: Plan) -> tuple[Made, ExecutionRef]:
    made = server.others_start(plan)
    assert made
    return made, ExecutionRef(server.kind, SYNC, made.id)


def clock(server: Server) -> Callable[[], float]:
    return lambda: server.now


def waiting(
    server: Server,
    run: ExecutionRef,
    *,
    poll_interval: float = 30.0,
    deadline: float | None = None,
    pause_first: bool = False,
) -> Flow[Execution]:
    return wait_for_end(
        run, poll_interval=poll_interval, deadline=deadline, pause_first=pause_first, clock=clock(server)
    )


def drive(server: Server, protocol: Flow[Any]) -> tuple[Process, list[float]]:
    """Run a protocol to its end and return it with the pauses that it made."""
    process, pauses = Process(server, protocol), []
    while not process.ended:
        assert process.steps < 2000
        if isinstance(process.waiting, Pause):
            pauses.append(process.waiting.seconds)
        process.step()
    return process, pauses


def posts(server: Server) -> list[Call[object]]:
    return [call for call, _ in server.requests if call.method == "POST"]


# ---- waiting


@pytest.mark.parametrize("fault", POLL_FAULTS)
def test_a_failed_poll_decides_nothing(server: Server, fault: str) -> None:
    _, run = runs(server, Plan("completed", after=100.0))
    server.faults = [fault] * 20
    process, pauses = drive(server, waiting(server, run))
    assert process.result.status == "completed"
    assert pauses == [30.0] * 20
    assert len(server.requests) == 21, "a poll is one request: the next one comes anyway"


@pytest.mark.parametrize("fault", POLL_FAULTS)
def test_failing_polls_end_at_the_deadline(server: Server, fault: str) -> None:
    _, run = runs(server, Plan(after=10.0))
    server.faults = ["", *[fault] * 99]
    process, pauses = drive(server, waiting(server, run, deadline=EPOCH + 100.0))
    assert isinstance(process.error, DeadlinePassed)
    assert process.error.execution is not None
    assert process.error.execution.status == "running", "the last that was heard"
    assert sum(pauses) == pytest.approx(100.0, abs=0.1)


def test_nothing_was_heard_until_the_deadline(server: Server) -> None:
    _, run = runs(server, Plan(after=10.0))
    server.faults = ["lost"] * 99
    process, _ = drive(server, waiting(server, run, deadline=EPOCH + 100.0))
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
def test_what_no_waiting_mends_ends_it(server: Server, fault: str, error: type[PolytomicError]) -> None:
    _, run = runs(server, Plan(after=1000.0))
    server.faults = ["", "503", fault]
    process, _ = drive(server, waiting(server, run))
    assert isinstance(process.error, error)
    assert len(server.requests) == 3


@pytest.mark.parametrize("pause_first", [False, True])
def test_the_status_is_asked_before_the_deadline_is_applied(server: Server, pause_first: bool) -> None:
    made, run = runs(server, Plan(after=1000.0))
    server.end(made, "completed")
    process, pauses = drive(server, waiting(server, run, deadline=EPOCH - 500.0, pause_first=pause_first))
    assert process.result.status == "completed"
    assert sum(pauses) == 0.0


def test_the_last_look_is_at_the_deadline(server: Server) -> None:
    _, run = runs(server, Plan("completed", after=70.0))
    process, pauses = drive(server, waiting(server, run, deadline=EPOCH + 70.0))
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
    server = Server()
    _, run = runs(server, Plan(after=after))
    server.faults = list(faults)
    deadline = None if left is None else EPOCH + left
    process = Process(
        server, waiting(server, run, poll_interval=poll_interval, deadline=deadline, pause_first=pause_first)
    )
    assert isinstance(process.waiting, Pause) == pause_first
    while not process.ended:
        if isinstance(process.waiting, Pause):
            assert 0 <= process.waiting.seconds <= poll_interval
            if deadline is not None:
                assert process.waiting.seconds <= max(0.0, deadline - server.now)
        process.step()
    if deadline is None:
        assert process.result.status == "completed"
        assert server.now <= EPOCH + after + (len(faults) + 1) * (poll_interval + 0.01), (
            "an end goes unnoticed for one interval"
        )
    else:
        assert server.now <= max(EPOCH, deadline) + 0.05
        assert process.result or isinstance(process.error, DeadlinePassed)


def test_an_unknown_status_is_running_and_warned_about_once(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "_warned", set())
    made, run = runs(server, Plan(after=1000.0))
    made.status = "paginating"
    process = Process(server, waiting(server, run))
    for _ in range(10):
        process.step()
    assert not process.ended
    server.end(made, "completed")
    assert process.run().result.status == "completed"
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "Polytomic reports a status that is not known here: 'paginating'; it is taken as still running"
    ]


def test_interrupted_is_an_end_only_with_a_time_of_completion(server: Server) -> None:
    made, run = runs(server, Plan(after=1000.0))
    made.status = "interrupted"
    process = Process(server, waiting(server, run))
    for _ in range(10):
        process.step()
    assert not process.ended
    server.end(made, "interrupted")
    result = process.run().result
    assert (result.status, result.outcome.value) == ("interrupted", "failed")


def test_the_log_tells_changes_and_failures_sparsely(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    made, run = runs(server, Plan(after=10_000.0))
    process = Process(server, waiting(server, run))
    server.faults = ["503", "503", "", *["503"] * 9]
    for _ in range(24):
        process.step()
    server.end(made, "completed")
    process.run()
    last = "2023-11-14T22:14:20+00:00"
    outage = f"GET {server.requests[0][0].path} was answered 503: because of 503"
    assert [record.message for record in caplog.records if record.name.endswith("progress")] == [
        f"{run}: 1 failed polls, last good status none yet: {outage}",
        f"{run}: 2 failed polls, last good status none yet: {outage}",
        f"{run}: Polytomic answers again after 2 failed polls",
        f"{run}: running, 0 records, after 1 min 0 s",
        *(f"{run}: {number} failed polls, last good status running at {last}: {outage}" for number in (1, 2, 4, 8)),
        f"{run}: Polytomic answers again after 9 failed polls",
        f"{run}: completed, 0 records, after 6 min 0 s",
    ]


def test_the_log_tells_each_change_at_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    made, run = runs(server, Plan(after=1000.0))
    process = Process(server, waiting(server, run, poll_interval=1.0))
    for status in ("scheduled", "running", "running", "processing", "completed"):
        made.status = status
        process.step()
        if not process.ended:
            process.step()
    lines = [record.message.split(": ")[1] for record in caplog.records if record.name.endswith("progress")]
    words = [line.partition(", after")[0] for line in lines]
    assert words == [f"{status}, 0 records" for status in ("scheduled", "running", "processing", "completed")]


# ---- canceling


@pytest.mark.parametrize("fault", [*POLL_FAULTS, "500 acted"])
def test_a_cancellation_is_repeated_until_it_is_answered(server: Server, fault: str) -> None:
    made, run = runs(server, Plan(after=1000.0))
    server.faults = [fault] * 5
    process, pauses = drive(server, cancel(run, timeout=60.0, clock=clock(server)))
    assert process.result is True
    assert made.status == "canceling"
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6]


def test_a_cancellation_is_not_repeated_beyond_the_patience(server: Server) -> None:
    made, run = runs(server, Plan(after=1000.0))
    server.faults = ["503"] * 99
    process, pauses = drive(server, cancel(run, timeout=0.5, clock=clock(server)))
    assert isinstance(process.error, PolytomicError)
    assert pauses == [0.1, 0.2]
    assert len(server.requests) == 3
    assert made.status == "running"


@pytest.mark.parametrize("fault", ["401", "403"])
def test_a_refused_cancellation_is_not_repeated(server: Server, fault: str) -> None:
    _, run = runs(server, Plan(after=1000.0))
    server.faults = [fault]
    process, _ = drive(server, cancel(run, timeout=60.0, clock=clock(server)))
    assert isinstance(process.error, PolytomicError)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["", "404", "409", "422", "400"])
def test_nothing_to_cancel_is_no_error(server: Server, fault: str) -> None:
    made, run = runs(server, Plan(after=1000.0))
    server.end(made, "completed")
    server.faults = [fault]
    process, _ = drive(server, cancel(run, timeout=60.0, clock=clock(server)))
    assert process.result is False
    assert len(server.requests) == 1


@pytest.mark.parametrize("ends", ["canceled", "completed", "failed"])
def test_a_canceled_execution_is_seen_to_its_end_whichever_that_is(server: Server, ends: str) -> None:
    made, run = runs(server, Plan(after=1000.0))
    process = Process(server, cancel_and_confirm(run, timeout=60.0, clock=clock(server)))
    server.faults = ["lost", "503"]
    while made.status != "canceling" or process.steps < 8:
        process.step()
    server.end(made, ends)
    assert process.run().result.status == ends


def test_one_that_does_not_end_is_returned_as_it_was_last_seen(server: Server) -> None:
    made, run = runs(server, Plan(after=1000.0))
    made.cancels = 1
    made.status, made.canceled_at = "canceling", EPOCH + 10_000.0
    process, _ = drive(server, cancel_and_confirm(run, timeout=60.0, clock=clock(server)))
    assert process.result.status == "canceling"
    assert server.now == pytest.approx(EPOCH + 60.0, abs=0.2)


def test_cancel_and_confirm_fails_where_it_cannot_ask(server: Server) -> None:
    _, run = runs(server, Plan(after=1000.0))
    server.faults = ["503"] * 999
    process, _ = drive(server, cancel_and_confirm(run, timeout=10.0, clock=clock(server)))
    assert isinstance(process.error, PolytomicError)


def current(server: Server, timeout: float | None = 100.0) -> Flow[Execution | None]:
    return cancel_current(server.kind, SYNC, poll_interval=5.0, timeout=timeout, clock=clock(server))


@pytest.mark.parametrize("nothing", ["absent", "null"])
def test_where_nothing_runs_nothing_is_canceled(server: Server, nothing: str) -> None:
    server.nothing = nothing
    made, _ = runs(server, Plan())
    server.end(made, "completed")
    process, _ = drive(server, current(server))
    assert process.ended
    assert process.result is None
    assert process.error is None
    assert posts(server) == []


@pytest.mark.parametrize("ends", ["canceled", "completed"])
def test_the_current_execution_is_canceled_and_waited_for(server: Server, ends: str) -> None:
    made, _ = runs(server, Plan(after=1000.0))
    process = Process(server, current(server))
    for _ in range(3):
        process.step()
    assert made.status == "canceling"
    server.end(made, ends)
    assert process.run().result.status == ends


def test_without_patience_it_is_returned_on_its_way(server: Server) -> None:
    runs(server, Plan(after=1000.0))
    process, pauses = drive(server, current(server, timeout=None))
    assert process.result.status == "canceling"
    assert pauses == []


def test_one_that_does_not_end_in_time_is_told(server: Server) -> None:
    made, _ = runs(server, Plan(after=1000.0))
    made.status, made.canceled_at = "canceling", EPOCH + 10_000.0
    process, _ = drive(server, current(server, timeout=20.0))
    assert isinstance(process.error, DeadlinePassed)
    assert process.error.execution is not None


def test_the_next_execution_is_not_hit_by_a_repeated_cancellation(server: Server) -> None:
    first, _ = runs(server, Plan(after=1000.0))
    process = Process(server, current(server))
    process.step()
    process.step("lost")
    server.end(first, "canceled")
    second, _ = runs(server, Plan(after=1000.0))
    process.run()
    assert process.result.id == first.id
    assert second.cancels == 0
    assert second.status == "running"
