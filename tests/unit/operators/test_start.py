"""The start and cancel operators, for both kinds of sync, in a worker and deferred."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_polytomic._compat import AirflowSkipException, AirflowTaskTimeout, StoredTaskInstance
from airflow_provider_polytomic._task import kill_guard
from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunCanceled,
    PolytomicRunFailed,
    PolytomicRunIncomplete,
    PolytomicRunTimeout,
    PolytomicTaskError,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.executions import ExecutionRef
from airflow_provider_polytomic.operators import _cancel_on_kill, _start
from airflow_provider_polytomic.triggers import executions

NEVER = float("inf")

pytestmark = pytest.mark.usefixtures("no_waiting")


class DagRun:
    """A DAG run that started some seconds ago."""

    def __init__(self, seconds: float) -> None:
        self.start_date = datetime.now(timezone.utc) - timedelta(seconds=seconds)


def test_the_execution_is_started_once_and_its_result_is_returned(kind, task_instance, deferrable):
    sync_id = kind.add(duration=60)
    result = task_instance(kind.start(sync_id, deferrable=deferrable)).finish()
    [execution] = kind.emulator.executions(sync_id)
    assert (result["kind"], result["sync_id"], result["execution_id"]) == (kind.name, sync_id, execution.id)
    assert (result["status"], result["outcome"], result["counts"]["total"]) == ("completed", "success", 100)
    assert len(kind.starts) == 1
    assert kind.starts[0].idempotency_key
    assert kind.cancels == []


def test_without_wait_for_completion_the_started_execution_is_returned(kind, task_instance, deferrable, state_store):
    sync_id = kind.add(duration=NEVER)
    operator = kind.start(sync_id, deferrable=deferrable, wait_for_completion=False)
    result = task_instance(operator, task_state_store=state_store).execute()
    assert (result["outcome"], result["completed_at"]) == ("running", None)
    [execution] = kind.emulator.executions(sync_id)
    assert result["execution_id"] == execution.id
    assert state_store.values["polytomic_execution"]["released"]


def test_an_execution_that_ends_at_once_needs_no_deferral(kind, task_instance):
    assert task_instance(kind.start(kind.add(duration=0), deferrable=True)).execute()["outcome"] == "success"


@pytest.mark.parametrize(
    ("outcome", "error"), [("failed", PolytomicRunFailed), ("canceled", PolytomicRunCanceled)], ids=str
)
def test_an_unsuccessful_end_pushes_the_result_and_raises_the_reason(kind, task_instance, deferrable, outcome, error):
    plan = {"errors": ["the target is full"]} if kind.name == "model" else {"message": "the target is full"}
    sync_id = kind.add(duration=60, outcome=outcome, **plan)
    task = task_instance(kind.start(sync_id, deferrable=deferrable))
    with pytest.raises(error) as raised:
        task.finish()
    [execution] = kind.emulator.executions(sync_id)
    assert task.xcoms["return_value"] == raised.value.result
    assert raised.value.result["outcome"] == outcome
    assert all(each in str(raised.value) for each in (sync_id, execution.id, repr(outcome), "Next:"))
    if outcome == "failed":
        assert "the target is full" in str(raised.value)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


def test_without_do_xcom_push_no_result_is_pushed(kind, task_instance, deferrable):
    sync_id = kind.add(duration=60, outcome="failed")
    task = task_instance(kind.start(sync_id, deferrable=deferrable, do_xcom_push=False))
    with pytest.raises(PolytomicRunFailed):
        task.finish()
    assert "return_value" not in task.xcoms


@pytest.mark.parametrize(("allowed", "fails"), [(None, False), (3, False), (2, True), (0, True)])
def test_record_errors_fail_the_task_only_above_max_errors(emulator, task_instance, deferrable, allowed, fails):
    from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

    sync = emulator.add_model_sync(duration=60, counts={"total": 10, "error": 3})
    task = task_instance(
        PolytomicStartSyncOperator(task_id="t", sync_id=sync.id, max_errors=allowed, deferrable=deferrable)
    )
    if not fails:
        assert task.finish()["counts"]["error"] == 3
        return
    with pytest.raises(PolytomicRunIncomplete, match=f"3 record errors, more than max_errors={allowed} allows"):
        task.finish()
    assert task.xcoms["return_value"]["counts"]["error"] == 3


@pytest.mark.parametrize("fails", [True, False])
def test_failed_schemas_are_named(emulator, task_instance, deferrable, fails, logged):
    from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator

    schemas = [{"id": "contact"}, {"id": "account", "outcome": "failed", "message": "no such column"}]
    sync = emulator.add_bulk_sync(schemas=schemas, duration=60)
    operator = PolytomicStartBulkSyncOperator(
        task_id="t", bulk_sync_id=sync.id, deferrable=deferrable, fail_on_partial=fails
    )
    task = task_instance(operator)
    if fails:
        with pytest.raises(PolytomicRunIncomplete, match="account failed: no such column"):
            task.finish()
    else:
        assert task.finish()["outcome"] == "partial"
        assert "account failed: no such column" in logged()
    assert [row["status"] for row in task.xcoms["return_value"]["schemas"]] == ["completed", "failed"]


@pytest.mark.parametrize(
    ("status", "text"), [(401, "API key"), (403, "missing permission"), (404, "check the id"), (422, "correct what")]
)
def test_a_refused_start_fails_with_one_message(kind, task_instance, status, text):
    sync_id = kind.add(duration=60)
    kind.emulator.fault("status", status=status, count=None, method="POST")
    with pytest.raises(PolytomicRequestRefused) as raised:
        task_instance(kind.start(sync_id)).execute()
    message = str(raised.value)
    assert all(each in message for each in (sync_id, f"Injected fault: {status}.", "Next: ", text))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert kind.emulator.executions(sync_id) == []


def test_a_server_error_fails_the_attempt_and_may_be_retried(kind, task_instance):
    sync_id = kind.add(duration=60)
    kind.emulator.fault("status", status=503, count=None)
    with pytest.raises(PolytomicUnavailable, match="retry the task, which continues") as raised:
        task_instance(kind.start(sync_id)).execute()
    assert not isinstance(raised.value, PolytomicRequestRefused)


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_a_refused_poll_ends_the_wait_and_the_last_result_is_pushed(kind, task_instance, deferrable, status):
    sync_id = kind.add(duration=NEVER)
    task = task_instance(kind.start(sync_id, deferrable=deferrable))
    kind.emulator.fault("status", status=status, count=None, method="GET", path="/**/executions/*", skip=1)
    with pytest.raises(PolytomicRequestRefused) as raised:
        task.finish()
    [execution] = kind.emulator.executions(sync_id)
    [name] = {sync.name for sync in kind.emulator.syncs}
    assert str(raised.value).startswith(f"{name!r} (execution {execution.id} of ")
    assert all(each in str(raised.value) for each in (sync_id, " cannot be waited for: ", str(status), "Next: "))
    result = task.xcoms["return_value"]
    assert (result["execution_id"], result["outcome"]) == (execution.id, "running")


def test_the_last_known_status_is_pushed_after_a_timeout_without_responses(kind, task_instance):
    sync_id = kind.add(duration=NEVER)
    task = task_instance(kind.start(sync_id, timeout=0.01))
    kind.emulator.fault("status", status=503, count=None, method="GET", path="/**/executions/*", skip=1)
    kind.emulator.fault("status", status=403, count=None, method="POST", path="/**/cancel")
    with pytest.raises(PolytomicRunTimeout):
        task.finish()
    result = task.xcoms["return_value"]
    assert (result["status"], result["created_at"] is None) == ("created", False)


def test_failed_polls_change_nothing(kind, task_instance, deferrable):
    sync_id = kind.add(duration=60)
    for options in (
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
        {"kind": "malformed", "malformed": "html"},
        {"kind": "malformed", "malformed": "truncated"},
        {"kind": "reset"},
    ):
        kind.emulator.fault(**options, method="GET", path="/**/executions/*", skip=1)
    assert task_instance(kind.start(sync_id, deferrable=deferrable)).finish()["outcome"] == "success"


@pytest.mark.usefixtures("by_name")
class TestIfRunning:
    def test_wait_waits_for_the_other_execution_and_starts_another(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        other = kind.emulator.start(sync_id)
        result = task_instance(kind.start(sync_id, deferrable=deferrable)).finish()
        _, own = kind.emulator.executions(sync_id)
        assert result["execution_id"] == own.id
        assert own.created_at >= kind.emulator.execution(other.id).completed_at
        assert kind.cancels == []

    def test_wait_does_not_own_the_execution_that_it_is_deferred_for(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=60)
        other = kind.emulator.start(sync_id)
        task = task_instance(kind.start(sync_id, deferrable=True))
        with pytest.raises(deferred) as raised:
            task.execute()
        assert task.xcoms["polytomic_execution"]["ownership"] == "blocking"
        assert (raised.value.trigger.execution_id, raised.value.trigger.cancel_on_kill) == (other.id, False)

    def test_join_returns_the_result_of_the_other_execution(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        other = kind.emulator.start(sync_id)
        result = task_instance(kind.start(sync_id, deferrable=deferrable, if_running="join")).finish()
        assert result["execution_id"] == other.id
        assert kind.starts == []

    def test_a_joined_execution_is_never_canceled(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        task = task_instance(kind.start(sync_id, deferrable=True, if_running="join"))
        with pytest.raises(deferred) as raised:
            task.execute()
        assert not raised.value.trigger.cancel_on_kill
        task.task.on_kill()
        assert kind.cancels == []

    def test_fail_names_the_other_execution(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        other = kind.emulator.start(sync_id)
        with pytest.raises(PolytomicRunFailed, match=f"{sync_id} is already running: execution {other.id}"):
            task_instance(kind.start(sync_id, deferrable=deferrable, if_running="fail")).execute()
        assert kind.starts == []

    def test_skip_skips_the_task(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        kind.emulator.start(sync_id)
        with pytest.raises(AirflowSkipException, match="is already running"):
            task_instance(kind.start(sync_id, deferrable=deferrable, if_running="skip")).execute()
        assert kind.starts == []


@pytest.mark.usefixtures("by_name")
class TestDeadlines:
    def test_the_timeout_of_a_started_execution_counts_from_now_on_the_local_clock(self, kind, task_instance, deferred):
        kind.emulator.clock.advance(-3600)
        task = task_instance(kind.start(kind.add(duration=NEVER), deferrable=True, timeout=100))
        before = time.time()
        with pytest.raises(deferred) as raised:
            task.execute()
        assert before + 100 <= raised.value.trigger.deadline <= time.time() + 100
        assert raised.value.timeout.total_seconds() > 100

    def test_the_timeout_of_an_adopted_execution_counts_from_its_start(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.clock.advance(-60)
        task = task_instance(kind.start(sync_id, deferrable=True, timeout=100, retries=1), dag_run=DagRun(3600))
        with pytest.raises(deferred):
            task.execute()
        [execution] = kind.emulator.executions(sync_id)
        created = datetime.fromisoformat(execution.created_at.replace("Z", "+00:00")).timestamp()
        with pytest.raises(deferred) as raised:
            task.retry().execute()
        assert len(kind.emulator.executions(sync_id)) == 1
        assert raised.value.trigger.deadline == pytest.approx(created + 100, abs=0.01)

    def test_a_clock_of_polytomic_that_is_behind_does_not_shorten_it(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.clock.advance(-600)
        run = DagRun(10)
        task = task_instance(kind.start(sync_id, deferrable=True, timeout=100, retries=1), dag_run=run)
        with pytest.raises(deferred):
            task.execute()
        with pytest.raises(deferred) as raised:
            task.retry().execute()
        assert raised.value.trigger.deadline >= run.start_date.timestamp() + 100

    def test_execution_timeout_is_a_deadline_of_the_trigger(self, kind, task_instance, deferred):
        operator = kind.start(
            kind.add(duration=NEVER), deferrable=True, timeout=1000, execution_timeout=timedelta(seconds=50)
        )
        before = time.time()
        with pytest.raises(deferred) as raised:
            task_instance(operator).execute()
        trigger = raised.value.trigger
        assert before + 50 <= trigger.deadline == trigger.latest_end <= time.time() + 50

    def test_execution_timeout_includes_the_wait_for_another_execution(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=60)
        kind.emulator.start(sync_id)
        task = task_instance(kind.start(sync_id, deferrable=True, execution_timeout=timedelta(seconds=50)))
        with pytest.raises(deferred) as first:
            task.execute()
        kind.emulator.clock.advance(60)
        event = {"status": "ended", "execution": {"any": "thing"}, "ownership": "blocking", "try_number": 1}
        with pytest.raises(deferred) as second:
            task.resume({**event, "latest_end": first.value.trigger.latest_end})
        assert second.value.trigger.ownership == "owned"
        assert second.value.trigger.deadline == first.value.trigger.deadline

    def test_a_blocking_execution_is_not_canceled_at_execution_timeout(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        other = kind.emulator.start(sync_id)
        task = task_instance(kind.start(sync_id, deferrable=True, execution_timeout=timedelta(seconds=50)))
        with pytest.raises(deferred):
            task.execute()
        ids = {"sync_id": sync_id, "execution_id": other.id}
        event = {"status": "deadline", **ids, "ownership": "blocking", "try_number": 1}
        with pytest.raises(PolytomicRunTimeout, match=f"{other.id} .* blocks it. Next: set a longer execution_timeout"):
            task.resume(event)
        assert kind.cancels == []

    def test_without_a_timeout_there_is_no_deadline(self, kind, task_instance, deferred):
        with pytest.raises(deferred) as raised:
            task_instance(kind.start(kind.add(duration=NEVER), deferrable=True)).execute()
        assert (raised.value.trigger.deadline, raised.value.timeout) == (None, None)

    def test_at_the_timeout_the_execution_is_canceled_and_the_task_fails(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=deferrable, timeout=0.01))
        with pytest.raises(PolytomicRunTimeout, match=f"{sync_id} has not ended in time.*'canceled'") as raised:
            task.finish()
        assert len(kind.cancels) == 1
        assert task.xcoms["return_value"] == raised.value.result
        assert raised.value.result["outcome"] == "canceled"
        assert raised.value.__cause__ is None

    def test_without_cancel_on_kill_the_execution_is_left_running(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=deferrable, timeout=0.01, cancel_on_kill=False))
        with pytest.raises(PolytomicRunTimeout, match="it was left running"):
            task.finish()
        assert kind.cancels == []

    def test_a_joined_execution_is_left_running(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        task = task_instance(kind.start(sync_id, deferrable=deferrable, timeout=0.01, if_running="join"))
        with pytest.raises(PolytomicRunTimeout, match="it was left running"):
            task.finish()
        assert kind.cancels == []

    def test_an_execution_that_ends_just_before_the_cancellation_is_a_success(self, kind, task_instance):
        sync_id = kind.add(duration=0)
        task = task_instance(kind.start(sync_id, deferrable=True))
        execution_id = kind.emulator.start(sync_id).id
        ids = {"sync_id": sync_id, "execution_id": execution_id}
        event = {"status": "deadline", **ids, "ownership": "owned", "try_number": 1}
        assert task.resume(event)["outcome"] == "success"
        assert kind.cancels == []

    def test_airflows_deferral_timeout_cancels_the_execution(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=True, timeout=100))
        with pytest.raises(deferred):
            task.execute()
        with pytest.raises(PolytomicRunTimeout):
            task.task.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)
        assert kind.emulator.executions(sync_id)[0].cancel_requests == 1

    def test_a_deferral_timeout_of_an_earlier_attempt_starts_over(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=True, timeout=100, retries=1))
        with pytest.raises(deferred):
            task.execute()
        task.retry()
        with pytest.raises(BaseException) as raised:  # noqa: PT011
            task.task.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)
        assert type(raised.value).__name__ == "TaskDeferred"
        assert kind.cancels == []

    def test_a_failed_trigger_fails_the_task_and_cancels_nothing(self, kind, task_instance, deferred):
        task = task_instance(kind.start(kind.add(duration=NEVER), deferrable=True, timeout=100))
        with pytest.raises(deferred):
            task.execute()
        with pytest.raises(Exception, match="(?i)trigger failure"):
            task.task.resume_execution("__fail__", {"error": "Trigger failure"}, task.context)
        assert kind.cancels == []


class TestDeadlinesInAnOutage:
    """The API fails at the deadline: the execution is canceled, and the task fails with a timeout."""

    @pytest.fixture(params=[503, "reset"])
    def outage(self, request, kind):
        def outage(sync_id):
            fault = {"kind": "reset"} if request.param == "reset" else {"kind": "status", "status": request.param}
            kind.emulator.fault(**fault, method="GET", path=f"/**/{sync_id}/executions/*", count=None, skip=1)

        return outage

    def test_the_execution_is_canceled_and_the_task_times_out(
        self, kind, task_instance, monkeypatch, deferrable, outage
    ):
        monkeypatch.setattr(_start, "CONFIRM_TIMEOUT", 0.01)
        monkeypatch.setattr(executions, "DEADLINE_CANCEL_TIMEOUT", 0.01)
        sync_id = kind.add(duration=NEVER)
        outage(sync_id)
        task = task_instance(kind.start(sync_id, deferrable=deferrable, timeout=0.01, poll_interval=5))
        with pytest.raises(PolytomicRunTimeout, match="has not ended in time"):
            task.finish()
        assert len(kind.cancels) >= 1
        assert task.xcoms["return_value"]["outcome"] == "running"


def test_a_failed_trigger_of_an_earlier_attempt_starts_over(kind, task_instance, deferred):
    """Airflow 3.0 starts a retry with the ``next_method`` of the attempt before."""
    sync_id = kind.add(duration=60)
    task = task_instance(kind.start(sync_id, deferrable=True, retries=1))
    with pytest.raises(deferred):
        task.execute()
    task.retry()
    with pytest.raises(deferred):
        task._call(task.task.resume_execution, "__fail__", {"error": "Trigger failure"}, task.context)


@pytest.mark.usefixtures("by_name")
class TestOnKill:
    """A process that Airflow ends: by a signal to a task in a worker, or after ``execution_timeout``."""

    @pytest.fixture(autouse=True)
    def airflow(self, monkeypatch):
        """Stand in for the state of the task instance in Airflow: killed, until a test sets another one."""

        class Airflow:
            stored: StoredTaskInstance | Exception = StoredTaskInstance(True, "failed")
            requests = 0

        airflow = Airflow()

        def ask(attempt, key):
            airflow.requests += 1
            if isinstance(airflow.stored, Exception):
                raise airflow.stored
            return airflow.stored

        monkeypatch.setattr(kill_guard, "stored_task_instance_in_worker", ask)
        return airflow

    def test_before_the_start_nothing_is_canceled(self, kind, task_instance):
        task_instance(kind.start(kind.add(duration=NEVER))).task.on_kill()
        assert kind.emulator.requests == []

    def end_while_waiting(self, kind, task_instance, monkeypatch, **options):
        """End a task in its first pause; like the signal handler of Airflow 3, return to it afterwards."""
        task = task_instance(kind.start(kind.add(duration=NEVER), **options))

        def pause(operator, seconds):
            operator.on_kill()
            operator._stop_if_ending()

        with monkeypatch.context() as patch:
            patch.setattr(_cancel_on_kill.CancelOnKillOperator, "_sleep", pause)
            with pytest.raises(PolytomicTaskError, match="Airflow has ended the process of the task"):
                task.execute()
        return task

    def test_the_execution_of_a_killed_task_is_canceled_and_the_task_ends(self, kind, task_instance, monkeypatch):
        self.end_while_waiting(kind, task_instance, monkeypatch)
        assert len(kind.cancels) == 1

    def test_without_cancel_on_kill_nothing_is_canceled(self, kind, task_instance, monkeypatch, airflow):
        self.end_while_waiting(kind, task_instance, monkeypatch, cancel_on_kill=False)
        assert kind.cancels == []
        assert airflow.requests == 0

    @pytest.mark.parametrize(
        "stored", [StoredTaskInstance(True, "running"), StoredTaskInstance(True, "up_for_retry"), OSError("away")]
    )
    def test_a_task_that_was_not_killed_leaves_its_execution_to_the_retry(
        self, kind, task_instance, monkeypatch, logged, airflow, stored
    ):
        airflow.stored = stored
        task = self.end_while_waiting(kind, task_instance, monkeypatch, retries=1)
        sync_id = task.task._sync_id
        [execution] = kind.emulator.executions(sync_id)
        assert f"The execution goes on: {execution.id}" in logged()
        kind.emulator.finish(execution.id)
        task.task = task.context["task"] = kind.start(sync_id, retries=1)
        assert task.retry().finish()["execution_id"] == execution.id
        assert len(kind.emulator.executions(sync_id)) == 1
        assert kind.cancels == []

    def test_the_guard_compares_the_awaited_execution(self, kind, task_instance, monkeypatch, airflow):
        task = task_instance(kind.start(kind.add(duration=NEVER)))

        def pause(operator, seconds):
            airflow.stored = StoredTaskInstance(True, "running", task.xcoms["polytomic_execution"])
            operator.on_kill()
            operator._stop_if_ending()

        monkeypatch.setattr(_cancel_on_kill.CancelOnKillOperator, "_sleep", pause)
        with pytest.raises(PolytomicTaskError):
            task.execute()
        assert kind.cancels == []

    def test_after_an_execution_timeout_the_execution_is_canceled_without_a_request_to_airflow(
        self, kind, task_instance, monkeypatch, airflow
    ):
        airflow.stored = StoredTaskInstance(True, "running")
        task = task_instance(kind.start(kind.add(duration=NEVER)))

        def pause(operator, seconds):
            raise AirflowTaskTimeout

        monkeypatch.setattr(_cancel_on_kill.CancelOnKillOperator, "_sleep", pause)
        with pytest.raises(AirflowTaskTimeout):
            task.execute()
        task.task.on_kill()
        assert len(kind.cancels) == 1
        assert airflow.requests == 0

    def test_a_signal_during_a_request_to_airflow_is_handled_after_it(self, kind, task_instance, monkeypatch, airflow):
        task = task_instance(kind.start(kind.add(duration=NEVER)))
        push = task.xcom_push

        def interrupted(key, value):
            with monkeypatch.context() as patch:
                patch.setattr(_cancel_on_kill, "is_in_supervisor_request", lambda: True)
                task.task.on_kill()
            assert airflow.requests == 0
            push(key, value)

        monkeypatch.setattr(task, "xcom_push", interrupted)
        with pytest.raises(PolytomicTaskError, match="Airflow has ended the process"):
            task.execute()
        assert (airflow.requests, len(kind.cancels)) == (1, 1)

    def test_a_second_signal_changes_nothing(self, kind, task_instance, monkeypatch, airflow):
        task = self.end_while_waiting(kind, task_instance, monkeypatch)
        task.task.on_kill()
        assert (airflow.requests, len(kind.cancels)) == (1, 1)

    def test_a_cancellation_that_is_accepted_reads_no_connection(self, kind, task_instance, monkeypatch):
        def refuse(*args, **kwargs):
            raise AssertionError("on_kill has requested a connection from Airflow")

        task = task_instance(kind.start(kind.add(duration=NEVER)))

        def pause(operator, seconds):
            monkeypatch.setattr("airflow_provider_polytomic.hooks.polytomic.PolytomicHook.get_connection", refuse)
            operator.on_kill()
            operator._stop_if_ending()

        monkeypatch.setattr(_cancel_on_kill.CancelOnKillOperator, "_sleep", pause)
        with pytest.raises(PolytomicTaskError, match="Airflow has ended the process"):
            task.execute()
        assert len(kind.cancels) == 1

    @pytest.mark.parametrize("rotated", ["while the task waits", "before the kill"])
    def test_the_cancellation_uses_the_present_key(self, kind, task_instance, monkeypatch, rotated):
        keys = []

        def rotate():
            kind.emulator._state.api_key = f"key-{len(keys)}"
            keys.append(kind.emulator.api_key)
            monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", kind.emulator.airflow_connection)

        task, pauses = task_instance(kind.start(kind.add(duration=NEVER))), []

        def pause(operator, seconds):
            pauses.append(seconds)
            if len(pauses) == 1:
                rotate()
                return
            if rotated == "before the kill":
                rotate()
            operator.on_kill()
            operator._stop_if_ending()

        monkeypatch.setattr(_cancel_on_kill.CancelOnKillOperator, "_sleep", pause)
        with pytest.raises(PolytomicTaskError, match="Airflow has ended the process"):
            task.execute()
        assert [each.status for each in kind.cancels] == ([401, 200] if rotated == "before the kill" else [200])

    def test_after_an_execution_timeout_airflow_is_not_asked_for_another_key(
        self, kind, task_instance, monkeypatch, logged
    ):
        """The timeout may have interrupted a request to Airflow, whose channel then has a response left over."""
        task = task_instance(kind.start(kind.add(duration=NEVER)))

        def pause(operator, seconds):
            kind.emulator._state.api_key = "another-key"
            raise AirflowTaskTimeout

        monkeypatch.setattr(_cancel_on_kill.CancelOnKillOperator, "_sleep", pause)
        with pytest.raises(AirflowTaskTimeout):
            task.execute()
        task.task.on_kill()
        assert [each.status for each in kind.cancels] == [401]
        assert "Could not cancel" in logged()

    def test_a_kill_during_the_start_cancels_as_soon_as_the_execution_is_known(self, kind, task_instance, monkeypatch):
        task = task_instance(kind.start(kind.add(duration=NEVER), deferrable=True))
        original = kind.start_class._request_body

        def killed(operator, *arguments):
            operator.on_kill()
            return original(operator, *arguments)

        monkeypatch.setattr(kind.start_class, "_request_body", killed)
        with pytest.raises(PolytomicTaskError, match="Airflow has ended the process"):
            task.execute()
        assert len(kind.cancels) == 1

    def test_a_lost_response_is_followed_by_another_request(self, kind, task_instance, monkeypatch):
        kind.emulator.fault("reset", method="POST", path="/**/cancel")
        self.end_while_waiting(kind, task_instance, monkeypatch)
        assert len(kind.cancels) == 2

    def test_the_cancellation_is_requested_again_until_an_outage_ends(self, kind, task_instance, monkeypatch, logged):
        kind.emulator.fault("status", status=503, count=10, method="POST", path="/**/cancel")
        self.end_while_waiting(kind, task_instance, monkeypatch)
        assert len(kind.cancels) == 11
        assert logged().rindex("Requested cancellation") > logged().rindex("Not canceled yet, trying again")

    def test_the_time_for_a_cancellation_is_that_of_airflow(self, monkeypatch):
        assert _cancel_on_kill.kill_timeout() == 58
        monkeypatch.setenv("AIRFLOW__CORE__KILLED_TASK_CLEANUP_TIME", "10")
        assert _cancel_on_kill.kill_timeout() == 8
        assert _cancel_on_kill.KILL_REQUEST_TIMEOUT < 5

    def test_a_missing_response_is_not_awaited_longer_than_airflow_allows(
        self, kind, task_instance, monkeypatch, logged
    ):
        monkeypatch.setattr(_cancel_on_kill, "kill_timeout", lambda: 1.0)
        kind.emulator.fault("delay", delay=60, count=None, method="POST", path="/**/cancel")
        self.end_while_waiting(kind, task_instance, monkeypatch)
        assert len(kind.cancels) == 1
        assert "Could not cancel" in logged()

    def test_an_unexpected_error_is_logged_and_does_not_leave_on_kill(self, kind, task_instance, monkeypatch, logged):
        def fail(*args, **kwargs):
            raise OSError("no more file descriptors")

        monkeypatch.setattr("airflow_provider_polytomic.executions.cancel", fail)
        self.end_while_waiting(kind, task_instance, monkeypatch)
        assert "no more file descriptors" in logged()

    def test_a_response_that_never_ends_is_not_awaited(self, kind, task_instance, monkeypatch, logged):
        """A timeout of httpx is for one phase of a request, and starts again with each byte."""
        monkeypatch.setattr(_cancel_on_kill, "kill_timeout", lambda: 0.2)
        dripping, done = socket.create_server(("127.0.0.1", 0)), threading.Event()

        def drip() -> None:
            connection, _ = dripping.accept()
            with connection, contextlib.suppress(OSError):
                while not done.wait(0.05):
                    connection.send(b"x")

        server = threading.Thread(target=drip)
        server.start()
        try:
            operator = kind.start(kind.add(duration=60))
            operator._owned = (
                ExecutionRef(kind.name, "sync", "execution"),
                kill_guard.WaitingAttempt("dag", "run", "task", -1, 1, "execution"),
            )
            operator._client_in_use = PolytomicClient(
                "some-key", base_url=f"http://127.0.0.1:{dripping.getsockname()[1]}"
            )
            operator.on_kill()
            assert "no response within" in logged()
        finally:
            done.set()
            server.join()
            dripping.close()

    def test_an_ended_execution_is_not_canceled(self, kind, task_instance):
        task = task_instance(kind.start(kind.add(duration=60)))
        task.finish()
        task.task.on_kill()
        assert kind.cancels == []


class TestEvents:
    @pytest.mark.parametrize(
        "event",
        [
            None,
            {},
            "ended",
            ["ended"],
            {"status": None},
            {"status": "success"},
            {"status": "ended"},
            {"status": "ended", "execution": None, "try_number": 1, "ownership": "owned"},
        ],
    )
    def test_an_unexpected_event_fails_the_task(self, kind, task_instance, event):
        with pytest.raises(PolytomicTaskError, match="Unexpected trigger event"):
            task_instance(kind.start(kind.add(duration=0), deferrable=True)).resume(event)
        assert kind.emulator.requests == []

    def test_an_event_of_another_attempt_starts_over(self, kind, task_instance, deferred, wait_for_event):
        import asyncio

        sync_id = kind.add(duration=60, next_executions=[{"outcome": "failed"}])
        task = task_instance(kind.start(sync_id, deferrable=True, retries=1))
        with pytest.raises(deferred) as raised:
            task.execute()
        event = asyncio.run(wait_for_event(raised.value.trigger))
        assert event["execution"]["outcome"] == "failed"
        with pytest.raises(deferred):
            task.retry().resume(event)
        assert len(kind.emulator.executions(sync_id)) == 2

    def test_a_refusal_in_the_trigger_fails_the_task_with_its_message(self, kind, task_instance):
        task = task_instance(kind.start(kind.add(duration=0), deferrable=True))
        with pytest.raises(PolytomicRequestRefused, match="^no. Next: stop$"):
            task.resume({"status": "refused", "message": "no. Next: stop", "try_number": 1, "ownership": "owned"})


@pytest.mark.usefixtures("by_name")
class TestAttempts:
    def test_a_retry_after_a_lost_worker_finds_its_execution(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=True, retries=2))
        with pytest.raises(deferred):
            task.execute()
        task.task = task.context["task"] = kind.start(sync_id, deferrable=True, retries=2)
        assert task.retry().finish()["outcome"] == "success"
        assert len(kind.emulator.executions(sync_id)) == 1

    def test_a_retry_after_a_failed_execution_starts_another(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60, next_executions=[{"outcome": "failed"}])
        task = task_instance(kind.start(sync_id, deferrable=deferrable, retries=2))
        with pytest.raises(PolytomicRunFailed):
            task.finish()
        assert task.retry().finish()["outcome"] == "success"
        assert len(kind.emulator.executions(sync_id)) == 2

    def test_a_clear_after_a_success_starts_another(self, kind, task_instance, deferrable, state_store):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=deferrable, retries=2), task_state_store=state_store)
        task.finish()
        task.clear().finish()
        assert len(kind.emulator.executions(sync_id)) == 2

    def test_each_mapped_task_has_its_own_execution(self, kind, task_instance):
        sync_id = kind.add(duration=0)
        for map_index in (0, 1):
            task_instance(kind.start(sync_id), map_index=map_index).finish()
        assert len({one.idempotency_key for one in kind.starts}) == 2


@pytest.mark.usefixtures("by_name")
class TestStateStore:
    def test_the_execution_is_stored(self, kind, task_instance, deferred, state_store):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=True), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        [execution] = kind.emulator.executions(sync_id)
        stored = state_store.values["polytomic_execution"]
        assert (stored["execution_id"], stored["first_try"], stored["released"]) == (execution.id, 1, False)

    def test_a_released_execution_is_not_canceled_after_a_clear(self, kind, task_instance, state_store):
        sync_id = kind.add(duration=60)
        operator = kind.start(sync_id, wait_for_completion=False)
        task = task_instance(operator, task_state_store=state_store)
        task.finish()
        task.clear().finish()
        assert len(kind.emulator.executions(sync_id)) == 2
        assert kind.cancels == []

    @pytest.mark.parametrize("stored", ["text", [], {"execution_id": "E"}, {"generation": 7, "execution_id": "E"}])
    def test_a_stored_value_of_another_shape_is_ignored(self, kind, task_instance, state_store, stored):
        state_store.values["polytomic_execution"] = stored
        task = task_instance(kind.start(kind.add(duration=60)), task_state_store=state_store)
        assert task.finish()["outcome"] == "success"

    def test_a_retry_finds_the_stored_execution_after_the_idempotency_keys_have_expired(
        self, kind, task_instance, deferred, state_store
    ):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=True, retries=1), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        kind.emulator.clock.advance(25 * 60 * 60)
        kind.emulator.finish(kind.emulator.executions(sync_id)[0].id)
        assert task.retry().finish()["outcome"] == "success"
        assert len(kind.emulator.executions(sync_id)) == 1

    def test_an_execution_stored_before_a_clear_is_not_adopted(self, kind, task_instance, deferred, state_store):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=True), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        kind.emulator.finish(kind.emulator.executions(sync_id)[0].id)
        task.clear().finish()
        assert len(kind.emulator.executions(sync_id)) == 2

    def test_a_running_execution_stored_before_a_clear_is_canceled(self, kind, task_instance, deferred, state_store):
        sync_id = kind.add(duration=NEVER, next_executions=[{}, {"duration": 60}])
        task = task_instance(kind.start(sync_id, deferrable=True), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        assert task.clear().finish()["outcome"] == "success"
        old, new = kind.emulator.executions(sync_id)
        assert (old.cancel_requests, new.cancel_requests) == (1, 0)

    def test_an_unavailable_store_changes_nothing(self, kind, task_instance, deferrable, logged):
        class Broken:
            def __getattr__(self, name):
                raise ConnectionError("the API server is away")

        task = task_instance(kind.start(kind.add(duration=60), deferrable=deferrable), task_state_store=Broken())
        assert task.finish()["outcome"] == "success"
        assert "The task state store failed to set: the API server is away" in logged()


def test_retry_failed_schemas_syncs_only_the_failed_schemas(emulator, task_instance, deferrable):
    from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator

    schemas = [{"id": "contact"}, {"id": "account"}]
    failing = [schemas[0], {"id": "account", "outcome": "failed", "message": "no such column"}]
    sync = emulator.add_bulk_sync(schemas=schemas, duration=60, next_executions=[{"schemas": failing}])
    operator = PolytomicStartBulkSyncOperator(
        task_id="t", bulk_sync_id=sync.id, deferrable=deferrable, retries=1, retry_failed_schemas=True
    )
    task = task_instance(operator)
    with pytest.raises(PolytomicRunIncomplete):
        task.finish()
    result = task.retry().finish()
    starts = [one.body for one in emulator.requests if one.path.endswith("/executions") and one.method == "POST"]
    assert starts[-1] == {"schemas": ["account"]}
    assert {row["schema"]: row["status"] for row in result["schemas"]} == {
        "contact": "completed",
        "account": "completed",
    }


class TestCancel:
    def test_the_running_execution_is_canceled_and_its_end_awaited(self, kind, task_instance):
        sync_id = kind.add(duration=NEVER)
        running = kind.emulator.start(sync_id)
        result = task_instance(kind.cancel(sync_id)).finish()
        assert (result["execution_id"], result["outcome"]) == (running.id, "canceled")
        assert kind.emulator.execution(running.id).cancel_requests == 1

    def test_without_a_running_execution_it_succeeds(self, kind, task_instance):
        assert task_instance(kind.cancel(kind.add())).finish() is None
        assert kind.cancels == []

    def test_without_wait_for_completion_it_returns_at_once(self, kind, task_instance):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        result = task_instance(kind.cancel(sync_id, wait_for_completion=False)).finish()
        assert (result["status"], result["outcome"]) == ("canceling", "running")

    def test_an_execution_that_does_not_end_in_time_fails_the_task(self, kind, task_instance):
        sync_id = kind.add(duration=NEVER, cancel_takes=1e6)
        kind.emulator.start(sync_id)
        with pytest.raises(PolytomicRunTimeout, match="after its cancellation"):
            task_instance(kind.cancel(sync_id, timeout=0.01)).finish()

    def test_an_execution_without_further_responses_is_named(self, kind, task_instance):
        sync_id = kind.add(duration=NEVER)
        running = kind.emulator.start(sync_id)
        kind.emulator.fault("status", status=503, method="GET", path="**/executions/*", count=None)
        with pytest.raises(PolytomicRunTimeout, match=running.id) as raised:
            task_instance(kind.cancel(sync_id, timeout=0.01)).finish()
        assert raised.value.result["execution_id"] == running.id

    def test_an_unknown_sync_is_refused(self, kind, task_instance):
        with pytest.raises(PolytomicRequestRefused, match="(?s)unknown could not be canceled.*Next: check the id"):
            task_instance(kind.cancel("unknown")).finish()
