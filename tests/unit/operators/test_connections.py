"""The operators for connections, and the secrecy of their settings."""

from __future__ import annotations

import json
import traceback
from collections import UserList
from datetime import datetime
from typing import Any

import pytest

try:
    from airflow.sdk import DAG, TaskGroup
except ImportError:
    from airflow.models.dag import DAG
    from airflow.utils.task_group import TaskGroup

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError
from airflow_provider_polytomic.operators.connections import (
    PolytomicCreateConnectionOperator,
    PolytomicDeleteConnectionOperator,
    PolytomicTestConnectionOperator,
    PolytomicUpdateConnectionOperator,
)

CANARY = "canary-p@ss/w0rd"
CONFIGURATION = {"hostname": "db.example.com", "password": CANARY}

pytestmark = pytest.mark.usefixtures("no_waiting")


def create(**options: Any) -> PolytomicCreateConnectionOperator:
    options = {"configuration": CONFIGURATION, **options}
    return PolytomicCreateConnectionOperator(
        task_id="create", name="Warehouse", connection_type="postgresql", **options
    )


def requests(emulator: Any, method: str) -> list[Any]:
    return [one for one in emulator.requests if one.method == method]


class TestCreate:
    def test_it_returns_the_connection_without_its_configuration(self, emulator, task_instance):
        result = task_instance(create()).finish()
        [connection] = emulator.connections
        assert (result["id"], result["name"], result["type"]["id"]) == (connection.id, "Warehouse", "postgresql")
        assert connection.configuration == CONFIGURATION
        assert "configuration" not in result

    def test_a_sequence_in_the_configuration_is_sent_as_a_list(self, emulator, task_instance):
        task_instance(create(configuration={"hosts": UserList(["a", "b"])})).finish()
        assert emulator.connections[0].configuration == {"hosts": ["a", "b"]}

    def test_an_existing_connection_fails_the_task(self, emulator, task_instance):
        existing = emulator.add_connection(name="Warehouse", type="postgresql", configuration={"a": 1})
        with pytest.raises(PolytomicRequestRefused, match=rf"'Warehouse' exists already \({existing.id}\)"):
            task_instance(create()).finish()
        assert [one.configuration for one in emulator.connections] == [{"a": 1}]

    def test_a_connection_of_the_same_name_and_another_type_does_not_count(self, emulator, task_instance):
        emulator.add_connection(name="Warehouse", type="snowflake")
        task_instance(create()).finish()
        assert len(emulator.connections) == 2

    def test_an_existing_connection_can_be_reused(self, emulator, task_instance):
        existing = emulator.add_connection(name="Warehouse", type="postgresql", configuration={"a": 1})
        assert task_instance(create(if_exists="reuse")).finish()["id"] == existing.id
        assert [one.configuration for one in emulator.connections] == [{"a": 1}]

    def test_an_existing_connection_can_be_updated(self, emulator, task_instance):
        existing = emulator.add_connection(name="Warehouse", type="postgresql", configuration={"a": 1})
        assert task_instance(create(if_exists="update")).finish()["id"] == existing.id
        assert [one.configuration for one in emulator.connections] == [CONFIGURATION]

    def test_an_invalid_if_exists_is_refused_when_the_dag_is_parsed(self):
        with pytest.raises(ValueError, match="if_exists"):
            create(if_exists="replace")

    def test_a_retry_returns_the_connection_of_the_earlier_attempt(self, emulator, task_instance):
        task = task_instance(create(retries=1))
        first = task.finish()
        assert task.retry().finish()["id"] == first["id"]
        assert len(emulator.connections) == 1

    def test_a_retry_deletes_its_connection_if_another_one_exists(self, emulator, task_instance):
        existing = emulator.add_connection(name="Warehouse", type="postgresql")
        with pytest.raises(PolytomicRequestRefused, match="exists already"):
            task_instance(create(retries=1)).retry().finish()
        assert [one.id for one in emulator.connections] == [existing.id]

    def test_a_lost_response_does_not_lead_to_a_second_connection(self, emulator, task_instance):
        emulator.fault("reset", when="after", method="POST", path="/api/connections")
        task_instance(create()).finish()
        assert len(emulator.connections) == 1

    def test_a_server_error_during_the_creation_is_retried(self, emulator, task_instance):
        emulator.fault("status", when="within", status=500, method="POST", path="/api/connections")
        assert task_instance(create()).finish()["name"] == "Warehouse"
        assert len(emulator.connections) == 1

    def test_the_schemas_are_refreshed_if_wanted(self, emulator, task_instance):
        task_instance(create(refresh_schemas=True)).finish()
        assert [one.path.rpartition("/schemas/")[2] for one in requests(emulator, "POST")[1:]] == ["refresh"]
        assert requests(emulator, "GET")[-1].path.endswith("/schemas/status")

    def test_schemas_that_are_not_refreshed_in_time_fail_the_task(self, emulator, task_instance):
        emulator.set_switch("schema_refresh_seconds", "inf")
        with pytest.raises(PolytomicTaskError, match="'Warehouse': its schemas are still"):
            task_instance(create(refresh_schemas=True, refresh_timeout=0.01)).finish()

    def test_settings_that_do_not_work_are_refused_with_polytomics_message(self, emulator, task_instance):
        emulator.set_switch("connection_failure", "no route to db.example.com")
        with pytest.raises(PolytomicRequestRefused, match="(?s)no route to .*Next: correct what Polytomic reports"):
            task_instance(create()).finish()


class TestConfiguration:
    def test_templates_in_it_are_rendered_when_the_task_runs(self, emulator, task_instance):
        operator = create(configuration={"hostname": "{{ host }}", "ports": ["{{ port }}"]})
        task_instance(operator, host="db", port=5432).finish()
        assert emulator.connections[0].configuration == {"hostname": "db", "ports": ["5432"]}

    def test_a_template_may_render_to_json(self, emulator, task_instance):
        task_instance(create(configuration="{{ settings }}"), settings='{"hostname": "db"}').finish()
        assert emulator.connections[0].configuration == {"hostname": "db"}

    @pytest.mark.parametrize("rendered", ["[1]", "3", "not JSON"])
    def test_another_value_is_refused_and_not_shown(self, emulator, task_instance, rendered):
        with pytest.raises(PolytomicRequestRefused, match="configuration is not a mapping") as raised:
            task_instance(create(configuration="{{ settings }}"), settings=rendered).finish()
        assert rendered not in str(raised.value)
        assert raised.value.__cause__ is None
        assert emulator.requests == []

    def test_secrets_may_come_from_an_airflow_connection(self, emulator, task_instance, monkeypatch):
        secret = {"conn_type": "postgres", "password": CANARY, "extra": {"hostname": "other", "sslmode": "require"}}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(secret))
        task_instance(create(configuration={"hostname": "db"}, configuration_conn_id="warehouse")).finish()
        assert emulator.connections[0].configuration == {"hostname": "db", "password": CANARY}

    @pytest.mark.parametrize("action", ["create", "test", "update"])
    def test_the_fields_of_an_airflow_connection_become_settings(self, action, emulator, task_instance, monkeypatch):
        fields = {"host": "db", "login": "ada", "password": CANARY, "schema": "crm", "port": 5432}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "postgres", **fields}))
        saved = emulator.add_connection(name="n", type="postgresql", configuration={}).id
        own, update = {"port": "{{ port }}"}, PolytomicUpdateConnectionOperator
        operators = {
            "create": lambda: create(configuration=own, configuration_conn_id="warehouse"),
            "test": lambda: PolytomicTestConnectionOperator(
                task_id="t", connection_id=saved, configuration=own, configuration_conn_id="warehouse"
            ),
            "update": lambda: update(
                task_id="t", connection_id=saved, configuration=own, configuration_conn_id="warehouse"
            ),
        }
        task_instance(operators[action](), port=" 6543 ").finish()
        sent = [request.body["configuration"] for request in emulator.requests if request.method in ("POST", "PUT")]
        settings = {"hostname": "db", "username": "ada", "database": "crm", "port": 6543}
        assert [{**each, "password": None} for each in sent] == [{**settings, "password": None}]

    def test_a_templated_number_is_sent_as_a_number(self, emulator, task_instance):
        operator = create(configuration={"hostname": "db", "port": "{{ port }}", "password": "123456"})
        task_instance(operator, port=5432).finish()
        assert emulator.connections[0].configuration == {"hostname": "db", "port": 5432, "password": "123456"}

    def test_a_number_that_is_none_is_refused_and_not_shown(self, emulator, task_instance, monkeypatch):
        connection = {"conn_type": "postgres", "password": CANARY, "extra": {"port": CANARY}}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
        with pytest.raises(
            PolytomicRequestRefused, match="'port' of the connection is not of the type integer"
        ) as raised:
            task_instance(create(configuration_conn_id="warehouse")).finish()
        assert CANARY not in str(raised.value)

    def test_a_configuration_is_sent_as_it_is_if_the_type_cannot_be_read(self, emulator, task_instance):
        emulator.fault("status", status=403, path="/api/connection_types/*", count=None)
        task_instance(create(configuration={"hostname": "db", "port": "5432"})).finish()
        assert emulator.connections[0].configuration == {"hostname": "db", "port": "5432"}

    @pytest.mark.parametrize("extra", ["[]", "3"])
    def test_an_airflow_connection_with_another_extra_is_refused(self, emulator, task_instance, monkeypatch, extra):
        class Connection:
            password = CANARY

        connection = Connection()
        connection.extra = extra
        monkeypatch.setattr(
            "airflow_provider_polytomic.operators._configuration.BaseHook.get_connection", lambda conn_id: connection
        )
        with pytest.raises(PolytomicRequestRefused, match="'warehouse'.*not a JSON object"):
            task_instance(create(configuration_conn_id="warehouse")).finish()


class TestTest:
    def test_given_settings_are_tested(self, emulator, task_instance):
        operator = PolytomicTestConnectionOperator(
            task_id="t", connection_type="postgresql", configuration=CONFIGURATION
        )
        assert task_instance(operator).finish() is None
        assert [(one.method, one.path) for one in emulator.requests] == [("POST", "/api/connections/test")]
        assert emulator.connections == []

    def test_a_saved_connection_is_tested_with_its_own_type(self, emulator, task_instance):
        saved = emulator.add_connection(name="n", type="snowflake", configuration={"fail": "no warehouse"})
        with pytest.raises(PolytomicRequestRefused, match=f"{saved.id}.* does not work: .*no warehouse"):
            task_instance(PolytomicTestConnectionOperator(task_id="t", connection_id=saved.id)).finish()
        assert emulator.requests[-1].body["type"] == "snowflake"

    def test_a_test_without_connection_and_type_is_refused(self, emulator, task_instance):
        with pytest.raises(PolytomicRequestRefused, match="nothing to test"):
            task_instance(PolytomicTestConnectionOperator(task_id="t")).finish()

    def test_an_invalid_id_is_refused(self, emulator, task_instance):
        with pytest.raises(PolytomicRequestRefused, match="connection_id is ' '"):
            task_instance(PolytomicTestConnectionOperator(task_id="t", connection_id=" ")).finish()
        assert emulator.requests == []


class TestUpdate:
    def test_it_replaces_the_settings_and_logs_the_cleared_ones(self, emulator, task_instance, logged):
        settings = {"hostname": "old", "schema": "public", "password": "before"}
        saved = emulator.add_connection(name="Warehouse", type="postgresql", configuration=settings)
        operator = PolytomicUpdateConnectionOperator(
            task_id="t", connection_id=saved.id, configuration={"hostname": "new"}
        )
        result = task_instance(operator).finish()
        [after] = emulator.connections
        assert (after.name, after.type, after.configuration) == ("Warehouse", "postgresql", {"hostname": "new"})
        assert (result["id"], "configuration" in result) == (saved.id, False)
        assert f"The update of connection {saved.id} clears: password, schema" in logged()

    def test_an_unknown_connection_is_refused(self, emulator, task_instance):
        operator = PolytomicUpdateConnectionOperator(task_id="t", connection_id="unknown", configuration={})
        with pytest.raises(PolytomicRequestRefused, match="Connection unknown could not be updated"):
            task_instance(operator).finish()


class TestDelete:
    def test_a_second_deletion_is_a_success(self, emulator, task_instance, logged):
        saved = emulator.add_connection(name="n", type="postgresql")
        for line in (f"Deleted connection {saved.id}", f"Connection {saved.id} does not exist"):
            assert line not in logged()
            task_instance(PolytomicDeleteConnectionOperator(task_id="t", connection_id=saved.id)).finish()
            assert line in logged()
        assert emulator.connections == []

    def test_a_connection_in_use_is_refused_with_its_users(self, emulator, task_instance):
        saved = emulator.add_connection(name="n", type="postgresql")
        sync = emulator.add_model_sync(name="Customers", target_connection_id=saved.id)
        with pytest.raises(PolytomicRequestRefused, match=f"used by .*'Customers' \\({sync.id}\\)"):
            task_instance(PolytomicDeleteConnectionOperator(task_id="t", connection_id=saved.id)).finish()
        assert len(emulator.connections) == 1

    @pytest.mark.parametrize("force", [True, "True"])
    def test_a_forced_deletion_deletes_the_users_too(self, emulator, task_instance, force):
        saved = emulator.add_connection(name="n", type="postgresql")
        emulator.add_model_sync(target_connection_id=saved.id)
        task_instance(PolytomicDeleteConnectionOperator(task_id="t", connection_id=saved.id, force=force)).finish()
        assert (emulator.connections, emulator.syncs) == ([], [])

    @pytest.mark.parametrize("wrong", ["", None, ".."])
    def test_an_invalid_id_deletes_nothing(self, emulator, task_instance, wrong):
        with pytest.raises(PolytomicRequestRefused, match="connection_id is"):
            task_instance(PolytomicDeleteConnectionOperator(task_id="t", connection_id=wrong, force=True)).finish()
        assert emulator.requests == []


def serialized(dag: DAG) -> str:
    from airflow.serialization import serialized_objects

    serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    return json.dumps(serializer.to_dict(dag), default=str)


def build(operator: str, connection_id: str, **options: Any) -> Any:
    options = {"task_id": "t", "configuration": {**CONFIGURATION, "nested": [{"token": CANARY}]}, **options}
    return {
        "create": lambda: PolytomicCreateConnectionOperator(name="new", connection_type="postgresql", **options),
        "test": lambda: PolytomicTestConnectionOperator(connection_id=connection_id, **options),
        "update": lambda: PolytomicUpdateConnectionOperator(connection_id=connection_id, **options),
    }[operator]()


@pytest.mark.parametrize("from_airflow", [False, True], ids=["configuration", "configuration_conn_id"])
@pytest.mark.parametrize("response", ["accepted", "refused", "away", "html"])
@pytest.mark.parametrize("operator", ["create", "test", "update"])
def test_no_secret_of_a_connection_is_shown(
    emulator, task_instance, monkeypatch, logged, operator, response, from_airflow
):
    saved = emulator.add_connection(name="n", type="postgresql", configuration={"password": CANARY})
    echo = {
        "message": f"cannot log in as user with password {CANARY!r} ({emulator.api_key})",
        "metadata": {"x": CANARY},
    }
    faults = {
        "refused": {"kind": "status", "status": 422, "body": echo},
        "away": {"kind": "status", "status": 503, "body": echo},
        "html": {"kind": "status", "status": 502, "body": f"<html>{CANARY}</html>"},
    }
    for method in ("POST", "PUT"):
        if response in faults:
            emulator.fault(**faults[response], method=method, count=None)
    options: dict[str, Any] = {}
    if from_airflow:
        secret = {"conn_type": "postgres", "password": CANARY, "extra": {"private_key": CANARY}}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(secret))
        options = {"configuration": {"hostname": "db"}, "configuration_conn_id": "warehouse"}
    with DAG(dag_id="dag", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        task_operator = build(operator, saved.id, **options)
    shown = [serialized(dag)] if not from_airflow or response == "accepted" else []
    task = task_instance(task_operator)
    task_operator.render_template_fields(task.context)
    shown += [f"{field}={getattr(task_operator, field)}" for field in task_operator.template_fields]
    if response == "accepted":
        task.finish()
    else:
        with pytest.raises(PolytomicTaskError) as raised:
            task.finish()
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__
        shown += [str(raised.value), repr(raised.value), "".join(traceback.format_exception(raised.value))]
    shown += [logged(), json.dumps(task.xcom_history), repr(task_operator)]
    for secret in (CANARY, emulator.api_key):
        assert [text for text in shown if secret in text] == []


PLACES = {
    "default_args of the DAG": {"dag": {"default_args": {"configuration": CONFIGURATION}}},
    "default_args of the DAG, JSON": {"dag": {"default_args": {"configuration": json.dumps(CONFIGURATION)}}},
    "default_args of the group": {"group": {"default_args": {"configuration": CONFIGURATION}}},
    "default_args of the operator": {"operator": {"default_args": {"configuration": CONFIGURATION}}},
    "an argument": {"operator": {"configuration": CONFIGURATION}},
}


@pytest.mark.parametrize("mapped", [False, True], ids=["operator", "mapped operator"])
@pytest.mark.parametrize("place", PLACES)
def test_no_configuration_is_in_the_serialized_dag(place: str, mapped: bool):
    options = PLACES[place]
    if mapped and place == "default_args of the operator":
        pytest.skip("Airflow does not apply the default_args of a mapped operator")
    with (
        DAG(dag_id="dag", start_date=datetime(2026, 1, 1), schedule=None, **options.get("dag", {})) as dag,
        TaskGroup("group", **options.get("group", {})),
    ):
        arguments = {"connection_type": "postgresql", **options.get("operator", {})}
        operators = []
        for task_id in ("first", "second"):
            if mapped:
                partial = PolytomicCreateConnectionOperator.partial(task_id=task_id, **arguments)
                operators.append(partial.expand(name=["a", "b"]).unmap({"name": "a"}))
            else:
                operators.append(PolytomicCreateConnectionOperator(task_id=task_id, name="a", **arguments))
    assert CANARY not in serialized(dag)
    for operator in operators:
        configuration = operator.configuration
        assert (json.loads(configuration) if isinstance(configuration, str) else configuration) == CONFIGURATION


def test_a_single_configuration_cannot_be_expanded_over():
    with DAG("d", schedule=None), pytest.raises(ValueError, match="takes a list of configurations, not one"):
        PolytomicTestConnectionOperator.partial(task_id="t", connection_type="x").expand(configuration=CONFIGURATION)


def test_no_configuration_to_expand_over_is_in_the_serialized_dag():
    with DAG(dag_id="dag", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        partial = PolytomicCreateConnectionOperator.partial(task_id="a", connection_type="postgresql", name="a")
        first = partial.expand(configuration=[CONFIGURATION, CONFIGURATION])
        partial = PolytomicCreateConnectionOperator.partial(task_id="b", connection_type="postgresql")
        second = partial.expand_kwargs([{"name": "a", "configuration": CONFIGURATION}])
    assert CANARY not in serialized(dag)
    for value in (first.expand_input.value["configuration"][1], second.expand_input.value[0]["configuration"]):
        assert dict(value) == CONFIGURATION
        assert repr(value) == "***"


def test_values_of_settings_without_a_secrets_name_are_masked_too(emulator, task_instance, logged):
    emulator.set_switch("connection_failure", f"cannot use {CANARY} at db.example.org")
    with pytest.raises(PolytomicRequestRefused, match="db.example.org") as raised:
        task_instance(create(configuration={"hostname": "db", "nested": [{"line": CANARY}]})).finish()
    assert CANARY not in str(raised.value) + logged()


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_a_secret_in_the_errors_of_an_execution_is_masked(emulator, task_instance, logged, kind):
    from airflow_provider_polytomic.exceptions import PolytomicRunFailed
    from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
    from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

    message = f"cannot connect to postgres://user:{CANARY}@db.example.com/x, password={CANARY}"
    if kind == "model":
        sync = emulator.add_model_sync(duration=60, outcome="failed", errors=[message])
        operator = PolytomicStartSyncOperator(task_id="t", sync_id=sync.id, deferrable=True)
    else:
        schemas = [{"id": "contact", "outcome": "failed", "message": message}]
        sync = emulator.add_bulk_sync(duration=60, schemas=schemas, message=message)
        operator = PolytomicStartBulkSyncOperator(task_id="t", bulk_sync_id=sync.id, deferrable=True)
    task = task_instance(operator)
    with pytest.raises(PolytomicRunFailed, match="db.example.com") as raised:
        task.finish()
    assert CANARY not in str(raised.value) + logged() + json.dumps(task.xcom_history)
