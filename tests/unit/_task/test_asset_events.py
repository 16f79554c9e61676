"""What the events of outlets say, and which outlets have one: Airflow makes one of each that is left in the end."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from types import SimpleNamespace

import pytest

from airflow_provider_polytomic._compat import Asset
from airflow_provider_polytomic.assets import bulk_sync_asset, sync_asset
from airflow_provider_polytomic.exceptions import PolytomicRunFailed
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

pytestmark = pytest.mark.usefixtures("no_waiting")

OTHER = Asset(uri="s3://lake/contacts")
SCHEMAS = [
    {"id": "contact", "output_name": "contacts", "records": 7, "errors": 1, "duration": 10},
    {"id": "account", "records": 0},
    {"id": "lead", "records": 3, "outcome": "failed"},
]


class Accessors(defaultdict):
    """As Airflow's, by the URI of the asset."""

    def __init__(self):
        super().__init__(lambda: SimpleNamespace(extra={}))

    def __getitem__(self, asset):
        return super().__getitem__(asset.uri)


@pytest.fixture
def run(task_instance):
    """Return a function that runs a task to its end and returns the extras of the events that Airflow would make."""

    def run(task, **options):
        events = Accessors()
        ti = task_instance(task, outlet_events=events, **options)
        ti.finish()
        return {outlet.uri: events[outlet].extra for outlet in task.outlets}

    return run


def lasted(extra):
    begin, end = (datetime.fromisoformat(extra[name]) for name in ("started_at", "completed_at"))
    return (end - begin).total_seconds()


def asset_of(kind, sync_id, **options):
    return sync_asset(sync_id, **options) if kind.name == "model" else bulk_sync_asset(sync_id, **options)


def test_the_result_is_in_the_event_of_each_outlet(kind, emulator, run, deferrable):
    sync_id = kind.add(duration=60)
    own = asset_of(kind, sync_id)
    told = run(kind.start(sync_id, deferrable=deferrable, outlets=[own, OTHER]))
    [execution] = emulator.executions(sync_id)
    assert told[own.uri] == told[OTHER.uri]
    extra = told[own.uri]
    assert (extra["kind"], extra["sync_id"], extra["execution_id"]) == (kind.name, sync_id, execution.id)
    assert (extra["status"], extra["outcome"], extra["duration"]) == ("completed", "success", lasted(extra))
    assert 50 < extra["duration"] <= 60
    assert extra["counts"]["total"] > 0
    assert set(extra) >= {"url", "started_at", "completed_at"}
    assert not set(extra) & {"errors", "schemas"}


def test_a_sensor_tells_it_too(kind, emulator, run, deferrable):
    sync_id = kind.add(duration=60)
    execution = emulator.start(sync_id)
    own = asset_of(kind, sync_id)
    sensor_class = PolytomicSyncStatusSensor if kind.name == "model" else PolytomicBulkSyncStatusSensor
    sensor = sensor_class(
        task_id="sense",
        **{kind.id_name: sync_id},
        execution_id=execution.id,
        deferrable=deferrable,
        poke_interval=5,
        outlets=[own],
    )
    emulator.clock.advance(60)
    assert run(sensor)[own.uri]["execution_id"] == execution.id


def test_what_others_have_put_into_an_event_stays(kind, task_instance):
    sync_id = kind.add(duration=1)
    own, events = asset_of(kind, sync_id), Accessors()
    events[own].extra["team"] = "crm"
    task_instance(kind.start(sync_id, outlets=[own]), outlet_events=events).finish()
    assert events[own].extra["team"] == "crm"
    assert events[own].extra["sync_id"] == sync_id


def test_a_task_that_does_not_wait_tells_what_runs(kind, emulator, run):
    sync_id = kind.add(duration=60)
    own = asset_of(kind, sync_id)
    extra = run(kind.start(sync_id, wait_for_completion=False, outlets=[own]))[own.uri]
    assert (extra["outcome"], extra["duration"]) == ("running", None)


def test_a_failed_execution_leaves_the_events_alone(kind, task_instance):
    sync_id = kind.add(duration=1, outcome="failed")
    events = Accessors()
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

    def test_only_those_that_were_synced_and_received_rows_have_an_event(self, sync_id, outlets, run, deferrable):
        told = run(self.start(sync_id, outlets, deferrable=deferrable))
        assert set(told) == {outlets[None].uri, outlets["contact"].uri}
        extra = told[outlets["contact"].uri]
        assert (extra["schema"], extra["output_name"], extra["status"]) == ("contact", "contacts", "completed")
        assert extra["counts"] == {**dict.fromkeys(extra["counts"], 0), "total": 7, "error": 1}
        assert (extra["duration"], extra["outcome"]) == (lasted(extra), "partial")
        assert extra["duration"] < told[outlets[None].uri]["duration"]
        assert told[outlets[None].uri]["counts"]["total"] == 10

    def test_or_all_of_them(self, sync_id, outlets, run):
        told = run(self.start(sync_id, outlets, schema_outlets="always"))
        assert set(told) == {outlet.uri for outlet in outlets.values()}
        assert told[outlets["account"].uri]["counts"]["total"] == 0
        assert told[outlets["lead"].uri]["status"] == "failed"
        assert "schema" not in told[outlets["unknown"].uri]

    def test_a_sensor_does_the_same(self, sync_id, outlets, run, emulator):
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

    @pytest.mark.parametrize("sensor", ["of many", "of freshness"])
    def test_so_do_the_other_sensors(self, run, emulator, sensor):
        sync_id = emulator.add_bulk_sync(schemas=SCHEMAS[:2], duration=20).id
        execution = emulator.start(sync_id)
        emulator.clock.advance(60)
        outlets = [bulk_sync_asset(sync_id, schema=name) for name in ("contact", "account")]
        if sensor == "of many":
            runs = [{"kind": "bulk", "sync_id": sync_id, "execution_id": execution.id}]
            told = run(PolytomicWaitForSyncsSensor(task_id="sense", runs=runs, outlets=outlets))
        else:
            told = run(
                PolytomicFreshnessSensor(task_id="sense", kind="bulk", sync_id=sync_id, max_age=3600, outlets=outlets)
            )
        assert set(told) == {outlets[0].uri}

    def test_none_where_the_rows_are_not_known_yet(self, sync_id, outlets, run):
        assert set(run(self.start(sync_id, outlets, wait_for_completion=False))) == {outlets[None].uri}

    def test_rows_of_an_earlier_attempt_count(self, emulator, outlets, sync_id, task_instance):
        events = Accessors()
        task = self.start(sync_id, outlets, retry_failed_schemas=True, retries=1)
        task.fail_on_partial = True
        ti = task_instance(task, outlet_events=events)
        with pytest.raises(Exception, match="is incomplete"):
            ti.finish()
        emulator.plan(sync_id, schemas=[{**schema, "outcome": "completed"} for schema in SCHEMAS])
        ti.retry().finish()
        assert {outlet.uri for outlet in task.outlets} == {outlets[name].uri for name in (None, "contact", "lead")}

    @pytest.mark.parametrize("make", [PolytomicStartBulkSyncOperator, PolytomicBulkSyncStatusSensor])
    def test_another_choice_is_refused_when_the_dag_is_parsed(self, make):
        with pytest.raises(ValueError, match="schema_outlets is 'with_rows' or 'always'"):
            make(task_id="sync", bulk_sync_id="1", schema_outlets="never")


def test_each_of_mapped_tasks_has_the_event_of_its_own_sync(kind, run):
    first, second = kind.add(duration=1), kind.add(duration=1)
    outlets = [asset_of(kind, first), asset_of(kind, second), OTHER]
    told = [run(kind.start(each, outlets=outlets), map_index=index) for index, each in enumerate((first, second))]
    assert [set(each) for each in told] == [{outlets[0].uri, OTHER.uri}, {outlets[1].uri, OTHER.uri}]


def test_a_task_that_is_not_mapped_keeps_the_outlets_of_other_syncs(kind, run):
    sync_id = kind.add(duration=1)
    outlets = [asset_of(kind, sync_id), asset_of(kind, "another")]
    assert len(run(kind.start(sync_id, outlets=outlets))) == 2


def test_which_outlets_had_no_event_is_logged(emulator, run, logged):
    sync_id = emulator.add_bulk_sync(schemas=[{"id": "contact", "records": 0}], duration=1).id
    outlet = bulk_sync_asset(sync_id, schema="contact")
    run(PolytomicStartBulkSyncOperator(task_id="sync", bulk_sync_id=sync_id, poll_interval=5, outlets=[outlet]))
    assert f"No event for outlets that received nothing: {outlet.uri}" in logged()


def test_a_sensor_of_many_tells_each_sync_its_own_result(emulator, run, deferrable):
    runs = []
    for _ in range(2):
        sync = emulator.add_model_sync(duration=20)
        runs.append({"kind": "model", "sync_id": sync.id, "execution_id": emulator.start(sync.id).id})
    assets = [sync_asset(each["sync_id"]) for each in runs]
    sensor = PolytomicWaitForSyncsSensor(
        task_id="wait", runs=runs, poke_interval=5, deferrable=deferrable, outlets=[*assets, OTHER]
    )
    told = run(sensor)
    assert [told[asset.uri]["execution_id"] for asset in assets] == [each["execution_id"] for each in runs]
    assert told[OTHER.uri] == {}
