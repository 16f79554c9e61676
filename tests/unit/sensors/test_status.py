"""The status sensors, in all three modes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic._compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_polytomic._task.deadline import DEFERRAL_GRACE
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunCanceled,
    PolytomicRunFailed,
    PolytomicRunIncomplete,
    PolytomicTaskError,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.executions import repeat_while_transient, resolve_target
from airflow_provider_polytomic.sensors import _base, _status
from tests.support.sync_kinds import CLASSES, Kind, SchemaKind

NEVER = float("inf")

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture(params=[*CLASSES, "schema"])
def kind(request, emulator) -> Kind:
    return SchemaKind(emulator) if request.param == "schema" else Kind(request.param, emulator)


@pytest.fixture(params=[False, True], ids=["poke", "deferrable"])
def deferrable(request, monkeypatch, emulator) -> bool:
    monkeypatch.setattr("time.sleep", emulator.clock.advance)
    return request.param


def moment(emulator: Any, seconds: float = 0) -> datetime:
    return datetime.fromtimestamp(emulator.clock() + seconds, timezone.utc)


@pytest.mark.usefixtures("by_name")
class TestTarget:
    def test_a_given_execution_is_awaited(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        execution = kind.emulator.start(sync_id)
        result = task_instance(kind.sensor(sync_id, execution_id=execution.id, deferrable=deferrable)).finish()
        assert (result["execution_id"], result["status"]) == (execution.id, "completed")
        assert result.get("kind", "bulk") == kind.name
        assert {one.method for one in kind.emulator.requests} == {"GET"}

    def test_a_given_execution_may_have_ended_long_ago(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=0)
        execution = kind.emulator.start(sync_id)
        kind.emulator.clock.advance(1000)
        sensor = kind.sensor(sync_id, execution_id=execution.id, deferrable=deferrable)
        assert task_instance(sensor).finish()["execution_id"] == execution.id

    def test_the_current_execution_is_awaited(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60)
        execution = kind.emulator.start(sync_id)
        result = task_instance(kind.sensor(sync_id, deferrable=deferrable)).finish()
        assert result["execution_id"] == execution.id

    def test_without_a_current_execution_the_next_one_that_completes_is_awaited(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=30)
        kind.emulator.start(sync_id)
        kind.emulator.clock.advance(60)
        task = task_instance(
            kind.sensor(sync_id, deferrable=deferrable, completed_after=moment(kind.emulator).isoformat())
        )
        schedule = kind.emulator.clock.advance
        started: list[str] = []

        def advance(seconds: float) -> None:
            schedule(seconds)
            if not started:
                started.append(kind.emulator.start(sync_id).id)

        kind.emulator.clock.advance = advance
        result = self.finish_with(advance, task, deferrable)
        assert result["execution_id"] == started[0]

    @staticmethod
    def finish_with(advance: Any, task: Any, deferrable: bool) -> Any:
        from airflow_provider_polytomic.api import AsyncPolytomicClient

        async def pause(seconds: float) -> None:
            advance(seconds)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.sleep", advance)
            patch.setitem(AsyncPolytomicClient.__init__.__kwdefaults__, "sleep", pause)
            return task.finish()

    @pytest.mark.parametrize("seconds", [-1, 0])
    def test_an_execution_that_completed_at_or_after_completed_after_is_found(
        self, kind, task_instance, deferrable, seconds
    ):
        sync_id = kind.add(duration=0)
        execution = kind.emulator.start(sync_id)
        completed = datetime.fromisoformat(kind.emulator.execution(execution.id).completed_at.replace("Z", "+00:00"))
        after = completed + timedelta(seconds=seconds)
        kind.emulator.clock.advance(100)
        sensor = kind.sensor(sync_id, deferrable=deferrable, completed_after=after)
        assert task_instance(sensor).finish()["execution_id"] == execution.id

    @pytest.mark.parametrize("interval", [True, False], ids=["data interval", "DAG run"])
    def test_completed_after_is_the_start_of_the_data_interval_or_of_the_dag_run(self, kind, task_instance, interval):
        class DagRun:
            start_date = moment(kind.emulator, -10)

        begin = moment(kind.emulator, -1000) if interval else None
        sync_id = kind.add(duration=0)
        kind.emulator.clock.advance(-500)
        kind.emulator.start(sync_id)
        kind.emulator.clock.advance(500)
        times = {"data_interval_start": begin, "data_interval_end": DagRun.start_date}
        task = task_instance(kind.sensor(sync_id), dag_run=DagRun(), **times)
        assert bool(task.task.poke(task.context)) is interval

    @pytest.mark.parametrize("invalid", ["yesterday", "", 7])
    def test_an_invalid_completed_after_is_refused(self, kind, task_instance, invalid):
        sensor = kind.sensor(kind.add(), completed_after=invalid)
        with pytest.raises(PolytomicRequestRefused, match="completed_after is .*not a time"):
            task_instance(sensor).execute()

    @pytest.mark.parametrize("name", ["sync", "execution_id"])
    def test_an_invalid_id_is_refused(self, kind, task_instance, deferrable, name):
        sensor = (
            kind.sensor("..", deferrable=deferrable)
            if name == "sync"
            else kind.sensor("s", execution_id="..", deferrable=deferrable)
        )
        with pytest.raises(PolytomicRequestRefused, match="not an id"):
            task_instance(sensor).execute()
        assert kind.emulator.requests == []


class TestExecutionIdOfNothing:
    @pytest.mark.parametrize("rendered", [None, "", "  ", "None"])
    def test_a_template_that_renders_to_nothing_is_refused(self, kind, task_instance, deferrable, rendered):
        sync_id = kind.add(duration=60)
        kind.emulator.start(sync_id)
        sensor = kind.sensor(sync_id, execution_id="{{ ti.xcom_pull('pick') }}", deferrable=deferrable)
        sensor.execution_id = rendered
        with pytest.raises(PolytomicRequestRefused, match="execution_id"):
            task_instance(sensor).finish()
        assert not any("/executions/" in one.path for one in kind.emulator.requests)


@pytest.mark.usefixtures("by_name")
class TestReschedule:
    """A rescheduled sensor keeps the execution where Airflow has a place for it, else the date of the first poke."""

    @pytest.fixture(autouse=True)
    def first_poke_date(self, monkeypatch):
        monkeypatch.setattr(_status, "first_poke_date", lambda context: context["ti"].first_poke)

    @pytest.mark.parametrize("ahead", [5, 120])
    def test_a_clock_of_polytomic_that_is_ahead_does_not_lead_to_an_older_execution(self, kind, task_instance, ahead):
        sync_id = kind.add(duration=10)
        kind.emulator.start(sync_id)
        kind.emulator.clock.advance(600)
        sync_execution = kind.emulator.start(sync_id)
        first = moment(kind.emulator, -ahead)
        assert not self.poke(kind, task_instance, sync_id, None)
        kind.emulator.clock.advance(60)
        found = self.poke(kind, task_instance, sync_id, first)
        assert found.xcom_value["execution_id"] == sync_execution.id

    @pytest.mark.parametrize("skew", [-300, 0, 5, 300])
    def test_the_kept_execution_is_awaited_whatever_the_clocks_say(self, kind, task_instance, state_store, skew):
        sync_id = kind.add(duration=10)
        kind.emulator.start(sync_id)
        kind.emulator.clock.advance(11)
        current = kind.emulator.start(sync_id)
        first = moment(kind.emulator, -skew)
        assert not self.poke(kind, task_instance, sync_id, None, task_state_store=state_store)
        kind.emulator.clock.advance(20)
        kind.emulator.start(sync_id)
        found = self.poke(kind, task_instance, sync_id, first, task_state_store=state_store)
        assert found.xcom_value["execution_id"] == current.id

    def test_what_an_earlier_attempt_has_kept_does_not_count(self, kind, task_instance, state_store):
        sync_id = kind.add(duration=10)
        kind.emulator.start(sync_id)
        assert not self.poke(kind, task_instance, sync_id, None, task_state_store=state_store)
        kind.emulator.clock.advance(60)
        current = kind.emulator.start(sync_id)
        kind.emulator.clock.advance(1)
        task = task_instance(kind.sensor(sync_id, mode="reschedule"), task_state_store=state_store).retry()
        task.first_poke = None
        assert not task.task.poke(task.context)
        kind.emulator.clock.advance(60)
        assert task.task.poke(task.context).xcom_value["execution_id"] == current.id

    def test_the_execution_that_was_current_at_the_first_poke_is_awaited(self, kind, task_instance):
        sync_id = kind.add(duration=60)
        execution = kind.emulator.start(sync_id)
        kind.emulator.clock.advance(1)
        first = moment(kind.emulator)
        assert not self.poke(kind, task_instance, sync_id, None)
        kind.emulator.clock.advance(20)
        assert not self.poke(kind, task_instance, sync_id, first)
        kind.emulator.clock.advance(100)
        kind.emulator.start(sync_id)
        found = self.poke(kind, task_instance, sync_id, first)
        assert found.xcom_value["execution_id"] == execution.id

    def test_without_a_current_execution_at_the_first_poke_the_next_completion_counts(self, kind, task_instance):
        sync_id = kind.add(duration=30)
        kind.emulator.start(sync_id)
        kind.emulator.clock.advance(60)
        first, after = moment(kind.emulator), moment(kind.emulator)
        assert not self.poke(kind, task_instance, sync_id, None, completed_after=after)
        kind.emulator.clock.advance(10)
        execution = kind.emulator.start(sync_id)
        assert not self.poke(kind, task_instance, sync_id, first, completed_after=after)
        kind.emulator.clock.advance(60)
        assert self.poke(kind, task_instance, sync_id, first, completed_after=after).xcom_value["execution_id"] == (
            execution.id
        )

    @staticmethod
    def poke(
        kind: Kind,
        task_instance: Any,
        sync_id: str,
        first: datetime | None,
        task_state_store: Any = None,
        **options: Any,
    ) -> Any:
        task = task_instance(kind.sensor(sync_id, mode="reschedule", **options), task_state_store=task_state_store)
        task.first_poke = first
        return task.task.poke(task.context)


class TestOutcome:
    @pytest.mark.parametrize(("outcome", "error"), [("failed", PolytomicRunFailed), ("canceled", PolytomicRunCanceled)])
    def test_an_unsuccessful_end_pushes_the_result_and_fails_the_task(
        self, kind, task_instance, deferrable, outcome, error
    ):
        sync_id = kind.add(duration=60, outcome=outcome)
        execution = kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, deferrable=deferrable))
        with pytest.raises(error, match=execution.id) as raised:
            task.finish()
        assert task.xcoms["return_value"]["execution_id"] == raised.value.result["execution_id"] == execution.id

    def test_without_do_xcom_push_no_result_is_pushed(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=60, outcome="failed")
        kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, deferrable=deferrable, do_xcom_push=False))
        with pytest.raises(PolytomicRunFailed):
            task.finish()
        assert "return_value" not in task.xcoms

    def test_soft_fail_skips_instead(self, kind, task_instance):
        sync_id = kind.add(duration=0, outcome="failed")
        execution = kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, execution_id=execution.id, soft_fail=True))
        with pytest.raises(AirflowSkipException, match="failed"):
            task.execute()

    def test_soft_fail_skips_after_a_deferral_too(self, kind, task_instance, deferred, wait_for_event):
        sync_id = kind.add(duration=60, outcome="failed")
        kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, deferrable=True, soft_fail=True))
        with pytest.raises(deferred) as raised:
            task.execute()
        event = asyncio.run(wait_for_event(raised.value.trigger))
        with pytest.raises(AirflowSkipException):
            task.task.resume_execution("execute_complete", {"event": event}, task.context)

    def test_soft_fail_skips_before_a_deferral_too(self, kind, task_instance):
        sync_id = kind.add(duration=0, outcome="failed")
        execution = kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, execution_id=execution.id, deferrable=True, soft_fail=True))
        with pytest.raises(AirflowSkipException, match="failed"):
            task.execute()

    @pytest.mark.parametrize(("allowed", "fails"), [(None, False), (3, False), (2, True)])
    def test_record_errors_fail_the_task_only_above_max_errors(
        self, emulator, task_instance, deferrable, allowed, fails
    ):
        sync = emulator.add_model_sync(duration=60, counts={"total": 10, "error": 3})
        emulator.start(sync.id)
        task = task_instance(Kind("model", emulator).sensor(sync.id, max_errors=allowed, deferrable=deferrable))
        if fails:
            with pytest.raises(PolytomicRunIncomplete):
                task.finish()
        else:
            assert task.finish()["counts"]["error"] == 3

    @pytest.mark.parametrize("fails", [True, False])
    def test_a_partial_success_fails_the_task_unless_fail_on_partial_is_false(
        self, emulator, task_instance, deferrable, fails
    ):
        schemas = [{"id": "contact"}, {"id": "account", "outcome": "failed"}]
        sync = emulator.add_bulk_sync(schemas=schemas, duration=60)
        emulator.start(sync.id)
        task = task_instance(Kind("bulk", emulator).sensor(sync.id, fail_on_partial=fails, deferrable=deferrable))
        if fails:
            with pytest.raises(PolytomicRunIncomplete, match="account"):
                task.finish()
        else:
            assert task.finish()["outcome"] == "partial"


@pytest.mark.usefixtures("by_name")
class TestResponses:
    def test_failed_status_requests_change_nothing(self, kind, task_instance, deferrable, logged):
        sync_id = kind.add(duration=60)
        kind.emulator.start(sync_id)
        kind.emulator.fault("status", status=503, count=20)
        assert task_instance(kind.sensor(sync_id, deferrable=deferrable)).finish()["status"] == "completed"
        assert "Could not get the status" in logged() or "Could not request the status" in logged()

    def test_a_worker_retries_for_a_few_minutes_before_it_fails(self, kind, task_instance, monkeypatch):
        for flow in (resolve_target, repeat_while_transient):
            monkeypatch.setitem(flow.__kwdefaults__, "clock", kind.emulator.clock)
        sync_id = kind.add()
        began = kind.emulator.clock()
        kind.emulator.fault("status", status=503, count=None)
        sensor = kind.sensor(sync_id, deferrable=True, timeout=7 * 24 * 3600, poke_interval=1800)
        with pytest.raises(PolytomicUnavailable, match="cannot be waited for"):
            task_instance(sensor).execute()
        assert _status.RESOLVE_TIMEOUT <= kind.emulator.clock() - began < 2 * _status.RESOLVE_TIMEOUT

    def test_the_time_for_these_retries_counts_towards_the_sensors_timeout(
        self, kind, task_instance, deferred, monkeypatch
    ):
        clock, began = kind.emulator.clock, kind.emulator.clock()
        monkeypatch.setattr(clock, "_source", lambda: began)
        monkeypatch.setattr(_base, "time", SimpleNamespace(time=clock))
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        kind.emulator.fault("status", status=503, count=50)
        with pytest.raises(deferred) as raised:
            task_instance(kind.sensor(sync_id, deferrable=True, timeout=600)).execute()
        assert raised.value.trigger.deadline == began + 600
        left = began + 600 - clock()
        assert left < 590
        assert raised.value.timeout == timedelta(seconds=left + 2 * 5 + DEFERRAL_GRACE)

    @pytest.mark.parametrize("status", [401, 403, 404, 422])
    def test_a_refused_request_fails_the_task(self, kind, task_instance, deferrable, status):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        kind.emulator.fault("status", status=status, count=None)
        text = f"(?s)({sync_id}|'Nightly 0') cannot be waited for: .*{status}.*Next: "
        with pytest.raises(PolytomicRequestRefused, match=text) as raised:
            task_instance(kind.sensor(sync_id, deferrable=deferrable)).finish()
        assert raised.value.__cause__ is None

    def test_an_event_of_another_attempt_starts_over(self, kind, task_instance):
        sync_id = kind.add(duration=0)
        execution = kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, execution_id=execution.id, deferrable=True, retries=1)).retry()
        assert task.resume({"status": "deadline", "try_number": 1, "execution_id": "e"})["status"] == "completed"

    @pytest.mark.parametrize("event", [None, {}, {"status": "success"}, {"status": "ended", "execution": None}])
    def test_an_unexpected_event_fails_the_task(self, kind, task_instance, event):
        with pytest.raises(PolytomicTaskError, match="Unexpected trigger event"):
            task_instance(kind.sensor("s", deferrable=True)).resume(event)


@pytest.mark.usefixtures("by_name")
class TestTimeout:
    def test_the_timeout_raises_airflows_exception_and_cancels_nothing(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        with pytest.raises(AirflowSensorTimeout):
            task_instance(kind.sensor(sync_id, timeout=0, deferrable=deferrable)).finish()
        assert kind.cancels == []

    def test_cancel_on_timeout_cancels_the_execution(self, kind, task_instance, deferrable):
        sync_id = kind.add(duration=NEVER)
        execution = kind.emulator.start(sync_id)
        with pytest.raises(AirflowSensorTimeout):
            task_instance(kind.sensor(sync_id, timeout=0, deferrable=deferrable, cancel_on_timeout=True)).finish()
        assert kind.emulator.execution(execution.id).cancel_requests == 1

    def test_airflows_deferral_timeout_cancels_the_execution_too(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        execution = kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, deferrable=True, cancel_on_timeout=True))
        with pytest.raises(deferred) as raised:
            task.execute()
        assert raised.value.timeout.total_seconds() > 600
        with pytest.raises(Exception, match="(?i)timeout|"):
            task.task.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context)
        assert kind.emulator.execution(execution.id).cancel_requests == 1

    def test_a_failed_deferral_of_an_earlier_attempt_starts_over(self, kind, task_instance, deferred):
        """As on Airflow 3.0, which resumes a retry as it would have resumed the attempt before."""
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, deferrable=True, cancel_on_timeout=True, retries=1))
        with pytest.raises(deferred):
            task.execute()
        task.retry()
        with pytest.raises(deferred):
            task._call(task.task.resume_execution, "__fail__", {"error": "Trigger timeout"}, task.context)
        assert kind.cancels == []

    def test_a_kill_never_cancels_the_execution_of_a_sensor(self, kind, task_instance, deferred):
        sync_id = kind.add(duration=NEVER)
        kind.emulator.start(sync_id)
        task = task_instance(kind.sensor(sync_id, deferrable=True, cancel_on_timeout=True))
        with pytest.raises(deferred) as raised:
            task.execute()
        task.task.on_kill()
        assert not raised.value.trigger.cancel_on_kill
        assert kind.cancels == []
