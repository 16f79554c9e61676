from __future__ import annotations

import socket

import httpx
import pytest

HEADERS = {"Idempotency-Key": "key-of-this-request"}


@pytest.fixture
def sync(emulator):
    return emulator.add_model_sync(duration=10)


@pytest.fixture
def start(http, sync):
    return lambda: http.post(f"/api/syncs/{sync.id}/executions", headers=HEADERS)


def test_status_before_acting(emulator, sync, start):
    fault = emulator.fault("status", status=429, headers={"Retry-After": 7}, body={"message": "slow down"})
    refused = start()
    assert (refused.status_code, refused.headers["Retry-After"], refused.json()["message"]) == (429, "7", "slow down")
    assert refused.headers["X-Polytomic-Version"]
    assert emulator.executions(sync.id) == []
    assert start().status_code == 200
    assert fault.hits == 1


def test_status_before_acting_is_an_api_error_by_default(emulator, http):
    emulator.fault("status")
    refused = http.get("/api/syncs")
    assert (refused.status_code, refused.json()["status"]) == (503, 503)


def test_html_of_a_proxy(emulator, http):
    emulator.fault("status", status=502, html=True)
    refused = http.get("/api/syncs")
    assert (refused.status_code, refused.headers["content-type"]) == (502, "text/html")
    assert refused.text.startswith("<html>")
    assert "X-Polytomic-Version" not in refused.headers


def test_json_of_a_proxy(emulator, http):
    emulator.fault("status", status=404, body={"error": "no route"})
    refused = http.get("/api/syncs")
    assert (refused.status_code, refused.json()) == (404, {"error": "no route"})
    assert "X-Polytomic-Version" not in refused.headers


def test_text_body(emulator, http):
    emulator.fault("status", status=500, body="not json")
    assert http.get("/api/syncs").text == "not json"


def test_status_within_is_kept_by_the_key(emulator, sync, start):
    emulator.fault("status", status=500, when="within")
    assert [start().status_code for _ in range(2)] == [500, 500]
    assert emulator.executions(sync.id) == []


def test_status_after_acting(emulator, sync, start):
    emulator.fault("status", status=502, when="after")
    assert start().status_code == 502
    [execution] = emulator.executions(sync.id)
    assert start().json()["data"]["id"] == execution.id


@pytest.mark.parametrize(("when", "acted"), [("before", 0), ("after", 1)])
def test_reset(emulator, sync, start, when, acted):
    emulator.fault("reset", when=when)
    with pytest.raises(httpx.TransportError):
        start()
    assert len(emulator.executions(sync.id)) == acted
    assert emulator.requests[-1].status is None
    assert start().status_code == 200
    assert len(emulator.executions(sync.id)) == 1


def test_reset_is_a_tcp_reset(emulator):
    emulator.fault("reset")
    with socket.create_connection(("127.0.0.1", int(emulator.url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(b"GET /api/syncs HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@pytest.mark.parametrize(("when", "acted"), [("before", 0), ("within", 0), ("after", 1)])
def test_delay(emulator, sync, http, when, acted):
    emulator.fault("delay", delay=60, when=when)
    with pytest.raises(httpx.ReadTimeout):
        http.post(f"/api/syncs/{sync.id}/executions", timeout=0.5)
    assert len(emulator.executions(sync.id)) == acted


def test_a_delayed_response_is_unchanged(emulator, start):
    fault = emulator.fault("delay", delay=0.01)
    assert start().status_code == 200
    assert fault.hits == 1


def test_truncated_json(emulator, sync, start):
    emulator.fault("malformed")
    corrupt = start()
    assert corrupt.status_code == 200
    with pytest.raises(ValueError, match="JSON|Unterminated|Expecting"):
        corrupt.json()
    assert len(emulator.executions(sync.id)) == 1
    assert start().json()["data"]["id"] == emulator.executions(sync.id)[0].id


def test_html_with_200(emulator, http):
    emulator.fault("malformed", malformed="html")
    corrupt = http.get("/api/syncs")
    assert (corrupt.status_code, corrupt.headers["content-type"]) == (200, "text/html")


def statuses(http, *paths):
    return [http.get(path).status_code for path in paths]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (None, [503, 503, 503]),
        ("/api/syncs", [503, 200, 200]),
        ("/api/*", [503, 503, 200]),
        ("/api/**", [503, 503, 503]),
        ("/api/bulk/syncs", [200, 200, 503]),
        ("/api/sync.", [200, 200, 200]),
    ],
)
def test_a_fault_applies_to_a_path_pattern(emulator, http, pattern, expected):
    emulator.fault("status", path=pattern, count=None)
    assert statuses(http, "/api/syncs", "/api/connections", "/api/bulk/syncs") == expected


def test_a_fault_applies_to_a_method(emulator, http, start):
    emulator.fault("status", method="post")
    assert statuses(http, "/api/syncs") == [200]
    assert start().status_code == 503


def test_a_fault_skips_and_counts_requests(emulator, http):
    emulator.fault("status", skip=1, count=2)
    assert statuses(http, *["/api/syncs"] * 5) == [200, 503, 503, 200, 200]


def test_a_fault_lasts_for_seconds(emulator, clock, http):
    emulator.fault("status", count=None, seconds=30)
    assert statuses(http, *["/api/syncs"] * 2) == [503, 503]
    clock.advance(30)
    assert statuses(http, "/api/syncs") == [200]


def test_several_faults_apply_in_order(emulator, http):
    emulator.fault("status", status=500)
    emulator.fault("status", status=502)
    assert statuses(http, *["/api/syncs"] * 3) == [500, 502, 200]


def test_faults_can_be_cleared(emulator, http):
    emulator.fault("status", count=None)
    emulator.clear_faults()
    assert emulator.faults == []
    assert statuses(http, "/api/syncs") == [200]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "explosion"},
        {"kind": "status", "when": "sometimes"},
        {"kind": "reset", "when": "within"},
        {"kind": "malformed", "when": "before"},
        {"kind": "malformed", "malformed": "rot13"},
        {"kind": "status", "status": "503"},
        {"kind": "status", "status": 99},
        {"kind": "delay", "count": "1"},
        {"kind": "delay", "delay": True},
    ],
)
def test_an_invalid_fault_is_refused(emulator, fault):
    with pytest.raises(ValueError, match="is not one of|cannot apply|must be a number"):
        emulator.fault(**fault)
