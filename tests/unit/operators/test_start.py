"""Starting, waiting and judging, for both kinds of sync and in both modes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from datetime import datetime, timedelta

import pytest

try:
    from airflow.sdk.exceptions import AirflowSkipException
except ImportError:
    from airflow.exceptions import AirflowSkipException

from airflow_provider_polytomic.api import ClientConfig
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


def test_the_execution_is_started_once_and_its_result_returned(kind, task_instance, deferrable):
    sync_id = kind.add(duration=60)
    result = task_instance(kind.start(sync_id, deferrable=deferrable)).finish()
    [execution] = kind.emulator.executions(sync_id)
    assert (result["kind"], result["sync_id"], result["execution_id"]) == (kind.name, sync_id, execution.id)
    assert (result["status"], result["outcome"], result["counts"]["total"]) == ("completed", "success", 100)
    assert len(kind.starts) == 1
    assert kind.starts[0].idempotency_key
    assert kind.cancels == []


def test_without_waiting_the_started_execution_is_returned(kind, task_instance, deferrable, state_store):
    sync_id = kind.add(duration=NEVER)
    operator = kind.start(sync_id, deferrable=deferrable, wait_for_completion=False)
    result = task_instance(operator, task_state_store=state_store).execute()
    assert (result["outcome"], result["completed_at"]) == ("running", None)
    assert result["execution_id"] == kind.emulator.executions(sync_id)[0].id
    assert state_store.values == {}


def test_an_execution_that_has_ended_already_needs_no_deferral(kind, task_instance):
    assert task_instance(kind.start(kind.add(duration=0), deferrable=True)).execute()["outcome"] == "success"


@pytest.mark.parametrize(
    ("outcome", "error"), [("failed", PolytomicRunFailed), ("canceled", PolytomicRunCanceled)], ids=str
)
def test_an_unsuccessful_end_hands_the_result_on_and_says_why(kind, task_instance, deferrable, outcome, error):
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


def test_nothing_is_pushed_where_the_task_pushes_nothing(kind, task_instance, deferrable):
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
    with pytest.raises(PolytomicRunIncomplete, match=f"3 record errors, more than the {allowed}"):
        task.finish()
    assert task.xcoms["return_value"]["counts"]["error"] == 3


@pytest.mark.parametrize("fails", [True, False])
def test_schemas_that_failed_are_named(emulator, task_instance, deferrable, fails, logged):
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
    ("status", "says"), [(401, "API key"), (403, "may not do this"), (404, "is the id right"), (422, "correct what")]
)
def test_a_refused_start_ends_in_one_message(kind, task_instance, status, says):
    sync_id = kind.add(duration=60)
    kind.emulator.fault("status", status=status, count=None, method="POST")
    with pytest.raises(PolytomicRequestRefused) as raised:
        task_instance(kind.start(sync_id)).execute()
    message = str(raised.value)
    assert all(each in message for each in (sync_id, f"Injected fault: {status}.", "Next: ", says))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert kind.emulator.executions(sync_id) == []


def test_a_server_that_does_not_recover_fails_the_attempt_but_not_for_good(kind, task_instance):
    sync_id = kind.add(duration=60)
    kind.emulator.fault("status", status=503, count=None)
    with pytest.raises(PolytomicUnavailable, match="A retry of the task goes on") as raised:
        task_instance(kind.start(sync_id)).execute()
    assert not isinstance(raised.value, PolytomicRequestRefused)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_an_answer_that_no_waiting_mends_ends_the_wait_and_what_is_known_is_handed_on(
    kind, task_instance, deferrable, status
):
    sync_id = kind.add(duration=NEVER)
    task = task_instance(kind.start(sync_id, deferrable=deferrable))
    kind.emulator.fault("status", status=status, count=None, method="GET", path="/**/executions/*", skip=1)
    with pytest.raises(PolytomicRequestRefused) as raised:
        task.finish()
    [execution] = kind.emulator.executions(sync_id)
    assert str(raised.value).startswith(f"execution {execution.id} of ")
    assert all(each in str(raised.value) for each in (sync_id, " cannot be waited for: ", str(status), "Next: "))
    handed_on = task.xcoms["return_value"]
    assert (handed_on["execution_id"], handed_on["outcome"]) == (execution.id, "running")


def test_what_was_last_heard_is_handed_on_where_the_time_is_up_and_nobody_answers(kind, task_instance):
    sync_id = kind.add(duration=NEVER)
    task = task_instance(kind.start(sync_id, timeout=0.01))
    kind.emulator.fault("status", status=503, count=None, method="GET", path="/**/executions/*", skip=1)
    kind.emulator.fault("status", status=403, count=None, method="POST", path="/**/cancel")
    with pytest.raises(PolytomicRunTimeout):
        task.finish()
    handed_on = task.xcoms["return_value"]
    assert (handed_on["status"], handed_on["created_at"] is None) == ("created", False)


def test_polls_that_fail_decide_nothing(kind, task_instance, deferrable):
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


class TestIfRunning:
    def test_wait_waits_for_its_end_and_starts_ours(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        foreign = kind.emulator.start(sync_id)
        result = task_instance(kind.start(sync_id, deferrable=deferrable)).finish()
        _, ours = kind.emulator.executions(sync_id)
        assert result["execution_id"] == ours.id
        assert ours.created_at >= kind.emulator.execution(foreign.id).completed_at
        assert kind.cancels == []

    def test_wait_that_is_deferred_does_not_take_the_execution_for_ours(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=60)
        foreign = kind.emulator.start(sync_id)
        task = task_instance(kind.start(sync_id, deferrable=True))
        with pytest.raises(deferred) as raised:
            task.execute()
        assert task.xcoms["polytomic_execution"]["ownership"] == "blocking"
        assert (raised.value.trigger.execution_id, raised.value.trigger.cancel_on_kill) == (foreign.id, False)

    def test_join_takes_its_result(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        foreign = kind.emulator.start(sync_id)
        result = task_instance(kind.start(sync_id, deferrable=deferrable, if_running="join")).finish()
        assert result["execution_id"] == foreign.id
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

    def test_fail_names_it(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        foreign = kind.emulator.start(sync_id)
        with pytest.raises(PolytomicRunFailed, match=f"{sync_id} is running already: execution {foreign.id}"):
            task_instance(kind.start(sync_id, deferrable=deferrable, if_running="fail")).execute()
        assert kind.starts == []

    def test_skip_skips_the_task(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        kind.emulator.start(sync_id)
        with pytest.raises(AirflowSkipException, match="is running already"):
            task_instance(kind.start(sync_id, deferrable=deferrable, if_running="skip")).execute()
        assert kind.starts == []


class TestDeadlines:
    def test_a_fresh_execution_has_its_time_from_now_on_whatever_the_server_says(self, kind, task_instance, deferred):
        kind.emulator.clock.advance(-3600)
        task = task_instance(kind.start(kind.add(duration=NEVER), deferrable=True, timeout=100))
        before = time.time()
        with pytest.raises(deferred) as raised:
            task.execute()
        assert before + 100 <= raised.value.trigger.deadline <= time.time() + 100
        assert raised.value.timeout.total_seconds() > 100

    def test_an_adopted_execution_has_its_time_from_its_start_on(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.clock.advance(-60)
        task = task_instance(kind.start(sync_id, deferrable=True, timeout=100, retries=1))
        with pytest.raises(deferred):
            task.execute()
        [execution] = kind.emulator.executions(sync_id)
        created = datetime.fromisoformat(execution.created_at.replace("Z", "+00:00")).timestamp()
        with pytest.raises(deferred) as raised:
            task.retry().execute()
        assert len(kind.emulator.executions(sync_id)) == 1
        assert raised.value.trigger.deadline == pytest.approx(created + 100, abs=0.01)

    def test_execution_timeout_travels_with_the_trigger(self, kind, task_instance, deferred):
        operator = kind.start(
            kind.add(duration=NEVER), deferrable=True, timeout=1000, execution_timeout=timedelta(seconds=50)
        )
        before = time.time()
        with pytest.raises(deferred) as raised:
            task_instance(operator).execute()
        trigger = raised.value.trigger
        assert before + 50 <= trigger.deadline == trigger.latest_end <= time.time() + 50

    def test_execution_timeout_holds_for_the_wait_for_another_execution_too(self, kind, task_instance, deferred):
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

    def test_without_a_limit_there_is_no_deadline(self, kind, task_instance, deferred):
        with pytest.raises(deferred) as raised:
            task_instance(kind.start(kind.add(duration=NEVER), deferrable=True)).execute()
        assert (raised.value.trigger.deadline, raised.value.timeout) == (None, None)

    def test_at_its_end_the_execution_is_canceled_and_the_task_fails(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=deferrable, timeout=0.01))
        with pytest.raises(PolytomicRunTimeout, match=f"{sync_id} has not ended in time.*'canceled'") as raised:
            task.finish()
        assert len(kind.cancels) == 1
        assert task.xcoms["return_value"] == raised.value.result
        assert raised.value.result["outcome"] == "canceled"
        assert raised.value.__cause__ is None

    def test_it_is_left_running_where_cancel_on_kill_is_off(self, kind, task_instance, deferrable):
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

    def test_an_execution_that_ended_at_the_last_moment_counts(self, kind, task_instance):
        sync_id = kind.add(duration=0)
        task = task_instance(kind.start(sync_id, deferrable=True))
        execution_id = kind.emulator.start(sync_id).id
        event = {"status": "deadline", "execution_id": execution_id, "ownership": "owned", "try_number": 1}
        assert task.resume(event)["outcome"] == "success"
        assert kind.cancels == []

    def test_airflows_own_deferral_timeout_cancels_it(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=True, timeout=100))
        with pytest.raises(deferred):
            task.execute()
        with pytest.raises(PolytomicRunTimeout):
            task.task.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)
        assert kind.emulator.executions(sync_id)[0].cancel_requests == 1

    def test_a_deferral_timeout_of_an_earlier_attempt_starts_afresh(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=True, timeout=100, retries=1))
        with pytest.raises(deferred):
            task.execute()
        task.retry()
        with pytest.raises(BaseException) as raised:  # noqa: PT011
            task.task.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)
        assert type(raised.value).__name__ == "TaskDeferred"
        assert kind.cancels == []

    def test_a_trigger_that_failed_is_airflows_business(self, kind, task_instance, deferred):
        task = task_instance(kind.start(kind.add(duration=NEVER), deferrable=True, timeout=100))
        with pytest.raises(deferred):
            task.execute()
        with pytest.raises(Exception, match="(?i)trigger failure"):
            task.task.resume_execution("__fail__", {"error": "Trigger failure"}, task.context)
        assert kind.cancels == []


class TestDeadlinesInAnOutage:
    """The API fails just when the time is up: the execution is canceled, and the task says what it is."""

    @pytest.fixture(params=[503, "reset"])
    def outage(self, request, kind):
        def outage(sync_id):
            fault = {"kind": "reset"} if request.param == "reset" else {"kind": "status", "status": request.param}
            kind.emulator.fault(**fault, method="GET", path=f"/**/{sync_id}/executions/*", count=None, skip=1)

        return outage

    def test_it_is_canceled_and_the_task_has_timed_out(self, kind, task_instance, monkeypatch, deferrable, outage):
        monkeypatch.setattr(_start, "CONFIRM_TIMEOUT", 0.01)
        monkeypatch.setattr(executions, "DEADLINE_CANCEL_TIMEOUT", 0.01)
        sync_id = kind.add(duration=NEVER)
        outage(sync_id)
        task = task_instance(kind.start(sync_id, deferrable=deferrable, timeout=0.01, poll_interval=5))
        with pytest.raises(PolytomicRunTimeout, match="has not ended in time"):
            task.finish()
        assert len(kind.cancels) >= 1
        assert task.xcoms["return_value"]["outcome"] == "running"


def test_a_trigger_that_failed_in_an_earlier_attempt_is_no_news(kind, task_instance, deferred):
    """Airflow 3.0 starts a retry with the ``next_method`` of the attempt before."""
    sync_id = kind.add(duration=60)
    task = task_instance(kind.start(sync_id, deferrable=True, retries=1))
    with pytest.raises(deferred):
        task.execute()
    task.retry()
    with pytest.raises(deferred):
        task._call(task.task.resume_execution, "__fail__", {"error": "Trigger failure"}, task.context)


class TestOnKill:
    def test_before_anything_was_started_nothing_is_canceled(self, kind, task_instance):
        task_instance(kind.start(kind.add(duration=NEVER))).task.on_kill()
        assert kind.emulator.requests == []

    def killed_while_waiting(self, kind, task_instance, monkeypatch, **options):
        """Kill a task in its first pause, as the signal handler of Airflow 3 does: it returns to where it was."""
        task = task_instance(kind.start(kind.add(duration=NEVER), **options))

        def pause(operator, seconds):
            operator.on_kill()
            operator._stop_if_killed()

        monkeypatch.setattr(_cancel_on_kill.CancelOnKillOperator, "_sleep", pause)
        with pytest.raises(PolytomicTaskError, match="the task was killed"):
            task.execute()
        return task

    def test_our_execution_is_canceled_and_the_task_ends(self, kind, task_instance, monkeypatch):
        self.killed_while_waiting(kind, task_instance, monkeypatch)
        assert len(kind.cancels) == 1

    def test_nothing_is_canceled_where_cancel_on_kill_is_off(self, kind, task_instance, monkeypatch):
        self.killed_while_waiting(kind, task_instance, monkeypatch, cancel_on_kill=False)
        assert kind.cancels == []

    def test_airflow_is_asked_nothing(self, kind, task_instance, monkeypatch):
        def refuse(*args, **kwargs):
            raise AssertionError("on_kill has asked Airflow for a connection")

        task = task_instance(kind.start(kind.add(duration=NEVER)))

        def pause(operator, seconds):
            monkeypatch.setattr("airflow_provider_polytomic.hooks.polytomic.PolytomicHook.get_connection", refuse)
            operator.on_kill()
            operator._stop_if_killed()

        monkeypatch.setattr(_cancel_on_kill.CancelOnKillOperator, "_sleep", pause)
        with pytest.raises(PolytomicTaskError, match="the task was killed"):
            task.execute()
        assert len(kind.cancels) == 1

    def test_a_kill_during_the_start_cancels_as_soon_as_the_execution_is_known(self, kind, task_instance, monkeypatch):
        task = task_instance(kind.start(kind.add(duration=NEVER), deferrable=True))
        original = kind.start_class._request_body

        def killed(operator, *arguments):
            operator.on_kill()
            return original(operator, *arguments)

        monkeypatch.setattr(kind.start_class, "_request_body", killed)
        with pytest.raises(PolytomicTaskError, match="the task was killed"):
            task.execute()
        assert len(kind.cancels) == 1

    def test_a_lost_answer_is_followed_by_another_request(self, kind, task_instance, monkeypatch):
        kind.emulator.fault("reset", method="POST", path="/**/cancel")
        self.killed_while_waiting(kind, task_instance, monkeypatch)
        assert len(kind.cancels) == 2

    def test_no_answer_at_all_is_given_up_within_the_time_that_airflow_leaves(
        self, kind, task_instance, monkeypatch, logged
    ):
        assert _cancel_on_kill.KILL_TIMEOUT < 4
        monkeypatch.setattr(_cancel_on_kill, "KILL_TIMEOUT", 1.0)
        kind.emulator.fault("delay", delay=60, count=None, method="POST", path="/**/cancel")
        self.killed_while_waiting(kind, task_instance, monkeypatch)
        assert len(kind.cancels) == 1

    def test_an_answer_that_drips_in_does_not_hold_the_task(self, kind, task_instance, monkeypatch, logged):
        """A time limit of httpx is for one phase of a request, and starts anew with each byte."""
        monkeypatch.setattr(_cancel_on_kill, "KILL_TIMEOUT", 0.2)
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
            operator._ours = ExecutionRef(kind.name, "sync", "execution")
            operator._config = ClientConfig("some-key", base_url=f"http://127.0.0.1:{dripping.getsockname()[1]}")
            operator.on_kill()
            assert "no answer to its cancellation" in logged()
        finally:
            done.set()
            server.join()
            dripping.close()

    def test_an_execution_that_has_ended_is_left_alone(self, kind, task_instance):
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
    def test_what_no_trigger_of_ours_hands_back_fails_the_task(self, kind, task_instance, event):
        with pytest.raises(PolytomicTaskError, match="Unexpected trigger event"):
            task_instance(kind.start(kind.add(duration=0), deferrable=True)).resume(event)
        assert kind.emulator.requests == []

    def test_an_event_of_another_attempt_starts_afresh(self, kind, task_instance, deferred, wait_for_event):
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

    def test_the_triggers_refusal_is_the_tasks(self, kind, task_instance):
        task = task_instance(kind.start(kind.add(duration=0), deferrable=True))
        with pytest.raises(PolytomicRequestRefused, match="^no. Next: give up$"):
            task.resume({"status": "refused", "message": "no. Next: give up", "try_number": 1, "ownership": "owned"})


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


class TestStateStore:
    def test_it_holds_the_execution_until_its_end(self, kind, task_instance, deferred, state_store):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=True), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        [execution] = kind.emulator.executions(sync_id)
        assert state_store.values == {
            "polytomic_execution": {"execution_id": execution.id, "generation": 0, "previous_schema_results": []}
        }
        task.finish()
        assert state_store.values == {}

    def test_a_retry_finds_it_there_after_the_keys_are_forgotten(self, kind, task_instance, deferred, state_store):
        sync_id = kind.add(duration=NEVER)
        task = task_instance(kind.start(sync_id, deferrable=True, retries=1), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        kind.emulator.clock.advance(25 * 60 * 60)
        kind.emulator.finish(kind.emulator.executions(sync_id)[0].id)
        assert task.retry().finish()["outcome"] == "success"
        assert len(kind.emulator.executions(sync_id)) == 1

    def test_what_was_held_before_a_clear_does_not_count(self, kind, task_instance, deferred, state_store):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=True), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        kind.emulator.finish(kind.emulator.executions(sync_id)[0].id)
        task.clear().finish()
        assert len(kind.emulator.executions(sync_id)) == 2

    def test_what_still_runs_from_before_a_clear_is_canceled(self, kind, task_instance, deferred, state_store):
        sync_id = kind.add(duration=NEVER, next_executions=[{}, {"duration": 60}])
        task = task_instance(kind.start(sync_id, deferrable=True), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        assert task.clear().finish()["outcome"] == "success"
        old, new = kind.emulator.executions(sync_id)
        assert (old.cancel_requests, new.cancel_requests) == (1, 0)

    def test_a_store_that_fails_changes_nothing(self, kind, task_instance, deferrable, logged):
        class Broken:
            def __getattr__(self, name):
                raise ConnectionError("the API server is away")

        task = task_instance(kind.start(kind.add(duration=60), deferrable=deferrable), task_state_store=Broken())
        assert task.finish()["outcome"] == "success"
        assert "The task state store failed to set: the API server is away" in logged()


def test_a_retry_syncs_only_the_schemas_that_failed(emulator, task_instance, deferrable):
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
    def test_what_runs_is_canceled_and_waited_for(self, kind, task_instance):
        sync_id = kind.add(duration=NEVER)
        running = kind.emulator.start(sync_id)
        result = task_instance(kind.cancel(sync_id)).finish()
        assert (result["execution_id"], result["outcome"]) == (running.id, "canceled")
        assert kind.emulator.execution(running.id).cancel_requests == 1

    def test_nothing_to_cancel_is_a_success(self, kind, task_instance):
        assert task_instance(kind.cancel(kind.add())).finish() is None
        assert kind.cancels == []

    def test_without_waiting_it_returns_at_once(self, kind, task_instance):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        result = task_instance(kind.cancel(sync_id, wait_for_completion=False)).finish()
        assert (result["status"], result["outcome"]) == ("canceling", "running")

    def test_one_that_does_not_end_in_time_fails_the_task(self, kind, task_instance):
        sync_id = kind.add(duration=NEVER, cancel_takes=1e6)
        kind.emulator.start(sync_id)
        with pytest.raises(PolytomicRunTimeout, match="after its cancellation"):
            task_instance(kind.cancel(sync_id, timeout=0.01)).finish()

    def test_one_that_is_not_seen_again_is_named_all_the_same(self, kind, task_instance):
        sync_id = kind.add(duration=NEVER)
        running = kind.emulator.start(sync_id)
        kind.emulator.fault("status", status=503, method="GET", path="**/executions/*", count=None)
        with pytest.raises(PolytomicRunTimeout, match=running.id) as raised:
            task_instance(kind.cancel(sync_id, timeout=0.01)).finish()
        assert raised.value.result["execution_id"] == running.id

    def test_an_unknown_sync_is_refused(self, kind, task_instance):
        with pytest.raises(PolytomicRequestRefused, match="(?s)unknown could not be canceled.*Next: is the id right"):
            task_instance(kind.cancel("unknown")).finish()
