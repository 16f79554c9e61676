"""Connection types, sources and proxies of connections, and jobs."""

from __future__ import annotations

import json

import pytest

from tests.support.api_data import data


@pytest.fixture
def database(emulator):
    return f"/api/connections/{emulator.add_connection(name='d', type='postgresql').id}"


@pytest.fixture
def application(emulator):
    return f"/api/connections/{emulator.add_connection(name='a', type='made-up').id}"


def test_types_and_their_schemas(http):
    listed = {each["id"]: each for each in data(http.get("/api/connection_types"))}
    schema = http.get("/api/connection_types/postgresql").json()
    assert schema == listed["postgresql"]["configurationForm"]["jsonschema"]
    assert set(schema["required"]) <= set(schema["properties"])
    assert listed["s3"]["capabilities"]["destination"] is True
    assert http.get("/api/connection_types/none").status_code == 404


def test_parameter_values(http, database):
    values = data(http.get(f"{database}/parameter_values"))
    assert [each["value"] for each in values["schema"]["values"]] == ["public", "sales"]
    path = "/api/connection_types/postgresql/parameter_values"
    asked = data(http.post(path, json={"field": "schema", "query": "sal"}))
    assert [each["value"] for each in asked["schema"]["values"]] == ["sales"]
    assert http.post(path, json={"field": "colour"}).status_code == 400
    assert http.post(path, json={}).status_code == 422
    assert http.post(path, json={"field": "schema", "connection_id": "none"}).status_code == 404
    assert http.post("/api/connection_types/none/parameter_values", json={"field": "x"}).status_code == 404


def test_a_schema_narrows_the_tables(http, database):
    path = f"{database}/modelsync/source"
    whole, sales = data(http.get(path)), data(http.get(path, params={"params[schema]": "sales"}))
    assert whole["requires_one_of"] == ["table", "query"]
    assert whole["items"]["table"]["items"] == ["public.customers", "public.orders", "sales.leads"]
    assert sales["items"]["table"]["items"] == ["sales.leads"]


def test_source_fields_follow_the_choice(http, database, application):
    path = f"{database}/modelsync/source/fields"
    orders = data(http.get(path, params={"params[table]": "public.orders"}))
    assert "amount" in [each["name"] for each in orders]
    assert data(http.get(path, params={"params[query]": "select 1"}))
    assert http.get(path).status_code == 400
    assert http.get(path, params={"params[table]": "none"}).status_code == 400
    path = f"{application}/modelsync/source/fields"
    assert "email" in [each["name"] for each in data(http.get(path, params={"params[object]": "Contact"}))]


REQUEST = {"method": "GET", "path": "/objects", "query": {"limit": 10}}


def test_the_proxy_echoes_unless_a_response_is_set(emulator, http, application):
    echo = data(http.post(f"{application}/proxy", json={"request": REQUEST}))
    assert (echo["status"], json.loads(echo["body"])["path"]) == (200, "/objects")
    planned = {"status": 404, "body": {"error": "none"}}
    emulator.set_connection(application.rpartition("/")[2], proxy_answer=planned)
    response = data(http.post(f"{application}/proxy", json={"request": REQUEST}))
    assert (response["status"], response["body"]) == (404, '{"error": "none"}')
    emulator.set_switch("proxy_body", "json")
    assert data(http.post(f"{application}/proxy", json={"request": REQUEST}))["body"] == {"error": "none"}
    stats = data(http.get(f"{application}/proxy/info"))["stats"]
    assert (stats["proxyCallsLast24h"], stats["proxy2xxLast24h"], stats["proxy4xxLast24h"]) == (3, 1, 2)


@pytest.mark.parametrize(
    "body",
    [
        {"request": {**REQUEST, "method": "TRACE"}},
        {"request": {**REQUEST, "path": "objects"}},
        {"request": {**REQUEST, "rawQuery": "a=b"}},
        {"request": {**REQUEST, "api": "other"}},
        {"request": {"method": "POST", "path": "/objects"}, "async": True},
    ],
)
def test_an_invalid_proxy_request_is_refused(http, application, body):
    assert http.post(f"{application}/proxy", json=body).status_code == 400
    assert data(http.get(f"{application}/proxy/info"))["stats"]["proxyCallsLast24h"] == 0


def test_an_asynchronous_proxy_call_is_a_job(clock, http, application):
    begun = data(http.post(f"{application}/proxy", json={"request": REQUEST, "async": True}))
    assert (begun["status"], begun["jobStatus"]) == (202, "created")
    seen = []
    for _ in range(3):
        job = data(http.get(begun["jobUrl"]))
        seen.append((job["status"], job["result"] is not None))
        clock.advance(2.5)
    assert seen == [("created", False), ("running", False), ("done", True)]
    assert job["result"]["bodyDownloadUrl"].startswith("https://")


def test_jobs(emulator, http):
    job = emulator.add_job("samplemodel", error="no rows")
    failed = data(http.get(f"/api/jobs/samplemodel/{job.id}"))
    assert (failed["status"], failed["error"], failed["result"]) == ("failed", "no rows", None)
    assert http.get(f"/api/jobs/createmodel/{job.id}").status_code == 404
    assert http.get(f"/api/jobs/nonsense/{job.id}").status_code == 400
