"""Two organizations of a partner, with the same sync ids, the same DAG ids and one Airflow connection."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from airflow_provider_polytomic._compat import AssetAlias, StoredTaskInstance
from airflow_provider_polytomic._task import kill_guard
from airflow_provider_polytomic.assets import AssetUri, bulk_sync_asset, sync_asset
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.executions.poller import poller
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from airflow_provider_polytomic.triggers import _base
from tests.support.organizations import partner_connection
from tests.support.sync_kinds import Kind
from tests.support.task_instances import OutletEvents

NEVER = float("inf")
SYNC = "the-same-sync"

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture(params=["model", "bulk"])
def organizations(request, emulator, monkeypatch):
    """Return the sync of each organization; the server takes an Idempotency-Key for one, whoever sends it."""
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", partner_connection(emulator))
    kinds = []
    for name in ("A", "B"):
        organization = emulator.organization(emulator.add_organization(name=name, id=name))
        organization._traffic.idempotency = emulator._traffic.idempotency
        kind = Kind(request.param, organization)
        kind.add(id=SYNC, name="Nightly", duration=NEVER)
        kinds.append(kind)
    return kinds


def executions(kind):
    return [each.id for each in kind.emulator.executions(SYNC)]


@pytest.mark.parametrize("by_name", [False, True], ids=["by_id", "by_name"])
def test_each_starts_its_own_execution_and_a_retry_finds_it(organizations, task_instance, deferred, by_name):
    found, same_run = {}, SimpleNamespace(start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), clear_number=0)
    for kind in organizations:
        kind.by_name = by_name
        options = {"organization_id": kind.emulator.organization_id, "deferrable": True, "retries": 1}
        task = task_instance(kind.start(SYNC, **options), dag_run=same_run)
        for begin in (lambda task=task: task, task.retry):
            with pytest.raises(deferred) as raised:
                begin().execute()
            assert raised.value.trigger.organization_id == kind.emulator.organization_id
            assert [raised.value.trigger.execution_id] == executions(kind)
        found[raised.value.trigger.execution_id] = kind.starts[0].idempotency_key
    assert len(set(found)) == len(set(found.values())) == 2


def test_each_result_is_of_its_own_organization(organizations, task_instance, deferrable):
    for kind in organizations:
        kind.emulator.plan(SYNC, duration=60)
        operator = kind.start(SYNC, organization_id=kind.emulator.organization_id, deferrable=deferrable)
        assert [task_instance(operator).finish()["execution_id"]] == executions(kind)


def test_a_sensor_waits_for_the_execution_of_its_organization(organizations, task_instance, deferrable):
    for kind in organizations:
        kind.emulator.plan(SYNC, duration=0)
        kind.emulator.start(SYNC)
        options = {"organization_id": kind.emulator.organization_id, "deferrable": deferrable}
        [execution] = executions(kind)
        sensor = kind.sensor(SYNC, execution_id=execution, **options)
        fresh = PolytomicFreshnessSensor(task_id="t", kind=kind.name, sync_id=SYNC, max_age=600, **options)
        for each in (sensor, fresh):
            assert task_instance(each).finish()["execution_id"] == execution


def test_a_mapped_task_emits_the_asset_events_of_its_own_organization(organizations, task_instance, deferrable):
    asset = sync_asset if organizations[0].name == "model" else bulk_sync_asset
    declared = [asset(SYNC, organization_id="A"), asset(SYNC, organization_id="B"), asset(SYNC)]
    for index, kind in enumerate(organizations):
        kind.emulator.plan(SYNC, duration=60)
        options = {"organization_id": kind.emulator.organization_id, "deferrable": deferrable}
        events, task = OutletEvents(), kind.start(SYNC, outlets=declared, **options)
        task_instance(task, map_index=index, outlet_events=events).finish()
        assert task.outlets == [declared[index], declared[2]]
        assert events[declared[index]].extra["execution_id"] in executions(kind)


def test_an_alias_has_the_assets_of_the_organization(organizations, task_instance):
    for kind in organizations:
        kind.emulator.plan(SYNC, duration=0)
        events, alias = OutletEvents(), AssetAlias("tables")
        task = kind.start(SYNC, outlets=[alias], organization_id=kind.emulator.organization_id)
        task_instance(task, outlet_events=events).finish()
        added = [AssetUri.read(asset.uri) for asset, _ in events[alias].added]
        assert [(each.organization_id, each.sync_id, each.schema) for each in added] == (
            [(kind.emulator.organization_id, SYNC, "contact")] if kind.name == "bulk" else []
        )


def test_the_link_leads_to_the_organization(organizations, task_instance, emulator, monkeypatch):
    template = "{base_url}/{organization_id}/{sync_id}"
    connection = {**json.loads(partner_connection(emulator)), "extra": {"link_template": template}}
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
    for kind in organizations:
        kind.emulator.plan(SYNC, duration=0)
        organization_id = kind.emulator.organization_id
        result = task_instance(kind.start(SYNC, organization_id=organization_id)).finish()
        assert result["url"] == f"{emulator.url}/{organization_id}/{SYNC}"


def test_a_killed_task_cancels_the_execution_of_its_organization(organizations, task_instance, deferred, monkeypatch):
    async def stored(attempt, key):
        return StoredTaskInstance(True, "failed")

    monkeypatch.setattr(kill_guard, "stored_task_instance_in_trigger", stored)
    triggers = []
    for kind in organizations:
        with pytest.raises(deferred) as raised:
            task_instance(kind.start(SYNC, organization_id=kind.emulator.organization_id, deferrable=True)).execute()
        triggers.append(raised.value.trigger)
    triggers[0].task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
    asyncio.run(triggers[0].on_kill())
    assert [len(kind.cancels) for kind in organizations] == [1, 0]


def test_the_cancel_operator_cancels_in_its_organization(organizations, task_instance):
    for kind in organizations:
        kind.emulator.start(SYNC)
    task_instance(organizations[1].cancel(SYNC, organization_id="B")).execute()
    assert [len(kind.cancels) for kind in organizations] == [0, 1]


async def test_waits_share_a_poller_within_an_organization_only(organizations, task_instance, deferred, monkeypatch):
    built = []
    build = poller.shared_poller._build
    monkeypatch.setattr(poller.shared_poller, "_build", lambda config: built.append(config) or build(config))
    triggers = []
    for kind in organizations:
        kind.emulator.plan(SYNC, duration=60)
        for _ in range(2):
            started = kind.emulator.executions(SYNC) or [kind.emulator.start(SYNC)]
            trigger = kind.sensor(SYNC, deferrable=True, organization_id=kind.emulator.organization_id)
            with pytest.raises(deferred) as raised:
                task_instance(trigger).execute()
            assert raised.value.trigger.execution_id == started[0].id
            triggers.append(raised.value.trigger)
    events = await asyncio.gather(*(trigger._wait() for trigger in triggers))
    assert [event.execution["execution_id"] for event in events] == [
        execution for kind in organizations for execution in executions(kind) * 2
    ]
    assert sorted(config.organization_id for config in built) == ["A", "B"]


async def test_settings_are_looked_up_once_for_each_organization(organizations):
    found = await asyncio.gather(*(_base.find_connection_config("polytomic_default", one) for one in "ABAB"))
    assert [config.organization_id for config in found] == list("ABAB")
    assert found[0] is found[2]


def test_an_organization_whose_template_renders_to_nothing_is_refused(organizations, task_instance):
    operator = organizations[0].start(SYNC, organization_id="{{ x }}")
    operator.organization_id = ""
    with pytest.raises(PolytomicRequestRefused, match="organization_id is '', which is not an id"):
        task_instance(operator).execute()
    assert [executions(kind) for kind in organizations] == [[], []]
