"""Start once, in sequences that a simpler flow would get wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_polytomic.api import syncs
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import (
    PolytomicConflictError,
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicPermissionError,
    PolytomicResponseError,
    PolytomicServerError,
    PolytomicTransportError,
    PolytomicValidationError,
)
from airflow_provider_polytomic.executions import AlreadyRunning, DeadlinePassed, IfRunning, Ownership, StartRequest
from airflow_provider_polytomic.executions.start import MAX_RECORDED_CONFLICTS, MAX_START_REPETITIONS
from tests.support.simulated_api import (
    CONFLICT_PAUSES,
    EPOCH,
    KINDS,
    SYNC,
    Plan,
    Process,
    RecordedAnswer,
    SimulatedApi,
    SimulatedExecution,
)
from tests.support.simulated_task import POLL, Task

NEVER_ENDS = Plan(after=float("inf"))


@pytest.fixture(params=KINDS)
def api(request: pytest.FixtureRequest) -> SimulatedApi:
    return SimulatedApi(request.param)


def until_started(process: Process, executions: int = 1) -> None:
    """Run until so many executions were started and the last start was answered."""
    while len(process.api.executions) < executions:
        process.step()
    process.step()


def starts(api: SimulatedApi) -> list[str]:
    return [call.idempotency_key for call, _ in api.requests if call.idempotency_key]


def fail_starts(process: Process, fault: str, times: int) -> None:
    """Let the next starts fail, and nothing else."""
    fail_calls(process, "POST", "/executions", fault, times)


def fail_calls(process: Process, method: str, ending: str, fault: str, times: int) -> None:
    """Let the next calls to a path fail, and nothing else."""
    while times:
        call = process.waiting
        meant = isinstance(call, Call) and call.method == method and call.path.endswith(ending)
        process.step(fault if meant else "")
        times -= meant


# ---- the key

REQUEST = StartRequest("model", "S", ("dag", "run", "task", -1))


def test_the_key_is_the_same_in_every_release() -> None:
    """A release that changes it would run twice what an upgrade interrupts."""
    assert REQUEST.key(0) == "48b6523f97a8cef84b63b0821fa30b9e7acfd8fbde9133003734b34a0c24be30"


def test_each_field_of_the_identity_changes_the_key() -> None:
    others = [
        replace(REQUEST, kind="bulk"),
        replace(REQUEST, sync_id="T"),
        replace(REQUEST, generation=1),
        *(replace(REQUEST, identity=identity) for identity in [
            ("other", "run", "task", -1), ("dag", "other", "task", -1), ("dag", "run", "other", -1),
            ("dag", "run", "task", 0), ("dag", "run", "task", 1),
        ]),
    ]  # fmt: skip
    keys = {request.key(number) for request in [REQUEST, *others] for number in range(3)}
    assert len(keys) == 3 * (1 + len(others))
    for same in (
        replace(REQUEST, attempts_before=3),
        replace(REQUEST, if_running="skip"),
        replace(REQUEST, known_execution_id="E"),
    ):
        assert same.key(2) == REQUEST.key(2)


# ---- what an attempt finds


def test_a_first_attempt_requests_the_status_and_starts(api: SimulatedApi) -> None:
    task = Task(api)
    found = task.begin().run().result
    assert (found.ownership, found.adopted, found.previous_executions) == (Ownership.OWNED, False, ())
    assert [one.key for one in api.executions] == [task.keys()[0]]
    assert [call.method for call, _ in api.requests][:3] == ["GET", "POST", "GET"]


def test_a_retry_adopts_what_runs(api: SimulatedApi) -> None:
    task = Task(api)
    first = task.begin()
    until_started(first)
    first.die(acted=False)
    found = task.retry().run().result
    assert (found.ownership, found.adopted, len(api.executions)) == (Ownership.OWNED, True, 1)


def test_a_retry_knows_the_failures_before_it(api: SimulatedApi) -> None:
    api.plans = [Plan("failed"), Plan("canceled"), Plan()]
    task = Task(api)
    task.begin().run()
    task.retry().run()
    found = task.retry().run().result
    assert [one.id for one in found.previous_executions] == [one.id for one in api.executions[:2]]
    assert [one.key for one in api.executions] == task.keys()[:3]
    bodies = [dict(call.body or {}) for call, _ in api.requests if call.method == "POST"]
    assert bodies[-3:] == [{"test": False}, {"test": True}, {"test": True}], "a key is always sent with the same body"


def test_an_owned_execution_that_is_being_canceled_is_waited_for_and_replaced(api: SimulatedApi) -> None:
    task = Task(api)
    first = task.begin()
    until_started(first)
    first.die(acted=False)
    api.executions[0].status, api.executions[0].canceled_at = "canceling", api.now
    found = task.retry().run().result
    assert found.execution.id == api.executions[1].id
    assert [one.status for one in api.executions] == ["canceled", "completed"]


@pytest.mark.parametrize("remembers", [False, True])
def test_the_same_try_takes_its_own_failure_for_its_result(api: SimulatedApi, remembers: bool) -> None:
    """The worker of the first attempt dies, and the attempt runs again after the failure."""
    api.plans = [Plan("failed")]
    task = Task(api, remembers=remembers)
    first = task.begin()
    until_started(first)
    first.die(acted=False)
    api.advance(100.0)
    found = task.begin().run().result
    assert (found.ownership, found.execution.status, len(api.executions)) == (Ownership.OWNED, "failed", 1)
    assert task.retry().run().result.execution.status == "completed"


def test_the_same_try_adopts_its_success_after_a_lost_answer(api: SimulatedApi) -> None:
    task = Task(api)
    first = task.begin()
    first.step()
    first.die(acted=True)
    api.advance(100.0)
    found = task.begin().run().result
    assert (found.execution.status, len(api.executions)) == ("completed", 1)


# ---- timestamps and a status that lags


def test_an_execution_created_in_the_same_second_as_the_last_one_is_new() -> None:
    api = SimulatedApi(whole_seconds=True, plans=[Plan("failed", after=0.0), Plan("failed", after=0.0)])
    api.others_start(Plan(after=0.0))
    task = Task(api)
    found = task.begin().run().result
    assert (found.adopted, len(api.executions)) == (False, 2)
    assert {api._moment(one.created) for one in api.executions} == {"2023-11-14T22:13:20+00:00"}
    assert task.retry().run().result.adopted is False
    assert len(api.executions) == 3


@pytest.mark.parametrize("whole_seconds", [False, True])
def test_an_old_failure_is_not_new_if_another_execution_was_created_in_the_same_second(whole_seconds: bool) -> None:
    """The status then shows the other one only, and the times are equal."""
    api = SimulatedApi(whole_seconds=whole_seconds, plans=[Plan("failed", after=0.0)])
    task = Task(api)
    task.begin().run()
    api.others_start(Plan(after=0.0))
    found = task.retry().run().result
    assert (found.adopted, found.execution.status) == (False, "completed")
    assert len(task.owned_executions()) == 2


def test_an_old_failure_is_not_new_if_the_status_lags(api: SimulatedApi) -> None:
    """The status shows neither it nor anything later, so that it seems to have just been started."""
    api.plans = [Plan("failed")]
    api.status_lags = 1000.0
    task = Task(api)
    task.begin().run()
    assert task.retry().run().result.execution.status == "completed"
    assert len(api.executions) == 2


def test_an_old_failure_that_cannot_be_requested_is_found_in_the_history(api: SimulatedApi) -> None:
    api.plans = [Plan("failed")]
    task = Task(api)
    task.begin().run()
    retry = task.retry()
    fail_calls(retry, "GET", "/execution-1", "503", 2)
    assert retry.run().result.execution.status == "completed"
    assert len(api.executions) == 2


def test_a_last_execution_with_an_unknown_status_does_not_block_a_start(api: SimulatedApi) -> None:
    """An unknown status counts as running, and would block every later start."""
    other = api.others_start()
    assert other
    api.end(other, "a new word")
    assert Task(api).begin().run().result.ownership is Ownership.OWNED


# ---- conflicts


@pytest.mark.parametrize("policy", ["wait", "join", "fail", "skip"])
def test_each_policy_while_another_party_runs_an_execution(api: SimulatedApi, policy: IfRunning) -> None:
    other = api.others_start(Plan(after=70.0))
    assert other
    task = Task(api, policy)
    process = task.begin().run()
    if policy == "wait":
        assert process.result.ownership is Ownership.OWNED
        assert api.executions[1].created > EPOCH + 70.0
    elif policy == "join":
        assert process.result.ownership is Ownership.JOINED
        assert process.result.execution.id == other.id
    else:
        assert isinstance(process.error, AlreadyRunning)
        assert process.error.execution.id == other.id
        assert str(process.error) == f"execution {other.id} is running"
    assert len(task.owned_executions()) == (policy == "wait")
    assert len(starts(api)) == (policy == "wait")
    assert other.cancels == 0


@pytest.mark.parametrize("policy", ["wait", "join", "fail", "skip"])
def test_every_policy_waits_for_an_execution_that_is_being_canceled(api: SimulatedApi, policy: IfRunning) -> None:
    """After a clear it is our own, and a clear always runs again."""
    task = Task(api, policy)
    first = task.begin()
    until_started(first)
    first.step()
    found = task.restart().run().result
    assert [one.status for one in api.executions] == ["canceled", "completed"]
    assert found.execution.id == api.executions[1].id


@pytest.mark.parametrize("records", [False, True])
def test_a_conflict_that_is_over_uses_the_key_up_only_if_it_was_recorded(api: SimulatedApi, records: bool) -> None:
    """Another party's execution ends between the last 409 and the status request after it. If the flow went on to
    key 1, a retry would find key 0 unused."""
    api.records_conflicts = records
    task = Task(api)
    first = task.begin()
    first.step()
    other = api.others_start(NEVER_ENDS)
    assert other
    first.step()
    api.end(other, "completed")
    until_started(first, 2)
    first.die(acted=False)
    assert api.executions[1].key == task.keys()[int(records)]
    api.advance(100.0)
    task.retry().run()
    assert len(task.owned_executions()) == 1


def test_a_conflict_is_not_recorded_if_something_ran_between_two_status_requests(api: SimulatedApi) -> None:
    """A 409 counts as recorded only if nothing ran between two status requests."""
    api.records_conflicts = False
    task = Task(api)
    first = task.begin()
    for _ in range(MAX_START_REPETITIONS - 2):
        while not getattr(first.waiting, "idempotency_key", None):
            first.step()
        other = api.others_start(NEVER_ENDS)
        assert other
        first.step()
        api.end(other, "completed")
    assert set(starts(api)) == {task.keys()[0]}
    first.run()
    assert [one.key for one in task.owned_executions()] == task.keys()[:1]


def test_a_start_in_flight_is_waited_for(api: SimulatedApi) -> None:
    """The next key must not overtake the start of a dead worker that is still in flight."""
    task = Task(api)
    first = task.begin()
    first.step()
    first.step("flies")
    first.die(acted=False)
    retry = task.retry()
    while api.now < EPOCH + sum(CONFLICT_PAUSES) - 1.0:
        retry.step()
    assert set(starts(api)) == {task.keys()[0]}
    api.deliver(task.keys()[0])
    found = retry.run().result
    assert (found.ownership, len(api.executions)) == (Ownership.OWNED, 1)


def test_an_owned_start_in_flight_is_not_taken_for_another_partys(api: SimulatedApi) -> None:
    """The status shows the execution before the first request is answered; ``skip`` would leave it unattended."""
    task = Task(api, "skip")
    first = task.begin()
    first.step()
    first.step("flies")
    first.die(acted=False)
    key = task.keys()[0]
    api._make(key)
    retry = task.retry()
    for _ in range(6):
        retry.step()
    api.in_flight.clear()
    api.keys[key] = RecordedAnswer(api.now, 200, {"data": api._shown(api.executions[0])})
    found = retry.run().result
    assert (found.ownership, len(api.executions)) == (Ownership.OWNED, 1)


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("policy", ["wait", "join", "fail", "skip"])
def test_a_start_that_is_answered_after_minutes_is_owned(api: SimulatedApi, policy: IfRunning, shown: bool) -> None:
    """The connection's timeout ends the first request; the next ones are answered 409 until the first has an answer."""
    task = Task(api, policy)
    process = task.begin()
    process.step()
    process.step("flies")
    key = task.keys()[0]
    if shown:
        api._make(key)
    while api.now < EPOCH + 240.0:
        process.step()
    assert set(starts(api)) == {key}
    if shown:
        api.in_flight.clear()
        api.keys[key] = RecordedAnswer(api.now, 200, {"data": api._shown(api.executions[0])})
    else:
        api.deliver(key)
    found = process.run().result
    assert (found.ownership, len(api.executions)) == (Ownership.OWNED, 1)


@pytest.mark.parametrize("policy", ["join", "fail", "skip"])
def test_a_retry_decides_after_a_minute_if_a_start_may_be_in_flight(api: SimulatedApi, policy: IfRunning) -> None:
    task = Task(api, policy)
    task.begin().die(acted=False)
    api.others_start(NEVER_ENDS)
    retry = task.retry()
    while not retry.ended and api.now < EPOCH + 60.0:
        retry.step()
    assert not retry.ended or not isinstance(retry.error, AlreadyRunning)
    if policy != "join":
        assert isinstance(retry.run().error, AlreadyRunning)
    assert task.owned_executions() == []


@pytest.mark.parametrize("policy", ["wait", "join", "fail", "skip"])
def test_a_start_in_flight_is_given_up_after_the_timeout_and_found_by_the_retry(
    api: SimulatedApi, policy: IfRunning
) -> None:
    task = Task(api, policy, timeout=20.0)
    process = task.begin()
    process.step()
    process.step("flies")
    assert isinstance(process.run().error, PolytomicConflictError)
    assert 20.0 <= api.now - EPOCH < 40.0
    retry = task.retry()
    retry.step()
    api.deliver(task.keys()[0])
    found = retry.run()
    assert isinstance(found.error, DeadlinePassed)
    assert set(starts(api)) == {task.keys()[0]}
    assert len(api.executions) == 1
    assert api.canceled_ids == {api.executions[0].id}


@pytest.mark.parametrize("policy", ["join", "fail", "skip"])
def test_a_retry_decides_at_once_if_the_executions_of_all_attempts_are_known(
    api: SimulatedApi, policy: IfRunning
) -> None:
    """No start of an earlier attempt is in flight, since each attempt starts one execution at most."""
    task = Task(api, policy)
    api.plans = [Plan("failed", after=1.0)]
    task.begin().run()
    api.others_start(NEVER_ENDS)
    began, retry = api.now, task.retry()
    while not retry.ended and api.now < began + 5.0:
        retry.step()
    if policy == "join":
        assert task.found
        assert task.found.ownership is Ownership.JOINED
    else:
        assert isinstance(retry.error, AlreadyRunning)


@pytest.mark.parametrize("policy", ["wait", "join", "fail", "skip"])
def test_of_two_first_starts_at_once_the_refused_one_decides_at_once(api: SimulatedApi, policy: IfRunning) -> None:
    process = Task(api, policy).begin()
    process.step()
    other = api.others_start(Plan(after=60.0))
    assert other
    while not process.ended and api.now < EPOCH + 5.0:
        process.step()
    if policy in ("fail", "skip"):
        assert isinstance(process.error, AlreadyRunning)
        return
    found = process.run().result
    assert found.ownership is (Ownership.JOINED if policy == "join" else Ownership.OWNED)
    if policy == "wait":
        assert other.completed
        assert api.executions[1].created < other.completed + POLL + 5.0


def test_a_conflict_under_every_key_is_raised(api: SimulatedApi) -> None:
    task = Task(api)
    api.in_flight = dict.fromkeys(task.keys(), EPOCH)
    process = task.begin().run()
    assert isinstance(process.error, PolytomicConflictError)
    assert len(set(starts(api))) == MAX_RECORDED_CONFLICTS + 1
    assert api.executions == []


# ---- refusals


def test_a_recorded_500_leads_to_the_next_key(api: SimulatedApi) -> None:
    task = Task(api)
    first = task.begin()
    fail_starts(first, "500", 1)
    until_started(first)
    first.die(acted=False)
    assert [one.key for one in api.executions] == task.keys()[1:2]
    found = task.retry().run().result
    assert (found.adopted, len(api.executions)) == (True, 1)


def test_recorded_500s_use_up_a_limited_number_of_keys(api: SimulatedApi) -> None:
    task = Task(api)
    for attempt in range(3):
        process = task.begin() if attempt == 0 else task.retry()
        while not process.ended:
            process.step("500" if getattr(process.waiting, "idempotency_key", None) else "")
        assert isinstance(process.error, PolytomicServerError)
        assert len(set(starts(api))) == 2 + attempt
    assert task.retry().run().result.execution.status == "completed"
    assert len(api.executions) == 1


@pytest.mark.parametrize("fault", ["429", "502", "503"])
def test_a_first_attempt_keeps_its_key_after_a_failure_in_front_of_the_application(
    api: SimulatedApi, fault: str
) -> None:
    """If a limit on starts ended just then, a retry would find key 0 unused."""
    api.records_failures = False
    task = Task(api)
    first = task.begin()
    fail_starts(first, fault, 2)
    assert first.ended
    assert isinstance(first.error, PolytomicError)
    assert task.retry().run().result.execution.status == "completed"
    assert [one.key for one in api.executions] == task.keys()[:1]


@pytest.mark.parametrize("fault", ["500", "503", "429", "403"])
def test_a_failure_that_is_not_repeated_leaves_no_unused_key(api: SimulatedApi, fault: str) -> None:
    """The outage ends during the status request after it."""
    api.records_failures = False
    task = Task(api)
    if fault != "500":
        task.begin().die(acted=False)
    process = task.begin() if fault == "500" else task.retry()
    fail_starts(process, fault, 1 if fault == "403" else 2)
    process.run()
    assert [one.key for one in api.executions] == task.keys()[:1]
    assert process.result.ownership is Ownership.OWNED


@pytest.mark.parametrize("fault", ["429", "503"])
def test_a_retry_tries_the_next_key_after_a_repeated_refusal(api: SimulatedApi, fault: str) -> None:
    task = Task(api)
    first = task.begin()
    fail_starts(first, "429", 1)
    first.run()
    assert api.executions == []
    assert task.retry().run().result.execution.status == "completed"
    assert [one.key for one in api.executions] == task.keys()[1:2]


@pytest.mark.parametrize(
    ("fault", "error"),
    [("403", PolytomicPermissionError), ("404", PolytomicNotFoundError), ("422", PolytomicValidationError)],
)
def test_a_first_refusal_is_final(api: SimulatedApi, fault: str, error: type[PolytomicError]) -> None:
    task = Task(api)
    process = task.begin()
    fail_starts(process, fault, 1)
    assert isinstance(process.error, error)
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [("lost", PolytomicTransportError), ("never", PolytomicTransportError), ("garbled", PolytomicResponseError)],
)
def test_no_answer_repeats_the_same_key(api: SimulatedApi, fault: str, error: type[PolytomicError]) -> None:
    task = Task(api)
    process = task.begin()
    fail_starts(process, fault, 2)
    assert isinstance(process.error, error)
    assert task.retry().run().result.execution.status == "completed"
    assert set(starts(api)) == {task.keys()[0]}
    assert len(api.executions) == 1


def test_ever_changing_answers_are_raised(api: SimulatedApi) -> None:
    task = Task(api)
    task.begin().die(acted=False)
    process = task.retry()
    faults = ["422", "403"] * MAX_START_REPETITIONS
    while not process.ended:
        process.step(faults.pop() if getattr(process.waiting, "idempotency_key", None) else "")
    assert isinstance(process.error, PolytomicError)
    assert set(starts(api)) == {task.keys()[0]}


# ---- a 500 that acted


@pytest.mark.parametrize("after", [0.0, 70.0])
def test_an_execution_that_appears_after_a_500_is_joined_and_not_owned(api: SimulatedApi, after: float) -> None:
    """It may end at once, so the current execution alone is not enough."""
    api.plans = [Plan(after=after)]
    task = Task(api)
    process = task.begin()
    fail_starts(process, "500 acted", 1)
    process.run()
    assert process.result.ownership is Ownership.JOINED
    assert process.result.execution.status == "completed"
    assert (len(api.executions), task.owned) == (1, [])


def test_an_execution_from_before_a_500_is_not_joined(api: SimulatedApi) -> None:
    other = api.others_start(Plan(after=0.0))
    assert other
    task = Task(api)
    process = task.begin()
    fail_starts(process, "500", 1)
    process.run()
    assert process.result.ownership is Ownership.OWNED
    assert [one.key for one in api.executions] == [None, task.keys()[1]]


def test_an_execution_that_appears_after_a_429_is_not_joined(api: SimulatedApi) -> None:
    """It is another party's: joining it, the task would succeed without an execution of its own."""
    task = Task(api)
    first = task.begin()
    fail_starts(first, "429", 1)
    first.run()
    retry = task.retry()
    retry.step()
    retry.step()
    api.others_start(Plan(after=0.0))
    assert retry.run().result.ownership is Ownership.OWNED
    assert len(task.owned_executions()) == 1


# ---- memory


def lost_worker(api: SimulatedApi, task: Task) -> SimulatedExecution:
    first = task.begin()
    until_started(first)
    first.die(acted=False)
    api.advance(25 * 3600.0)
    return api.executions[0]


def test_a_saved_execution_is_found_after_its_key_expired(api: SimulatedApi) -> None:
    task = Task(api, remembers=True)
    execution = lost_worker(api, task)
    found = task.retry().run().result
    assert (found.execution.id, found.ownership, len(api.executions)) == (execution.id, Ownership.OWNED, 1)
    assert starts(api) == [execution.key]
    assert task.owned == [execution.id] * 2, "the process that goes on must know what to cancel"


def test_a_retry_after_a_saved_failure_starts_once(api: SimulatedApi) -> None:
    api.plans = [Plan("failed")]
    task = Task(api, remembers=True)
    lost_worker(api, task)
    assert task.retry().run().result.execution.status == "completed"
    assert len(api.executions) == 2


def test_a_saved_failure_is_the_result_of_the_same_try(api: SimulatedApi) -> None:
    api.plans = [Plan("failed")]
    task = Task(api, remembers=True)
    lost_worker(api, task)
    assert task.begin().run().result.execution.status == "failed"
    assert len(api.executions) == 1


def test_a_saved_execution_of_another_generation_is_ignored(api: SimulatedApi) -> None:
    task = Task(api, remembers=True)
    lost_worker(api, task)
    assert task.clear().run().result.execution.id == api.executions[1].id


def test_a_saved_execution_that_is_gone_is_searched_by_key(api: SimulatedApi) -> None:
    task = Task(api, remembers=True)
    task.memory = ("execution-0", 0)
    assert task.begin().run().result.execution.id == api.executions[0].id


def test_a_saved_execution_that_is_being_canceled_is_not_adopted(api: SimulatedApi) -> None:
    task = Task(api, remembers=True)
    first = task.begin()
    until_started(first)
    first.die(acted=False)
    api.executions[0].status, api.executions[0].canceled_at = "canceling", api.now
    assert task.retry().run().result.execution.id == api.executions[1].id


def test_an_expired_key_starts_again_if_nothing_was_saved(api: SimulatedApi) -> None:
    """No client could do better: nothing at the server ties the old execution to the task any longer."""
    task = Task(api, remembers=False)
    lost_worker(api, task)
    task.retry().run()
    assert len(api.executions) == 2


def test_a_repeated_refusal_that_is_not_recorded_leaves_an_unused_key(api: SimulatedApi) -> None:
    """No client could do better and still pass a recorded 500: to the retry, a used key 1 behind a fresh key 0 and a
    used key 0 before a fresh key 1 look the same, and whichever it sends first starts something in one of them."""
    api.records_failures = False
    task = Task(api)
    first = task.begin()
    fail_starts(first, "500", 4)
    until_started(first)
    first.die(acted=False)
    api.advance(100.0)
    task.retry().run()
    assert [one.key for one in api.executions] == [task.keys()[1], task.keys()[0]]


def test_an_unused_key_does_no_harm_if_the_execution_was_saved(api: SimulatedApi) -> None:
    api.records_failures = False
    task = Task(api, remembers=True)
    first = task.begin()
    fail_starts(first, "500", 4)
    until_started(first)
    first.die(acted=False)
    api.advance(100.0)
    assert task.retry().run().result.execution.id == api.executions[0].id
    assert len(api.executions) == 1


def test_a_500_that_acted_is_not_found_by_a_retry(api: SimulatedApi) -> None:
    """No client could do better: the key is answered 500, so the execution may be another party's."""
    task = Task(api)
    first = task.begin()
    first.step()
    first.step("500 acted")
    first.die(acted=False)
    found = task.retry().run().result
    assert len(api.executions) == 2
    assert found.ownership is Ownership.OWNED
    assert api.executions[0].cancels == 0


def test_the_simulation_has_one_sync() -> None:
    with pytest.raises(AssertionError):
        SimulatedApi("bulk").handle(syncs.get_status(SYNC))
