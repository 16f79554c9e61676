from __future__ import annotations

import pytest

from tests.support.api_data import data

SCHEMAS = [
    {"id": "contact", "duration": 5, "records": 100},
    {"id": "account", "duration": 10, "records": 50, "outcome": "failed", "message": "no access"},
    {"id": "lead", "enabled": False},
]


def start(http, sync, **body):
    return http.post(f"/api/bulk/syncs/{sync.id}/executions", json=body)


def test_start_to_partial_success(emulator, clock, http):
    sync = emulator.add_bulk_sync(schemas=SCHEMAS)
    started = data(start(http, sync))
    assert [each["schema"] for each in started["schemas"]] == ["contact", "account"]
    clock.advance(5)
    current = data(http.get(f"/api/bulk/syncs/{sync.id}/status"))["current_execution"]
    assert (current["id"], current["status"]) == (started["id"], "running")
    clock.advance(5)
    ended = data(http.get(f"/api/bulk/syncs/{sync.id}/executions/{started['id']}"))
    assert (ended["status"], ended["status_message"], ended["record_count"]) == ("errors", "no access", 150)
    assert [(each["status"], each["record_count"]) for each in ended["schemas"]] == [("completed", 100), ("failed", 50)]


def test_conflicts_while_running(emulator, http):
    sync = emulator.add_bulk_sync()
    start(http, sync)
    assert start(http, sync).status_code == 409


def test_inactive_can_be_started(emulator, http):
    assert start(http, emulator.add_bulk_sync(active=False)).status_code == 200


def test_some_schemas(emulator, http):
    sync = emulator.add_bulk_sync(schemas=SCHEMAS)
    started = data(start(http, sync, schemas=["lead"]))
    assert [each["schema"] for each in started["schemas"]] == ["lead"]
    assert started["is_partial"] is True


def test_test_run(emulator, clock, http):
    sync = emulator.add_bulk_sync(schemas=[{"id": "contact", "duration": 1, "records": 100}])
    execution = data(start(http, sync, test=True))
    assert execution["is_test"] is True
    clock.advance(1)
    assert data(http.get(f"/api/bulk/syncs/{sync.id}/executions/{execution['id']}"))["record_count"] == 5


def test_resync(emulator, http):
    execution = data(start(http, emulator.add_bulk_sync(), resync_mode="refetch", fetch_mode="full"))
    assert (execution["is_resync"], execution["fetch_mode"]) == (True, "full")


@pytest.mark.parametrize(
    "body",
    [
        {"test": True, "resync_mode": "resync"},
        {"resync": True},
        {"resync_mode": "everything"},
        {"fetch_mode": "everything"},
        {"schemas": ["unknown"]},
    ],
)
def test_an_invalid_start_is_refused(emulator, http, body):
    sync = emulator.add_bulk_sync()
    assert start(http, sync, **body).status_code == 400
    assert emulator.executions(sync.id) == []


@pytest.mark.parametrize("of_execution", [True, False])
def test_cancel(emulator, clock, http, of_execution):
    sync = emulator.add_bulk_sync(schemas=SCHEMAS, cancel_takes=1)
    execution_id = data(start(http, sync))["id"]
    clock.advance(6)
    way = f"executions/{execution_id}/cancel" if of_execution else "cancel"
    assert data(http.post(f"/api/bulk/syncs/{sync.id}/{way}"))["message"]
    clock.advance(1)
    last = data(http.get(f"/api/bulk/syncs/{sync.id}/status"))["last_execution"]
    assert (last["status"], [each["status"] for each in last["schemas"]]) == ("canceled", ["completed", "canceled"])


def test_deactivating_cancels(emulator, clock, http):
    sync = emulator.add_bulk_sync(cancel_takes=1)
    start(http, sync)
    assert data(http.post(f"/api/bulk/syncs/{sync.id}/activate", json={"active": False}))["active"] is False
    assert emulator.executions(sync.id)[0].status == "canceling"
    assert data(http.post(f"/api/bulk/syncs/{sync.id}/activate", json={"active": True}))["active"] is True


def test_list_pages(emulator, http):
    ids = {emulator.add_bulk_sync().id for _ in range(120)}
    emulator.add_model_sync()
    seen, token, sizes = [], None, []
    while token or not sizes:
        body = http.get("/api/bulk/syncs", params={"page_token": token} if token else {}).json()
        seen += [each["id"] for each in body["data"]]
        sizes.append(len(body["data"]))
        token = body["pagination"].get("next_page_token")
    assert sizes == [50, 50, 20]
    assert set(seen) == ids
    assert len(seen) == 120


def test_get(emulator, http):
    sync = emulator.add_bulk_sync(name="CRM to warehouse", destination_connection_id="d")
    got = data(http.get(f"/api/bulk/syncs/{sync.id}"))
    assert (got["name"], got["destination_connection_id"]) == ("CRM to warehouse", "d")
    assert http.get(f"/api/bulk/syncs/{emulator.add_model_sync().id}").status_code == 404


def test_schemas(emulator, http):
    sync = emulator.add_bulk_sync(schemas=SCHEMAS)
    path = f"/api/bulk/syncs/{sync.id}/schemas"
    assert [each["id"] for each in data(http.get(path))] == ["contact", "account", "lead"]
    assert [each["id"] for each in data(http.get(path, params={"filters[enabled]": "false"}))] == ["lead"]


def test_executions_only_terminal(emulator, clock, http):
    sync = emulator.add_bulk_sync(schemas=[{"id": "a", "duration": 1}])
    first = data(start(http, sync))["id"]
    clock.advance(1)
    second = data(start(http, sync))["id"]
    path = f"/api/bulk/syncs/{sync.id}/executions"
    assert [each["id"] for each in data(http.get(path))] == [second, first]
    assert [each["id"] for each in data(http.get(path, params={"ascending": "true", "limit": 1}))] == [first]
    assert [each["id"] for each in data(http.get(path, params={"only_terminal": "true"}))] == [first]


def batch(http, **query):
    return data(http.get("/api/bulk/syncs/status", params=query))


def test_batch_status_ties_schemas_to_executions(emulator, clock, http):
    sync = emulator.add_bulk_sync(schemas=SCHEMAS, next_execution_time="2030-01-01T00:00:00Z")
    idle = emulator.add_bulk_sync()
    first = data(start(http, sync))["id"]
    clock.advance(10)
    second = data(start(http, sync, schemas=["contact"]))["id"]
    assert [each["sync_id"] for each in batch(http, sync_id=[sync.id, idle.id])] == [sync.id, idle.id]
    [status] = batch(http, sync_id=sync.id)
    assert status["status"] == "created"
    assert status["nextExecutionTime"] == "2030-01-01T00:00:00Z"
    assert [(each["schema"], each["execution_id"], each["status"]) for each in status["schemas"]] == [
        ("contact", second, "created"),
        ("account", first, "failed"),
    ]


def test_batch_status_of_all_and_of_active(emulator, http):
    on, off = emulator.add_bulk_sync(), emulator.add_bulk_sync(active=False)
    assert {each["sync_id"] for each in batch(http, all="true", sync_id=on.id)} == {on.id, off.id}
    assert {each["sync_id"] for each in batch(http, active="true")} == {on.id}


def test_batch_status_of_an_unknown_id(emulator, http):
    sync = emulator.add_bulk_sync()
    assert [each["sync_id"] for each in batch(http, sync_id=["none", sync.id])] == [sync.id]
    emulator.set_switch("batch_status_unknown_id", "refuse")
    assert http.get("/api/bulk/syncs/status", params={"sync_id": ["none", sync.id]}).status_code == 404


@pytest.mark.parametrize("value", [400, 404, 414, "cut"])
def test_batch_status_of_too_many_ids(emulator, http, value):
    ids = [emulator.add_bulk_sync().id for _ in range(4)]
    assert len(batch(http, sync_id=ids)) == 4
    emulator.set_switch("batch_status_most_ids", 3)
    emulator.set_switch("batch_status_too_many", value)
    assert len(batch(http, sync_id=ids[:3])) == 3
    if value == "cut":
        assert [each["sync_id"] for each in batch(http, sync_id=ids)] == ids[:3]
    else:
        assert http.get("/api/bulk/syncs/status", params={"sync_id": ids}).status_code == value


def test_dispositions_of_resync_modes(emulator, clock, http):
    sync = emulator.add_bulk_sync(schemas=[{"id": "a", "duration": 5}])

    def disposition(mode):
        response = data(start(http, sync, resync_mode=mode))
        clock.advance(5)
        return response["output_disposition"]

    modes = ("refetch", "resync", "rebuild")
    assert [disposition(mode) for mode in modes] == ["retain", "truncate", "rebuild"]
    emulator.set_switch("resync_dispositions", {"refetch": "rebuild"})
    assert [disposition(mode) for mode in modes] == ["rebuild", "retain", "retain"]


def test_resync_of_earlier_versions_is_a_rebuild(emulator, http):
    path, earlier = f"/api/bulk/syncs/{emulator.add_bulk_sync().id}/executions", {"X-Polytomic-Version": "2024-02-08"}
    execution = data(http.post(path, json={"resync": True}, headers=earlier))
    assert execution["output_disposition"] == "rebuild"


def test_only_terminal_executions_are_ordered_by_their_end(emulator, clock, http):
    emulator.set_switch("start_while_running", "queue")
    sync = emulator.add_bulk_sync(schemas=[{"id": "a", "duration": 5}])
    first, second = (data(start(http, sync))["id"] for _ in range(2))
    emulator.finish(second, "failed")
    clock.advance(5)
    path = f"/api/bulk/syncs/{sync.id}/executions"
    assert [each["id"] for each in data(http.get(path))] == [second, first]
    ended = data(http.get(path, params={"only_terminal": "true"}))
    assert [each["id"] for each in ended] == [first, second]
    assert ended[0]["updated_at"] > ended[1]["updated_at"]
    ascending = {"only_terminal": "true", "ascending": "true"}
    page = http.get(path, params={**ascending, "limit": 1}).json()
    following = http.get(path, params={**ascending, "page_token": page["pagination"]["next_page_token"]}).json()
    assert [each["id"] for each in page["data"] + following["data"]] == [second, first]
