"""What tasks report to OpenLineage; the extractor calls their methods as the listener does."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from threading import Event
from types import SimpleNamespace

import jsonschema
import pytest

from airflow_provider_polytomic._compat import Asset
from airflow_provider_polytomic.api.rate_limit import RateLimiter
from airflow_provider_polytomic.assets import AssetUri, sync_asset
from airflow_provider_polytomic.emulator.samples import (
    BULK_SYNC_ID,
    CRM_CONNECTION_ID,
    FAILING_MODEL_SYNC_ID,
    MODEL_SYNC_ID,
    WAREHOUSE_CONNECTION_ID,
)
from airflow_provider_polytomic.exceptions import PolytomicRunFailed, PolytomicRunTimeout
from airflow_provider_polytomic.lineage import OpenLineageMixin, datasets
from airflow_provider_polytomic.lineage.datasets import DatasetName, dataset_name_in
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor
from tests.support.openlineage_schema import json_schema
from tests.support.organizations import add_customers, partner_connection

base = pytest.importorskip("airflow.providers.openlineage.extractors.base")
column_lineage_dataset = pytest.importorskip("openlineage.client.facet_v2").column_lineage_dataset
Serde = pytest.importorskip("openlineage.client.serde").Serde

pytestmark = pytest.mark.usefixtures("no_waiting")

REDSHIFT = "main.abc123.eu-west-1.redshift.amazonaws.com"


class TestNames:
    """OpenLineage's naming rules, applied to the settings of Polytomic's connections."""

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
        assert dataset_name_in(type, connection, sync, name) == DatasetName(namespace, full_name)

    @pytest.mark.parametrize(
        ("type", "connection"),
        [("zendesk", {"hostname": "x"}), ("postgresql", {}), ("snowflake", {"account": None}), ("s3", {"bucket": "/"})],
    )
    def test_settings_that_do_not_locate_the_dataset(self, type, connection):
        assert dataset_name_in(type, connection, {}, "t") is None

    def test_credentials_in_a_url_are_left_out(self):
        dataset = dataset_name_in("salesforce", {"instance_url": "https://u:secret@x.example.com"}, {}, "Lead")
        assert dataset.namespace == "salesforce://x.example.com"


def report(task, event, ti=None):
    """Return what a task reports at an event, through the listener's extractor."""
    extractor = base.DefaultExtractor(task)
    return {
        "start": extractor.extract,
        "complete": lambda: extractor.extract_on_complete(ti),
        "failure": lambda: extractor.extract_on_failure(ti),
    }[event]()


def names(datasets):
    return [(dataset.namespace, dataset.name) for dataset in datasets]


def rows(datasets):
    return [dataset.outputFacets["outputStatistics"].rowCount for dataset in datasets]


@pytest.fixture
def host(emulator):
    return emulator.url.partition("//")[2]


@pytest.fixture
def namespace(host):
    return f"polytomic://{host}"


@pytest.fixture(autouse=True)
def samples(emulator):
    emulator.add_samples()


@pytest.fixture
def new_requests(emulator):
    """Return a function that lists the requests since its last call."""
    seen = 0

    def new_requests():
        nonlocal seen
        requests, seen = emulator.requests[seen:], len(emulator.requests)
        return [f"{one.method} {one.path}" for one in requests]

    return new_requests


@pytest.fixture
def detailed(monkeypatch):
    monkeypatch.setenv("AIRFLOW__POLYTOMIC__LINEAGE_OF_CONNECTIONS", "True")


def model_sync(sync_id=MODEL_SYNC_ID, **options):
    return PolytomicStartSyncOperator(task_id="sync", sync_id=sync_id, poll_interval=5, **options)


def bulk_sync(**options):
    return PolytomicStartBulkSyncOperator(task_id="sync", bulk_sync_id=BULK_SYNC_ID, poll_interval=5, **options)


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
class TestComplete:
    def test_a_model_sync(self, task_instance, emulator, namespace, new_requests, deferrable):
        sync = emulator.add_model_sync(
            model_ids=["m1", "m2"], target_connection_id=CRM_CONNECTION_ID, target_object="Contact",
            counts={"total": 1200, "insert": 800, "update": 397, "error": 3},
        )  # fmt: skip
        task = model_sync(sync.id, deferrable=deferrable)
        result = task_instance(task).finish()
        new_requests()
        lineage = report(task, "complete")
        assert names(lineage.inputs) == [(namespace, "models/m1"), (namespace, "models/m2")]
        assert names(lineage.outputs) == [(namespace, f"connections/{CRM_CONNECTION_ID}/Contact")]
        assert rows(lineage.outputs) == [1197]
        query = lineage.run_facets["externalQuery"]
        assert (query.externalQueryId, query.source) == (result["execution_id"], emulator.url)
        assert new_requests() == []

    def test_a_bulk_sync(self, task_instance, namespace, new_requests, deferrable):
        task = bulk_sync(deferrable=deferrable)
        task_instance(task).finish()
        new_requests()
        lineage = report(task, "complete")
        schemas = ("Account", "Contact", "Opportunity")
        assert names(lineage.inputs) == [(namespace, f"connections/{CRM_CONNECTION_ID}/{name}") for name in schemas]
        assert names(lineage.outputs) == [
            (namespace, f"connections/{WAREHOUSE_CONNECTION_ID}/replica.{name.lower()}") for name in schemas
        ]
        assert rows(lineage.outputs) == [320, 1800, 950]
        assert new_requests() == []

    def test_with_connections_a_bulk_sync_is_named_by_its_systems(
        self, task_instance, new_requests, detailed, deferrable
    ):
        task = bulk_sync(deferrable=deferrable)
        task_instance(task).finish()
        new_requests()
        lineage = report(task, "complete")
        assert names(lineage.inputs)[0] == ("salesforce://crm.example.com", "Account")
        assert names(lineage.outputs)[0] == ("postgres://warehouse.example.com:5432", "analytics.replica.account")
        assert new_requests() == [
            f"GET /api/connections/{CRM_CONNECTION_ID}",
            f"GET /api/connections/{WAREHOUSE_CONNECTION_ID}",
        ]

    def test_a_failure_has_the_error_message(self, task_instance, namespace, deferrable):
        task = model_sync(FAILING_MODEL_SYNC_ID, deferrable=deferrable)
        with pytest.raises(PolytomicRunFailed):
            task_instance(task).finish()
        lineage = report(task, "failure")
        assert "the session has expired" in lineage.run_facets["errorMessage"].message
        assert names(lineage.outputs) == [(namespace, f"connections/{CRM_CONNECTION_ID}/Order__c")]
        assert rows(lineage.outputs) == [0]


def mapping(column, target, model_id="m1", **more):
    return {"source": {"model_id": model_id, "field": column}, "target": target, **more}


class TestColumns:
    """The columns of the models that each field of the target is written from."""

    def column_lineage(self, task_instance, emulator, **attributes):
        sync = emulator.add_model_sync(target_connection_id=CRM_CONNECTION_ID, target_object="Contact")
        sync.attributes.update(attributes)
        task = model_sync(sync.id)
        task_instance(task).finish()
        emulator.clear_requests()
        [output] = report(task, "complete").outputs
        assert emulator.requests == [], "no further request"
        facet = output.facets.get("columnLineage")
        return facet and json.loads(Serde.to_json(facet))

    def test_each_field_has_its_columns(self, task_instance, emulator, namespace):
        fields = [
            mapping("email", "Email"),
            mapping("first", "Name"),
            mapping("last", "Name", model_id="m2"),
            mapping("tax_id", "TaxId", encryption_enabled=True),
        ]
        facet = self.column_lineage(task_instance, emulator, fields=fields)
        found = {
            target: [(each["namespace"], each["name"], each["field"]) for each in source["inputFields"]]
            for target, source in facet["fields"].items()
        }
        assert found == {
            "Email": [(namespace, "models/m1", "email")],
            "Name": [(namespace, "models/m1", "first"), (namespace, "models/m2", "last")],
            "TaxId": [(namespace, "models/m1", "tax_id")],
        }
        [plain], [masked] = [facet["fields"][one]["inputFields"][0]["transformations"] for one in ("Email", "TaxId")]
        assert (plain["type"], plain["subtype"], plain.get("masking")) == ("DIRECT", "IDENTITY", None)
        assert (masked["type"], masked["subtype"], masked["masking"]) == ("DIRECT", "TRANSFORMATION", True)

    def test_the_facet_is_valid(self, task_instance, emulator):
        facet = self.column_lineage(task_instance, emulator, fields=[mapping("email", "Email")])
        schema = json_schema(column_lineage_dataset.ColumnLineageDatasetFacet)
        jsonschema.validate(facet, schema)
        facet["fields"]["Email"]["inputFields"][0].pop("namespace")
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(facet, schema)

    def test_an_identity_is_a_field_too(self, task_instance, emulator):
        identities = {"identities": {"mappings": [mapping("id", "ExternalId", function="Equality")]}}
        facet = self.column_lineage(task_instance, emulator, fields=[mapping("email", "Email")], **identities)
        assert facet["fields"].keys() == {"ExternalId", "Email"}
        older = {"identity": mapping("id", "ExternalId", function="Equality"), "identities": None}
        facet = self.column_lineage(task_instance, emulator, fields=[], **older)
        assert facet["fields"].keys() == {"ExternalId"}

    @pytest.mark.parametrize(
        "field",
        [
            {"target": "Source", "override_value": "airflow"},
            {"source": None, "target": "Email"},
            {"source": {"model_id": 7, "field": "email"}, "target": "Email"},
            {"source": {"model_id": "m1", "field": "email"}, "target": ["Email"]},
            {"source": "email", "target": "Email"},
        ],
    )
    def test_a_field_without_a_column_has_no_lineage(self, task_instance, emulator, field):
        assert self.column_lineage(task_instance, emulator, fields=[field]) is None

    def test_a_bulk_sync_has_none(self, task_instance):
        task = bulk_sync()
        task_instance(task).finish()
        assert [output.facets for output in report(task, "complete").outputs] == [{}, {}, {}]


def test_with_connections_a_model_sync_is_named_by_its_target(task_instance, detailed):
    task = model_sync()
    task_instance(task).finish()
    assert names(report(task, "complete").outputs) == [("salesforce://crm.example.com", "Contact")]


@pytest.mark.parametrize("sync_id", [MODEL_SYNC_ID, FAILING_MODEL_SYNC_ID], ids=["success", "failure"])
@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_name_report_and_lineage_share_one_request(
    task_instance, deferred, wait_for_event, new_requests, sync_id, deferrable
):
    task = task_instance(model_sync(sync_id, deferrable=deferrable))
    with suppress(PolytomicRunFailed):
        if deferrable:
            with pytest.raises(deferred) as raised:
                task.execute()
            event = asyncio.run(wait_for_event(raised.value.trigger))
            task.task._found_sync = task.task._sync_url = task.task._sync_name = None  # as in another process
            task.resume(event)
        else:
            task.execute()
    assert new_requests().count(f"GET /api/syncs/{sync_id}") == 1
    assert report(task.task, "complete").outputs
    assert new_requests() == []


def test_a_timeout_has_the_error_message(task_instance):
    task = model_sync(timeout=0.01)
    with pytest.raises(PolytomicRunTimeout):
        task_instance(task).finish()
    lineage = report(task, "failure")
    assert "has not ended in time" in lineage.run_facets["errorMessage"].message
    assert lineage.run_facets["externalQuery"].externalQueryId


def test_a_sensor_reports_its_execution(task_instance, emulator, namespace):
    execution = emulator.start(MODEL_SYNC_ID)
    emulator.clock.advance(60)
    sensor = PolytomicSyncStatusSensor(task_id="sense", sync_id=MODEL_SYNC_ID, execution_id=execution.id)
    task_instance(sensor).finish()
    lineage = report(sensor, "complete")
    assert lineage.run_facets["externalQuery"].externalQueryId == execution.id
    assert names(lineage.outputs) == [(namespace, f"connections/{CRM_CONNECTION_ID}/Contact")]


def test_the_start_event_sends_no_request_and_reports_nothing(new_requests):
    lineage = report(model_sync(), "start")
    assert (lineage.inputs, lineage.outputs, lineage.run_facets) == ([], [], {})
    assert new_requests() == []


def test_a_task_that_fails_before_its_execution_sends_no_request(new_requests):
    lineage = report(model_sync(), "failure")
    assert (lineage.inputs, lineage.outputs, lineage.run_facets) == ([], [], {})
    assert new_requests() == []


def test_declared_inlets_are_reported_too(task_instance):
    task = model_sync(inlets=[Asset(uri="polytomic://example.com/model/2")], outlets=[])
    task_instance(task).finish()
    assert ("polytomic://example.com", "model/2") in names(report(task, "complete").inputs)


def test_names_in_polytomic_have_the_organization_of_the_task(task_instance, emulator, namespace, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", partner_connection(emulator))
    [customer] = add_customers(emulator, "customer")
    sync = customer.add_model_sync(model_ids=["m1"], duration=0)
    task = model_sync(sync.id, organization_id="customer")
    task_instance(task).finish()
    assert names(report(task, "complete").inputs) == [(namespace, "organizations/customer/models/m1")]
    customer.fault("status", status=500, path=f"/api/syncs/{sync.id}", method="GET", count=None)
    task._lineage_datasets = task._found_sync = None
    [output] = names(report(task, "complete").outputs)
    assert output == (namespace, AssetUri.read(sync_asset(sync.id, organization_id="customer").uri).path)


def test_the_outputs_are_named_by_the_sync_if_it_cannot_be_read(task_instance, emulator, namespace, logged):
    task = bulk_sync()
    emulator.fault("status", status=500, path=f"/api/bulk/syncs/{BULK_SYNC_ID}", method="GET", count=None)
    task_instance(task).finish()
    lineage = report(task, "complete")
    assert names(lineage.outputs)[0] == (namespace, f"bulk/{BULK_SYNC_ID}/Account")
    assert rows(lineage.outputs) == [320, 1800, 950]
    assert f"the id of sync {BULK_SYNC_ID}" in logged()


def test_all_requests_together_have_one_deadline(task_instance, namespace, new_requests, detailed, monkeypatch, logged):
    task = bulk_sync()
    task_instance(task).finish()
    task._found_sync = None
    new_requests()
    clock = iter([0.0, 0.0, datasets.LINEAGE_TIMEOUT, datasets.LINEAGE_TIMEOUT])
    monkeypatch.setattr(datasets, "monotonic", lambda: next(clock))
    lineage = report(task, "complete")
    assert names(lineage.outputs)[0] == (namespace, f"connections/{WAREHOUSE_CONNECTION_ID}/replica.account")
    assert new_requests() == [f"GET /api/bulk/syncs/{BULK_SYNC_ID}"]
    assert "6 s are over" in logged()


def test_a_response_that_never_comes_is_not_awaited(task_instance, namespace, monkeypatch):
    task = bulk_sync()
    task_instance(task).finish()
    task._found_sync = None
    never = Event()
    monkeypatch.setattr(datasets, "LINEAGE_TIMEOUT", 0.05)
    monkeypatch.setattr(datasets.PolytomicClient, "send", lambda *_: never.wait())
    lineage = report(task, "complete")
    never.set()
    assert names(lineage.outputs)[0] == (namespace, f"bulk/{BULK_SYNC_ID}/Account")


def test_the_rate_limit_does_not_apply_to_lineage(task_instance, monkeypatch, emulator, detailed):
    connection = json.loads(emulator.airflow_connection)
    task = bulk_sync()
    task_instance(task).finish()
    monkeypatch.setattr(
        "airflow_provider_polytomic.api.clients.RateLimiter",
        lambda limit: pytest.fail("rate limited") if limit else RateLimiter(None),
    )
    monkeypatch.setenv(
        "AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps({**connection, "extra": {"max_requests_per_minute": 1}})
    )
    monkeypatch.setattr(task, "_client_in_use", None, raising=False)
    assert names(report(task, "complete").inputs)[0] == ("salesforce://crm.example.com", "Account")


def test_a_connection_that_cannot_be_read_is_named_by_its_id(task_instance, emulator, namespace, detailed):
    task = model_sync()
    task_instance(task).finish()
    emulator.fault("status", status=403, path="/api/connections/*", method="GET", count=None)
    assert names(report(task, "complete").outputs) == [(namespace, f"connections/{CRM_CONNECTION_ID}/Contact")]


def test_an_error_in_lineage_is_one_warning_and_does_not_fail_the_task(task_instance, monkeypatch, caplog):
    task = model_sync()
    task_instance(task).finish()
    monkeypatch.setattr(OpenLineageMixin, "_lineage_datasets", SimpleNamespace())
    lineage = report(task, "complete")
    assert (lineage.inputs, lineage.outputs) == ([], [])
    [warning] = [record for record in caplog.records if record.levelname == "WARNING" and "lineage" in record.name]
    assert f"No lineage of execution {task._lineage_execution.id} reported: AttributeError" in warning.getMessage()


def test_lineage_contains_no_secret(task_instance, emulator, detailed):
    task = bulk_sync()
    task_instance(task).finish()
    lineage = report(task, "complete")
    text = "".join(Serde.to_json(each) for each in [*lineage.inputs, *lineage.outputs, *lineage.run_facets.values()])
    assert emulator.api_key not in text
    assert "not-a-secret" not in text
