"""The route for Polytomic's webhook, with the emulator and a stand-in for Airflow's REST API."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("fastapi", reason="Airflow 2 has no FastAPI applications")

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.assets import sync_asset
from airflow_provider_polytomic.executions import Execution
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.plugins import _receiver
from airflow_provider_polytomic.plugins.webhooks import PREFIX, PolytomicWebhookPlugin
from tests.support.airflow_rest_api import serving
from tests.support.organizations import add_customers, partner_connection

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)

SECRET = "secret-of-the-webhook"
OPTIONS = {"conn_id": "polytomic_webhook", "airflow_conn_id": "airflow_api"}


@pytest.fixture
def airflow():
    with serving() as airflow:
        yield airflow


@pytest.fixture
def configure(monkeypatch, airflow):
    """Return a function that sets options of the configuration."""
    login = {"conn_type": "http", "host": airflow.url, "login": "webhook", "password": airflow.password}
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(login))
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_WEBHOOK", json.dumps({"conn_type": "http", "password": SECRET}))

    def configure(**options):
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__POLYTOMIC__WEBHOOK_{name.upper()}", str(value))

    return configure


@pytest.fixture
def client(emulator, configure):
    """Return a function that mounts the route with these options and returns a client for it."""

    def client(**options):
        configure(**OPTIONS, **options)
        [mounted] = PolytomicWebhookPlugin.fastapi_apps
        assert mounted["url_prefix"] == PREFIX == "/polytomic"
        return TestClient(mounted["app"])

    return client


def signed(body, secret=SECRET, hash=hashlib.sha256):
    return {"Polytomic-Signature": hmac.new(secret.encode(), body, hash).hexdigest()}


async def apost(client, body):
    content = json.dumps(body).encode()
    return await client.post("/webhook", content=content, headers=signed(content))


def post(client, body, secret=SECRET, hash=hashlib.sha256, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/webhook", content=body, headers={**signed(body, secret, hash), **headers})


@pytest.fixture
def ended(emulator, airflow):
    """Return a function that ends an execution and returns the body of the delivery about it."""

    def ended(kind="model", status="completed", event=None, **plan):
        sync = emulator.add_model_sync(**plan) if kind == "model" else emulator.add_bulk_sync(**plan)
        airflow.add_asset(f"polytomic://{urlsplit(emulator.url).netloc}/{kind}/{sync.id}")
        execution = emulator.start(sync.id)
        emulator.finish(execution.id, status)
        prefix = "sync" if kind == "model" else "bulk_sync"
        facts = {"sync_id": sync.id, "execution_id": execution.id, "sync_name": sync.name}
        return {"type": f"{prefix}.{event or status}", "event": facts}

    return ended


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_a_delivery_creates_an_asset_event_about_the_execution(client, airflow, ended, emulator, kind):
    delivery = ended(kind)
    assert post(client(), delivery).json() == {"result": "created"}
    [event] = airflow.events
    payload = event["extra"]["payload"]
    [execution] = emulator.executions(delivery["event"]["sync_id"])
    assert payload == {
        "event": "completed",
        "event_id": f"{execution.id}/completed",
        "kind": kind,
        "sync_id": execution.sync_id,
        "sync_name": delivery["event"]["sync_name"],
        "execution_id": execution.id,
        "created_at": payload["created_at"],
        "counts": payload["counts"],
        "errors": [],
        "url": payload["url"],
    }
    assert payload["created_at"].replace("+00:00", "Z") == execution.completed_at
    assert payload["counts"]["total"] > 0


def test_the_payload_has_the_fields_of_the_trigger_that_polls(client, airflow, ended):
    from airflow_provider_polytomic.triggers.events import PolytomicEventTrigger

    post(client(), ended())
    for name in airflow.events[0]["extra"]["payload"]:
        assert f"``{name}``" in PolytomicEventTrigger.__doc__


def test_a_delivery_may_have_an_id_but_the_time_is_that_of_the_api(client, airflow, ended, emulator):
    delivery = {**ended(), "id": "the-event", "created_at": "2099-01-01T00:00:00Z"}
    assert post(client(), delivery).json() == {"result": "created"}
    payload = airflow.events[0]["extra"]["payload"]
    [execution] = emulator.executions(delivery["event"]["sync_id"])
    assert payload["event_id"] == "the-event"
    assert payload["created_at"].replace("+00:00", "Z") == execution.completed_at


def test_a_delivery_is_refused_while_the_execution_runs_by_the_api(client, airflow, ended, emulator):
    delivery, app = ended(duration=60), client()
    execution = emulator.start(delivery["event"]["sync_id"])
    delivery["event"]["execution_id"] = execution.id
    response = post(app, delivery)
    assert (response.status_code, airflow.events) == (503, [])
    assert "has not ended" in response.json()["reason"]
    emulator.finish(execution.id)
    assert post(app, delivery).json() == {"result": "created"}


@pytest.mark.parametrize(
    ("outcome", "result"), [("success", "repeated"), ("partial", "repeated"), ("running", "created")]
)
def test_a_delivery_after_the_asset_event_of_a_task_is_a_repetition(client, airflow, ended, outcome, result):
    """The asset event of a task that does not wait is about the start only."""
    delivery = ended()
    extra = {"execution_id": delivery["event"]["execution_id"], "outcome": outcome}
    airflow.answer("POST", "/api/v2/assets/events", f"Bearer {airflow.token}", {"asset_id": 1, "extra": extra})
    assert post(client(), delivery).json() == {"result": result}


def test_a_repeated_delivery_creates_nothing(client, airflow, ended, emulator):
    delivery = ended()
    results = [post(client(), body).json()["result"] for body in (delivery, delivery)]
    assert results == ["created", "repeated"]
    emulator.set_switch("event_sync_name", "name")
    beside = {**delivery, "type": "sync.completed_with_errors"}
    assert post(client(events="completed, completed_with_errors"), beside).json() == {"result": "repeated"}
    assert len(airflow.events) == 1


def test_a_delivery_after_the_asset_event_of_a_trigger_is_a_repetition(client, airflow, ended):
    delivery = ended()
    polled = {"execution_id": delivery["event"]["execution_id"], "event": "completed", "event_id": "from the feed"}
    airflow.answer(
        "POST", "/api/v2/assets/events", f"Bearer {airflow.token}", {"asset_id": 1, "extra": {"payload": polled}}
    )
    for _ in range(150):
        airflow.events.append({**airflow.events[0], "extra": {"payload": {"execution_id": "another"}}})
    assert post(client(), delivery).json() == {"result": "repeated"}


@pytest.mark.parametrize(
    ("wanted", "status", "event", "counts", "result"),
    [
        ("completed", "failed", "failed", {}, "ignored"),
        ("failed", "failed", "failed", {}, "created"),
        ("canceled", "canceled", "canceled", {}, "created"),
        ("completed", "completed", "running", {}, "ignored"),
        ("completed", "completed", "completed_with_errors", {"error": 1}, "ignored"),
        ("completed_with_errors", "completed", "completed_with_errors", {"error": 1}, "created"),
        ("completed", "completed", "completed", {"error": 1}, "ignored"),
        ("completed_with_errors", "completed", "completed", {"error": 1}, "created"),
    ],
    ids=str,
)
def test_only_the_configured_events_create_asset_events(client, airflow, ended, wanted, status, event, counts, result):
    delivery = ended(status=status, event=event, counts={"total": 3, **counts})
    assert post(client(events=wanted), delivery).json() == {"result": result}
    assert len(airflow.events) == (result == "created")


def test_the_singular_in_events_of_bulk_syncs_is_accepted(client, airflow, ended):
    delivery = ended("bulk", status="errors", event="completed_with_error")
    assert post(client(events="completed_with_errors"), delivery).json() == {"result": "created"}
    assert airflow.events[0]["extra"]["payload"]["event"] == "completed_with_errors"


def test_without_an_asset_polytomic_gets_no_request(client, airflow, ended, emulator, logged):
    delivery = ended()
    uri = airflow.assets[0]["uri"]
    airflow.assets = [{"id": 1, "uri": uri + "/schema"}]
    assert post(client(), delivery).json() == {"result": "no asset"}
    assert emulator.requests == []
    assert f"no DAG has an asset {uri}" in logged()


def test_an_asset_is_found_though_the_connection_names_the_usual_port(client, airflow, monkeypatch, emulator):
    connection = {"conn_type": "polytomic", "password": "key", "host": "polytomic.example.com", "port": 443}
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
    app = client()
    requested = []
    airflow.before = requested.append
    post(app, {"type": "sync.completed", "event": {"sync_id": "s", "execution_id": "e"}})
    uri = sync_asset("s", host="polytomic.example.com").uri
    assert any(parse_qs(urlsplit(target).query).get("uri_pattern") == [uri] for target in requested)


def test_an_event_belongs_to_the_asset_of_its_organization(client, airflow, emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", partner_connection(emulator))
    app, host = client(), urlsplit(emulator.url).netloc
    deliveries = {}
    for organization in add_customers(emulator, "a", "b"):
        sync = organization.add_model_sync(id="the-same", duration=0)
        ids = {"sync_id": sync.id, "execution_id": organization.start(sync.id).id}
        facts = {**ids, "organization_id": organization.organization_id}
        deliveries[organization.organization_id] = {"type": "sync.completed", "event": facts}
        airflow.add_asset(sync_asset(sync.id, host=host, organization_id=organization.organization_id).uri)
    emulator.clock.advance(1)
    for asset, delivery in reversed([*zip(airflow.assets, deliveries.values())]):
        assert post(app, delivery).json() == {"result": "created"}
        assert airflow.events[-1]["asset_id"] == asset["id"]
        assert airflow.events[-1]["extra"]["payload"]["execution_id"] == delivery["event"]["execution_id"]
    deliveries["a"]["event"]["organization_id"] = "b"
    assert post(app, deliveries["a"]).status_code == 422
    deliveries["a"]["event"]["organization_id"] = "another"
    assert post(app, deliveries["a"]).json() == {"result": "no asset"}
    assert len(airflow.events) == 2


def test_an_asset_is_found_behind_a_hundred_others(client, airflow, ended):
    delivery = ended()
    [asset] = airflow.assets
    airflow.assets = [{"id": 1000 + n, "uri": f"{asset['uri']}/{n}"} for n in range(250)] + [asset]
    assert post(client(), delivery).json() == {"result": "created"}
    assert airflow.events[0]["asset_id"] == asset["id"]


def test_an_invalid_signature_is_refused_before_the_body_is_parsed(client, airflow, ended, logged):
    delivery = ended()
    app = client()
    assert post(app, delivery, secret="another").status_code == 401
    assert app.post("/webhook", json=delivery).status_code == 401
    assert post(app, b"not JSON", secret="another").status_code == 401
    assert (airflow.requests, airflow.events) == ([], [])
    assert SECRET not in logged()


async def test_without_a_signature_no_body_is_read(client):
    read = []

    async def parts():
        read.append(True)
        yield b"x"

    transport = httpx.ASGITransport(client().app)
    async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as asgi:
        response = await asgi.post("/webhook", content=parts())
    assert (response.status_code, read) == (401, [])


@pytest.mark.parametrize(
    ("hash", "encoding", "prefix", "body"),
    [("sha256", "hex", False, "event"), ("sha512", "base64", True, "whole"), ("sha1", "hex", True, "event")],
)
def test_each_form_of_signature_is_accepted(client, airflow, ended, emulator, hash, encoding, prefix, body):
    from airflow_provider_polytomic.emulator.domain.webhooks import PendingDelivery, Webhook

    for name, value in {"hash": hash, "encoding": encoding, "prefix": prefix}.items():
        emulator.set_switch(f"signature_{name}", value)
    emulator.set_switch("delivery_body", body)
    delivery = ended()
    [event] = [each for each in emulator.events if each["type"] == delivery["type"]]
    sent = PendingDelivery(event, 0.0).body(emulator.switches)
    signature = Webhook("w", "", SECRET, "o", 0.0).signature(sent, emulator.switches)
    app = client(signature_hash=hash, signature_encoding=encoding)
    response = app.post("/webhook", content=sent, headers={"Polytomic-Signature": signature})
    assert response.json() == {"result": "created"}


def test_an_oversized_body_is_refused_whatever_its_content_length(client, ended):
    app = client(max_bytes=300)
    assert post(app, ended()).json() == {"result": "created"}
    assert post(app, b"x" * 301).status_code == 413
    parts = (b"x" * 100 for _ in range(1000))
    assert app.post("/webhook", content=parts, headers={"Polytomic-Signature": "any"}).status_code == 413
    assert post(app, b"x" * 300).status_code == 422


def test_a_body_is_bounded_whatever_the_option_says(client):
    app = client(max_bytes=10 * _receiver.MAX_DELIVERY_BYTES)
    assert post(app, b"x" * _receiver.MAX_DELIVERY_BYTES).status_code == 422
    assert post(app, b"x" * (_receiver.MAX_DELIVERY_BYTES + 1)).status_code == 413


async def test_the_number_of_bodies_that_are_not_yet_verified_is_bounded(client, ended, monkeypatch):
    monkeypatch.setattr(_receiver, "MAX_UNVERIFIED_DELIVERIES", 2)
    app, release, begun = client().app, asyncio.Event(), []

    async def held():
        begun.append(True)
        yield b"x"
        await release.wait()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://airflow") as asgi:
        headers = {"Polytomic-Signature": "none"}
        senders = [asyncio.create_task(asgi.post("/webhook", content=held(), headers=headers)) for _ in range(2)]
        while len(begun) < 2:
            await asyncio.sleep(0)
        refused = await apost(asgi, ended())
        assert (refused.status_code, refused.json()["result"]) == (503, "refused")
        release.set()
        assert [response.status_code for response in await asyncio.gather(*senders)] == [401, 401]
        assert (await apost(asgi, ended())).json() == {"result": "created"}


async def test_a_slow_sender_is_refused(client, monkeypatch):
    monkeypatch.setattr(_receiver, "BODY_TIMEOUT", 0.01)

    async def endless():
        yield b"x"
        await asyncio.Event().wait()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(client().app), base_url="http://airflow") as asgi:
        response = await asgi.post("/webhook", content=endless(), headers={"Polytomic-Signature": "none"})
    assert response.status_code == 408


@given(
    fields=st.dictionaries(
        st.sampled_from(("sync_id", "execution_id", "sync_name", "name", "record_count", "error_count", "error")),
        any_value,
    ),
    more=st.dictionaries(st.sampled_from(("id", "created_at", "organization_id")), any_value),
    type=st.sampled_from(("sync.completed", "bulk_sync.failed")) | any_text,
)
@settings(deadline=None)
def test_any_signed_delivery_is_read_to_what_airflow_can_store_or_is_refused(fields, more, type):
    body = json.dumps({"type": type, "event": fields, **more}).encode()
    try:
        delivery = _receiver.Delivery.read(body)
    except ValueError:
        return
    if delivery is not None:
        payload = delivery.payload(Execution.unknown("model", "s", "e"), None)
        assert storable(payload, "the payload") is payload


def test_an_unexpected_exception_refuses_its_delivery_alone(client, ended, monkeypatch, caplog):
    app = client()
    with monkeypatch.context() as patch:
        patch.setattr(_receiver.Delivery, "may_be_one_of", lambda *_: 1 / 0)
        response = post(app, ended())
    assert (response.status_code, response.json()["result"]) == (500, "refused")
    assert "ZeroDivisionError" in caplog.text
    assert post(app, ended()).json() == {"result": "created"}


def test_an_old_event_is_refused(client, airflow, ended, emulator):
    emulator.clock.advance(-7200)
    old = ended()
    assert post(client(max_age=3600), old).status_code == 400
    assert airflow.events == []
    assert post(client(max_age=10800), old).json() == {"result": "created"}
    emulator.clock.advance(-100_000)
    ancient = ended()
    assert post(client(), ancient).status_code == 400
    assert post(client(max_age=0), ancient).json() == {"result": "created"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"[]",
        b"{}",
        b'{"type": "sync.completed"}',
        b'{"type": "sync.completed", "event": {"sync_id": "s"}}',
        b'{"type": "sync.completed", "event": {"sync_id": 1, "execution_id": "e"}}',
        b'{"type": "sync.completed", "event": {"sync_id": "s", "execution_id": "e"}, "created_at": "yesterday"}',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"type": "sync.completed", "event": {"sync_id": ".", "execution_id": "e"}}',
        b'{"type": "sync.completed", "event": {"sync_id": "s", "execution_id": ".."}}',
        b'{"type": "sync.completed", "event": {"sync_id": "\\ud800", "execution_id": "e"}}',
        b'{"type": "sync.completed", "event": {"sync_id": "s", "execution_id": "e"}, "created_at": "0001-01-01T00:00"}',
    ],
)
def test_an_invalid_body_is_refused(client, body):
    response = post(client(), body)
    assert (response.status_code, response.json()["result"]) == (422, "refused")


def test_an_event_about_something_else_is_ignored(client):
    assert post(client(), {"type": "connection.unhealthy", "event": {}}).json() == {"result": "ignored"}


def test_an_execution_that_polytomic_does_not_know_is_refused(client, airflow, ended):
    delivery = ended()
    delivery["event"]["execution_id"] = "00000000-0000-4000-8000-000000000000"
    assert post(client(), delivery).status_code == 422
    assert airflow.events == []


def test_a_delivery_that_could_not_be_handled_is_accepted_later(client, airflow, ended, emulator, logged):
    delivery, app = ended(), client()
    emulator.fault("status", status=500)
    assert post(app, delivery).status_code == 503
    airflow.status = 500
    assert post(app, delivery).status_code == 503
    airflow.status = 200
    assert post(app, delivery).json() == {"result": "created"}
    text = logged()
    for secret in (SECRET, airflow.password, airflow.token, emulator.api_key):
        assert secret not in text


@pytest.mark.parametrize("body", ["", "<html>", "{}", "[]", "null", '{"access_token": "t"}', '{"assets": [{}]}'])
def test_an_invalid_response_of_airflow_refuses_the_delivery(client, airflow, ended, body):
    delivery, app = ended(), client()
    airflow.body = body
    assert post(app, delivery).status_code == 503


async def test_a_slow_delivery_delays_no_other(client, airflow, ended):
    """While the first waits for Airflow's API, a delivery about another execution is handled."""
    slow, other, app = ended(), ended(), client().app
    reached, release = threading.Event(), threading.Event()

    def hold(path):
        if slow["event"]["sync_id"] in path:
            reached.set()
            release.wait(30)

    airflow.before = hold
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://airflow") as asgi:
        first = asyncio.create_task(apost(asgi, slow))
        await asyncio.to_thread(reached.wait, 30)
        repeated = asyncio.create_task(apost(asgi, slow))
        assert (await apost(asgi, other)).json() == {"result": "created"}
        assert not first.done()
        release.set()
        responses = await asyncio.gather(first, repeated)
    assert sorted(response.json()["result"] for response in responses) == ["created", "repeated"]


def test_a_delivery_that_exceeds_the_timeout_is_refused(client, airflow, ended, monkeypatch):
    monkeypatch.setattr(_receiver, "DELIVERY_TIMEOUT", 0.05)
    release = threading.Event()
    airflow.before = lambda path: release.wait(30)
    response = post(client(), ended())
    release.set()
    assert (response.status_code, airflow.events) == (503, [])
    assert "took longer" in response.json()["reason"]


def test_a_token_that_has_expired_is_replaced(client, airflow, ended):
    app = client()
    assert post(app, ended()).json() == {"result": "created"}
    assert post(app, ended()).json() == {"result": "created"}
    logins = [path for _, path in airflow.requests if path == "/auth/token"]
    assert len(logins) == 1
    airflow.token = "token-2"
    assert post(app, ended()).json() == {"result": "created"}


def test_a_changed_password_or_secret_takes_effect_at_once(client, airflow, ended, monkeypatch):
    app = client()
    assert post(app, ended()).json() == {"result": "created"}
    login = {"conn_type": "http", "host": airflow.url, "login": "webhook", "password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(login))
    assert post(app, ended()).status_code == 503
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_WEBHOOK", json.dumps({"conn_type": "http", "password": "new"}))
    assert post(app, ended()).status_code == 401


@pytest.mark.parametrize("name", ["POLYTOMIC_WEBHOOK", "AIRFLOW_API", "POLYTOMIC_DEFAULT"])
def test_a_delivery_is_refused_if_a_connection_is_missing(client, ended, monkeypatch, name):
    delivery, app = ended(), client()
    monkeypatch.delenv(f"AIRFLOW_CONN_{name}")
    assert post(app, delivery).status_code == 503


def test_the_log_contains_no_password_of_an_invalid_uri(client, ended, monkeypatch, logged):
    """As a secrets backend fails at a URI whose password has a slash; Airflow's own backends do not in each version."""
    delivery, app = ended(), client()
    monkeypatch.setattr(PolytomicHook, "get_connection", lambda _: urlsplit("http://user:c4nary/5ecret@host").port)
    assert post(app, delivery).status_code == 503
    text = logged()
    assert "cannot be read: ValueError" in text
    assert "c4nary" not in text


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, ""),
        ({"airflow_conn_id": "airflow_api"}, ""),
        ({"conn_id": "polytomic_webhook"}, "webhook_airflow_conn_id is not set"),
        ({**OPTIONS, "polytomic_conn_id": ""}, "webhook_polytomic_conn_id is not set"),
        ({**OPTIONS, "signature_hash": "md5"}, "webhook_signature_hash"),
        ({**OPTIONS, "signature_encoding": "rot13"}, "webhook_signature_encoding"),
        ({**OPTIONS, "events": "completed, done"}, "webhook_events"),
        ({**OPTIONS, "max_age": "24h"}, "webhook_max_age cannot be read as integer"),
        ({"max_age": "24h"}, ""),
    ],
    ids=str,
)
def test_no_route_is_mounted_without_valid_options(configure, logged, options, error):
    configure(**options)
    assert PolytomicWebhookPlugin.fastapi_apps == []
    assert error in logged()
    assert ("Disabled Polytomic's webhook" in logged()) == bool(error)


def test_the_application_has_one_route(client):
    app = client()
    assert app.get("/webhook").status_code == 405
    assert [app.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json", "/")] == [404] * 4


def test_airflow_mounts_the_application(configure):
    """In a process of its own, since Airflow looks for plugins once."""
    configure(**OPTIONS)
    code = (
        "import sys; from airflow import plugins_manager as manager\n"
        "manager.ensure_plugins_loaded()\n"
        "loaded = [name for name in sys.modules if name.startswith('airflow_provider_polytomic.plugins._')]\n"
        "find = getattr(manager, 'get_fastapi_plugins', None)\n"
        "find or manager.initialize_fastapi_plugins()\n"
        "apps = find()[0] if find else manager.fastapi_apps\n"
        "print(f'\\n{loaded}\\n{[app[\"url_prefix\"] for app in apps]}')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    loaded, mounted = ran.stdout.splitlines()[-2:]
    assert loaded == "[]"
    assert "'/polytomic'" in mounted


@pytest.mark.parametrize("hours", [-25, 25])
def test_a_repetition_is_detected_whatever_the_clock_of_polytomic(client, airflow, ended, emulator, hours):
    emulator.clock.advance(hours * 3600)
    delivery = ended()
    results = [post(client(max_age=0), body).json()["result"] for body in (delivery, delivery)]
    assert results == ["created", "repeated"]
    assert len(airflow.events) == 1
