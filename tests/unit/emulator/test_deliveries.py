"""What reaches the webhook: over real HTTP, to an endpoint of the test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby

import pytest

SECRET = "hunter2"


@dataclass
class Endpoint:
    """Where deliveries arrive.

    :param statuses: what the next ones are answered; then 200
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    arrived: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, number):
        """Wait until so many have arrived, and give their types."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.arrived) >= number, 10), self.arrived
        return self.types

    @property
    def types(self):
        return [json.loads(body)["type"] for _, body in self.arrived]


@pytest.fixture
def endpoint():
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            with endpoint.changed:
                status = endpoint.statuses.pop(0) if endpoint.statuses else 200
                endpoint.arrived.append(({name.lower(): value for name, value in self.headers.items()}, body))
                endpoint.changed.notify_all()
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield endpoint
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def path(http, endpoint):
    made = http.post("/api/webhooks", json={"endpoint": endpoint.url, "secret": SECRET})
    return f"/api/webhooks/{made.json()['data']['id']}"


@pytest.fixture
def attempts(http, path):
    """Return a function that waits until so many attempts are noted, and gives them oldest first."""

    def attempts(number, **query):
        while True:
            data = http.get(f"{path}/deliveries", params=query).json()["data"]
            if len(data) >= number:
                return data[::-1]

    return attempts


def finished(emulator, clock, **plan):
    """Let an execution begin and end, and give it."""
    execution = emulator.start(emulator.add_model_sync(duration=10, **plan).id)
    clock.advance(10)
    return execution


def test_an_event_is_pushed_signed(emulator, clock, endpoint, path):
    execution = finished(emulator, clock)
    assert sorted(endpoint.wait(2)) == ["sync.completed", "sync.running"]
    for headers, body in endpoint.arrived:
        assert headers["polytomic-signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers["content-type"] == "application/json"
        told = json.loads(body)
        assert set(told) == {"type", "event"}
        assert told["event"]["execution_id"] == execution.id
    assert emulator.requests[0].path == "/api/webhooks"


@pytest.mark.parametrize("name", ["sha256", "sha1", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", [True, False])
def test_hash_encoding_and_prefix_of_the_signature(emulator, clock, endpoint, path, name, encoding, prefix):
    for switch, value in {"hash": name, "encoding": encoding, "prefix": prefix}.items():
        emulator.set_switch(f"signature_{switch}", value)
    finished(emulator, clock)
    endpoint.wait(2)
    headers, body = endpoint.arrived[0]
    digest = hmac.new(SECRET.encode(), body, getattr(hashlib, name)).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert headers["polytomic-signature"] == (f"{name}={text}" if prefix else text)


def test_a_delivery_may_be_the_whole_event(emulator, clock, endpoint, path):
    emulator.set_switch("delivery_body", "whole")
    finished(emulator, clock)
    endpoint.wait(2)
    assert sorted((json.loads(body) for _, body in endpoint.arrived), key=lambda each: each["created_at"]) == (
        emulator.events
    )


def test_what_is_refused_is_pushed_again_up_to_five_times(emulator, clock, endpoint, path, attempts):
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


def test_an_endpoint_that_does_not_answer_is_tried_again(emulator, clock, http, path, endpoint, attempts):
    http.put(path, json={"endpoint": "http://127.0.0.1:1/hook", "secret": SECRET})
    finished(emulator, clock)
    tried = attempts(2)
    assert [(each["success"], each["error_kind"]) for each in tried] == [(False, "connection")] * 2
    http.put(path, json={"endpoint": endpoint.url, "secret": SECRET})
    clock.advance(1)
    endpoint.wait(2)


def test_nothing_leaves_this_machine(emulator, clock, http, path, attempts):
    http.put(path, json={"endpoint": "https://example.com/hook", "secret": SECRET})
    finished(emulator, clock)
    assert [each["error_kind"] for each in attempts(2)] == ["refused", "refused"]


def test_nothing_is_queued_while_it_is_disabled(emulator, clock, http, path, endpoint):
    http.post(f"{path}/disable")
    finished(emulator, clock)
    http.post(f"{path}/enable")
    finished(emulator, clock, name="later")
    endpoint.wait(2)
    assert {json.loads(body)["event"]["sync_name"] for _, body in endpoint.arrived} == {"later"}
    endpoint.statuses = [500] * 4
    finished(emulator, clock)
    endpoint.wait(4)
    http.post(f"{path}/disable")
    http.post(f"{path}/enable")
    clock.advance(1000)
    finished(emulator, clock, name="last")
    endpoint.wait(6)
    assert [json.loads(body)["event"]["sync_name"] for _, body in endpoint.arrived[4:]] == ["last", "last"]


def test_what_happened_before_there_was_a_webhook_is_not_pushed(emulator, clock, http, endpoint):
    finished(emulator, clock, name="before")
    http.post("/api/webhooks", json={"endpoint": endpoint.url, "secret": SECRET})
    finished(emulator, clock, name="after")
    endpoint.wait(2)
    assert {json.loads(body)["event"]["sync_name"] for _, body in endpoint.arrived} == {"after"}


def test_events_are_lost_delayed_and_repeated_as_in_the_list(emulator, clock, endpoint, path, attempts):
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
