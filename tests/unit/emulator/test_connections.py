from __future__ import annotations

import json

import httpx
import pytest

CONFIGURATION = {
    "hostname": "db.example.com",
    "password": "hunter2",
    "auth": {"api_key": "hunter2", "privateKey": "hunter2"},
    "accounts": [{"access_token": "hunter2"}],
    "use_password": True,
}


def create(http, **changes):
    body = {"name": "Warehouse", "type": "postgresql", "configuration": CONFIGURATION, **changes}
    return http.post("/api/connections", json={name: value for name, value in body.items() if value is not None})


def test_create_get_list_without_secrets(emulator, http):
    created = create(http)
    assert created.status_code == 200
    connection = created.json()["data"]
    got = http.get(f"/api/connections/{connection['id']}")
    listed = http.get("/api/connections")
    assert got.json()["data"]["configuration"] == {
        "hostname": "db.example.com",
        "password": "********",
        "auth": {"api_key": "********", "privateKey": "********"},
        "accounts": [{"access_token": "********"}],
        "use_password": True,
    }
    assert got.json()["data"]["type"]["id"] == "postgresql"
    assert listed.json()["data"] == [got.json()["data"]]
    for text in (created.text, got.text, listed.text, str(emulator.requests)):
        assert "hunter2" not in text


def test_two_may_have_one_name(emulator, http):
    assert create(http).json()["data"]["id"] != create(http).json()["data"]["id"]
    assert len(http.get("/api/connections").json()["data"]) == 2


@pytest.mark.parametrize("missing", ["name", "type", "configuration"])
def test_a_required_field_of_a_connection(http, missing):
    refused = create(http, **{missing: None})
    assert refused.status_code == 422
    assert missing in refused.json()["message"]
    assert http.get("/api/connections").json()["data"] == []


def test_create_tests_the_configuration_unless_validate_is_false(emulator, http):
    failing = {"fail": "no route to host"}
    refused = create(http, configuration=failing)
    assert (refused.status_code, refused.json()["message"]) == (400, "no route to host")
    emulator.set_switch("connection_failure_status", 422)
    assert create(http, configuration=failing).status_code == 422
    assert create(http, configuration=failing, validate=False).status_code == 200
    assert len(http.get("/api/connections").json()["data"]) == 1


def try_out(http, **body) -> httpx.Response:
    return http.post("/api/connections/test", json={"type": "postgresql", "configuration": {}, **body})


def test_a_successful_test_has_no_body_and_stores_nothing(http):
    response = try_out(http)
    assert (response.status_code, response.content) == (200, b"")
    assert http.get("/api/connections").json()["data"] == []


def test_a_test_fails_by_configuration_or_switch(emulator, http):
    refused = try_out(http, configuration={"fail": "bad password"})
    assert (refused.status_code, refused.json()["message"]) == (400, "bad password")
    emulator.set_switch("connection_failure", "down for today")
    assert try_out(http).json()["message"] == "down for today"


def test_a_test_merges_the_configuration_into_the_stored_one(emulator, http):
    stored = emulator.add_connection(name="x", type="postgresql", configuration={"fail": "stored"})
    assert try_out(http, connection_id=stored.id).json()["message"] == "stored"
    assert try_out(http, connection_id=stored.id, configuration={"fail": None}).status_code == 200
    assert try_out(http, connection_id="none").status_code == 404


def test_unknown_connection(http):
    assert http.get("/api/connections/none").status_code == 404


def test_me_is_a_user_by_bearer_and_the_organization_by_basic(emulator, http):
    user = http.get("/api/me").json()["data"]
    basic = httpx.get(f"{emulator.url}/api/me", auth=(emulator.organization_id, emulator.api_key)).json()["data"]
    assert (user["is_user"], user["organization_id"]) == (True, emulator.organization_id)
    assert user["email"]
    assert (basic["is_user"], basic["is_organization"]) == (False, True)


def test_airflow_connection_names_address_and_key(emulator):
    assert json.loads(emulator.airflow_connection) == {
        "conn_type": "polytomic",
        "host": emulator.url,
        "password": emulator.api_key,
    }


def test_a_switch_sets_the_status_of_a_healthy_connection(emulator, http):
    emulator.set_switch("connection_status", "active")
    connection = emulator.add_connection(name="c", type="postgresql")
    assert http.get(f"/api/connections/{connection.id}").json()["data"]["status"] == "active"
    assert http.post(f"/api/connections/{connection.id}/schemas/refresh").status_code == 202
    emulator.set_connection(connection.id, status="broken")
    assert http.post(f"/api/connections/{connection.id}/schemas/refresh").status_code == 400
