"""Full replacements that lose nothing."""

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


def put_by(protocol: Any, shown: dict[str, Any]) -> Any:
    """Play the API to a change: answer its get, and return the body of its put."""
    read = next(protocol)
    assert isinstance(read, Call)
    assert read.method == "GET"
    put = protocol.send(read.read({"data": shown}))
    assert (put.method, put.path) == ("PUT", read.path)
    changed = object()
    with pytest.raises(StopIteration) as stop:
        protocol.send(changed)
    assert stop.value.value is changed
    return put.body


def test_a_model_sync_keeps_what_is_not_changed():
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
def test_fields_that_say_the_same_twice_are_sent_once(shown, changes, kept):
    assert put_by(syncs.change("1", **changes), {"id": "1", **SYNC, **shown}) == {**SYNC, **kept}


def test_a_bulk_sync_keeps_what_is_not_changed():
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


def test_a_connection_keeps_what_is_not_changed():
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


def test_a_mask_is_never_written_over_a_secret():
    with pytest.raises(ValueError, match=r"configuration\.password, configuration\.ssh\.keys\.0$"):
        put_by(connections.change("1", name="m"), SHOWN)


def test_a_masked_passphrase_has_to_be_given_again():
    shown = {"id": "1", **SYNC, "encryption_passphrase": "***"}
    with pytest.raises(ValueError, match="encryption_passphrase"):
        put_by(syncs.change("1", name="m"), shown)
    assert put_by(syncs.change("1", encryption_passphrase="real"), shown)["encryption_passphrase"] == "real"


@pytest.mark.parametrize("change", [syncs.change, bulk_syncs.change, connections.change])
def test_a_misspelled_change_is_refused_before_anything_is_sent(change):
    with pytest.raises(TypeError, match="'nam'"):
        next(change("1", nam="x"))


def test_a_client_runs_a_change(server, driver):
    server.answers(answer({"data": {"id": "1", **SYNC}}), answer({"data": {"id": "1", "name": "new"}}))
    assert driver.run(syncs.change("1", name="new")).name == "new"
    assert server.received[1].json == {**SYNC, "name": "new"}
