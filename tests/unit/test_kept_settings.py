"""The settings of a sync that its task keeps while it is deferred."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.executions.kept_settings import MAX_KEPT_BYTES, read_settings, select_settings
from airflow_provider_polytomic.lineage.columns import MAX_COLUMN_MAPPINGS, column_mappings

SECRET = "pk_live_0123456789"
MAPPING = {"source": {"model_id": "m", "field": "email"}, "target": "Email", "encryption_enabled": True}
MODEL_SYNC = {
    "id": "s",
    "name": "Contacts",
    "model_ids": ["m"],
    "target": {"connection_id": "c", "object": "Contact", "configuration": {"schema": "crm", "token": "t"}},
    "fields": [{**MAPPING, "override_value": "constant"}],
    "identity": {**MAPPING, "function": "Equality"},
    "identities": {"operator": "and", "mappings": [MAPPING]},
    "problems": [{"code": "x", "message": f"bad key {SECRET}", "path": "p"}],
    "sync_all_records": True,
    "policies": ["p"],
}
BULK_SYNC = {
    "id": "b",
    "name": "CRM",
    "source_connection_id": "c",
    "source_configuration": {"schema": "crm", "filter": "f"},
    "destination_connection_id": "w",
    "destination_configuration": {"dataset": "d", "password": "p"},
    "default_schedule": {"frequency": "daily"},
}

odd = st.sampled_from([None, True, 0, "", "x", [], ["x"], [{"x": "y"}], {}, {"x": "y"}, {"mappings": "x"}])
mappings = st.fixed_dictionaries(
    {},
    optional={
        "source": odd | st.fixed_dictionaries({"model_id": odd, "field": odd}),
        "target": odd,
        "encryption_enabled": odd,
    },
)
identities = st.fixed_dictionaries({"mappings": odd | st.lists(odd | mappings)})


def test_a_model_sync_keeps_what_lineage_and_report_read():
    sync = Sync.model_validate(MODEL_SYNC)
    kept = select_settings(sync, [SECRET])
    assert kept == {
        "id": "s",
        "name": "Contacts",
        "model_ids": ["m"],
        "target": {"connection_id": "c", "object": "Contact", "configuration": {"schema": "crm"}},
        "fields": [MAPPING],
        "identity": MAPPING,
        "identities": {"mappings": [MAPPING]},
        "problems": [{"code": "x", "message": "bad key ***"}],
        "sync_all_records": True,
    }
    read = read_settings("model", kept)
    assert isinstance(read, Sync)
    assert column_mappings(read) == column_mappings(sync)


def test_a_bulk_sync_keeps_its_connections():
    kept = select_settings(BulkSync.model_validate(BULK_SYNC))
    assert kept == {
        "id": "b",
        "name": "CRM",
        "source_connection_id": "c",
        "source_configuration": {"schema": "crm"},
        "destination_connection_id": "w",
        "destination_configuration": {"dataset": "d"},
    }
    read = read_settings("bulk", kept)
    assert isinstance(read, BulkSync)
    assert read.destination_connection_id == "w"


def test_all_columns_of_the_lineage_fit_and_more_are_not_kept():
    def kept(columns: int) -> Any:
        fields = [{**MAPPING, "target": f"A_target_{number}__c"} for number in range(columns)]
        return select_settings(Sync.model_validate({**MODEL_SYNC, "fields": fields}))

    assert len(json.dumps(kept(MAX_COLUMN_MAPPINGS))) < MAX_KEPT_BYTES
    assert kept(10 * MAX_COLUMN_MAPPINGS) is None
    assert select_settings(None) is None


@given(fields=st.lists(mappings), identity=odd | mappings, identities=odd | identities)
def test_mappings_of_any_shape_are_kept(fields, identity, identities):
    sync = Sync.model_validate({"id": "s", "fields": fields, "identity": identity, "identities": identities})
    read = read_settings("model", json.loads(json.dumps(select_settings(sync))))
    assert isinstance(read, Sync)
    assert column_mappings(read) == column_mappings(sync)


@pytest.mark.parametrize("kept", [None, {}, {"id": 3}, "text", []])
@pytest.mark.parametrize("kind", ["model", "bulk", None])
def test_what_is_not_a_selection_is_not_read(kind, kept):
    assert read_settings(kind, kept) is None
