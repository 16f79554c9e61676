"""Creation, replacement and deletion of syncs, and models."""

from __future__ import annotations

import pytest

from tests.support.api_data import data

SOURCE = {"model_id": "the-model", "field": "email"}
IDENTITY = {"source": SOURCE, "target": "Email", "function": "Equality"}
OLD_FILTERS = [
    {"function": "IsNotNull", "field_type": "Model", "field": SOURCE},
    {"function": "Equality", "field_type": "Target", "field_id": "Country", "value": "NL"},
]
MODEL_FILTERS = {"conditions": [{"function": "IsNotNull", "source": SOURCE}], "logic": None}
TARGET_FILTERS = {"conditions": [{"function": "Equality", "field": "Country", "value": "NL"}], "logic": None}


@pytest.fixture
def crm(emulator):
    return emulator.add_connection(name="CRM", type="salesforce").id


@pytest.fixture
def warehouse(emulator):
    return emulator.add_connection(name="Warehouse", type="postgresql").id


@pytest.fixture
def model_body(crm):
    return {
        "name": "Customers",
        "mode": "updateOrCreate",
        "fields": [{"source": SOURCE, "target": "Email"}],
        "schedule": {"frequency": "daily"},
        "target": {"connection_id": crm, "object": "Contact"},
    }


@pytest.fixture
def bulk_body(crm, warehouse):
    return {
        "name": "CRM to warehouse",
        "source_connection_id": crm,
        "destination_connection_id": warehouse,
        "destination_configuration": {"schema": "crm"},
        "default_schedule": {"frequency": "hourly"},
    }


def test_a_created_model_sync_runs(emulator, clock, http, model_body, crm):
    made = data(http.post("/api/syncs", json=model_body))
    assert (made["active"], made["model_ids"], made["target"]["object"]) == (True, ["the-model"], "Contact")
    assert data(http.get(f"/api/syncs/{made['id']}")) == made
    [listed] = data(http.get("/api/syncs", params={"target_connection_id": crm}))
    assert (listed["id"], listed["target_object"], "target" in listed) == (made["id"], "Contact", False)
    data(http.post(f"/api/syncs/{made['id']}/executions"))
    clock.advance(10)
    assert emulator.executions(made["id"])[0].status == "completed"


@pytest.mark.parametrize("kind", ["model", "bulk"])
@pytest.mark.parametrize("value", [True, False])
def test_a_switch_sets_whether_a_new_sync_is_active(emulator, http, request, kind, value):
    emulator.set_switch("default_active", value)
    path = "/api/syncs" if kind == "model" else "/api/bulk/syncs"
    assert data(http.post(path, json=request.getfixturevalue(f"{kind}_body")))["active"] is value


def test_update_of_a_model_sync_replaces_it(clock, http, model_body):
    more = {"sync_all_records": True, "policies": ["p"], "identity": IDENTITY, "active": False}
    made = data(http.post("/api/syncs", json={**model_body, **more}))
    clock.advance(1)
    now = data(http.put(f"/api/syncs/{made['id']}", json={**model_body, "name": "Renamed", "fields": []}))
    assert (now["name"], now["sync_all_records"], now["policies"], now["identity"]) == ("Renamed", False, [], None)
    assert (now["active"], now["fields"], now["model_ids"]) == (True, [], [])
    assert now["updated_at"] > now["created_at"] == made["created_at"]


@pytest.mark.parametrize("missing", ["name", "mode", "fields", "schedule", "target"])
def test_a_required_field_of_a_model_sync(http, model_body, missing):
    del model_body[missing]
    assert http.post("/api/syncs", json=model_body).status_code == 422
    assert data(http.get("/api/syncs")) == []


@pytest.mark.parametrize("wrong", [{"mode": "guess"}, {"fields": ["email"]}, {"identity": []}])
def test_an_invalid_model_sync_is_refused(http, model_body, wrong):
    assert http.post("/api/syncs", json={**model_body, **wrong}).status_code == 400


def test_a_new_target_must_exist(emulator, http, model_body):
    nowhere = {**model_body, "target": {"connection_id": "none"}}
    assert http.post("/api/syncs", json=nowhere).status_code == 404
    sync = emulator.add_model_sync(target_connection_id="none")
    assert http.put(f"/api/syncs/{sync.id}", json=nowhere).status_code == 200
    assert http.put(f"/api/syncs/{sync.id}", json={**nowhere, "target": {"connection_id": "x"}}).status_code == 404


def test_both_forms_of_the_identity(http, model_body):
    old = data(http.post("/api/syncs", json={**model_body, "identity": IDENTITY}))
    assert old["identities"] == {"mappings": [IDENTITY], "strategy": "priority"}
    new = data(http.post("/api/syncs", json={**model_body, "identities": {"mappings": [IDENTITY], "strategy": "and"}}))
    assert (new["identity"], new["identities"]["strategy"]) == (IDENTITY, "and")
    both = {"identity": {**IDENTITY, "target": "Id"}, "identities": {"mappings": [IDENTITY]}}
    assert http.post("/api/syncs", json={**model_body, **both}).status_code == 400


def test_both_forms_of_the_filters(http, model_body):
    new = {"model_filters": MODEL_FILTERS, "target_filters": TARGET_FILTERS}
    for body in ({"filters": OLD_FILTERS}, new, {"filters": OLD_FILTERS, **new}):
        shown = data(http.post("/api/syncs", json={**model_body, **body}))
        assert {name: shown[name] for name in ("filters", *new)} == {"filters": OLD_FILTERS, **new}
    assert http.post("/api/syncs", json={**model_body, **new, "filters": OLD_FILTERS[:1]}).status_code == 400


def test_a_sync_can_be_replaced_by_itself(http, model_body):
    rich = {"identity": IDENTITY, "filters": OLD_FILTERS, "filter_logic": "A", "sync_all_records": True}
    made = data(http.post("/api/syncs", json={**model_body, **rich}))
    assert data(http.put(f"/api/syncs/{made['id']}", json=made)) == made


@pytest.mark.parametrize(("value", "kept"), [("keep", "hunter2"), ("store", "********")])
def test_a_passphrase_is_masked(emulator, http, model_body, value, kept):
    emulator.set_switch("masked_secret", value)
    made = data(http.post("/api/syncs", json={**model_body, "encryption_passphrase": "hunter2"}))
    assert made["encryption_passphrase"] == "********"
    data(http.put(f"/api/syncs/{made['id']}", json=made))
    assert emulator.syncs[0].attributes["encryption_passphrase"] == kept


def test_a_sync_with_problems_does_not_run(emulator, http):
    sync = emulator.add_model_sync(problems=[{"code": "field", "message": "no such field", "severity": "error"}])
    assert data(http.get(f"/api/syncs/{sync.id}"))["problems"][0]["code"] == "field"
    assert http.post(f"/api/syncs/{sync.id}/activate", json={"active": True}).status_code == 422
    assert http.post(f"/api/syncs/{sync.id}/executions").status_code == 400
    emulator.set_switch("start_broken", 409)
    assert http.post(f"/api/syncs/{sync.id}/executions").status_code == 409
    emulator.set_switch("start_broken", "accept")
    assert http.post(f"/api/syncs/{sync.id}/executions").status_code == 200


@pytest.mark.parametrize(("kind", "path"), [("model", "/api/syncs"), ("bulk", "/api/bulk/syncs")])
def test_deleting_a_sync_cancels_its_execution(emulator, clock, http, kind, path):
    sync = getattr(emulator, f"add_{kind}_sync")(duration=100, cancel_takes=2)
    emulator.start(sync.id)
    clock.advance(2)
    assert http.delete(f"{path}/{sync.id}").status_code == 200
    assert http.get(f"{path}/{sync.id}").status_code == 404
    assert http.delete(f"{path}/{sync.id}").status_code == 404
    assert emulator.syncs == []
    clock.advance(2)
    assert emulator.events[-1]["type"].endswith(".canceled")


def test_schedule_options(http):
    options = data(http.get("/api/syncs/schedules"))["schedule_options"]
    assert {"manual", "daily", "dbtcloud"} <= {each["frequency"] for each in options}


def schemas(http, sync, enabled=None):
    params = {} if enabled is None else {"filters[enabled]": enabled}
    return [each["id"] for each in data(http.get(f"/api/bulk/syncs/{sync['id']}/schemas", params=params))]


def test_a_created_bulk_sync_has_all_schemas_of_its_source_or_those_chosen(http, bulk_body):
    whole = data(http.post("/api/bulk/syncs", json=bulk_body))
    some = data(http.post("/api/bulk/syncs", json={**bulk_body, "schemas": ["Contact", {"id": "Custom__c"}]}))
    assert schemas(http, whole) == schemas(http, whole, "true") == ["Account", "Contact", "Opportunity"]
    assert schemas(http, some, "true") == ["Contact", "Custom__c"]
    assert schemas(http, some, "false") == ["Account", "Opportunity"]
    started = data(http.post(f"/api/bulk/syncs/{some['id']}/executions"))
    assert [each["schema"] for each in started["schemas"]] == ["Contact", "Custom__c"]


def test_update_of_a_bulk_sync_replaces_all_but_the_schemas(http, bulk_body):
    more = {"mode": "snapshot", "concurrency_limit": 3, "schemas": ["Contact"]}
    made = data(http.post("/api/bulk/syncs", json={**bulk_body, **more}))
    now = data(http.put(f"/api/bulk/syncs/{made['id']}", json={**bulk_body, "name": "Renamed"}))
    assert (now["name"], now["mode"], now["concurrency_limit"]) == ("Renamed", "replicate", None)
    assert schemas(http, made, "true") == ["Contact"]
    data(http.put(f"/api/bulk/syncs/{made['id']}", json={**bulk_body, "schemas": []}))
    assert schemas(http, made, "true") == ["Contact"]
    data(http.put(f"/api/bulk/syncs/{made['id']}", json={**bulk_body, "schemas": ["Account"]}))
    assert schemas(http, made, "true") == ["Account"]


def test_an_update_that_switches_a_bulk_sync_off_cancels_it(emulator, http, bulk_body):
    made = data(http.post("/api/bulk/syncs", json=bulk_body))
    emulator.start(made["id"])
    data(http.put(f"/api/bulk/syncs/{made['id']}", json=bulk_body))
    assert emulator.executions(made["id"])[0].cancel_requests == 0
    data(http.put(f"/api/bulk/syncs/{made['id']}", json={**bulk_body, "active": False}))
    assert emulator.executions(made["id"])[0].cancel_requests == 1


@pytest.mark.parametrize("wrong", [{"mode": "guess"}, {"schemas": [1]}, {"additional_schedules": ["x"]}])
def test_an_invalid_bulk_sync_is_refused(http, bulk_body, wrong):
    assert http.post("/api/bulk/syncs", json={**bulk_body, **wrong}).status_code == 400


def test_a_bulk_sync_needs_both_its_connections(http, bulk_body):
    for end in ("source_connection_id", "destination_connection_id"):
        assert http.post("/api/bulk/syncs", json={**bulk_body, end: "none"}).status_code == 404
        assert http.post("/api/bulk/syncs", json={**bulk_body, end: None}).status_code == 422


def test_patching_schemas_leaves_the_others(http, bulk_body):
    made = data(http.post("/api/bulk/syncs", json={**bulk_body, "schemas": ["Contact"]}))
    path = f"/api/bulk/syncs/{made['id']}/schemas"
    change = {"id": "Account", "enabled": True, "user_output_name": "accounts", "filters": [{"function": "IsNull"}]}
    [changed] = data(http.patch(path, json={"schemas": [change]}))
    assert (changed["output_name"], changed["filters"]) == ("accounts", [{"function": "IsNull"}])
    assert schemas(http, made, "true") == ["Account", "Contact"]
    data(http.patch(path, json={"schemas": [{"id": "Account", "partition_key": "day"}]}))
    [listed] = [each for each in data(http.get(path)) if each["id"] == "Account"]
    assert (listed["enabled"], listed["partition_key"], listed["output_name"]) == (True, "day", "accounts")
    assert "filters" not in listed
    assert http.patch(path, json={"schemas": [{"id": "None"}]}).status_code == 400
    assert http.patch(path, json={"schemas": [{}]}).status_code == 400


def test_models(emulator, clock, http, warehouse):
    first = emulator.add_model(connection_id=warehouse, name="a", fields=[{"name": "email", "type": "string"}])
    clock.advance(1)
    second = emulator.add_model(connection_id=warehouse)
    emulator.set_switch("page_size", 1)
    page = http.get("/api/models").json()
    following = http.get("/api/models", params={"page_token": page["pagination"]["next_page_token"]}).json()
    assert [each["id"] for each in page["data"] + following["data"]] == [second.id, first.id]
    got = data(http.get(f"/api/models/{first.id}"))
    assert (got["name"], got["connection_id"], got["fields"][0]["id"]) == ("a", warehouse, "email")
    assert http.get("/api/models/none").status_code == 404
