"""The controls as Python methods and as routes below ``/_emulator``."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def control(emulator):
    with httpx.Client(base_url=f"{emulator.url}/_emulator", verify=False) as client:
        yield client


def ok(response: httpx.Response):
    assert response.status_code == 200, response.text
    return response.json()


def test_add_and_run_syncs(emulator, control, clock, http):
    model = ok(control.post("/model_syncs", json={"name": "m", "duration": 5, "outcome": "failed"}))
    bulk = ok(control.post("/bulk_syncs", json={"name": "b", "schemas": [{"id": "x", "duration": 5}]}))
    assert [each["id"] for each in ok(control.get("/syncs"))["data"]] == [model["id"], bulk["id"]]
    assert [each.name for each in emulator.syncs] == ["m", "b"]
    for sync in (model, bulk):
        ok(control.post(f"/syncs/{sync['id']}/start"))
    ok(control.post("/clock", json={"advance": 5}))
    [failed] = ok(control.get(f"/syncs/{model['id']}/executions"))["data"]
    assert (failed["status"], failed["type"], failed["ended"]) == ("failed", "scheduled", True)
    assert ok(control.get(f"/executions/{failed['id']}")) == failed
    assert emulator.executions(bulk["id"])[0].status == "completed"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("contact", "A schema is a mapping with an id.*, not 'contact'"),
        ({"records": 7}, "A schema is a mapping with an id.*, not {'records': 7}"),
        ({"id": "contact", "record_count": 7}, "A schema has no record_count. Use id, duration, records"),
    ],
)
def test_a_schema_is_a_mapping_of_known_fields(emulator, schema, message):
    with pytest.raises(ValueError, match=message):
        emulator.add_bulk_sync(schemas=[schema])


@pytest.mark.parametrize(
    "plan",
    [
        {"duration": -1},
        {"duration": "nan"},
        {"cancel_takes": -1},
        {"statuses": [["running", -1]]},
        {"schemas": [{"id": "contact", "duration": -1}]},
    ],
)
def test_a_plan_has_no_negative_seconds(emulator, plan):
    with pytest.raises(ValueError, match="number of seconds"):
        emulator.plan(emulator.add_bulk_sync().id, **plan)


UNKNOWN_STATUSES = {
    "the outcome of a result": {"outcome": "success"},
    "another spelling": {"outcome": "cancelled"},
    "a status before the end": {"outcome": "running"},
    "an empty one": {"outcome": ""},
    "status": {"statuses": [["created", 0], ["in_progress", 1]]},
    "end of a cancellation": {"cancel_ends": "stopped"},
    "outcome of a schema": {"schemas": [{"id": "contact", "outcome": "partial"}]},
}


@pytest.mark.parametrize("plan", UNKNOWN_STATUSES.values(), ids=UNKNOWN_STATUSES)
def test_an_unknown_status_is_refused_where_it_is_given_with_the_words_that_exist(emulator, control, plan):
    sync = emulator.add_bulk_sync()
    for give in (
        lambda: emulator.add_bulk_sync(**plan),
        lambda: emulator.plan(sync.id, **plan),
        lambda: emulator.plan_next(sync.id, plan),
        lambda: emulator.add_bulk_sync(next_executions=[plan]),
    ):
        with pytest.raises(ValueError, match="is not a status here. Use .*completed, errors, failed, canceled"):
            give()
    assert emulator.syncs == [sync]
    for method, path, body in (
        ("POST", "/bulk_syncs", plan),
        ("PATCH", f"/syncs/{sync.id}/plan", plan),
        ("POST", f"/syncs/{sync.id}/next_executions", {"plans": [plan]}),
    ):
        response = control.request(method, path, json=body)
        assert response.status_code == 400
        assert "Use " in response.json()["message"]


def test_an_execution_is_finished_with_a_known_status_only(emulator):
    execution = emulator.start(emulator.add_model_sync().id)
    with pytest.raises(ValueError, match="outcome has 'success'.* Use completed"):
        emulator.finish(execution.id, "success")
    assert not emulator.execution(execution.id).ended


def test_the_documentation_lists_all_routes_of_the_controls(control):
    page = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text()
    shown = re.findall(r"^\| `([A-Z]+) (/_emulator/[^`]*)` \|", page, re.MULTILINE)
    assert [f"{method} {path}" for method, path in shown] == ok(control.get("/"))["routes"]


def test_add_connection(emulator, control, http):
    body = {"name": "c", "type": "postgresql", "configuration": {"password": "hunter2"}}
    added = control.post("/connections", json=body)
    assert "hunter2" not in added.text
    assert http.get(f"/api/connections/{ok(added)['id']}").status_code == 200


def test_a_scheduled_execution_is_not_the_callers(emulator, http):
    sync = emulator.add_model_sync()
    assert emulator.start(sync.id).type == "scheduled"
    assert http.post(f"/api/syncs/{sync.id}/executions").status_code == 409


def test_plan(emulator, control, clock):
    sync = emulator.add_model_sync(duration=1)
    before = emulator.start(sync.id)
    clock.advance(1)
    ok(control.patch(f"/syncs/{sync.id}/plan", json={"duration": 100, "outcome": "failed"}))
    after = emulator.start(sync.id)
    clock.advance(99)
    assert emulator.execution(after.id).status == "running"
    clock.advance(1)
    assert emulator.execution(after.id).status == "failed"
    assert emulator.execution(before.id).status == "completed"


def test_plan_next(emulator, control, clock):
    sync = emulator.add_model_sync(duration=1)
    ok(control.post(f"/syncs/{sync.id}/next_executions", json={"plans": [{"outcome": "failed"}]}))
    emulator.plan_next(sync.id, {"outcome": "interrupted"})
    for _ in range(3):
        emulator.start(sync.id)
        clock.advance(1)
    assert [each.status for each in emulator.executions(sync.id)] == ["failed", "interrupted", "completed"]
    with pytest.raises(ValueError, match="has no"):
        emulator.plan_next(sync.id, {"misspelled": 1})


def test_finish(emulator, control):
    sync = emulator.add_model_sync(duration="inf", errors=["planned"])
    first = emulator.start(sync.id)
    body = {"outcome": "failed", "errors": ["gone"]}
    assert ok(control.post(f"/executions/{first.id}/finish", json=body))["status"] == "failed"
    assert control.post(f"/executions/{first.id}/finish").status_code == 400
    second = emulator.start(sync.id)
    assert emulator.finish(second.id).status == "completed"


def test_finish_shows_its_errors(emulator, http):
    sync = emulator.add_model_sync(errors=["planned"])
    execution = emulator.start(sync.id)
    emulator.finish(execution.id, outcome="failed", errors=["gone"])
    assert http.get(f"/api/syncs/{sync.id}/executions/{execution.id}").json()["data"]["errors"] == ["gone"]


def test_activate(emulator, control, http):
    sync = emulator.add_model_sync()
    ok(control.post(f"/syncs/{sync.id}/activate", json={"active": False}))
    assert http.get(f"/api/syncs/{sync.id}").json()["data"]["active"] is False


def test_switches(emulator, control):
    assert ok(control.patch("/switches", json={"cancel_idle": 400}))["cancel_idle"] == 400
    assert emulator.switches.cancel_idle == 400
    assert control.patch("/switches", json={"no_such_switch": 1}).status_code == 400
    assert control.patch("/switches", json={"empty_list": "full"}).status_code == 400
    assert ok(control.get("/switches"))["empty_list"] == "list"
    assert ok(control.patch("/switches", json={"job_seconds": "inf"}))["job_seconds"] == "inf"


def test_clock(emulator, control):
    assert ok(control.post("/clock", json={"set": 1000.0}))["now"] == 1000.0
    assert ok(control.post("/clock", json={"advance": 5}))["now"] == 1005.0
    assert emulator.clock() == ok(control.get("/clock"))["now"] == 1005.0


def test_faults(emulator, control, http):
    fault = ok(control.post("/faults", json={"kind": "status", "status": 500, "count": None}))
    assert fault["when"] == "before"
    assert http.get("/api/syncs").status_code == 500
    assert ok(control.get("/faults"))["data"][0]["hits"] == 1
    ok(control.delete("/faults"))
    assert http.get("/api/syncs").status_code == 200
    assert control.post("/faults", json={"kind": "nonsense"}).status_code == 400


def test_requests(emulator, control, http):
    http.get("/api/me")
    [seen] = ok(control.get("/requests"))["data"]
    assert (seen["method"], seen["path"], seen["status"]) == ("GET", "/api/me", 200)
    assert emulator.api_key not in str(seen)
    ok(control.delete("/requests"))
    assert emulator.requests == []


def test_samples_and_reset(emulator, control):
    ids = [each["id"] for each in ok(control.post("/samples"))["data"]]
    assert [each.id for each in emulator.syncs] == ids
    emulator.set_switch("page_size", 1)
    emulator.fault("status", count=None)
    ok(control.post("/reset"))
    assert (emulator.syncs, emulator.faults, emulator.requests) == ([], [], [])
    assert emulator.switches.page_size == 50


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/syncs/none/start", b"", 404),
        ("/model_syncs", b"[]", 400),
        ("/model_syncs", b"{", 400),
        ("/model_syncs", b"[" * 100_000, 400),
        ("/model_syncs", b'{"misspelled": 1}', 400),
        ("/executions/none/finish", b"", 404),
    ],
)
def test_invalid_requests_are_refused(control, path, content, status):
    response = control.post(path, content=content, headers=JSON)
    assert response.status_code == status
    assert response.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
    ],
    ids=str,
)
def test_what_a_web_page_may_send_is_refused(emulator, control, headers):
    emulator.add_model_sync()
    response = control.post("/reset", content=b"{}", headers={**JSON, **headers})
    assert (response.status_code, len(emulator.syncs)) == (403, 1)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}], ids=str)
def test_a_web_page_may_not_read_either(control, headers):
    assert control.get("/syncs", headers=headers).status_code == 403


def test_a_page_of_the_emulator_itself_may_control_it(emulator, control):
    headers = {**JSON, "Origin": emulator.url, "Sec-Fetch-Site": "same-origin"}
    ok(control.post("/reset", content=b"{}", headers=headers))


def test_about_lists_the_routes(control):
    assert "POST /_emulator/faults" in ok(control.get("/"))["routes"]


def test_connections_models_organizations_and_jobs(emulator, control, http, partner):
    connection = emulator.add_connection(name="c", type="s3", configuration={"password": "hunter2"})
    ok(control.patch(f"/connections/{connection.id}", json={"status": "error"}))
    listed = control.get("/connections")
    assert ok(listed)["data"][0]["status"] == "error"
    assert "hunter2" not in listed.text
    model = ok(control.post("/models", json={"connection_id": connection.id, "name": "m"}))
    assert http.get(f"/api/models/{model['id']}").json()["data"]["name"] == "m"
    child = ok(control.post("/organizations", json={"name": "Child"}))["id"]
    assert partner.get("/api/organizations").json()["data"][1]["id"] == child
    job = ok(control.post("/jobs", json={"type": "exportlogs", "result": {"url": "u"}}))["id"]
    assert http.get(f"/api/jobs/exportlogs/{job}").json()["data"]["result"] == {"url": "u"}
    assert control.post("/deliveries", json={"event_id": "e"}).status_code == 404


def test_events_are_what_callers_see(emulator, control, clock, http):
    emulator.start(emulator.add_model_sync(duration=5).id)
    clock.advance(5)
    assert ok(control.get("/events"))["data"] == http.get("/api/events").json()["data"][::-1]


def test_reset_clears_everything(emulator, control, clock, http, partner):
    emulator.add_model(connection_id="c")
    emulator.add_organization(name="Child")
    job = emulator.add_job("exportlogs")
    http.post("/api/webhooks", json={"endpoint": "https://example.com", "secret": "x"})
    sync = emulator.add_model_sync(duration=1)
    emulator.start(sync.id)
    http.delete(f"/api/syncs/{sync.id}")
    clock.advance(10)
    ok(control.post("/reset"))
    assert http.get(f"/api/jobs/exportlogs/{job.id}").status_code == 404
    for path in ("/api/models", "/api/webhooks", "/api/events"):
        assert http.get(path).json()["data"] == []
    assert len(partner.get("/api/organizations").json()["data"]) == 1
