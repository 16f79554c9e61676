"""Asset events, the DAGs that they start, and lineage from OpenLineage's listener through its file transport."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_polytomic.assets import AssetUri
from tests.support.organizations import partner_connection

from .cluster import IS_AIRFLOW_2, Cluster
from .conftest import TIMEOUT

pytest.importorskip("airflow.providers.openlineage")

BULK_SYNC_ID = "crm-to-warehouse"
ORGANIZATION_IDS = ["customer-a", "customer-b"]
MODEL_SYNC_ID = "contacts-to-crm"
FAILING_SYNC_ID = "failing"
ALIAS_SYNC_ID = "crm-tables"
AFTER_ALIAS = "assets_after_alias"
REFERENCES = f"SELECT dataset_id FROM dag_schedule_dataset_reference WHERE dag_id = '{AFTER_ALIAS}'"
SCHEMAS = [{"id": "contact", "output_name": "contacts", "records": 7}, {"id": "account", "records": 0}]
ASSET = "dataset" if IS_AIRFLOW_2 else "asset"
EVENTS = f"""
    SELECT a.uri, e.source_dag_id, e.source_map_index, e.extra
    FROM {ASSET}_event e JOIN {ASSET} a ON a.id = e.{ASSET}_id WHERE e.source_run_id = %s ORDER BY a.uri
"""


@pytest.fixture(scope="module")
def lineage_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lineage") / "events.json"


@pytest.fixture(scope="module")
def cluster(emulator: Any, lineage_file: Path) -> Iterator[Cluster]:
    """Run an Airflow for these tests alone: OpenLineage's listener changes what a task may do."""
    transport = {"type": "file", "log_file_path": str(lineage_file), "append": True}
    env = {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
        "AIRFLOW__POLYTOMIC__LINEAGE_OF_CONNECTIONS": "True",
    }
    connections = {
        "polytomic_default": json.loads(emulator.airflow_connection),
        "polytomic_partner": json.loads(partner_connection(emulator)),
    }
    with Cluster(Path(__file__).parent / "dags" / "with_lineage", env=env, connections=connections) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def bulk_run(cluster: Cluster, emulator: Any) -> str:
    coordinates = {"hostname": "db.example.com", "database": "analytics"}
    emulator.add_connection(id="warehouse", name="Warehouse", type="postgresql", configuration=coordinates)
    emulator.add_bulk_sync(
        id=BULK_SYNC_ID,
        source_connection_id="crm",
        destination_connection_id="warehouse",
        schemas=[{**schema, "duration": 12} for schema in SCHEMAS],
    )
    return run_to_end(cluster, "assets_bulk")


def run_to_end(cluster: Cluster, dag_id: str, state: str = "success") -> str:
    run_id = cluster.trigger(dag_id)

    def has_ended() -> bool:
        return cluster.run_state(dag_id, run_id) in ("success", "failed")

    cluster.wait_for(has_ended, TIMEOUT, f"the end of {dag_id}")
    assert cluster.run_state(dag_id, run_id) == state, cluster.report()
    return run_id


def events_of(cluster: Cluster, run_id: str) -> list[tuple[str, int, Any]]:
    rows = cluster.database.rows(EVENTS, run_id)
    return [(AssetUri.read(row["uri"]).path, row["source_map_index"], decoded(row["extra"])) for row in rows]


def decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def runs_of(cluster: Cluster, dag_id: str) -> list[str]:
    return [row["run_id"] for row in cluster.database.rows("SELECT run_id FROM dag_run WHERE dag_id = %s", dag_id)]


def lineage_events(lineage_file: Path, dag_id: str, run_id: str, event_type: str) -> list[dict[str, Any]]:
    """Return the OpenLineage events of one type about the task of a DAG run."""
    events = [json.loads(line) for line in lineage_file.read_text().splitlines()] if lineage_file.exists() else []
    of_task = [e for e in events if (e["job"]["name"], e["eventType"]) == (f"{dag_id}.sync", event_type)]
    return [event for event in of_task if run_id in json.dumps(event["run"]["facets"])]


def test_the_events_have_the_counts_and_only_schemas_with_rows_have_an_event(cluster, emulator, bulk_run):
    [execution] = emulator.executions(BULK_SYNC_ID)
    (whole, _, of_all), (full, _, of_one) = events_of(cluster, bulk_run)
    assert (whole, full) == (f"bulk/{BULK_SYNC_ID}", f"bulk/{BULK_SYNC_ID}/contact")
    assert of_all["execution_id"] == of_one["execution_id"] == execution.id
    assert (of_all["counts"]["total"], of_all["outcome"], of_one["schema"]) == (7, "success", "contact")


def test_a_dag_that_an_event_starts_reads_the_counts(cluster, emulator, bulk_run):
    [execution] = emulator.executions(BULK_SYNC_ID)
    for name in ("whole", "full"):
        dag_id = f"assets_after_{name}"
        [run_id] = cluster.wait_for(lambda dag_id=dag_id: runs_of(cluster, dag_id), TIMEOUT, f"a run of {dag_id}")
        ended = lambda dag_id=dag_id, run_id=run_id: cluster.run_state(dag_id, run_id) == "success"  # noqa: E731
        cluster.wait_for(ended, TIMEOUT, f"the end of {dag_id}")
        [extra] = cluster.xcom(dag_id, run_id, "read")
        assert (extra["execution_id"], extra["counts"]["total"]) == (execution.id, 7)
    assert runs_of(cluster, "assets_after_empty") == []


def test_an_alias_has_an_event_for_each_schema_with_rows_and_starts_a_dag(cluster, emulator):
    emulator.add_bulk_sync(id=ALIAS_SYNC_ID, schemas=SCHEMAS, duration=3)
    extras = [extra_of_alias(cluster)]
    if IS_AIRFLOW_2:  # where a run that starts before the DAG's file is parsed again lacks the event of a new dataset
        cluster.parse_again("assets.py")
        cluster.wait_for(lambda: cluster.database.rows(REFERENCES), TIMEOUT, "the new dataset in the DAG's schedule")
        extras.append(extra_of_alias(cluster))

    def events_read() -> list[Any]:
        runs = [one for one in runs_of(cluster, AFTER_ALIAS) if cluster.run_state(AFTER_ALIAS, one) == "success"]
        return [event for run_id in runs for event in cluster.xcom(AFTER_ALIAS, run_id, "read")]

    read = cluster.wait_for(events_read, TIMEOUT, "an event in a DAG that the alias starts")
    assert all(event in extras for event in read), "Airflow 3 lists the event below the asset and below the alias"


def extra_of_alias(cluster: Cluster) -> dict[str, Any]:
    """Run the DAG with the alias, and return the extra of its event."""
    [(path, _, extra)] = events_of(cluster, run_to_end(cluster, "assets_alias"))
    assert path == f"bulk/{ALIAS_SYNC_ID}/contact"
    assert (extra["schema"], extra["counts"]["total"]) == ("contact", 7)
    return extra


def test_the_lineage_has_the_datasets_of_the_sync(cluster, emulator, bulk_run, lineage_file):
    [execution] = emulator.executions(BULK_SYNC_ID)
    [event] = cluster.wait_for(
        lambda: lineage_events(lineage_file, "assets_bulk", bulk_run, "COMPLETE"), TIMEOUT, "the lineage of the task"
    )
    outputs = {one["name"]: one for one in event["outputs"] if one["namespace"] == "postgres://db.example.com:5432"}
    assert set(outputs) == {"analytics.replica.contacts", "analytics.replica.account"}
    full = outputs["analytics.replica.contacts"]
    assert full["outputFacets"]["outputStatistics"]["rowCount"] == 7
    unknown = f"polytomic://{emulator.url.partition('//')[2]}"
    assert {(one["namespace"], one["name"]) for one in event["inputs"]} == {
        (unknown, "connections/crm/contact"), (unknown, "connections/crm/account"),
    }  # fmt: skip
    query = event["run"]["facets"]["externalQuery"]
    assert (query["externalQueryId"], query["source"]) == (execution.id, emulator.url)
    gets = [one for one in emulator.requests if one.path == f"/api/bulk/syncs/{BULK_SYNC_ID}"]
    assert len(gets) == 1, "link, name and lineage share it"


def test_the_lineage_has_the_error_of_a_failed_execution(cluster, emulator, lineage_file):
    emulator.add_model_sync(id=FAILING_SYNC_ID, duration=3, outcome="failed", errors=["the target refused the key"])
    run_id = run_to_end(cluster, "assets_failing", "failed")
    [event] = cluster.wait_for(
        lambda: lineage_events(lineage_file, "assets_failing", run_id, "FAIL"), TIMEOUT, "the lineage of the task"
    )
    facets = event["run"]["facets"]
    assert facets["externalQuery"]["externalQueryId"] == emulator.executions(FAILING_SYNC_ID)[0].id
    assert "the target refused the key" in facets["errorMessage"]["message"]


def test_each_mapped_task_runs_the_sync_of_its_own_organization_and_emits_its_event(cluster, emulator):
    organizations = [emulator.organization(emulator.add_organization(name=id, id=id)) for id in ORGANIZATION_IDS]
    for organization in organizations:
        organization.add_model_sync(id=MODEL_SYNC_ID, name="Contacts to CRM", duration=3)
    run_id = run_to_end(cluster, "assets_organizations")
    executions = [[each.id for each in organization.executions(MODEL_SYNC_ID)] for organization in organizations]
    events = events_of(cluster, run_id)
    assert [(path, index) for path, index, _ in events] == [
        (f"organizations/{id}/model/{MODEL_SYNC_ID}", index) for index, id in enumerate(ORGANIZATION_IDS)
    ]
    assert [[extra["execution_id"]] for _, _, extra in events] == executions
