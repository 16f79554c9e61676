"""What OpenLineage is told of a task; the methods are found and called as its listener does it."""

from __future__ import annotations

import json
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from airflow_provider_polytomic._compat import Asset
from airflow_provider_polytomic.api.rate_limit import RateLimiter
from airflow_provider_polytomic.emulator.samples import (
    BULK_SYNC_ID,
    CRM_CONNECTION_ID,
    FAILING_MODEL_SYNC_ID,
    MODEL_SYNC_ID,
    WAREHOUSE_CONNECTION_ID,
)
from airflow_provider_polytomic.exceptions import PolytomicRunFailed, PolytomicRunTimeout
from airflow_provider_polytomic.lineage import OpenLineageMixin, datasets
from airflow_provider_polytomic.lineage.naming import DatasetName, place_in
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

base = pytest.importorskip("airflow.providers.openlineage.extractors.base")

pytestmark = pytest.mark.usefixtures("no_waiting")

REDSHIFT = "main.abc123.eu-west-1.redshift.amazonaws.com"


class TestNames:
    """OpenLineage's naming, of what Polytomic's connections say."""

    @pytest.mark.parametrize(
        ("type", "connection", "sync", "name", "namespace", "full_name"),
        [
            ("postgresql", {"hostname": "db", "database": "a"}, {}, "public.t", "postgres://db:5432", "a.public.t"),
            ("postgresql", {"host": "h", "port": 1, "database": "a"}, {"schema": "s"}, "t", "postgres://h:1", "a.s.t"),
            ("mysql", {"hostname": "db", "dbname": "a"}, {}, "t", "mysql://db:3306", "a.t"),
            ("redshift", {"hostname": REDSHIFT, "database": "a"}, {}, "s.t", "redshift://main.eu-west-1:5439", "a.s.t"),
            ("redshift", {"hostname": "proxy", "database": "a"}, {}, "s.t", "redshift://proxy:5439", "a.s.t"),
            ("snowflake", {"account": "org-acc", "dbname": "A"}, {"schema": "S"}, "T", "snowflake://org-acc", "A.S.T"),
            ("bigquery", {"project_id": "p"}, {"dataset": "d"}, "t", "bigquery", "p.d.t"),
            ("bigquery", {"project_id": "p", "override_project_id": "o"}, {}, "d.t", "bigquery", "o.d.t"),
            ("databricks", {"server_hostname": "x.net"}, {"schema": "s"}, "t", "databricks://x.net", "s.t"),
            ("s3", {"s3_bucket_name": "lake"}, {}, "a/b.csv", "s3://lake", "a/b.csv"),
            ("gcs", {"bucket": "lake"}, {}, "a/b", "gs://lake", "a/b"),
            ("salesforce", {"instance_url": "https://x.example.com"}, {}, "Lead", "salesforce://x.example.com", "Lead"),
            ("salesforce", {"domain": "x.example.com"}, {}, "Lead", "salesforce://x.example.com", "Lead"),
            ("hubspot", {"hub_domain": "x.example.com"}, {}, "contacts", "hubspot://x.example.com", "contacts"),
        ],
    )  # fmt: skip
    def test_a_known_system(self, type, connection, sync, name, namespace, full_name):
        assert place_in(type, connection, sync, name) == DatasetName(namespace, full_name)

    @pytest.mark.parametrize(
        ("type", "connection"),
        [("zendesk", {"hostname": "x"}), ("postgresql", {}), ("snowflake", {"account": None}), ("s3", {"bucket": "/"})],
    )
    def test_one_whose_settings_do_not_say_where_it_is(self, type, connection):
        assert place_in(type, connection, {}, "t") is None

    def test_credentials_in_a_url_are_left_out(self):
        place = place_in("salesforce", {"instance_url": "https://u:secret@x.example.com"}, {}, "Lead")
        assert place.namespace == "salesforce://x.example.com"


def ask(task, how, ti=None):
    """Ask as the listener does, through its extractor."""
    extractor = base.DefaultExtractor(task)
    return {
        "start": extractor.extract,
        "complete": lambda: extractor.extract_on_complete(ti),
        "failure": lambda: extractor.extract_on_failure(ti),
    }[how]()


def names(datasets):
    return [(dataset.namespace, dataset.name) for dataset in datasets]


def rows(datasets):
    return [dataset.outputFacets["outputStatistics"].rowCount for dataset in datasets]


@pytest.fixture
def host(emulator):
    return emulator.url.partition("//")[2]


@pytest.fixture
def own(host):
    return f"polytomic://{host}"


@pytest.fixture(autouse=True)
def samples(emulator):
    emulator.add_samples()


@pytest.fixture
def asked(emulator):
    """Return a function that lists what has been asked since it was last called."""
    seen = 0

    def asked():
        nonlocal seen
        new, seen = emulator.requests[seen:], len(emulator.requests)
        return [f"{one.method} {one.path}" for one in new]

    return asked


@pytest.fixture
def detailed(monkeypatch):
    monkeypatch.setenv("AIRFLOW__POLYTOMIC__LINEAGE_OF_CONNECTIONS", "True")


def model_sync(sync_id=MODEL_SYNC_ID, **options):
    return PolytomicStartSyncOperator(task_id="sync", sync_id=sync_id, poll_interval=5, **options)


def bulk_sync(**options):
    return PolytomicStartBulkSyncOperator(task_id="sync", bulk_sync_id=BULK_SYNC_ID, poll_interval=5, **options)


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
class TestComplete:
    def test_a_model_sync(self, task_instance, emulator, own, asked, deferrable):
        sync = emulator.add_model_sync(
            model_ids=["m1", "m2"], target_connection_id=CRM_CONNECTION_ID, target_object="Contact",
            counts={"total": 1200, "insert": 800, "update": 397, "error": 3},
        )  # fmt: skip
        task = model_sync(sync.id, deferrable=deferrable)
        result = task_instance(task).finish()
        asked()
        told = ask(task, "complete")
        assert names(told.inputs) == [(own, "models/m1"), (own, "models/m2")]
        assert names(told.outputs) == [(own, f"connections/{CRM_CONNECTION_ID}/Contact")]
        assert rows(told.outputs) == [1197]
        query = told.run_facets["externalQuery"]
        assert (query.externalQueryId, query.source) == (result["execution_id"], emulator.url)
        assert asked() == [f"GET /api/syncs/{sync.id}"]
        ask(task, "complete")
        assert asked() == []

    def test_a_bulk_sync(self, task_instance, own, asked, deferrable):
        task = bulk_sync(deferrable=deferrable)
        task_instance(task).finish()
        asked()
        told = ask(task, "complete")
        schemas = ("Account", "Contact", "Opportunity")
        assert names(told.inputs) == [(own, f"connections/{CRM_CONNECTION_ID}/{name}") for name in schemas]
        assert names(told.outputs) == [
            (own, f"connections/{WAREHOUSE_CONNECTION_ID}/replica.{name.lower()}") for name in schemas
        ]
        assert rows(told.outputs) == [320, 1800, 950]
        assert asked() == [f"GET /api/bulk/syncs/{BULK_SYNC_ID}"]

    def test_with_connections_a_bulk_sync_is_named_by_its_systems(self, task_instance, asked, detailed, deferrable):
        task = bulk_sync(deferrable=deferrable)
        task_instance(task).finish()
        asked()
        told = ask(task, "complete")
        assert names(told.inputs)[0] == ("salesforce://crm.example.com", "Account")
        assert names(told.outputs)[0] == ("postgres://warehouse.example.com:5432", "analytics.replica.account")
        assert asked() == [
            f"GET /api/bulk/syncs/{BULK_SYNC_ID}",
            f"GET /api/connections/{CRM_CONNECTION_ID}",
            f"GET /api/connections/{WAREHOUSE_CONNECTION_ID}",
        ]

    def test_a_failure_has_its_cause(self, task_instance, own, deferrable):
        task = model_sync(FAILING_MODEL_SYNC_ID, deferrable=deferrable)
        with pytest.raises(PolytomicRunFailed):
            task_instance(task).finish()
        told = ask(task, "failure")
        assert "the session has expired" in told.run_facets["errorMessage"].message
        assert names(told.outputs) == [(own, f"connections/{CRM_CONNECTION_ID}/Order__c")]
        assert rows(told.outputs) == [0]


def test_with_connections_a_model_sync_is_named_by_its_target(task_instance, detailed):
    task = model_sync()
    task_instance(task).finish()
    assert names(ask(task, "complete").outputs) == [("salesforce://crm.example.com", "Contact")]


def test_a_timeout_has_its_cause(task_instance):
    task = model_sync(timeout=0)
    with pytest.raises(PolytomicRunTimeout):
        task_instance(task).finish()
    told = ask(task, "failure")
    assert "has not ended in time" in told.run_facets["errorMessage"].message
    assert told.run_facets["externalQuery"].externalQueryId


def test_a_sensor_tells_what_it_saw(task_instance, emulator, own):
    execution = emulator.start(MODEL_SYNC_ID)
    emulator.clock.advance(60)
    sensor = PolytomicSyncStatusSensor(task_id="sense", sync_id=MODEL_SYNC_ID, execution_id=execution.id)
    task_instance(sensor).finish()
    told = ask(sensor, "complete")
    assert told.run_facets["externalQuery"].externalQueryId == execution.id
    assert names(told.outputs) == [(own, f"connections/{CRM_CONNECTION_ID}/Contact")]


def test_a_start_asks_nobody_and_leaves_it_to_what_is_declared(asked):
    told = ask(model_sync(), "start")
    assert (told.inputs, told.outputs, told.run_facets) == ([], [], {})
    assert asked() == []


def test_a_task_that_failed_before_its_execution_asks_nobody(asked):
    told = ask(model_sync(), "failure")
    assert (told.inputs, told.outputs, told.run_facets) == ([], [], {})
    assert asked() == []


def test_what_is_declared_is_told_too(task_instance):
    task = model_sync(inlets=[Asset(uri="polytomic://example.com/model/2")], outlets=[])
    task_instance(task).finish()
    assert ("polytomic://example.com", "model/2") in names(ask(task, "complete").inputs)


def test_a_sync_that_cannot_be_had_is_named_by_itself(task_instance, emulator, own, logged):
    task = bulk_sync()
    task_instance(task).finish()
    emulator.fault("status", status=500, path=f"/api/bulk/syncs/{BULK_SYNC_ID}", method="GET", count=None)
    told = ask(task, "complete")
    assert names(told.outputs)[0] == (own, f"bulk/{BULK_SYNC_ID}/Account")
    assert rows(told.outputs) == [320, 1800, 950]
    assert "by its sync only" in logged()


def test_all_requests_together_have_one_deadline(task_instance, emulator, own, asked, detailed, monkeypatch, logged):
    task = bulk_sync()
    task_instance(task).finish()
    asked()
    begin = datasets._Asker._begin

    def late(asker, call):
        answer = begin(asker, call)
        answer.result()
        asker._deadline = 0.0
        return answer

    monkeypatch.setattr(datasets._Asker, "_begin", late)
    told = ask(task, "complete")
    assert names(told.outputs)[0] == (own, f"connections/{WAREHOUSE_CONNECTION_ID}/replica.account")
    assert asked() == [f"GET /api/bulk/syncs/{BULK_SYNC_ID}"]
    assert "there was no time left" in logged()


def test_an_answer_that_does_not_come_is_not_waited_for(task_instance, own, monkeypatch):
    task = bulk_sync()
    task_instance(task).finish()
    monkeypatch.setattr(datasets, "PATIENCE", 0.05)
    monkeypatch.setattr(datasets._Asker, "_begin", lambda *_: Future())
    assert names(ask(task, "complete").outputs)[0] == (own, f"bulk/{BULK_SYNC_ID}/Account")


def test_lineage_is_not_paced(task_instance, monkeypatch, emulator, detailed):
    connection = json.loads(emulator.airflow_connection)
    task = bulk_sync()
    task_instance(task).finish()
    monkeypatch.setattr(
        "airflow_provider_polytomic.api.clients.RateLimiter",
        lambda limit: pytest.fail("it is paced") if limit else RateLimiter(None),
    )
    monkeypatch.setenv(
        "AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps({**connection, "extra": {"max_requests_per_minute": 1}})
    )
    monkeypatch.setattr(task, "_config", None, raising=False)
    assert names(ask(task, "complete").inputs)[0] == ("salesforce://crm.example.com", "Account")


def test_a_connection_that_cannot_be_had_is_named_by_its_id(task_instance, emulator, own, detailed):
    task = model_sync()
    task_instance(task).finish()
    emulator.fault("status", status=403, path="/api/connections/*", method="GET", count=None)
    assert names(ask(task, "complete").outputs) == [(own, f"connections/{CRM_CONNECTION_ID}/Contact")]


def test_lineage_that_fails_says_so_once_and_fails_nothing(task_instance, monkeypatch, caplog):
    task = model_sync()
    task_instance(task).finish()
    monkeypatch.setattr(OpenLineageMixin, "_find_flow", lambda *_: SimpleNamespace())
    told = ask(task, "complete")
    assert (told.inputs, told.outputs) == ([], [])
    [warning] = [record for record in caplog.records if record.levelname == "WARNING" and "lineage" in record.name]
    assert "is not known: AttributeError" in warning.getMessage()


def test_no_secret_is_in_what_is_told(task_instance, emulator, detailed):
    from openlineage.client.serde import Serde

    task = bulk_sync()
    task_instance(task).finish()
    told = ask(task, "complete")
    text = "".join(Serde.to_json(each) for each in [*told.inputs, *told.outputs, *told.run_facets.values()])
    assert emulator.api_key not in text
    assert "not-a-secret" not in text
