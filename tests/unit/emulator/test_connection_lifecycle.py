"""Update, deletion, authorization and schema refresh of connections."""

from __future__ import annotations

import math

import pytest

from airflow_provider_polytomic.emulator.domain.connections import MASK, restore_masked

STORED = {"hostname": "db", "password": "hunter2", "auth": {"token": "hunter2"}}
MASKED = {"hostname": "new", "password": MASK, "auth": {"token": MASK}}


@pytest.fixture
def connection(emulator):
    return emulator.add_connection(name="Warehouse", type="postgresql", configuration=STORED)


def put(http, connection, **changes):
    return http.put(f"/api/connections/{connection.id}", json={"name": "x", "configuration": STORED, **changes})


def shown(http, connection):
    return http.get(f"/api/connections/{connection.id}").json()["data"]


def test_update_replaces_everything_but_the_type(emulator, clock, http, connection):
    assert (
        put(http, connection, policies=["p"], healthcheck_interval="1h").json()["data"]["healthcheck_interval"] == "1h"
    )
    clock.advance(1)
    response = put(http, connection, name="Renamed", configuration={"hostname": "other"})
    assert response.json()["data"]["healthcheck_interval"] is None
    now = shown(http, connection)
    assert (now["name"], now["policies"], now["type"]["id"]) == ("Renamed", [], "postgresql")
    assert now["configuration"] == {"hostname": "other"}
    assert now["updated_at"] > now["created_at"]


@pytest.mark.parametrize("body", [{"name": None}, {"configuration": None}])
def test_a_required_field_of_an_update(http, connection, body):
    assert put(http, connection, **body).status_code == 422
    assert shown(http, connection)["name"] == "Warehouse"


def test_update_tests_the_configuration_unless_validate_is_false(http, connection):
    assert put(http, connection, configuration={"fail": "no route"}).status_code == 400
    assert shown(http, connection)["configuration"]["hostname"] == "db"
    assert put(http, connection, configuration={"fail": "no route"}, validate=False).status_code == 200


@pytest.mark.parametrize(
    ("value", "password", "status"), [("keep", "hunter2", 200), ("store", MASK, 200), ("refuse", "hunter2", 422)]
)
def test_a_masked_secret_in_an_update(emulator, http, connection, value, password, status):
    emulator.set_switch("masked_secret", value)
    assert put(http, connection, configuration=MASKED).status_code == status
    [now] = emulator.connections
    assert (now.configuration["password"], now.configuration["auth"]["token"]) == (password, password)
    assert now.configuration["hostname"] == ("db" if status == 422 else "new")


def test_masks_in_lists():
    assert restore_masked([{"key": MASK}, {"key": MASK}], [{"key": "a"}], "keep") == [{"key": "a"}, {"key": MASK}]


def test_delete(http, connection):
    assert http.delete(f"/api/connections/{connection.id}").status_code == 200
    assert http.get(f"/api/connections/{connection.id}").status_code == 404
    assert http.delete(f"/api/connections/{connection.id}").status_code == 404
    assert http.get("/api/connections").json()["data"] == []


def test_a_response_without_a_body(emulator, http, connection):
    emulator.set_switch("no_body_status", 204)
    tried = http.post("/api/connections/test", json={"type": "postgresql", "configuration": {}})
    deleted = http.delete(f"/api/connections/{connection.id}")
    assert [(each.status_code, each.content) for each in (tried, deleted)] == [(204, b""), (204, b"")]


def test_delete_refuses_while_something_uses_it(emulator, http, connection):
    model = emulator.add_model(connection_id=connection.id, name="m")
    sync = emulator.add_model_sync(name="s", target_connection_id=connection.id)
    bulk = emulator.add_bulk_sync(name="b", source_connection_id=connection.id)
    refused = http.delete(f"/api/connections/{connection.id}")
    assert (refused.status_code, refused.json()["message"]) == (422, "connection in use")
    assert refused.json()["metadata"]["used_by"] == [
        {"type": "fieldset", "name": "m", "id": model.id},
        {"type": "sync", "name": "s", "id": sync.id},
        {"type": "bulk_sync", "name": "b", "id": bulk.id},
    ]
    assert shown(http, connection)["id"] == connection.id


def test_a_forced_delete_also_deletes_what_uses_it(emulator, http, connection):
    model = emulator.add_model(connection_id=connection.id)
    bulk = emulator.add_bulk_sync(destination_connection_id=connection.id)
    target, reader = (
        emulator.add_model_sync(target_connection_id=connection.id),
        emulator.add_model_sync(model_ids=[model.id]),
    )
    other = emulator.add_model_sync()
    running = emulator.start(target.id)
    assert http.delete(f"/api/connections/{connection.id}", params={"force": "true"}).status_code == 200
    assert [each.id for each in emulator.syncs] == [other.id]
    for path in (f"syncs/{target.id}", f"syncs/{reader.id}", f"bulk/syncs/{bulk.id}", f"models/{model.id}"):
        assert http.get(f"/api/{path}").status_code == 404
    assert http.get(f"/api/syncs/{target.id}/executions/{running.id}").status_code == 404


def test_connect(http, connection):
    body = {"name": "Theirs", "redirect_url": "https://example.com"}
    session = http.post("/api/connections/connect/", json=body).json()["data"]
    assert session["token"] in session["redirect_url"]
    again = {**body, "name": "Warehouse"}
    assert http.post("/api/connections/connect/", json=again).status_code == 409
    assert http.post("/api/connections/connect/", json={**again, "connection": connection.id}).status_code == 200
    assert http.post("/api/connections/connect/", json={**body, "connection": "none"}).status_code == 404
    assert http.post("/api/connections/connect/", json={**body, "ttl": 604_801}).status_code == 422
    assert http.post("/api/connections/connect/", json={"name": "Theirs"}).status_code == 422


def test_a_type_with_oauth_has_an_authorization_url(http):
    body = {"name": "CRM", "type": "salesforce", "configuration": {}}
    assert http.post("/api/connections", json=body).json()["data"]["auth_url"] is None
    asked = http.post("/api/connections", json={**body, "redirect_url": "https://example.com"}).json()["data"]
    assert asked["id"] in asked["auth_url"]


def status(http, connection):
    return http.get(f"/api/connections/{connection.id}/schemas/status").json()["data"]


def refresh(http, connection):
    return http.post(f"/api/connections/{connection.id}/schemas/refresh")


def test_a_refreshed_schema_becomes_fresh(clock, http, connection):
    before = status(http, connection)
    clock.advance(60)
    begun = refresh(http, connection)
    assert (begun.status_code, begun.json()) == (202, {})
    assert http.get(begun.headers["Location"]).json()["data"] == status(http, connection)
    during = status(http, connection)
    clock.advance(5)
    after = status(http, connection)
    assert [each["cache_status"] for each in (before, during, after)] == ["fresh", "refreshing", "fresh"]
    assert during["last_refresh_started"] > during["last_refresh_finished"] == before["last_refresh_finished"]
    assert after["last_refresh_finished"] > after["last_refresh_started"] == during["last_refresh_started"]


def test_a_second_refresh_does_not_restart_the_first(clock, http, connection):
    refresh(http, connection)
    clock.advance(3)
    refresh(http, connection)
    clock.advance(2)
    assert status(http, connection)["cache_status"] == "fresh"


def test_a_switch_delays_the_status_of_a_refresh(emulator, clock, http, connection):
    emulator.set_switch("schema_refresh_lag", 2)
    before = status(http, connection)
    refresh(http, connection)
    assert status(http, connection) == before
    clock.advance(2)
    assert status(http, connection)["cache_status"] == "refreshing"


def test_switches_let_a_refresh_fail_or_never_end(emulator, clock, http, connection):
    emulator.set_switch("schema_refresh_ends", "failed")
    emulator.set_switch("schema_refresh_finishes", False)
    refresh(http, connection)
    clock.advance(5)
    failed = status(http, connection)
    assert failed["cache_status"] == "failed"
    assert failed["last_refresh_finished"] <= failed["last_refresh_started"]
    emulator.set_switch("schema_refresh_seconds", "inf")
    assert emulator.switches.schema_refresh_seconds == math.inf
    refresh(http, connection)
    clock.advance(10**6)
    assert status(http, connection)["cache_status"] == "refreshing"


def test_only_a_healthy_connection_is_refreshed(emulator, http, connection):
    emulator.set_connection(connection.id, status="error", status_error="password expired")
    now = shown(http, connection)
    assert (now["status"], now["status_error"]) == ("error", "password expired")
    assert refresh(http, connection).status_code == 400
    assert status(http, connection)["cache_status"] == "fresh"
