"""Deliveries to a webhook over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from itertools import groupby

import pytest

from tests.support.webhook_endpoint import webhook_endpoint

SECRET = "hunter2"


@pytest.fixture
def endpoint():
    with webhook_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def path(http, endpoint):
    made = http.post("/api/webhooks", json={"endpoint": endpoint.url, "secret": SECRET})
    return f"/api/webhooks/{made.json()['data']['id']}"


@pytest.fixture
def attempts(http, path):
    """Return a function that waits for a number of attempts, and returns them oldest first."""

    def attempts(number, **query):
        while True:
            data = http.get(f"{path}/deliveries", params=query).json()["data"]
            if len(data) >= number:
                return data[::-1]

    return attempts


def finished(emulator, clock, **plan):
    """Return an execution that has ended."""
    execution = emulator.start(emulator.add_model_sync(duration=10, **plan).id)
    clock.advance(10)
    return execution


def test_a_delivery_is_signed(emulator, clock, endpoint, path):
    execution = finished(emulator, clock)
    assert sorted(endpoint.wait(2)) == ["sync.completed", "sync.running"]
    for headers, body in endpoint.received:
        assert headers["polytomic-signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers["content-type"] == "application/json"
        delivered = json.loads(body)
        assert set(delivered) == {"type", "event"}
        assert delivered["event"]["execution_id"] == execution.id
    assert emulator.requests[0].path == "/api/webhooks"


@pytest.mark.parametrize(
    ("name", "encoding", "prefix"), [("sha256", "hex", True), ("sha1", "base64", False), ("sha512", "base64", True)]
)
def test_hash_encoding_and_prefix_of_the_signature(emulator, clock, endpoint, path, name, encoding, prefix):
    for switch, value in {"hash": name, "encoding": encoding, "prefix": prefix}.items():
        emulator.set_switch(f"signature_{switch}", value)
    finished(emulator, clock)
    endpoint.wait(2)
    headers, body = endpoint.received[0]
    digest = hmac.new(SECRET.encode(), body, getattr(hashlib, name)).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert headers["polytomic-signature"] == (f"{name}={text}" if prefix else text)


def test_a_delivery_may_be_the_whole_event(emulator, clock, endpoint, path):
    emulator.set_switch("delivery_body", "whole")
    finished(emulator, clock)
    endpoint.wait(2)
    assert sorted((json.loads(body) for _, body in endpoint.received), key=lambda each: each["created_at"]) == (
        emulator.events
    )


def test_a_refused_delivery_is_attempted_up_to_five_times(emulator, clock, endpoint, path, attempts):
    emulator.set_switch("events_lost", ["sync.running"])
    endpoint.statuses = [500, 302, 404]
    finished(emulator, clock)
    for number, pause in enumerate((1, 2, 4), start=1):
        assert len(attempts(number)) == number
        clock.advance(pause - 0.001)
        clock.advance(0.001)
    tried = attempts(4)
    assert [each["status_code"] for each in tried] == [500, 302, 404, 200]
    assert [each["success"] for each in tried] == [False, False, False, True]
    assert len({each["event_id"] for each in tried}) == 1
    assert {each["event_type"] for each in tried} == {"sync.completed"}
    assert tried[0]["response_body"] == "ok"
    clock.advance(1000)
    endpoint.statuses = [500] * 100
    finished(emulator, clock)
    for number in range(5, 9):
        attempts(number)
        clock.advance(100)
    assert [each["success"] for each in attempts(9)[4:]] == [False] * 5
    clock.advance(1000)
    endpoint.statuses = []
    for number in (10, 11):
        finished(emulator, clock)
        attempts(number)
    assert [len(list(group)) for _, group in groupby(each["event_id"] for each in attempts(11))] == [4, 5, 1, 1]


def test_a_delivery_without_a_response_is_attempted_again(emulator, clock, http, path, endpoint, attempts):
    http.put(path, json={"endpoint": "http://127.0.0.1:1/hook", "secret": SECRET})
    finished(emulator, clock)
    tried = attempts(2)
    assert [(each["success"], each["error_kind"]) for each in tried] == [(False, "connection")] * 2
    http.put(path, json={"endpoint": endpoint.url, "secret": SECRET})
    clock.advance(1)
    endpoint.wait(2)


def test_only_endpoints_on_loopback_receive_deliveries(emulator, clock, http, path, attempts):
    http.put(path, json={"endpoint": "https://example.com/hook", "secret": SECRET})
    finished(emulator, clock)
    assert [each["error_kind"] for each in attempts(2)] == ["refused", "refused"]


def test_a_disabled_webhook_gets_no_events(emulator, clock, http, path, endpoint):
    http.post(f"{path}/disable")
    finished(emulator, clock)
    http.post(f"{path}/enable")
    finished(emulator, clock, name="later")
    endpoint.wait(2)
    assert {json.loads(body)["event"]["sync_name"] for _, body in endpoint.received} == {"later"}
    endpoint.statuses = [500] * 4
    finished(emulator, clock)
    endpoint.wait(4)
    http.post(f"{path}/disable")
    http.post(f"{path}/enable")
    clock.advance(1000)
    finished(emulator, clock, name="last")
    endpoint.wait(6)
    assert [json.loads(body)["event"]["sync_name"] for _, body in endpoint.received[4:]] == ["last", "last"]


def test_earlier_events_are_not_delivered(emulator, clock, http, endpoint):
    finished(emulator, clock, name="before")
    http.post("/api/webhooks", json={"endpoint": endpoint.url, "secret": SECRET})
    finished(emulator, clock, name="after")
    endpoint.wait(2)
    assert {json.loads(body)["event"]["sync_name"] for _, body in endpoint.received} == {"after"}


def test_switches_lose_delay_and_repeat_deliveries(emulator, clock, endpoint, path, attempts):
    emulator.set_switch("events_lost", ["sync.running"])
    emulator.set_switch("events_repeated", ["sync.completed"])
    emulator.set_switch("events_delayed", {"sync.failed": 60})
    finished(emulator, clock, outcome="failed")
    finished(emulator, clock)
    assert endpoint.wait(2) == ["sync.completed", "sync.completed"]
    first, second = attempts(2)
    assert first["event_id"] == second["event_id"]
    clock.advance(60)
    assert endpoint.wait(3)[2] == "sync.failed"
