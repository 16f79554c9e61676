"""Manage connections under each behavior that Polytomic does not document; see ``test_behaviors``."""

from __future__ import annotations

import math

import pytest

from airflow_provider_polytomic.api import PolytomicClient, provisioning, schemas
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError, PolytomicUnavailable
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.connections import (
    PolytomicCreateConnectionOperator,
    PolytomicDeleteConnectionOperator,
    PolytomicTestConnectionOperator,
    PolytomicUpdateConnectionOperator,
)

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("empty_list", "null"),
        ("page_size", 1),
        ("error_body", "message"),
        ("error_body", "empty"),
        ("record_conflicts", False),
        ("idempotency_mismatch", "refuse"),
        ("idempotency_scope", "credential"),
        ("idempotency_scope", "path"),
        ("malformed_idempotency_key", 422),
        ("no_body_status", 204),
        ("connection_status", "active"),
        ("masked_secret", "store"),
        ("masked_secret", "refuse"),
    ],
)
def test_connections_as_code(emulator, task_instance, name, value):
    emulator.set_switch(name, value)

    def run(operator_class, **options):
        return task_instance(operator_class(task_id="t", **options)).finish()

    settings = {"configuration": {"hostname": "db", "password": "hunter2"}}
    made = run(
        PolytomicCreateConnectionOperator,
        name="db",
        connection_type="postgresql",
        if_exists="reuse",
        refresh_schemas=True,
        **settings,
    )
    run(PolytomicTestConnectionOperator, connection_id=made["id"], **settings)
    run(PolytomicUpdateConnectionOperator, connection_id=made["id"], **settings)
    [stored] = emulator.connections
    assert (stored.id, stored.name, stored.configuration["password"]) == (made["id"], "db", "hunter2")
    run(PolytomicDeleteConnectionOperator, connection_id=made["id"])
    run(PolytomicDeleteConnectionOperator, connection_id=made["id"])
    assert emulator.connections == []


def test_a_rate_limit_between_a_creation_and_the_refresh_of_schemas(emulator, task_instance):
    emulator.set_switch("rate_limit", 3)
    operator = PolytomicCreateConnectionOperator(
        task_id="t", name="db", connection_type="postgresql", configuration={}, refresh_schemas=True, retries=3
    )
    task = task_instance(operator)
    with pytest.raises(PolytomicUnavailable, match="429"):
        task.finish()
    emulator.set_switch("rate_limit", None)
    made = task.retry().finish()
    assert [each.id for each in emulator.connections] == [made["id"]]


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("body", ["whole", "message", "empty"])
def test_a_connection_that_does_not_work(emulator, task_instance, status, body):
    for name, value in {"": "no such host", "_status": status}.items():
        emulator.set_switch(f"connection_failure{name}", value)
    emulator.set_switch("error_body", body)
    error = PolytomicUnavailable if status == 500 else PolytomicRequestRefused
    options = {"task_id": "t", "connection_type": "postgresql", "configuration": {"hostname": "db"}}
    for operator in (
        PolytomicTestConnectionOperator(**options),
        PolytomicCreateConnectionOperator(name="db", **options),
    ):
        with pytest.raises(error) as raised:
            task_instance(operator).finish()
        assert ("no such host" in str(raised.value)) is (body != "empty")
    assert emulator.connections == []


@pytest.mark.parametrize(
    ("switches", "ends"),
    [
        ({}, True),
        ({"schema_refresh_seconds": 300}, True),
        ({"schema_refresh_seconds": math.inf}, False),
        ({"schema_refresh_lag": 4, "schema_refresh_seconds": 30}, True),
        ({"schema_refresh_lag": 60, "schema_refresh_seconds": 60}, True),
        ({"schema_refresh_ends": "failed"}, True),
        ({"schema_refresh_ends": "failed", "schema_refresh_finishes": False}, True),
        ({"schema_refresh_finishes": False}, True),
    ],
    ids=str,
)
def test_a_refresh_of_schemas(emulator, task_instance, monkeypatch, switches, ends):
    monkeypatch.setitem(provisioning.refresh.__kwdefaults__, "clock", emulator.clock)
    for name, value in switches.items():
        emulator.set_switch(name, value)
    operator = PolytomicCreateConnectionOperator(
        task_id="t", name="db", connection_type="postgresql", configuration={}, refresh_schemas=True
    )
    if ends:
        task_instance(operator).finish()
    else:
        with pytest.raises(PolytomicTaskError, match="schemas are still 'refreshing'"):
            task_instance(operator).finish()
    assert len(emulator.connections) == 1


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(
    "switches",
    [
        {"schemas_while_refreshing": "none"},
        *({"start_while_refreshing": status} for status in (400, 404, 409, 422, 503)),
    ],
    ids=str,
)
def test_a_bulk_start_during_a_refresh(emulator, task_instance, switches, recorded):
    source = emulator.add_connection(name="CRM", type="salesforce").id
    ends = {"source_connection_id": source, "destination_connection_id": source}
    sync = emulator.add_bulk_sync(schemas=[{"id": "contact", "duration": 5}], **ends)
    kept = {"record_client_errors": recorded, "record_conflicts": recorded}
    for name, value in {"schema_refresh_seconds": 60, **switches, **kept}.items():
        emulator.set_switch(name, value)
    with PolytomicClient(emulator.api_key, base_url=emulator.url) as client:
        client.send(schemas.refresh(source))
    operator = PolytomicStartBulkSyncOperator(task_id="t", bulk_sync_id=sync.id, schemas=["contact"], poll_interval=1)
    assert task_instance(operator).finish()["outcome"] == "success"
    assert len(emulator.executions(sync.id)) == 1
