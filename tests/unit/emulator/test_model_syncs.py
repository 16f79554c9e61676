from __future__ import annotations

import pytest

from tests.support.api_data import data


def start(http, sync, **body):
    return http.post(f"/api/syncs/{sync.id}/executions", json=body)


def status(http, sync):
    return data(http.get(f"/api/syncs/{sync.id}/status"))


def test_start_to_end(emulator, clock, http):
    sync = emulator.add_model_sync(duration=10, counts={"total": 9}, errors=["one was odd"])
    started = data(start(http, sync))
    assert set(started) == {"id", "status", "created_at"}
    assert started["status"] == "created"
    clock.advance(5)
    current = status(http, sync)["current_execution"]
    assert (current["id"], current["status"], current["completed_at"]) == (started["id"], "running", None)
    clock.advance(5)
    assert "current_execution" not in status(http, sync)
    ended = data(http.get(f"/api/syncs/{sync.id}/executions/{started['id']}"))
    assert ended == status(http, sync)["last_execution"]
    assert (ended["status"], ended["counts"]["total"], ended["errors"]) == ("completed", 9, ["one was odd"])
    assert ended["completed_at"].endswith("Z")


def test_status_without_executions_can_be_null(emulator, http):
    sync = emulator.add_model_sync()
    assert status(http, sync) == {"next_execution_time": None}
    emulator.set_switch("no_execution", "null")
    assert status(http, sync) == {"current_execution": None, "last_execution": None, "next_execution_time": None}


def test_start_while_running_conflicts(emulator, clock, http):
    sync = emulator.add_model_sync(duration=10)
    start(http, sync)
    refused = start(http, sync)
    assert refused.status_code == 409
    assert "in progress" in refused.json()["message"]
    clock.advance(10)
    assert start(http, sync).status_code == 200
    assert len(emulator.executions(sync.id)) == 2


def test_start_while_running_can_queue(emulator, clock, http):
    emulator.set_switch("start_while_running", "queue")
    sync = emulator.add_model_sync(duration=10)
    start(http, sync)
    assert data(start(http, sync))["status"] == "queued"
    clock.advance(15)
    assert [each.status for each in emulator.executions(sync.id)] == ["completed", "running"]


def test_start_of_an_inactive_sync(emulator, http):
    sync = emulator.add_model_sync(active=False)
    assert start(http, sync).status_code == 400
    emulator.set_switch("start_inactive", 403)
    assert start(http, sync).json()["message"] == "The sync is not active."
    assert start(http, sync).status_code == 403
    assert emulator.executions(sync.id) == []
    emulator.set_switch("start_inactive", "accept")
    assert start(http, sync).status_code == 200


def test_start_body(emulator, http):
    sync = emulator.add_model_sync(duration=0)
    body = {"resync": True, "test": False, "identities": ["a@example.com"]}
    start(http, sync, **body)
    assert emulator.executions(sync.id)[0].request == body


@pytest.mark.parametrize(
    "body",
    [
        {"resync": "yes"},
        {"identities": ["a"], "source_identities": [[]]},
        {"source_identities": [[]] * 1001},
    ],
)
def test_an_invalid_start_is_refused(emulator, http, body):
    sync = emulator.add_model_sync()
    assert start(http, sync, **body).status_code == 400
    assert emulator.executions(sync.id) == []


@pytest.mark.parametrize("content", [b"{", b"[]"])
def test_a_body_that_is_no_json_object_is_refused(emulator, http, content):
    sync = emulator.add_model_sync()
    assert http.post(f"/api/syncs/{sync.id}/executions", content=content).status_code == 400


def test_next_executions_are_used_first(emulator, clock, http):
    sync = emulator.add_model_sync(
        duration=1, next_executions=[{"outcome": "failed", "errors": ["first"]}, {"duration": 5}]
    )
    outcomes = []
    for _ in range(3):
        start(http, sync)
        clock.advance(1)
        outcomes.append(emulator.executions(sync.id)[-1].status)
        clock.advance(9)
    assert outcomes == ["failed", "running", "completed"]


@pytest.mark.parametrize("of_execution", [True, False])
def test_cancel(emulator, clock, http, of_execution):
    sync = emulator.add_model_sync(duration=100, cancel_takes=3)
    execution_id = data(start(http, sync))["id"]
    way = f"executions/{execution_id}/cancel" if of_execution else "cancel"
    assert data(http.post(f"/api/syncs/{sync.id}/{way}"))["message"]
    assert status(http, sync)["current_execution"]["status"] == "canceling"
    clock.advance(3)
    assert status(http, sync)["last_execution"]["status"] == "canceled"
    assert emulator.executions(sync.id)[0].cancel_requests == 1


@pytest.mark.parametrize("of_execution", [True, False])
def test_cancel_with_nothing_running(emulator, clock, http, of_execution):
    sync = emulator.add_model_sync(duration=1)
    execution_id = data(start(http, sync))["id"]
    clock.advance(1)
    way = f"executions/{execution_id}/cancel" if of_execution else "cancel"
    assert http.post(f"/api/syncs/{sync.id}/{way}").status_code == 200
    emulator.set_switch("cancel_idle", 400)
    assert http.post(f"/api/syncs/{sync.id}/{way}").status_code == 400
    assert emulator.executions(sync.id)[0].cancel_requests == 0


def test_deactivating_leaves_the_execution_running(emulator, http):
    sync = emulator.add_model_sync(duration=100)
    start(http, sync)
    assert data(http.post(f"/api/syncs/{sync.id}/activate", json={"active": False})) == {
        "id": sync.id,
        "active": False,
    }
    assert data(http.get(f"/api/syncs/{sync.id}"))["active"] is False
    assert emulator.executions(sync.id)[0].status == "created"
    assert http.post(f"/api/syncs/{sync.id}/activate", json={}).status_code == 422


@pytest.mark.parametrize(
    "path",
    ["", "/status", "/executions", "/executions/none"],
)
def test_unknown_sync_is_not_found(emulator, http, path):
    bulk = emulator.add_bulk_sync()
    for sync_id in ("none", bulk.id, "a%2Fb"):
        body = http.get(f"/api/syncs/{sync_id}{path}")
        assert body.status_code == 404
        assert body.json()["message"] == "The sync was not found."


def test_ids_are_percent_decoded(emulator, http):
    emulator.add_model_sync(id="a/b c")
    assert data(http.get("/api/syncs/a%2Fb%20c"))["id"] == "a/b c"
    assert emulator.requests[-1].path == "/api/syncs/a%2Fb%20c"


def test_execution_of_another_sync_is_not_found(emulator, http):
    one, other = emulator.add_model_sync(), emulator.add_model_sync()
    execution_id = data(start(http, one))["id"]
    assert http.get(f"/api/syncs/{other.id}/executions/{execution_id}").status_code == 404
    assert http.post(f"/api/syncs/{other.id}/executions/{execution_id}/cancel").status_code == 404


def test_list_filters(emulator, http):
    one = emulator.add_model_sync(mode="append", target_connection_id="t1")
    two = emulator.add_model_sync(active=False, target_connection_id="t2")

    def ids(**query):
        return {each["id"] for each in data(http.get("/api/syncs", params=query))}

    assert ids() == {one.id, two.id}
    assert ids(active="true") == {one.id}
    assert ids(active="false") == {two.id}
    assert ids(mode="append") == {one.id}
    assert ids(target_connection_id="t2") == {two.id}
    assert http.get("/api/syncs", params={"active": "maybe"}).status_code == 400


def test_the_list_has_fewer_fields_than_a_sync(emulator, http):
    sync = emulator.add_model_sync(target_connection_id="t1")
    [listed] = data(http.get("/api/syncs"))
    assert listed["target_connection_id"] == "t1"
    assert not {"target", "fields", "problems"} & set(listed)
    assert data(http.get(f"/api/syncs/{sync.id}"))["target"]["connection_id"] == "t1"


def pages(http, path, **query):
    token = {}
    while True:
        body = http.get(path, params={**query, **token}).json()
        yield [each["id"] for each in body["data"]]
        if not body["pagination"].get("next_page_token"):
            return
        token = {"page_token": body["pagination"]["next_page_token"]}


def test_list_pages_the_last_changed_first(emulator, clock, http):
    expected = []
    for _ in range(60):
        expected.insert(0, emulator.add_model_sync().id)
        clock.advance(1)
    got = list(pages(http, "/api/syncs"))
    assert [len(each) for each in got] == [50, 10]
    assert sum(got, []) == expected
    assert [len(each) for each in pages(http, "/api/syncs", limit=25)] == [25, 25, 10]
    assert [len(each) for each in pages(http, "/api/syncs", limit=0)] == [50, 10]
    assert [len(each) for each in pages(http, "/api/syncs", limit=999)] == [50, 10]


def test_paging_survives_changes_in_between(emulator, clock, http):
    emulator.set_switch("page_size", 2)
    syncs = []
    for _ in range(4):
        syncs.append(emulator.add_model_sync())
        clock.advance(1)
    walk = pages(http, "/api/syncs")
    first = next(walk)
    emulator.add_model_sync()
    assert [first, *walk] == [[syncs[3].id, syncs[2].id], [syncs[1].id, syncs[0].id]]


def test_an_invalid_page_token_is_refused(http):
    assert http.get("/api/syncs", params={"page_token": "made-up"}).status_code == 400


def test_empty_list_can_be_null(emulator, http):
    assert data(http.get("/api/syncs")) == []
    emulator.set_switch("empty_list", "null")
    assert data(http.get("/api/syncs")) is None


def test_list_of_executions(emulator, clock, http):
    emulator.set_switch("page_size", 2)
    sync = emulator.add_model_sync(duration=1)
    for _ in range(3):
        start(http, sync)
        clock.advance(1)
    start(http, sync)
    ids = [each.id for each in emulator.executions(sync.id)]
    path = f"/api/syncs/{sync.id}/executions"
    assert list(pages(http, path)) == [[ids[3], ids[2]], [ids[1], ids[0]]]
    assert list(pages(http, path, ascending="true")) == [[ids[0], ids[1]], [ids[2], ids[3]]]
    assert list(pages(http, path, only_completed="true")) == [[ids[2], ids[1]], [ids[0]]]
