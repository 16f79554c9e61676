"""Change some fields of an object whose update replaces it as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_polytomic.api import Call, bulk_syncs, connections, syncs
from tests.support.operations import BULK_SYNC, SYNC
from tests.support.scripted_server import answer

STAMPS = {
    "created_at": "2026-01-01T00:00:00Z",
    "created_by": {"id": "u"},
    "updated_at": "2026-01-02T00:00:00Z",
    "updated_by": {"id": "u"},
}


def put_by(flow: Any, shown: dict[str, Any]) -> Any:
    """Run a change against a response to its GET, and return the body of its PUT."""
    read = next(flow)
    assert isinstance(read, Call)
    assert read.method == "GET"
    put = flow.send(read.read({"data": shown}))
    assert (put.method, put.path) == ("PUT", read.path)
    changed = object()
    with pytest.raises(StopIteration) as stop:
        flow.send(changed)
    assert stop.value.value is changed
    return put.body


def test_other_fields_of_a_model_sync_are_kept():
    settings = {**SYNC, "active": True, "policies": ["p"], "a_newer_field": {"x": None}, "encryption_passphrase": None}
    shown = {"id": "1", **settings, **STAMPS, "problems": [], "model_ids": ["m"]}
    kept = {**settings, "name": "other"}
    del kept["encryption_passphrase"]
    assert put_by(syncs.change("1", name="other"), shown) == kept


def test_none_clears_a_field():
    assert put_by(syncs.change("1", policies=None), {"id": "1", **SYNC, "policies": ["p"]}) == SYNC


BOTH = {"filters": ["old"], "filter_logic": "0", "model_filters": {"conditions": ["new"]}}


@pytest.mark.parametrize(
    ("shown", "changes", "kept"),
    [
        (BOTH, {"name": "n"}, {"model_filters": {"conditions": ["new"]}}),
        (BOTH, {"target_filters": {}}, {"model_filters": {"conditions": ["new"]}, "target_filters": {}}),
        (BOTH, {"filters": ["other"]}, {"filters": ["other"], "filter_logic": "0"}),
        ({"filters": ["old"]}, {"name": "n"}, {"filters": ["old"]}),
        ({"filters": ["old"]}, {"model_filters": {}}, {"model_filters": {}}),
        ({"identity": 1, "identities": {"mappings": [1, 2]}}, {}, {"identities": {"mappings": [1, 2]}}),
        ({"identity": 1, "identities": None}, {}, {"identity": 1}),
        ({"identity": 1, "identities": {"mappings": [1]}}, {"identity": 2}, {"identity": 2}),
    ],
)
def test_superseded_fields_are_not_sent_together_with_the_new_ones(shown, changes, kept):
    assert put_by(syncs.change("1", **changes), {"id": "1", **SYNC, **shown}) == {**SYNC, **kept}


def test_other_fields_of_a_bulk_sync_are_kept():
    settings = {
        **BULK_SYNC,
        "active": False,
        "additional_schedules": [{"frequency": "daily", "hour": "3"}],
        "automatically_add_new_fields": "none",
        "data_cutoff_timestamp": "2025-01-01T00:00:00Z",
        "source_configuration": {"slot": 1.5},
    }
    body = put_by(bulk_syncs.change("1", active=True), {"id": "1", **settings, **STAMPS})
    assert body == {**settings, "active": True}


SHOWN = {
    "id": "1",
    "name": "n",
    "type": {"id": "postgresql", "name": "PostgreSQL"},
    "configuration": {"host": "h", "password": "********", "ssh": {"keys": ["*****"]}},
    "policies": ["p"],
    "organization_id": "o",
    "status": "healthy",
    "saved": True,
    "api_calls_last_24_hours": 3,
    "rate_limit": {"currently_limited": False},
    **STAMPS,
}


def test_other_fields_of_a_connection_are_kept():
    secrets = {"password": "real", "ssh": {"keys": ["real"]}}
    body = put_by(connections.change("1", name="m", configuration=secrets, validate=False), SHOWN)
    assert body == {
        "name": "m",
        "type": "postgresql",
        "configuration": {"host": "h", **secrets},
        "policies": ["p"],
        "organization_id": "o",
        "validate": False,
    }


def test_the_type_of_a_connection_can_change():
    shown = {"id": "1", "name": "n", "configuration": None, "type": {"id": "mysql"}}
    kept = {"name": "n", "configuration": {}, "type": "postgresql"}
    assert put_by(connections.change("1", type="postgresql"), shown) == kept


def test_a_mask_is_not_sent_back():
    with pytest.raises(ValueError, match=r"configuration\.password, configuration\.ssh\.keys\.0$"):
        put_by(connections.change("1", name="m"), SHOWN)


def test_a_masked_passphrase_must_be_set_again():
    shown = {"id": "1", **SYNC, "encryption_passphrase": "***"}
    with pytest.raises(ValueError, match="encryption_passphrase"):
        put_by(syncs.change("1", name="m"), shown)
    assert put_by(syncs.change("1", encryption_passphrase="real"), shown)["encryption_passphrase"] == "real"


@pytest.mark.parametrize("change", [syncs.change, bulk_syncs.change, connections.change])
def test_a_misspelled_change_is_refused_before_the_first_request(change):
    with pytest.raises(TypeError, match="'nam'"):
        next(change("1", nam="x"))


def test_a_client_runs_a_change(server, driver):
    server.answers(answer({"data": {"id": "1", **SYNC}}), answer({"data": {"id": "1", "name": "new"}}))
    assert driver.run(syncs.change("1", name="new")).name == "new"
    assert server.received[1].json == {**SYNC, "name": "new"}
