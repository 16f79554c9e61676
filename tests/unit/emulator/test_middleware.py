"""Authentication, the version header, recorded requests and Idempotency-Keys."""

from __future__ import annotations

import base64
from email.utils import formatdate

import httpx
import pytest

from airflow_provider_polytomic.emulator import Emulator

KEY = "key-of-this-request"
DAY = 24 * 60 * 60


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer wrong",
        "Bearer",
        "emulator-key-not-a-secret",
        "Basic !!!",
        basic("other-organization", "emulator-key-not-a-secret"),
        basic("", "emulator-key-not-a-secret"),
        basic("00000000-0000-4000-8000-00000000e301", "wrong"),
    ],
)
def test_refuses_other_credentials(emulator, authorization):
    sync = emulator.add_model_sync()
    headers = {"Authorization": authorization} if authorization else {}
    refused = httpx.post(f"{emulator.url}/api/syncs/{sync.id}/executions", headers=headers)
    assert refused.status_code == 401
    assert set(refused.json()) == {"key", "message", "metadata", "status"}
    assert emulator.api_key not in refused.text
    assert emulator.executions(sync.id) == []


def test_accepts_bearer_and_basic(emulator):
    for value in (f"Bearer {emulator.api_key}", basic(emulator.organization_id, emulator.api_key)):
        assert httpx.get(f"{emulator.url}/api/syncs", headers={"Authorization": value}).status_code == 200
    assert [each.auth for each in emulator.requests] == ["bearer", "basic"]


def test_key_and_organization_can_be_chosen():
    with Emulator(api_key="k", organization_id="o") as emulator:
        assert httpx.get(f"{emulator.url}/api/me", auth=("o", "k")).json()["data"]["organization_id"] == "o"


def test_echoes_the_version(http):
    assert http.get("/api/syncs").headers["X-Polytomic-Version"] == "2025-09-18"
    sent = {"X-Polytomic-Version": "2024-02-08"}
    assert http.get("/api/syncs/none", headers=sent).headers["X-Polytomic-Version"] == "2024-02-08"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/nothing", 404), ("GET", "/api/syncs/", 404), ("PUT", "/api/syncs", 405)],
)
def test_an_unknown_route(http, method, path, status):
    refused = http.request(method, path)
    assert refused.status_code == status
    assert refused.json()["status"] == status


def test_records_requests_without_the_key(emulator, http):
    sync = emulator.add_model_sync()
    headers = {"Idempotency-Key": KEY, "X-Polytomic-Version": "2025-09-18"}
    http.get("/api/syncs", params={"active": "true"})
    http.post(f"/api/syncs/{sync.id}/executions", json={"resync": True}, headers=headers)
    listed, started = emulator.requests
    assert (listed.method, listed.path, listed.query, listed.status) == ("GET", "/api/syncs", [("active", "true")], 200)
    assert (started.idempotency_key, started.body, started.replayed) == (KEY, {"resync": True}, False)
    assert emulator.api_key not in str(emulator.requests)
    emulator.clear_requests()
    assert emulator.requests == []


@pytest.fixture
def start(emulator, http):
    sync = emulator.add_model_sync(id="the-sync", duration=10)

    def send(key=KEY, sync_id=sync.id, **body):
        return http.post(f"/api/syncs/{sync_id}/executions", headers={"Idempotency-Key": key}, json=body)

    return send


def test_the_same_key_replays_the_first_response(emulator, clock, start):
    first = start()
    clock.advance(DAY - 1)
    again = start()
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(emulator.executions("the-sync")) == 1
    assert emulator.executions("the-sync")[0].idempotency_key == KEY
    assert [each.replayed for each in emulator.requests] == [False, True]


def test_a_key_is_forgotten_after_a_day(emulator, clock, start):
    start()
    clock.advance(DAY)
    start()
    assert len(emulator.executions("the-sync")) == 2


def test_another_key_is_another_request(emulator, clock, start):
    start()
    clock.advance(10)
    start(key="another-key")
    assert len(emulator.executions("the-sync")) == 2


def test_conflicts_are_kept_or_not(emulator, clock, start):
    start(key="first-key")
    assert start().status_code == 409
    clock.advance(10)
    assert start().status_code == 409
    emulator.set_switch("record_conflicts", False)
    start(key="second-key")
    assert start(key="third-key").status_code == 409
    clock.advance(10)
    assert start(key="third-key").status_code == 200


def test_client_errors_are_kept_or_not(emulator, start):
    assert start(resync="no").status_code == 400
    assert start().status_code == 400
    emulator.set_switch("record_client_errors", False)
    assert start(key="second-key", resync="no").status_code == 400
    assert start(key="second-key").status_code == 200


def test_rate_limits_are_kept_or_not(emulator, start):
    emulator.fault("status", status=429, when="within")
    assert start().status_code == 429
    assert start().status_code == 200
    emulator.set_switch("record_rate_limits", True)
    emulator.fault("status", status=429, when="within")
    assert [start(key="second-key").status_code for _ in range(2)] == [429, 429]


def test_a_refused_credential_is_kept_or_not(emulator, start):
    url = f"{emulator.url}/api/syncs/the-sync/executions"
    assert httpx.post(url, headers={"Idempotency-Key": KEY}).status_code == 401
    assert start().status_code == 200
    assert httpx.post(url, headers={"Idempotency-Key": KEY}).status_code == 401
    emulator.set_switch("record_unauthorized", True)
    assert httpx.post(url, headers={"Idempotency-Key": "second-key"}, json={}).status_code == 401
    assert start(key="second-key").status_code == 401
    assert start().status_code == 200


def test_a_switch_sets_the_scope_of_keys(emulator, start):
    first, other = start(), emulator.add_model_sync()
    assert start(sync_id=other.id).json() == first.json()
    emulator.set_switch("idempotency_scope", "path")
    assert start(sync_id=other.id).json() != first.json()
    emulator.set_switch("idempotency_scope", "credential")
    key = {"Idempotency-Key": "of-one-credential"}
    url = f"{emulator.url}/api/syncs/{emulator.add_model_sync().id}/executions"
    assert httpx.post(url, headers=key, json={}, auth=(emulator.organization_id, emulator.api_key)).status_code == 200
    bearer = {"Authorization": f"Bearer {emulator.api_key}", **key}
    assert httpx.post(url, headers=bearer, json={}).status_code == 409


@pytest.mark.parametrize("retry_after", ["seconds", "date", "absent"])
def test_a_rate_limit(emulator, clock, http, retry_after):
    emulator.set_switch("rate_limit", 2)
    emulator.set_switch("retry_after", retry_after)
    assert [http.get("/api/syncs").status_code for _ in range(2)] == [200, 200]
    clock.advance(20)
    refused = http.get("/api/syncs")
    assert refused.status_code == 429
    shown = {"seconds": "40", "date": formatdate(clock() + 40, usegmt=True), "absent": None}
    assert refused.headers.get("retry-after") == shown[retry_after]
    clock.advance(40)
    assert [http.get("/api/syncs").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(("shape", "names"), [("whole", 4), ("message", 1), ("empty", 0)])
def test_a_switch_sets_the_body_of_errors(emulator, http, shape, names):
    emulator.set_switch("error_body", shape)
    emulator.set_switch("error_key", "a.word")
    body = http.get("/api/syncs/none").json()
    assert len(body) == names
    assert body.get("key", "a.word") == "a.word"


def test_the_default_version(emulator, http):
    sync = emulator.add_bulk_sync()
    url = f"/api/bulk/syncs/{sync.id}/executions"
    assert http.get("/api/me").headers["x-polytomic-version"] == "2025-09-18"
    assert http.post(url, json={"resync": True}).status_code == 400
    emulator.set_switch("default_version", "2021-05-23")
    assert http.get("/api/me").headers["x-polytomic-version"] == "2021-05-23"
    newest = {"X-Polytomic-Version": "2025-09-18"}
    assert http.post(url, json={"resync": True}, headers=newest).status_code == 400
    started = http.post(url, json={"resync": True}).json()["data"]
    assert (started["is_resync"], started["output_disposition"]) == (True, "rebuild")


def test_a_key_known_for_another_request(emulator, start):
    first = start()
    other = emulator.add_model_sync()
    assert start(sync_id=other.id).json() == first.json()
    emulator.set_switch("idempotency_mismatch", "refuse")
    assert start(sync_id=other.id).status_code == 422
    assert start(resync=True).status_code == 422
    assert start().json() == first.json()


@pytest.mark.parametrize("key", ["short", "with spaces", "x" * 256])
def test_malformed_keys(emulator, start, key):
    assert start(key=key).status_code == 400
    assert emulator.executions("the-sync") == []
    emulator.set_switch("malformed_idempotency_key", 422)
    assert start(key=key).status_code == 422
    emulator.set_switch("malformed_idempotency_key", "accept")
    assert start(key=key).status_code == 200


def test_keys_count_on_post_only(emulator, http):
    headers = {"Idempotency-Key": KEY}
    emulator.add_model_sync()
    assert len(http.get("/api/syncs", headers=headers).json()["data"]) == 1
    emulator.add_model_sync()
    assert len(http.get("/api/syncs", headers=headers).json()["data"]) == 2


def test_conflict_while_the_first_request_is_in_flight(emulator, start, http):
    emulator.fault("delay", delay=60, when="within")
    with pytest.raises(httpx.ReadTimeout):
        http.post("/api/syncs/the-sync/executions", headers={"Idempotency-Key": KEY}, json={}, timeout=0.5)
    refused = start()
    assert refused.status_code == 409
    assert "Idempotency-Key" in refused.json()["message"]
