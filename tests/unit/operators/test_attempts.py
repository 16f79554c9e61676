"""Start operators over several attempts: edited ``retries``, a failing XCom backend, and DAG runs made again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import product
from types import SimpleNamespace

import pytest

from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunFailed,
    PolytomicRunTimeout,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.links.syncs import LINK_XCOM_KEY

NEVER = float("inf")
XCOMS = {"polytomic_execution", "return_value", LINK_XCOM_KEY}

pytestmark = pytest.mark.usefixtures("no_waiting", "by_name")


@pytest.fixture(params=[False, True], ids=["without_store", "with_store"])
def context(request, state_store):
    return {"task_state_store": state_store} if request.param else {}


def test_a_retry_with_another_sync_does_not_take_the_execution_of_the_first_one_for_its_own(
    kind, task_instance, state_store, deferred
):
    first, second = kind.add(duration=NEVER), kind.add(duration=0)
    task = task_instance(kind.start(first, deferrable=True, retries=1), task_state_store=state_store)
    with pytest.raises(deferred):
        task.execute()
    task.task = task.context["task"] = kind.start(second, retries=1)
    assert task.retry().finish()["sync_id"] == second
    [execution] = kind.emulator.executions(first)
    assert [one.path for one in kind.emulator.requests if second in one.path and execution.id in one.path] == []


class TestEditedRetries:
    @pytest.mark.parametrize("policy", ["wait", "join", "fail", "skip"])
    def test_a_retry_after_a_lost_worker_finds_its_execution(self, kind, task_instance, deferred, context, policy):
        for before, after in [(3, 1), (3, 2), (1, 0), (1, 3)]:
            sync_id = kind.add(duration=NEVER)
            operator = kind.start(sync_id, deferrable=True, retries=before, if_running=policy)
            task = task_instance(operator, **context)
            with pytest.raises(deferred):
                task.execute()
            task.task.retries = after
            with pytest.raises(deferred) as raised:
                task.retry().execute()
            assert raised.value.trigger.ownership == "owned", (before, after)
            assert len(kind.emulator.executions(sync_id)) == 1
            context.get("task_state_store", SimpleNamespace(values={})).values.clear()
        assert kind.cancels == []

    @pytest.mark.parametrize("in_finished_run", [False, True])
    def test_a_clear_after_a_success_starts_another(self, kind, task_instance, state_store, in_finished_run, logged):
        edits = [(0, 2), (2, 0), (3, 2), (1, 0), (2, 2)]
        for (before, after), stores in product(edits, (False, True)):
            state_store.values.clear()
            sync_id = kind.add(duration=60)
            context = {"task_state_store": state_store} if stores else {}
            task = task_instance(kind.start(sync_id, retries=before), **context)
            task.finish()
            task.task.retries = after
            task.clear(in_finished_run=in_finished_run).finish()
            ambiguous = not stores and not in_finished_run and before - after == 1
            assert len(kind.emulator.executions(sync_id)) == 2 - ambiguous, (before, after, stores)
            if ambiguous:
                assert "which ended before this attempt began; no other is started" in logged()

    def test_a_retry_after_such_a_clear_finds_its_execution(self, kind, task_instance, state_store, deferred):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, retries=3, deferrable=True), task_state_store=state_store)
        task.finish()
        task.task.retries = 2
        with pytest.raises(deferred):
            task.clear().execute()
        task.task.retries = 1
        task.retry().finish()
        assert len(kind.emulator.executions(sync_id)) == 2

    def test_a_second_clear_with_the_first_max_tries_starts_another(self, kind, task_instance, state_store):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, retries=3), task_state_store=state_store)
        task.finish()
        task.task.retries = 1
        for number in (2, 3):
            task = task.clear()
            task.finish()
            assert len(kind.emulator.executions(sync_id)) == number

    def test_a_start_without_a_response_after_such_a_clear_is_found(self, kind, task_instance, state_store):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, retries=3), task_state_store=state_store)
        task.finish()
        task.task.retries = 2
        kind.emulator.fault("reset", method="POST", path="/**/executions", count=None, when="after")
        with pytest.raises(PolytomicUnavailable):
            task.clear().execute()
        kind.emulator.clear_faults()
        task.retry().finish()
        assert len(kind.emulator.executions(sync_id)) == 2

    def test_the_clear_of_another_task_is_not_a_clear(self, kind, task_instance, deferred, context):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=True, retries=3), **context)
        with pytest.raises(deferred):
            task.execute()
        task.clear_others()
        task.retry().finish()
        assert len(kind.emulator.executions(sync_id)) == 1

    @pytest.mark.parametrize("after", [0, 1, 2])
    def test_after_the_clear_of_another_task_a_retry_is_not_a_clear(
        self, kind, task_instance, state_store, deferred, after
    ):
        sync_id = kind.add(duration=60)
        operator = kind.start(sync_id, deferrable=True, retries=3)
        task = task_instance(operator, task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        task.clear_others()
        task.task.retries = after
        task.retry().finish()
        assert len(kind.emulator.executions(sync_id)) == 1
        assert kind.cancels == []

    def test_no_failure_of_an_earlier_attempt_is_the_result_of_a_later_one(self, kind, task_instance, context):
        failures = [{"outcome": "failed"}, {"outcome": "failed"}]
        sync_id = kind.add(duration=60, next_executions=failures)
        task = task_instance(kind.start(sync_id, retries=3), **context)
        for _ in failures:
            with pytest.raises(PolytomicRunFailed):
                task.finish()
            task.task.retries -= 1
            task.retry()
        assert task.finish()["outcome"] == "success"
        assert len(kind.emulator.executions(sync_id)) == 3


class TestFailingXCom:
    @pytest.fixture
    def task(self, kind, task_instance, deferrable, context):
        def task(**plan):
            options = {name: plan.pop(name) for name in ("timeout", "retries") if name in plan}
            sync_id = kind.add(duration=60, **plan)
            one = task_instance(kind.start(sync_id, deferrable=deferrable, **options), **context)
            one.broken_xcoms = set(XCOMS)
            one.sync_id = sync_id
            return one

        return task

    def test_the_task_waits_for_its_execution_in_the_worker(self, kind, task, deferrable, logged):
        one = task()
        assert one.execute()["outcome"] == "success"
        assert len(kind.emulator.executions(one.sync_id)) == 1
        assert kind.cancels == []
        assert ("in the worker: without XCom the task cannot be deferred" in logged()) is deferrable

    def test_the_cause_of_a_failure_comes_first(self, task):
        with pytest.raises(PolytomicRunFailed) as raised:
            task(outcome="failed").execute()
        cause, problem = "'failed'", "could not be pushed to XCom: RuntimeError: the XCom backend is down"
        assert 0 < str(raised.value).index(cause) < str(raised.value).index(problem)

    def test_a_timeout_is_reported_and_the_execution_canceled(self, kind, task):
        with pytest.raises(PolytomicRunTimeout, match="(?s)has not ended in time.*could not be pushed to XCom"):
            task(timeout=0.01).execute()
        assert len(kind.cancels) == 1

    def test_a_refused_wait_is_reported(self, kind, task):
        kind.emulator.fault("status", status=404, count=None, method="GET", path="/**/executions/*", skip=1)
        with pytest.raises(PolytomicRequestRefused, match="(?s)cannot be waited for.*could not be pushed to XCom"):
            task().execute()

    def test_a_refusal_in_the_trigger_is_reported(self, task):
        event = {"status": "refused", "message": "no. Next: stop", "try_number": 1, "ownership": "owned"}
        with pytest.raises(PolytomicRequestRefused, match="(?s)^no. Next: stop.*could not be pushed to XCom"):
            task().resume({**event, "sync_id": "S", "execution_id": "E"})

    @pytest.mark.parametrize("hours", [1, 25])
    def test_a_result_that_could_not_be_pushed_is_returned_by_the_retry(self, kind, task, context, hours):
        one = task(retries=1)
        with pytest.raises(RuntimeError, match="return_value"):
            one.finish()
        kind.emulator.clock.advance(hours * 3600)
        one.broken_xcoms.clear()
        assert one.retry().finish()["outcome"] == "success"
        assert len(kind.emulator.executions(one.sync_id)) == (1 if context or hours < 24 else 2)

    def test_a_deferral_that_times_out_starts_over(self, kind, task, deferrable, deferred):
        one = task(timeout=100)
        one.broken_xcoms.clear()
        one.task.deferrable = True
        with pytest.raises(deferred):
            one.execute()
        one.broken_xcoms = set(XCOMS)
        result = one._call(one.task.resume_execution, "__fail__", {"error": "Trigger timeout"}, one.context)
        assert result["outcome"] == "success"
        assert len(kind.emulator.executions(one.sync_id)) == 1


class TestAnotherRun:
    """A DAG run is deleted, and made again under its id."""

    def run(self, task_instance, operator, **dag_run):
        return task_instance(operator, dag_run=SimpleNamespace(clear_number=0, **dag_run))

    @pytest.mark.parametrize(("later", "executions"), [(0, 1), (1, 2)])
    def test_a_run_made_again_starts_another_execution(self, kind, task_instance, later, executions):
        sync_id, now = kind.add(duration=60), datetime.now(timezone.utc)
        for microseconds in (0, later):
            began = now + timedelta(microseconds=microseconds)
            self.run(task_instance, kind.start(sync_id), start_date=began).finish()
        assert len(kind.emulator.executions(sync_id)) == executions

    def test_dag_test_on_airflow_2_begins_each_run_at_its_logical_date(self, kind, task_instance):
        sync_id = kind.add(duration=60)
        date = datetime(2026, 1, 2, tzinfo=timezone.utc)
        for _ in range(2):
            self.run(task_instance, kind.start(sync_id), id=1, start_date=date, execution_date=date).finish()
        assert len(kind.emulator.executions(sync_id)) == 2

    def test_a_retry_in_dag_test_on_airflow_2_finds_its_execution(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=60)
        date = datetime(2026, 1, 2, tzinfo=timezone.utc)
        operator = kind.start(sync_id, deferrable=True, retries=1)
        task = self.run(task_instance, operator, id=1, start_date=date, execution_date=date)
        with pytest.raises(deferred):
            task.execute()
        task.retry().finish()
        assert len(kind.emulator.executions(sync_id)) == 1
