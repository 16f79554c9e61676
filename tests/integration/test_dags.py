"""Run DAGs by Airflow itself, against the emulator."""

from __future__ import annotations

import json
import socket
from datetime import datetime, timezone

import pytest

from tests.support.scripted_server import Server, answer

CHAINED = ("During handling of the above exception", "direct cause of the following exception")
VOLATILE = ("sync_id", "execution_id", "created_at", "started_at", "completed_at")

KINDS = ["model", "bulk"]
MODES = ["worker", "deferrable"]


def add(emulator, kind, **plan):
    plan = {"duration": 60, **plan}
    if kind == "model":
        return emulator.add_model_sync(**plan)
    return emulator.add_bulk_sync(**{"schemas": [{"id": "contact"}, {"id": "account"}], **plan})


def comparable(result):
    """Return a result without the fields that differ between executions."""
    rows = [{name: value for name, value in row.items() if name not in VOLATILE} for row in result["schemas"]]
    return {**{name: value for name, value in result.items() if name not in VOLATILE}, "schemas": rows}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_both_modes_have_the_same_result(run_dag, emulator, kind, outcome):
    results = []
    for mode in MODES:
        sync = add(emulator, kind, outcome=outcome)
        run = run_dag(f"start_{kind}_{mode}", sync_id=sync.id)
        assert run.state == ("success" if outcome == "completed" else "failed")
        [execution] = emulator.executions(sync.id)
        assert run.result()["execution_id"] == execution.id
        assert all(run.result()[name] for name in VOLATILE)
        results.append(comparable(run.result()))
    assert results[0] == results[1]


@pytest.mark.parametrize("mode", MODES)
def test_a_second_run_for_the_same_date_syncs_again(run_dag, emulator, mode):
    sync = add(emulator, "model")
    for _ in range(2):
        date = datetime(2026, 1, 2, tzinfo=timezone.utc)
        assert run_dag(f"start_model_{mode}", date=date, sync_id=sync.id).state == "success"
    assert len(emulator.executions(sync.id)) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_a_sensor_waits_for_the_execution_that_is_current(run_dag, emulator, monkeypatch, kind, mode):
    monkeypatch.setattr("time.sleep", emulator.clock.advance)
    sync = add(emulator, kind)
    execution = emulator.start(sync.id)
    run = run_dag(f"sense_{kind}_{mode}", sync_id=sync.id)
    assert run.state == "success"
    assert run.result()["execution_id"] == execution.id


@pytest.fixture
def fails(run_dag, emulator, everything_stored, monkeypatch):
    """Run a DAG that fails, and check its state, its log and that no secret is stored."""

    def run(dag_id, sync_id, texts, key=None):
        found = run_dag(dag_id, sync_id=sync_id)
        stored = everything_stored()
        log = stored.decode(errors="replace")
        assert (found.state, found.tasks) == ("failed", {"task": "failed"})
        assert [each for each in (sync_id, "Next:", *texts) if each not in log] == []
        assert [each for each in CHAINED if each in log] == []
        assert (key or emulator.api_key).encode() not in stored
        return found

    return run


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
class TestBadInput:
    """Each fails the task with one message: the sync, Polytomic's message and what to do."""

    def test_an_unknown_sync_id(self, fails, kind, mode):
        fails(f"start_{kind}_{mode}", "unknown-sync", ["404", "check the id"])

    def test_an_id_of_the_other_kind(self, fails, emulator, kind, mode):
        other, operator = {
            "model": ("bulk", "PolytomicStartBulkSyncOperator"),
            "bulk": ("model", "PolytomicStartSyncOperator"),
        }[kind]
        fails(f"start_{kind}_{mode}", add(emulator, other).id, [f"{other} sync", operator])

    def test_an_execution_that_fails(self, fails, emulator, kind, mode):
        more = {"errors": ["the target is full"]} if kind == "model" else {"message": "the target is full"}
        sync = add(emulator, kind, outcome="failed", **more)
        found = fails(f"start_{kind}_{mode}", sync.id, ["failed", "the target is full"])
        assert found.result()["errors"][0] == "the target is full"


def test_no_advice_is_to_retry_the_failed_schemas_where_the_task_does(fails, emulator, everything_stored):
    sync = emulator.add_bulk_sync(schemas=[{"id": "contact", "outcome": "failed"}, {"id": "account"}])
    fails("retry_of_failed_schemas", sync.id, ["clear the task, which syncs all schemas"])
    assert b"set retry_failed_schemas=True" not in everything_stored()
    fails("start_bulk_worker", sync.id, ["set retry_failed_schemas=True"])


@pytest.mark.parametrize("mode", MODES)
class TestBadConnection:
    def test_a_refused_key(self, fails, emulator, monkeypatch, mode):
        key = "canary-5ecret-4pi-key"
        defined = {"conn_type": "polytomic", "host": emulator.url, "password": key}
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(defined))
        fails(f"start_model_{mode}", "some-sync", ["401", "check that the API key", "polytomic_default"], key)

    def test_a_refused_key_in_the_form_of_an_old_version(self, fails, emulator, monkeypatch, mode):
        server = Server()
        server.answers(answer({"error": {"message": "invalid or unknown API key"}}, 401))
        defined = {"conn_type": "polytomic", "host": server.url, "password": emulator.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(defined))
        fails(f"start_model_{mode}", "some-sync", ["401: invalid or unknown API key"])
        server.close()

    def test_an_unreachable_host(self, fails, emulator, monkeypatch, mode):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        defined = {"conn_type": "polytomic", "host": host, "password": emulator.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(defined))
        fails(f"start_model_{mode}", "some-sync", ["got no answer", host, "check the host of the Airflow connection"])

    def test_a_response_that_is_html(self, fails, emulator, mode):
        sync = add(emulator, "model")
        emulator.fault("malformed", malformed="html", count=None)
        fails(f"start_model_{mode}", sync.id, ["HTML", "check the host of the Airflow connection"])

    def test_a_key_that_is_revoked_during_the_wait(self, fails, emulator, mode):
        sync = add(emulator, "model", duration=float("inf"))
        emulator.fault("status", status=401, path="/**/executions/*", method="GET", skip=1, count=None)
        fails(f"start_model_{mode}", sync.id, ["401", "check that the API key"])


def test_a_secret_of_an_operation_is_stored_nowhere(run_dag, emulator, everything_stored, monkeypatch):
    canary = "canary-account-k3y"
    monkeypatch.setenv("AIRFLOW_VAR_WAREHOUSE", canary)
    run = run_dag("call_operation")
    assert run.state == "success"
    assert run.result()["configuration"] == {"hostname": "db.example.com", "account_key": "***"}
    assert emulator.connections[0].configuration["account_key"] == canary
    assert canary.encode() not in everything_stored()


def test_a_secret_of_a_configuration_is_stored_nowhere(run_dag, emulator, everything_stored, monkeypatch):
    canary = "canary-warehouse-passw0rd"
    secret = {
        "conn_type": "postgres", "host": "pg.example.com", "port": 5433, "schema": "analytics", "login": "loader",
        "password": canary, "extra": {"private_key": canary, "sslmode": "require"},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(secret))
    assert run_dag("create_connection").state == "success"
    sent = emulator.connections[0].configuration
    assert sent["password"] == canary
    assert (sent["hostname"], sent["port"], sent["username"], sent["database"]) == (
        "db.example.com", 5433, "loader", "analytics",
    )  # fmt: skip
    assert "sslmode" not in sent
    stored = everything_stored()
    assert canary.encode() not in stored
    assert emulator.api_key.encode() not in stored
