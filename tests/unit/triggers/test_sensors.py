"""Sensors that start or end in the triggerer."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic._compat import can_start_from_trigger
from airflow_provider_polytomic._task import link
from airflow_provider_polytomic.assets import sync_asset
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.schemas import PolytomicBulkSchemaSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor
from airflow_provider_polytomic.triggers import sensors
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger
from airflow_provider_polytomic.triggers.sensors import PolytomicSensorTrigger
from tests.support.sync_kinds import Kind, SchemaKind

NEVER = float("inf")
SENSORS = [
    lambda **more: PolytomicSyncStatusSensor(task_id="t", sync_id="{{ x }}", **more),
    lambda **more: PolytomicBulkSyncStatusSensor(task_id="t", bulk_sync_id="{{ x }}", **more),
    lambda **more: PolytomicBulkSchemaSensor(task_id="t", bulk_sync_id="{{ x }}", schema="{{ y }}", **more),
    lambda **more: PolytomicSyncStatusSensor(task_id="t", sync_name="{{ x }}", **more),
    lambda **more: PolytomicBulkSyncStatusSensor(task_id="t", bulk_sync_name="{{ x }}", **more),
    lambda **more: PolytomicBulkSchemaSensor(task_id="t", bulk_sync_name="{{ x }}", schema="{{ y }}", **more),
]
IDS = ["model", "bulk", "schema", "model_by_name", "bulk_by_name", "schema_by_name"]
needs_start_from_trigger = pytest.mark.skipif(
    not can_start_from_trigger(), reason="needs a triggerer that renders templates"
)


@pytest.fixture
def xcoms(monkeypatch: pytest.MonkeyPatch, emulator: Any) -> dict[str, Any]:
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
    values: dict[str, Any] = {}

    async def read(ti: Any, key: str) -> Any:
        return values.get(key)

    async def write(ti: Any, key: str, value: Any) -> None:
        values[key] = json.loads(json.dumps(value))

    monkeypatch.setattr(sensors, "xcom_in_trigger", read)
    monkeypatch.setattr(sensors, "push_xcom_in_trigger", write)
    monkeypatch.setattr(link, "push_xcom_in_trigger", write)
    return values


def trigger(sync_id: str, **kwargs: Any) -> PolytomicSensorTrigger:
    kwargs = {"kind": "model", "execution_id": None, "timeout": 600.0, "poll_interval": 5.0, **kwargs}
    kwargs.setdefault("completed_after", "2026-01-01")
    return in_triggerer(sync_id=sync_id, **kwargs)


def in_triggerer(**kwargs: Any) -> PolytomicSensorTrigger:
    sensing_trigger = PolytomicSensorTrigger(**json.loads(json.dumps(kwargs)))
    sensing_trigger.task_instance = SimpleNamespace(
        dag_id="dag", run_id="run", task_id="task", map_index=-1, try_number=1
    )
    return sensing_trigger


@pytest.mark.usefixtures("no_waiting")
class TestTarget:
    def run(self, wait_for_event: Any, *arguments: Any, **kwargs: Any) -> Any:
        return asyncio.run(wait_for_event(trigger(*arguments, **kwargs)))

    def test_the_current_execution_is_awaited(self, emulator, xcoms, wait_for_event):
        sync = emulator.add_model_sync(duration=20)
        execution = emulator.start(sync.id)
        event = self.run(wait_for_event, sync.id)
        assert (event["status"], event["execution"]["execution_id"]) == ("ended", execution.id)

    def test_a_link_that_cannot_be_pushed_fails_no_wait(self, emulator, xcoms, wait_for_event, monkeypatch, caplog):
        async def refuse(ti: Any, key: str, value: Any) -> None:
            raise RuntimeError("no XCom today")

        monkeypatch.setattr(link, "push_xcom_in_trigger", refuse)
        execution = emulator.start(emulator.add_model_sync(duration=20).id)
        assert self.run(wait_for_event, execution.sync_id)["status"] == "ended"
        assert "Could not push XCom" in caplog.text

    def test_a_given_execution_is_awaited(self, emulator, xcoms, wait_for_event):
        sync = emulator.add_model_sync(duration=20)
        execution = emulator.start(sync.id)
        event = self.run(wait_for_event, sync.id, execution_id=execution.id)
        assert event["execution_id"] == execution.id

    def test_without_a_current_execution_an_ended_one_is_found(self, emulator, xcoms, wait_for_event):
        sync = emulator.add_model_sync(duration=5)
        execution = emulator.start(sync.id)
        emulator.clock.advance(60)
        event = self.run(wait_for_event, sync.id)
        assert (event["execution_id"], event["execution"]["execution_id"]) == (None, execution.id)

    def test_a_restarted_trigger_keeps_its_target(self, emulator, xcoms, wait_for_event):
        sync = emulator.add_model_sync(next_executions=[{"duration": 20}, {"duration": NEVER}])
        execution = emulator.start(sync.id)
        self.run(wait_for_event, sync.id)
        emulator.start(sync.id)
        assert self.run(wait_for_event, sync.id)["execution_id"] == execution.id

    def test_the_timeout_counts_from_the_first_start_of_the_trigger(self, emulator, xcoms, wait_for_event):
        sync = emulator.add_model_sync(duration=NEVER)
        emulator.start(sync.id)
        assert self.run(wait_for_event, sync.id, timeout=0.01)["status"] == "deadline"
        assert self.run(wait_for_event, sync.id, timeout=86400.0)["status"] == "deadline"

    def test_failed_requests_at_the_start_are_retried(self, emulator, xcoms, wait_for_event):
        sync = emulator.add_model_sync(duration=20)
        emulator.start(sync.id)
        emulator.fault("status", status=503, method="GET", count=8)
        assert self.run(wait_for_event, sync.id)["status"] == "ended"

    @pytest.mark.parametrize("kwargs", [{"completed_after": "soon"}, {"execution_id": ""}])
    def test_invalid_values_are_refused(self, emulator, xcoms, wait_for_event, kwargs):
        assert self.run(wait_for_event, emulator.add_model_sync().id, **kwargs)["status"] == "refused"

    def test_an_unknown_sync_is_refused(self, xcoms, wait_for_event):
        event = self.run(wait_for_event, "00000000-0000-0000-0000-000000000000")
        assert event["status"] == "refused"


class TestSensor:
    @needs_start_from_trigger
    @pytest.mark.parametrize("sensor", SENSORS, ids=IDS)
    def test_its_trigger_has_the_template_fields_of_the_sensor(self, sensor):
        task = sensor(start_from_trigger=True, timeout=60, poke_interval=5)
        built = PolytomicSensorTrigger(**json.loads(json.dumps(task.start_trigger_args.trigger_kwargs)))
        again = PolytomicSensorTrigger(**json.loads(json.dumps(built.serialize()[1])))
        assert again.serialize() == built.serialize()
        assert {name: getattr(again, name) or None for name in task.template_fields} == {
            name: getattr(task, name) for name in task.template_fields
        }
        assert task.start_trigger_args.timeout > timedelta(seconds=60)

    @needs_start_from_trigger
    @pytest.mark.parametrize("by_name", [False, True], ids=["by_id", "by_name"])
    @pytest.mark.parametrize("name", ["model", "bulk", "schema"])
    @pytest.mark.usefixtures("no_waiting", "xcoms")
    def test_it_waits_from_its_trigger_to_its_result(self, emulator, task_instance, wait_for_event, name, by_name):
        kind = SchemaKind(emulator) if name == "schema" else Kind(name, emulator)
        kind.by_name = by_name
        sync_id = kind.add(duration=60)
        execution = emulator.start(sync_id)
        task = kind.sensor(sync_id, start_from_trigger=True, completed_after="2026-01-01")
        for moved in (False, True):
            if moved:  # to another triggerer, while the execution runs and the sync has another name
                next(sync for sync in emulator.syncs if sync.id == sync_id).name = "Renamed"
            event = asyncio.run(wait_for_event(in_triggerer(**task.start_trigger_args.trigger_kwargs)))
            assert (event["sync_id"], event["execution_id"]) == (sync_id, execution.id)
        result = task_instance(task).resume(event)
        assert result["execution_id"] == execution.id
        assert result.get("outcome", result["status"]) in ("success", "completed")
        lists = [one for one in emulator.requests if one.path in ("/api/syncs", "/api/bulk/syncs")]
        assert len(lists) == by_name

    @pytest.mark.skipif(can_start_from_trigger(), reason="this triggerer renders templates")
    def test_start_from_trigger_is_refused_before_airflow_3_3(self):
        with pytest.raises(ValueError, match=r"Airflow 3\.3"):
            SENSORS[0](start_from_trigger=True)

    @needs_start_from_trigger
    def test_start_from_trigger_excludes_what_the_triggerer_does_not_resolve(self):
        from airflow.sdk import DAG, task_group

        problem = "start_from_trigger excludes the output of another task, or an argument of a mapped task group"
        with DAG("dag", schedule=None):
            other = PolytomicSyncStatusSensor(task_id="other", sync_id="s")
            with pytest.raises(ValueError, match=f"{problem}, as execution_id"):
                PolytomicSyncStatusSensor(
                    task_id="t", sync_id="s", execution_id=other.output["execution_id"], start_from_trigger=True
                )

            @task_group
            def group(sync_id):
                PolytomicSyncStatusSensor(task_id="t", sync_id=sync_id, start_from_trigger=True)

            with pytest.raises(ValueError, match=f"{problem}, as sync_id"):
                group.expand(sync_id=["a", "b"])

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"deferrable": False}, "deferrable"),
            ({"deferrable": True, "on_success_callback": print}, "on_success_callback"),
            ({"deferrable": True, "outlets": [sync_asset("s")]}, "outlets"),
            ({"start_from_trigger": True, "on_execute_callback": print}, "on_execute_callback"),
        ],
    )
    @pytest.mark.parametrize("sensor", SENSORS, ids=IDS)
    def test_end_from_trigger_is_refused_if_a_worker_is_needed(self, sensor, options, reason):
        with pytest.raises(ValueError, match=reason):
            sensor(end_from_trigger=True, **options)


def test_a_deferral_that_failed_before_its_target_was_saved_fails_the_task(emulator, xcoms, task_instance):
    task = PolytomicSyncStatusSensor(task_id="t", sync_id=emulator.add_model_sync().id, deferrable=True)
    task.start_from_trigger = True
    ti = task_instance(task)
    with pytest.raises(Exception, match="Trigger"):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, ti.context)
    assert emulator.requests == []


@pytest.mark.usefixtures("no_waiting", "xcoms")
class TestEnd:
    def last(self, emulator: Any, plan: dict[str, Any], **kwargs: Any) -> Any:
        sync = emulator.add_model_sync(duration=20, **plan)
        waiting = PolytomicExecutionTrigger(
            kind="model", sync_id=sync.id, execution_id=emulator.start(sync.id).id, end_from_trigger=True, **kwargs
        )

        async def first() -> Any:
            return [event async for event in waiting.run()][0]

        return asyncio.run(first())

    def test_a_success_ends_the_task_with_its_result(self, emulator):
        event = self.last(emulator, {})
        assert type(event).__name__ == "TaskSuccessEvent"
        assert event.xcoms["return_value"]["outcome"] == "success"

    def test_without_push_result_there_is_no_xcom(self, emulator):
        assert self.last(emulator, {}, push_result=False).xcoms is None

    @pytest.mark.parametrize("plan", [{"outcome": "failed"}, {"counts": {"total": 2, "error": 1}}])
    def test_other_ends_resume_the_task_in_a_worker(self, emulator, plan):
        event = self.last(emulator, plan)
        assert type(event).__name__ == "TriggerEvent"
        assert event.payload["status"] == "ended"
