"""Advice where the id of a sync is that of another object, in each class that takes the id of a sync."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from airflow_provider_polytomic._compat import AirflowException
from airflow_provider_polytomic.api import PolytomicNotFoundError
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.listing import PolytomicListExecutionsOperator
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from airflow_provider_polytomic.triggers import sensors
from airflow_provider_polytomic.triggers.sensors import PolytomicSensorTrigger

pytestmark = pytest.mark.usefixtures("no_waiting")
OTHER = {"model": "bulk", "bulk": "model"}


@pytest.fixture(autouse=True)
def connection(emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)


@pytest.fixture
def other_id(emulator, kind):
    """Return the id of a sync of the other kind."""
    return (emulator.add_bulk_sync if kind.name == "model" else emulator.add_model_sync)().id


def other_class(name):
    return name.replace("BulkSync", "Sync") if "BulkSync" in name else name.replace("Sync", "BulkSync")


def entity_requests(emulator):
    return [request for request in emulator.requests if request.path.startswith("/api/entities/")]


@pytest.mark.parametrize("status", [404, 400, 422, 403])
@pytest.mark.parametrize("task", ["start", "cancel", "sensor"])
def test_the_class_for_the_other_kind_is_named(emulator, task_instance, kind, other_id, task, status):
    if status != 404:
        emulator.fault("status", status=status, path=f"/api/**/{other_id}/*", count=None)
    operator = getattr(kind, task)(other_id)
    with pytest.raises(AirflowException) as raised:
        task_instance(operator).finish()
    wanted, label = other_class(type(operator).__name__), "bulk sync" if kind.name == "model" else "model sync"
    assert f"Next: use {wanted}, since the id is that of a {label}" in str(raised.value)
    assert len(entity_requests(emulator)) == 1


def test_an_execution_of_the_other_kind_is_recognized(emulator, task_instance, kind, other_id):
    execution = emulator.start(other_id)
    operator = kind.sensor(other_id, execution_id=execution.id)
    with pytest.raises(AirflowException, match=other_class(type(operator).__name__)):
        task_instance(operator).finish()
    with pytest.raises(PolytomicNotFoundError, match=f"Next: use kind='{OTHER[kind.name]}', since the id is that of"):
        PolytomicHook().wait_for_execution(kind.name, other_id, execution.id)
    freshness = PolytomicFreshnessSensor(task_id="fresh", kind=kind.name, sync_id=other_id, max_age=60)
    listing = PolytomicListExecutionsOperator(task_id="list", kind=kind.name, sync_id=other_id)
    for operator in (freshness, listing):
        with pytest.raises(AirflowException, match=f"use kind='{OTHER[kind.name]}'"):
            task_instance(operator).finish()


def test_the_trigger_of_a_sensor_gives_the_same_advice(kind, other_id, wait_for_event, monkeypatch):
    async def nothing(ti, key):
        return None

    monkeypatch.setattr(sensors, "xcom_in_trigger", nothing)
    trigger = PolytomicSensorTrigger(
        kind=kind.name, timeout=60, completed_after="2026-01-01", **{kind.id_name: other_id}
    )
    trigger.task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1)
    event = asyncio.run(wait_for_event(trigger))
    assert event["status"] == "refused"
    assert f"Next: use {other_class(kind.sensor_class.__name__)}, since" in event["message"]


def test_an_unknown_id_keeps_the_advice_to_check_it(emulator, task_instance, kind):
    with pytest.raises(AirflowException, match="Next: check the id"):
        task_instance(kind.start("00000000-0000-4000-8000-00000000abcd")).finish()
    assert len(entity_requests(emulator)) == 1


def test_an_execution_that_is_gone_keeps_the_advice_to_check_it(emulator, task_instance, kind):
    operator = kind.sensor(kind.add(), execution_id="00000000-0000-4000-8000-00000000abcd")
    with pytest.raises(AirflowException, match="Next: check the id"):
        task_instance(operator).finish()


def test_a_refused_key_asks_for_no_entity(emulator, task_instance, kind, other_id):
    emulator.fault("status", status=401, count=None)
    with pytest.raises(AirflowException, match="check that the API key"):
        task_instance(kind.start(other_id)).finish()
    assert entity_requests(emulator) == []
