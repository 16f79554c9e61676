"""The asset events of a task: their extra, and the outlets that have one."""

from __future__ import annotations

from datetime import datetime

import pytest

from airflow_provider_polytomic._compat import Asset, AssetAlias
from airflow_provider_polytomic._task import asset_events
from airflow_provider_polytomic.assets import bulk_sync_asset, sync_asset
from airflow_provider_polytomic.exceptions import PolytomicRunFailed
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.sensors.schemas import PolytomicBulkSchemaSensor
from tests.support.event_triggers import PAYLOAD
from tests.support.task_instances import OutletEvents

pytestmark = pytest.mark.usefixtures("no_waiting")

OTHER = Asset(uri="s3://lake/contacts")
SCHEMAS = [
    {"id": "contact", "output_name": "contacts", "records": 7, "errors": 1, "duration": 10},
    {"id": "account", "records": 0},
    {"id": "lead", "records": 3, "outcome": "failed"},
]


@pytest.fixture
def run(task_instance):
    """Return a function that runs a task to its end and returns the extra of each asset event."""

    def run(task, **options):
        events = OutletEvents()
        ti = task_instance(task, outlet_events=events, **options)
        ti.finish()
        return {outlet.uri: events[outlet].extra for outlet in task.outlets}

    return run


def duration_of(extra):
    begin, end = (datetime.fromisoformat(extra[name]) for name in ("started_at", "completed_at"))
    return (end - begin).total_seconds()


def asset_of(kind, sync_id, **options):
    return sync_asset(sync_id, **options) if kind.name == "model" else bulk_sync_asset(sync_id, **options)


def test_the_result_is_in_the_event_of_each_outlet(kind, emulator, run, deferrable):
    sync_id = kind.add(duration=60)
    own = asset_of(kind, sync_id)
    extras = run(kind.start(sync_id, deferrable=deferrable, outlets=[own, OTHER]))
    [execution] = emulator.executions(sync_id)
    assert extras[own.uri] == extras[OTHER.uri]
    extra = extras[own.uri]
    assert (extra["kind"], extra["sync_id"], extra["execution_id"]) == (kind.name, sync_id, execution.id)
    assert (extra["status"], extra["outcome"], extra["duration"]) == ("completed", "success", duration_of(extra))
    assert 50 < extra["duration"] <= 60
    assert extra["counts"]["total"] > 0
    assert set(extra) >= {"url", "started_at", "completed_at"}
    assert not set(extra) & {"errors", "schemas"}


def test_the_payload_has_the_fields_of_an_event_of_a_watcher(kind, emulator, run):
    sync_id = kind.add(duration=60)
    own = asset_of(kind, sync_id)
    extra = run(kind.start(sync_id, outlets=[own]))[own.uri]
    payload = extra["payload"]
    assert set(PAYLOAD) <= payload.keys()
    assert {name: payload[name] for name in extra if name != "payload"} | {"payload": payload} == extra
    assert (payload["event"], payload["created_at"]) == ("completed", extra["completed_at"])
    assert payload["errors"] == []


def test_a_sensor_adds_its_result_too(kind, emulator, run, deferrable):
    sync_id = kind.add(duration=60)
    execution = emulator.start(sync_id)
    own = asset_of(kind, sync_id)
    sensor = kind.sensor(sync_id, execution_id=execution.id, deferrable=deferrable, outlets=[own])
    emulator.clock.advance(60)
    assert run(sensor)[own.uri]["execution_id"] == execution.id


def test_fields_that_others_added_to_the_event_are_kept(kind, task_instance):
    sync_id = kind.add(duration=1)
    own, events = asset_of(kind, sync_id), OutletEvents()
    events[own].extra["team"] = "crm"
    task_instance(kind.start(sync_id, outlets=[own]), outlet_events=events).finish()
    assert events[own].extra["team"] == "crm"
    assert events[own].extra["sync_id"] == sync_id


def test_a_task_that_does_not_wait_reports_the_running_execution(kind, emulator, run):
    sync_id = kind.add(duration=60)
    own = asset_of(kind, sync_id)
    extra = run(kind.start(sync_id, wait_for_completion=False, outlets=[own]))[own.uri]
    assert (extra["outcome"], extra["duration"]) == ("running", None)


def test_a_failed_execution_changes_no_event(kind, task_instance):
    sync_id = kind.add(duration=1, outcome="failed")
    events = OutletEvents()
    task = kind.start(sync_id, outlets=[OTHER])
    with pytest.raises(PolytomicRunFailed):
        task_instance(task, outlet_events=events).finish()
    assert not events


class TestSchemas:
    @pytest.fixture
    def sync_id(self, emulator):
        return emulator.add_bulk_sync(schemas=SCHEMAS, duration=20).id

    @pytest.fixture
    def outlets(self, sync_id):
        names = (None, "contact", "account", "lead", "unknown")
        return {name: bulk_sync_asset(sync_id, schema=name) for name in names}

    def start(self, sync_id, outlets, **options):
        return PolytomicStartBulkSyncOperator(
            task_id="sync",
            bulk_sync_id=sync_id,
            poll_interval=5,
            fail_on_partial=False,
            outlets=list(outlets.values()),
            **options,
        )

    def test_only_completed_schemas_with_rows_have_an_event(self, sync_id, outlets, run, deferrable):
        extras = run(self.start(sync_id, outlets, deferrable=deferrable))
        assert set(extras) == {outlets[None].uri, outlets["contact"].uri}
        extra = extras[outlets["contact"].uri]
        assert (extra["schema"], extra["output_name"], extra["status"]) == ("contact", "contacts", "completed")
        assert extra["counts"] == {**dict.fromkeys(extra["counts"], 0), "total": 7, "error": 1}
        assert (extra["duration"], extra["outcome"]) == (duration_of(extra), "partial")
        assert extra["duration"] < extras[outlets[None].uri]["duration"]
        assert extras[outlets[None].uri]["counts"]["total"] == 10

    def test_with_always_every_schema_has_an_event(self, sync_id, outlets, run):
        extras = run(self.start(sync_id, outlets, schema_outlets="always"))
        assert set(extras) == {outlet.uri for outlet in outlets.values()}
        assert extras[outlets["account"].uri]["counts"]["total"] == 0
        assert extras[outlets["lead"].uri]["status"] == "failed"
        assert "schema" not in extras[outlets["unknown"].uri]

    def test_a_status_sensor_applies_schema_outlets(self, sync_id, outlets, run, emulator):
        execution = emulator.start(sync_id)
        emulator.clock.advance(60)
        for choice, events in (("with_rows", 2), ("always", 5)):
            sensor = PolytomicBulkSyncStatusSensor(
                task_id="sense",
                bulk_sync_id=sync_id,
                execution_id=execution.id,
                fail_on_partial=False,
                schema_outlets=choice,
                outlets=list(outlets.values()),
            )
            assert len(run(sensor)) == events

    @pytest.mark.parametrize("sensor", ["many", "freshness"])
    def test_the_other_sensors_leave_out_schemas_without_rows(self, run, emulator, sensor):
        sync_id = emulator.add_bulk_sync(schemas=SCHEMAS[:2], duration=20).id
        execution = emulator.start(sync_id)
        emulator.clock.advance(60)
        outlets = [bulk_sync_asset(sync_id, schema=name) for name in ("contact", "account")]
        if sensor == "many":
            runs = [{"kind": "bulk", "sync_id": sync_id, "execution_id": execution.id}]
            extras = run(PolytomicWaitForSyncsSensor(task_id="sense", runs=runs, outlets=outlets))
        else:
            extras = run(
                PolytomicFreshnessSensor(task_id="sense", kind="bulk", sync_id=sync_id, max_age=3600, outlets=outlets)
            )
        assert set(extras) == {outlets[0].uri}

    def test_no_schema_has_an_event_while_its_rows_are_unknown(self, sync_id, outlets, run):
        assert set(run(self.start(sync_id, outlets, wait_for_completion=False))) == {outlets[None].uri}

    def test_rows_of_an_earlier_attempt_count(self, emulator, outlets, sync_id, task_instance):
        events = OutletEvents()
        task = self.start(sync_id, outlets, retry_failed_schemas=True, retries=1)
        task.fail_on_partial = True
        ti = task_instance(task, outlet_events=events)
        with pytest.raises(Exception, match="is incomplete"):
            ti.finish()
        emulator.plan(sync_id, schemas=[{**schema, "outcome": "completed"} for schema in SCHEMAS])
        ti.retry().finish()
        assert {outlet.uri for outlet in task.outlets} == {outlets[name].uri for name in (None, "contact", "lead")}

    @pytest.mark.parametrize("make", [PolytomicStartBulkSyncOperator, PolytomicBulkSyncStatusSensor])
    def test_an_invalid_schema_outlets_is_refused_when_the_dag_is_parsed(self, make):
        with pytest.raises(ValueError, match="schema_outlets must be one of 'with_rows', 'always'"):
            make(task_id="sync", bulk_sync_id="1", schema_outlets="never")


def test_each_mapped_task_has_the_event_of_its_own_sync(kind, run):
    first, second = kind.add(duration=1), kind.add(duration=1)
    outlets = [asset_of(kind, first), asset_of(kind, second), OTHER]
    extras = [run(kind.start(each, outlets=outlets), map_index=index) for index, each in enumerate((first, second))]
    assert [set(each) for each in extras] == [{outlets[0].uri, OTHER.uri}, {outlets[1].uri, OTHER.uri}]


def test_a_task_that_is_not_mapped_keeps_the_outlets_of_other_syncs(kind, run):
    sync_id = kind.add(duration=1)
    outlets = [asset_of(kind, sync_id), asset_of(kind, "another")]
    assert len(run(kind.start(sync_id, outlets=outlets))) == 2


def test_outlets_without_an_event_are_logged(emulator, run, logged):
    sync_id = emulator.add_bulk_sync(schemas=[{"id": "contact", "records": 0}], duration=1).id
    outlet = bulk_sync_asset(sync_id, schema="contact")
    run(PolytomicStartBulkSyncOperator(task_id="sync", bulk_sync_id=sync_id, poll_interval=5, outlets=[outlet]))
    assert f"No event for outlets that the execution has not updated: {outlet.uri}" in logged()


def test_a_sensor_for_many_adds_each_result_to_the_event_of_its_sync(emulator, run, deferrable):
    runs = []
    for _ in range(2):
        sync = emulator.add_model_sync(duration=20)
        runs.append({"kind": "model", "sync_id": sync.id, "execution_id": emulator.start(sync.id).id})
    emulator.clock.advance(20)
    assets = [sync_asset(each["sync_id"]) for each in runs]
    sensor = PolytomicWaitForSyncsSensor(
        task_id="wait", runs=runs, poke_interval=5, deferrable=deferrable, outlets=[*assets, OTHER]
    )
    extras = run(sensor)
    assert [extras[asset.uri]["execution_id"] for asset in assets] == [each["execution_id"] for each in runs]
    assert extras[OTHER.uri] == {}


class TestAliases:
    """An alias has an event for each schema that received rows, found when the task runs."""

    ALIASES = (AssetAlias("crm"), AssetAlias("everything"))

    @pytest.fixture
    def added(self, task_instance):
        """Return a function that runs a task to its end and returns the events of its aliases by URI."""

        def added(task, **options):
            events = OutletEvents()
            task_instance(task, outlet_events=events, **options).finish()
            names = [outlet.name for outlet in task.outlets if isinstance(outlet, AssetAlias)]
            of_alias = [{asset.uri: extra for asset, extra in dict.__getitem__(events, name).added} for name in names]
            assert all(each == of_alias[0] for each in of_alias)
            assert all(len(each) == len(dict.__getitem__(events, names[0]).added) for each in of_alias)
            return of_alias[0]

        return added

    @pytest.fixture
    def sync_id(self, emulator):
        return emulator.add_bulk_sync(schemas=SCHEMAS, duration=20).id

    @pytest.mark.parametrize("if_running", ["wait", "join"])
    def test_an_operator_emits_an_event_for_each_completed_schema_with_rows(
        self, emulator, sync_id, added, deferrable, if_running
    ):
        if if_running == "join":
            emulator.start(sync_id)
        events = added(
            PolytomicStartBulkSyncOperator(
                task_id="sync", bulk_sync_id=sync_id, poll_interval=5, fail_on_partial=False, deferrable=deferrable,
                if_running=if_running, outlets=list(self.ALIASES),
            )
        )  # fmt: skip
        assert list(events) == [bulk_sync_asset(sync_id, schema="contact").uri]
        [extra] = events.values()
        [execution] = emulator.executions(sync_id)
        assert (extra["schema"], extra["output_name"], extra["counts"]["total"]) == ("contact", "contacts", 7)
        assert (extra["execution_id"], extra["status"], extra["counts"]["error"]) == (execution.id, "completed", 1)
        assert extra["payload"]["schema"] == "contact"

    @pytest.mark.parametrize("make", ["status", "schema", "many", "freshness"])
    def test_a_sensor_emits_them_too(self, emulator, added, deferrable, make):
        sync_id = emulator.add_bulk_sync(schemas=SCHEMAS[:2], duration=20).id
        execution = emulator.start(sync_id)
        emulator.clock.advance(60)
        common = {"task_id": "sense", "deferrable": deferrable, "outlets": list(self.ALIASES)}
        if make == "status":
            sensor = PolytomicBulkSyncStatusSensor(bulk_sync_id=sync_id, execution_id=execution.id, **common)
        elif make == "schema":
            sensor = PolytomicBulkSchemaSensor(
                bulk_sync_id=sync_id, schema="contact", execution_id=execution.id, **common
            )
        elif make == "many":
            runs = [{"kind": "bulk", "sync_id": sync_id, "execution_id": execution.id}]
            sensor = PolytomicWaitForSyncsSensor(runs=runs, **common)
        else:
            sensor = PolytomicFreshnessSensor(kind="bulk", sync_id=sync_id, max_age=3600, **common)
        assert list(added(sensor)) == [bulk_sync_asset(sync_id, schema="contact").uri]

    def test_with_always_a_completed_schema_without_rows_has_an_event(self, sync_id, added):
        task = PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_id=sync_id, poll_interval=5, fail_on_partial=False, schema_outlets="always",
            outlets=list(self.ALIASES),
        )  # fmt: skip
        assert list(added(task)) == [bulk_sync_asset(sync_id, schema=name).uri for name in ("contact", "account")]

    def test_a_running_execution_emits_nothing(self, sync_id, added):
        task = PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_id=sync_id, wait_for_completion=False, outlets=list(self.ALIASES)
        )
        assert added(task) == {}

    def test_a_model_sync_emits_nothing(self, emulator, added):
        sync_id = emulator.add_model_sync(duration=1).id
        assert added(PolytomicStartSyncOperator(task_id="s", sync_id=sync_id, outlets=list(self.ALIASES))) == {}

    def test_more_schemas_than_a_result_has_are_emitted_up_to_a_limit(self, emulator, added, logged, monkeypatch):
        monkeypatch.setattr(asset_events, "MAX_ALIAS_EVENTS", 1100)
        schemas = [{"id": f"schema-{number}", "duration": 1} for number in range(1200)]
        sync_id = emulator.add_bulk_sync(schemas=schemas, duration=1).id
        emulator.start(sync_id)
        sensor = PolytomicBulkSyncStatusSensor(
            task_id="sense", bulk_sync_id=sync_id, deferrable=True, outlets=list(self.ALIASES)
        )
        assert len(added(sensor)) == 1100
        assert "No event for 100 more schemas: a task emits at most 1100" in logged()

    def test_a_schema_that_airflow_has_no_asset_for_is_left_out(self, emulator, added, logged):
        schemas = [{"id": "x" * 4000}, {"id": "contact"}]
        sync_id = emulator.add_bulk_sync(schemas=schemas, duration=1).id
        task = PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_id=sync_id, poll_interval=5, outlets=list(self.ALIASES)
        )
        assert list(added(task)) == [bulk_sync_asset(sync_id, schema="contact").uri]
        assert "No event for schema 'xxx" in logged()
