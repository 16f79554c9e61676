"""The sensor for one schema of a bulk sync."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_polytomic._compat import AirflowSensorTimeout
from airflow_provider_polytomic.assets import bulk_sync_asset
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunCanceled,
    PolytomicRunFailed,
    PolytomicRunIncomplete,
)
from airflow_provider_polytomic.executions.execution import MAX_SCHEMAS
from airflow_provider_polytomic.sensors.schemas import PolytomicBulkSchemaSensor
from airflow_provider_polytomic.triggers.sensors import PolytomicSensorTrigger
from tests.support.task_instances import OutletEvents

NEVER = float("inf")
SCHEMAS = [
    {"id": "Account", "output_name": "accounts", "records": 7, "errors": 2, "duration": 20},
    {"id": "Contact", "duration": 40},
    {"id": "Lead", "duration": 20, "outcome": "failed", "message": "no such column"},
    {"id": "Order", "duration": 20, "outcome": "canceled"},
]

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture(params=[False, True], ids=["poke", "deferrable"])
def deferrable(request, monkeypatch, emulator) -> bool:
    monkeypatch.setattr("time.sleep", emulator.clock.advance)
    return request.param


@pytest.fixture
def sync_id(emulator) -> str:
    return emulator.add_bulk_sync(id="crm", name="CRM", schemas=SCHEMAS, duration=3600).id


def sensor(schema: str, sync_id: str = "crm", **options: Any) -> PolytomicBulkSchemaSensor:
    options = {"poke_interval": 5, "timeout": 6000, "deferrable": False, **options}
    return PolytomicBulkSchemaSensor(task_id="wait", bulk_sync_id=sync_id, schema=schema, **options)


class TestResult:
    def test_the_sensor_succeeds_while_other_schemas_are_synced(self, emulator, sync_id, task_instance, deferrable):
        execution = emulator.start(sync_id)
        result = task_instance(sensor("Account", execution_id=execution.id, deferrable=deferrable)).finish()
        assert {name: result[name] for name in ("schema", "output_name", "status", "record_count", "error_count")} == {
            "schema": "Account", "output_name": "accounts", "status": "completed", "record_count": 7, "error_count": 2,
        }  # fmt: skip
        assert (result["sync_id"], result["execution_id"]) == (sync_id, execution.id)
        assert emulator.execution(execution.id).status == "running"

    def test_a_schema_that_completed_in_a_failed_execution_is_a_success(
        self, emulator, sync_id, task_instance, deferrable
    ):
        execution = emulator.start(sync_id)
        emulator.clock.advance(30)
        emulator.finish(execution.id, "failed", "the warehouse is down")
        assert task_instance(sensor("Account", execution_id=execution.id, deferrable=deferrable)).finish()

    def test_an_execution_that_begins_after_the_first_look_is_found_while_it_runs(
        self, emulator, sync_id, task_instance, deferrable, monkeypatch
    ):
        since = datetime.fromtimestamp(emulator.clock(), timezone.utc)
        task = task_instance(sensor("Account", completed_after=since, deferrable=deferrable))
        assert emulator.executions(sync_id) == []
        advance, started = emulator.clock.advance, []

        def start_then_advance(seconds: float) -> None:
            started or started.append(emulator.start(sync_id))
            advance(seconds)

        emulator.clock.advance = start_then_advance
        monkeypatch.setattr("time.sleep", start_then_advance)
        result = task.finish()
        assert result["execution_id"] == started[0].id
        assert emulator.execution(started[0].id).status == "running"

    def test_an_execution_that_completed_after_the_given_time_is_found(
        self, emulator, sync_id, task_instance, deferrable
    ):
        execution = emulator.start(sync_id)
        since = datetime.fromtimestamp(emulator.clock(), timezone.utc)
        emulator.clock.advance(7200)
        found = task_instance(sensor("Account", completed_after=since, deferrable=deferrable)).finish()
        assert found["execution_id"] == execution.id

    def test_the_event_of_the_trigger_has_this_schema_only(self, emulator, task_instance, deferred, wait_for_event):
        schemas = [{"id": str(number), "duration": 20} for number in range(50)]
        sync_id = emulator.add_bulk_sync(schemas=schemas, duration=NEVER).id
        emulator.start(sync_id)
        with pytest.raises(deferred) as raised:
            task_instance(sensor("7", sync_id, deferrable=True)).execute()
        event = asyncio.run(wait_for_event(raised.value.trigger))
        assert [row["schema"] for row in event["execution"]["schemas"]] == ["7"]
        assert "schemas_left_out" not in event["execution"]

    @pytest.mark.parametrize(("allowed", "fails"), [(None, False), (2, False), (1, True)])
    def test_max_errors_counts_the_errors_of_the_schema(
        self, emulator, sync_id, task_instance, deferrable, allowed, fails
    ):
        emulator.start(sync_id)
        task = task_instance(sensor("Account", max_errors=allowed, deferrable=deferrable))
        if not fails:
            assert task.finish()["error_count"] == 2
            return
        with pytest.raises(PolytomicRunIncomplete, match=r"^Schema 'Account' of bulk sync 'CRM' crm has 2 record"):
            task.finish()


class TestFailure:
    @pytest.mark.parametrize(
        ("schema", "error", "text"),
        [
            ("Lead", PolytomicRunFailed, "failed: .*is 'running'.*schema Lead failed: no such column"),
            ("Order", PolytomicRunCanceled, "was canceled"),
        ],
    )
    def test_a_failed_or_canceled_schema_fails_the_task_at_once(
        self, emulator, sync_id, task_instance, deferrable, schema, error, text
    ):
        execution = emulator.start(sync_id)
        task = task_instance(sensor(schema, deferrable=deferrable))
        with pytest.raises(error, match=f"(?s)^Schema '{schema}' of bulk sync 'CRM' crm {text}.*Next:") as raised:
            task.finish()
        assert emulator.execution(execution.id).status == "running"
        assert task.xcoms["return_value"]["schema"] == schema
        assert raised.value.result["execution_id"] == execution.id

    def test_an_execution_that_ends_before_the_schema_fails_the_task(
        self, emulator, sync_id, task_instance, deferrable
    ):
        execution = emulator.start(sync_id)
        emulator.plan(sync_id, statuses=[("running", 0)])
        emulator.clock.advance(30)
        emulator.finish(execution.id, "failed")
        with pytest.raises(PolytomicRunFailed, match="Contact"):
            task_instance(sensor("Contact", execution_id=execution.id, deferrable=deferrable)).finish()

    def test_an_execution_without_the_schema_names_those_that_it_has(
        self, emulator, sync_id, task_instance, deferrable
    ):
        execution = emulator.start(sync_id)
        text = (
            r"(?s)^Schema 'Acount' of bulk sync 'CRM' crm was not part of the execution that has ended: .*"
            r"- correct the schema; the nearest names are 'Account'.*"
            r"- choose from the schemas of the execution: Account, Contact, Lead, Order\n"
        )
        with pytest.raises(PolytomicRunFailed, match=text):
            task_instance(sensor("Acount", execution_id=execution.id, deferrable=deferrable)).finish()

    def test_a_canceled_execution_without_the_schema_is_a_cancellation(
        self, emulator, sync_id, task_instance, deferrable
    ):
        execution = emulator.start(sync_id)
        emulator.finish(execution.id, "canceled")
        with pytest.raises(PolytomicRunCanceled):
            task_instance(sensor("Nothing", execution_id=execution.id, deferrable=deferrable)).finish()

    def test_the_names_of_a_thousand_schemas_are_cut(self, emulator, task_instance, deferrable):
        schemas = [{"id": f"schema-{number:06}"} for number in range(MAX_SCHEMAS + 500)]
        sync_id = emulator.add_bulk_sync(schemas=schemas, duration=20).id
        emulator.start(sync_id)
        with pytest.raises(PolytomicRunFailed, match="and 1480 more") as raised:
            task_instance(sensor("another", sync_id, deferrable=deferrable)).finish()
        assert len(str(raised.value)) < 2000

    def test_the_timeout_names_the_schema_and_cancels_nothing(self, emulator, task_instance, deferrable):
        sync_id = emulator.add_bulk_sync(schemas=[{"id": "Account"}], duration=NEVER).id
        execution = emulator.start(sync_id)
        with pytest.raises(AirflowSensorTimeout, match="^Schema 'Account' of bulk sync .* has not ended within"):
            task_instance(sensor("Account", sync_id, timeout=0, deferrable=deferrable)).finish()
        assert emulator.execution(execution.id).cancel_requests == 0

    @pytest.mark.parametrize("rendered", [None, "", " ", "None"])
    def test_a_schema_that_renders_to_nothing_is_refused(self, emulator, sync_id, task_instance, deferrable, rendered):
        emulator.start(sync_id)
        with pytest.raises(PolytomicRequestRefused, match="schema is .*not an id"):
            task_instance(sensor(rendered, deferrable=deferrable)).finish()


class TestAnswers:
    """What no API should answer about the schemas of an execution."""

    ROW = {"schema": "Account", "status": "completed", "record_count": 7}

    @pytest.mark.parametrize(
        ("schemas", "outcome"),
        [
            (None, None),
            ([], None),
            ([{"schema": None, "status": "completed"}], None),
            ([{"schema": "account", "status": "completed"}, {"schema": "Account ", "status": "completed"}], None),
            ([{"schema": "Account", "status": "a new word"}], None),
            ([{"schema": "Account", "status": None}], None),
            ([{"schema": "Account", "status": "interrupted"}], None),
            ([ROW, {"schema": "Account", "status": "running"}], None),
            ([ROW, ROW], "completed"),
            ([ROW, {"schema": "Account", "status": "failed"}], "failed"),
            ([{"schema": "Other", "status": "failed"}, ROW], "completed"),
        ],
    )
    def test_only_rows_of_the_schema_decide(self, emulator, sync_id, task_instance, schemas, outcome):
        execution = emulator.start(sync_id)
        body = {"data": {"id": execution.id, "status": "running", "schemas": schemas}}
        emulator.fault(
            "status", status=200, path=f"/api/bulk/syncs/{sync_id}/executions/{execution.id}", body=body, count=None
        )
        task = task_instance(sensor("Account", execution_id=execution.id))
        if outcome == "failed":
            with pytest.raises(PolytomicRunFailed):
                task.task.poke(task.context)
            return
        found = task.task.poke(task.context)
        assert bool(found) is (outcome == "completed")
        assert not found or found.xcom_value["record_count"] == 7


class TestOutlets:
    def test_the_asset_of_the_schema_and_of_no_other_has_an_event(self, emulator, sync_id, task_instance, deferrable):
        execution = emulator.start(sync_id)
        assets = {name: bulk_sync_asset(sync_id, schema=name) for name in (None, "Account", "Contact")}
        task, events = sensor("Account", outlets=list(assets.values()), deferrable=deferrable), OutletEvents()
        task_instance(task, outlet_events=events).finish()
        assert [outlet.uri for outlet in task.outlets] == [assets[None].uri, assets["Account"].uri]
        for outlet in task.outlets:
            extra = events[outlet].extra
            assert (extra["schema"], extra["counts"]["total"], extra["status"]) == ("Account", 7, "completed")
            assert extra["execution_id"] == execution.id

    @pytest.mark.parametrize(("choice", "events"), [("with_rows", 0), ("always", 1)])
    def test_schema_outlets_decides_about_a_schema_without_rows(self, emulator, task_instance, choice, events):
        sync_id = emulator.add_bulk_sync(schemas=[{"id": "Account", "records": 0}, {"id": "Contact"}], duration=20).id
        emulator.start(sync_id)
        emulator.clock.advance(60)
        outlets = [bulk_sync_asset(sync_id, schema=name) for name in ("Account", "Contact")]
        since = "2000-01-01"
        task = sensor("Account", sync_id, completed_after=since, schema_outlets=choice, outlets=outlets)
        task_instance(task, outlet_events=OutletEvents()).finish()
        assert len(task.outlets) == events


class TestTriggerer:
    def test_the_trigger_of_a_sensor_that_ends_in_it_pushes_the_result_of_the_schema(
        self, emulator, sync_id, task_instance, deferred, monkeypatch
    ):
        pushed = []

        async def end_event_xcoms(task_instance: Any, result: Any) -> None:
            pushed.append(result)

        monkeypatch.setattr("airflow_provider_polytomic.triggers.executions.end_event_xcoms", end_event_xcoms)
        execution = emulator.start(sync_id)
        task = task_instance(sensor("Contact", deferrable=True, end_from_trigger=True))
        with pytest.raises(deferred) as raised:
            task.execute()

        async def end() -> list[str]:
            return [type(event).__name__ async for event in raised.value.trigger.run()]

        assert asyncio.run(end()) == ["TaskSuccessEvent"]
        [result] = pushed
        assert (result["schema"], result["execution_id"], result["sync_id"]) == ("Contact", execution.id, sync_id)

    def test_the_schema_of_a_trigger_that_starts_a_sensor_must_not_render_to_nothing(self):
        trigger = PolytomicSensorTrigger(kind="bulk", bulk_sync_id="crm", schema="{{ x }}", timeout=60.0)
        trigger.schema = None
        assert trigger._names_schema
