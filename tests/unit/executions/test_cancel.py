"""Cancel an execution while requests fail."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import (
    PolytomicError,
)
from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.executions import (
    DeadlinePassed,
    Execution,
    cancel,
    cancel_and_confirm,
    cancel_current,
)
from tests.support.simulated_api import (
    EPOCH,
    KINDS,
    POLL_FAULTS,
    SYNC,
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


def posts(api: SimulatedApi) -> list[Call[object]]:
    return [call for call, _ in api.requests if call.method == "POST"]


@pytest.mark.parametrize("fault", [*POLL_FAULTS, "500 acted"])
def test_a_cancellation_is_repeated_until_it_is_answered(api: SimulatedApi, fault: str) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    api.faults = [fault] * 5
    process, pauses = drive(api, cancel(run, timeout=60.0, clock=clock(api)))
    assert process.result is True
    assert execution.status == "canceling"
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0]


def test_a_cancellation_is_not_repeated_after_its_timeout(api: SimulatedApi) -> None:
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
def test_a_canceled_execution_is_polled_until_its_end(api: SimulatedApi, ends: str) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    process = Process(api, cancel_and_confirm(run, timeout=60.0, clock=clock(api)))
    api.faults = ["lost", "503"]
    while execution.status != "canceling" or process.steps < 8:
        process.step()
    api.end(execution, ends)
    assert process.run().result.status == ends


def test_an_execution_that_does_not_end_is_returned_as_of_the_last_poll(api: SimulatedApi) -> None:
    execution, run = runs(api, Plan(after=1000.0))
    execution.cancels = 1
    execution.status, execution.canceled_at = "canceling", EPOCH + 10_000.0
    process, _ = drive(api, cancel_and_confirm(run, timeout=60.0, clock=clock(api)))
    assert process.result.status == "canceling"
    assert api.now == pytest.approx(EPOCH + 60.0, abs=0.2)


def test_cancel_and_confirm_raises_if_the_request_fails(api: SimulatedApi) -> None:
    _, run = runs(api, Plan(after=1000.0))
    api.faults = ["503"] * 999
    process, _ = drive(api, cancel_and_confirm(run, timeout=10.0, clock=clock(api)))
    assert isinstance(process.error, PolytomicError)


def current(api: SimulatedApi, timeout: float | None = 100.0) -> Flow[Execution | None]:
    return cancel_current(api.kind, SYNC, poll_interval=5.0, timeout=timeout, clock=clock(api))


@pytest.mark.parametrize("nothing", ["absent", "null"])
def test_nothing_is_canceled_if_nothing_runs(api: SimulatedApi, nothing: str) -> None:
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


def test_without_timeout_the_canceling_execution_is_returned(api: SimulatedApi) -> None:
    runs(api, Plan(after=1000.0))
    process, pauses = drive(api, current(api, timeout=None))
    assert process.result.status == "canceling"
    assert pauses == []


def test_an_execution_that_does_not_end_within_the_timeout_is_raised(api: SimulatedApi) -> None:
    execution, _ = runs(api, Plan(after=1000.0))
    execution.status, execution.canceled_at = "canceling", EPOCH + 10_000.0
    process, _ = drive(api, current(api, timeout=20.0))
    assert isinstance(process.error, DeadlinePassed)
    assert process.error.execution is not None


def test_a_repeated_cancellation_does_not_cancel_the_next_execution(api: SimulatedApi) -> None:
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
