"""Run DAGs of the shapes that authors write, against the emulator."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timezone

import pytest

from tests.integration.conftest import plain


@pytest.fixture
def model_sync(emulator):
    return emulator.add_model_sync(duration=20)


@pytest.fixture
def bulk_sync(emulator):
    return emulator.add_bulk_sync(schemas=[{"id": "contact"}, {"id": "account"}], duration=20)


def bodies(emulator, path):
    return [one.body for one in emulator.requests if one.method == "POST" and one.path.endswith(path)]


def test_a_list_is_the_output_of_a_mapped_task(run_dag, emulator, model_sync):
    assert run_dag("lists_of_mapped_tasks", sync_id=model_sync.id).state == "success"
    [start] = bodies(emulator, "/executions")
    assert start["identities"] == ["a@example.com", "b@example.com"]
    assert emulator.connections[0].policies == ("p1", "p2")


def test_a_list_is_the_result_of_map(run_dag, emulator, bulk_sync):
    assert run_dag("lists_of_map", sync_id=bulk_sync.id).state == "success"
    assert bodies(emulator, "/executions")[0]["schemas"] == ["contact", "account"]


@pytest.mark.parametrize("dag_id", ["runs_of_one_task", "runs_of_a_mapped_task", "runs_of_a_mapped_group"])
def test_the_result_of_one_start_is_a_list_of_one(run_dag, emulator, model_sync, monkeypatch, dag_id):
    monkeypatch.setattr("time.sleep", emulator.clock.advance)
    run = run_dag(dag_id, sync_id=model_sync.id)
    assert run.state == "success"
    assert [result["execution_id"] for result in run.result()] == [one.id for one in emulator.executions(model_sync.id)]


def test_a_start_operator_works_in_a_group_over_a_literal_list(run_dag, emulator, bulk_sync):
    assert run_dag("group_over_a_literal_list", sync_id=bulk_sync.id).state == "success"
    assert sorted(body["schemas"] for body in bodies(emulator, "/executions")) == [["account"], ["contact"]]


def test_a_mapped_configuration_waits_for_the_tasks_whose_outputs_it_has(run_dag, dags, emulator):
    dag = dags["configuration_of_a_mapped_task"]
    assert dag.get_task("create").upstream_task_ids == {"same"}
    assert dag.get_task("each").upstream_task_ids == {"other"}
    assert run_dag(dag.dag_id).state == "success"
    databases = {one.name: one.configuration["database"] for one in emulator.connections}
    assert databases == {"One": "crm", "Two": "crm", "Three": "erp"}


def test_every_duration_takes_a_timedelta(run_dag, emulator, bulk_sync):
    assert run_dag("durations", sync_id=bulk_sync.id).state == "success"


def test_an_id_is_a_uuid(run_dag, emulator):
    emulator.add_samples()
    assert run_dag("id_as_uuid").state == "success"


def test_tables_of_failed_schemas_run_no_task(run_dag, emulator):
    schemas = [{"id": "account", "records": 7}, {"id": "contact", "records": 40, "outcome": "failed"}]
    sync = emulator.add_bulk_sync(schemas=schemas, duration=20)
    run = run_dag("example_polytomic_bulk_sync", bulk_sync_id=sync.id)
    rows = {row["schema"]: (row["status"], row["record_count"] > 0) for row in run.result("sync")["schemas"]}
    assert rows == {"account": ("completed", True), "contact": ("failed", True)}
    assert len(run.result("tables_with_rows")) == 1


def test_the_id_of_a_created_connection_is_one_of_its_outputs(run_dag, emulator):
    run = run_dag("id_of_a_created_connection")
    assert run.state == "success"
    assert run.xcoms["create", "id"] == emulator.connections[0].id


@pytest.mark.parametrize(("ended_at", "state"), [("01:50", "success"), ("02:10", "success"), ("00:00", "failed")])
def test_a_nightly_sensor_accepts_the_sync_that_ended_after_the_night_before(run_dag, emulator, ended_at, state):
    sync = emulator.add_model_sync(duration=60)
    day = 2 if ended_at != "00:00" else 1
    emulator.clock.set(datetime.fromisoformat(f"2026-03-{day:02}T{ended_at}:00+00:00").timestamp() - 60)
    execution = emulator.start(sync.id)
    emulator.clock.set(datetime(2026, 3, 2, 2, 30, tzinfo=timezone.utc).timestamp())
    run = run_dag("nightly", date=datetime(2026, 3, 2, 2, tzinfo=timezone.utc), sync_id=sync.id)
    assert run.state == state
    assert (run.result() or {}).get("execution_id") == (execution.id if state == "success" else None)


def test_a_task_returns_what_the_hook_returns(run_dag, emulator, monkeypatch):
    other = {"conn_type": "polytomic", "host": "https://other.example.com", "password": "a-key"}
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_OTHER", json.dumps(other))
    emulator.add_samples()
    sync = emulator.add_model_sync(name="Contacts to CRM")
    run = run_dag("hook_in_tasks", sync_id=sync.id)
    assert run.state == "success"
    assert {"Warehouse", "CRM"} <= {*run.result("names_of_connections")}
    assert "Contacts to CRM" in [each["name"] for each in run.result("list_syncs")]
    assert run.result("start_sync")["id"] == emulator.executions(sync.id)[0].id
    assert "run" in run.result("send_a_flow")
    assert run.result("host_of_a_copy") == "https://other.example.com"


@pytest.mark.parametrize(
    "dag_id", ["start_model_worker", "start_model_deferrable", "sense_model_worker", "sense_model_deferrable"]
)
def test_no_error_is_logged_for_a_link_that_was_never_written(run_dag, emulator, monkeypatch, logged, dag_id):
    monkeypatch.setattr("time.sleep", emulator.clock.advance)
    sync = emulator.add_model_sync(duration=20)
    if dag_id.startswith("sense"):
        emulator.start(sync.id)
    assert run_dag(dag_id, sync_id=sync.id).state == "success"
    assert "XCom not found" not in logged()
    assert "XCOM_NOT_FOUND" not in logged()


def test_the_event_of_an_outlet_has_the_fields_of_an_event_of_a_watcher(run_dag, database, emulator):
    emulator.add_samples()
    run = run_dag("example_polytomic_assets")
    assert run.state == "success"
    with closing(sqlite3.connect(database)) as connection:
        [table] = connection.execute("SELECT name FROM sqlite_master WHERE name IN ('asset_event', 'dataset_event')")
        rows = connection.execute(f"SELECT extra FROM {table[0]} ORDER BY id DESC LIMIT 2")
        extras = [plain(extra) for (extra,) in rows]
    for extra in extras:
        assert extra["execution_id"] == extra["payload"]["execution_id"] == run.result("sync")["execution_id"]
        assert extra["payload"]["counts"] == extra["counts"]
