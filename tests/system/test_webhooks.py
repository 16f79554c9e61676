"""Polytomic's webhook from the emulator through the API server to a DAG, and the requests that it refuses."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime

import httpx
import pytest

from airflow_provider_polytomic.api import PolytomicClient, webhooks

from .cluster import IS_AIRFLOW_2
from .conftest import TIMEOUT, WEBHOOK_SECRET

pytestmark = pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 has no route for a webhook")

DAG_ID, SYNC_ID = "webhook_consumer", "00000000-0000-4000-8000-00000000e701"
MAX_DELIVERY_BYTES = 65_536
NAME, STORED_NAME = "Pushed\x00 \x1b[31m", "Pushed\ufffd \ufffd[31m"
"""A name that PostgreSQL cannot store, and what is stored instead."""


@pytest.fixture
def endpoint(cluster):
    return f"{cluster.url}/polytomic/webhook"


@pytest.fixture
def webhook(emulator, endpoint):
    """Register the webhook as docs/webhooks.md describes, and delete it after the test."""
    with PolytomicClient(emulator.api_key, base_url=emulator.url) as client:
        created = client.send(webhooks.create(endpoint=endpoint, secret=WEBHOOK_SECRET))
        yield lambda: list(client.pages(webhooks.list_deliveries(created.id)))
        client.send(webhooks.delete(created.id))


def post(endpoint, body, secret=WEBHOOK_SECRET):
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return httpx.post(endpoint, content=body, headers={"Polytomic-Signature": signature}, trust_env=False, timeout=30)


def asset_events(cluster):
    [asset] = cluster.rest("GET", f"assets?uri_pattern={SYNC_ID}")["assets"]
    return cluster.rest("GET", f"assets/events?asset_id={asset['id']}")["asset_events"]


def test_an_event_that_is_delivered_twice_starts_the_consumer_once(cluster, emulator, webhook, endpoint):
    cluster.wait_until_parsed(DAG_ID)
    emulator.add_model_sync(id=SYNC_ID, name=NAME, duration=1, counts={"total": 7, "insert": 7})
    emulator.set_switch("events_repeated", [SYNC_ID])
    execution = emulator.start(SYNC_ID)

    def two_deliveries():
        deliveries = [one for one in webhook() if one.event_type == "sync.completed"]
        return deliveries if sum(bool(one.success) for one in deliveries) == 2 else None

    deliveries = cluster.wait_for(two_deliveries, TIMEOUT, "two deliveries")
    responses = [json.loads(one.response_body) if one.response_body else one.error for one in deliveries]
    assert sorted(responses, key=str) == [{"result": "created"}, {"result": "repeated"}]

    def ended_runs():
        runs = cluster.rest("GET", f"dags/{DAG_ID}/dagRuns")["dag_runs"]
        return [run for run in runs if run["state"] in ("success", "failed")]

    [run] = cluster.wait_for(ended_runs, TIMEOUT, "a run of the consumer")
    assert run["state"] == "success"
    [event] = asset_events(cluster)  # which Airflow cannot list while a run of theirs is queued
    [payload] = cluster.xcom(DAG_ID, run["dag_run_id"], "payloads")
    assert payload == event["extra"]["payload"]
    assert (payload["event"], payload["kind"], payload["sync_id"]) == ("completed", "model", SYNC_ID)
    assert (payload["execution_id"], payload["sync_name"]) == (execution.id, STORED_NAME)
    assert (payload["counts"]["total"], payload["counts"]["insert"]) == (7, 7)
    assert datetime.fromisoformat(payload["created_at"]).timestamp() <= emulator.clock()

    again = {"type": "sync.completed", "event": {"sync_id": SYNC_ID, "execution_id": execution.id}}
    assert post(endpoint, json.dumps(again).encode()).json() == {"result": "repeated"}
    assert len(asset_events(cluster)) == 1
    logs = "".join(process.tail() for process in cluster.components.values())
    assert WEBHOOK_SECRET not in logs


def test_the_api_server_sends_the_metrics_of_its_requests_to_polytomic(cluster, endpoint, statsd):
    pytest.importorskip("statsd")
    cluster.wait_until_parsed(DAG_ID)
    packets_before = len(statsd.packets)
    body = {"type": "sync.completed", "event": {"sync_id": SYNC_ID, "execution_id": "of-nobody"}}
    assert post(endpoint, json.dumps(body).encode()).status_code == 422
    name = "api-server.polytomic.requests.failed"
    cluster.wait_for(lambda: statsd.sum(name, packets_before), TIMEOUT, "the metric of the request")


def test_a_request_without_a_valid_signature_or_beyond_a_limit_is_refused(endpoint):
    body = b'{"type": "sync.completed", "event": {"sync_id": "a", "execution_id": "b"}}'
    assert post(endpoint, body, secret="another").status_code == 401
    assert httpx.post(endpoint, content=body, trust_env=False, timeout=30).status_code == 401
    assert post(endpoint, b" " * (MAX_DELIVERY_BYTES + 1)).status_code == 413
    parts = (b" " * MAX_DELIVERY_BYTES for _ in range(2))
    unread = {"Polytomic-Signature": "any"}
    assert httpx.post(endpoint, content=parts, headers=unread, trust_env=False, timeout=30).status_code == 413
    assert post(endpoint, b"[" * 60_000).status_code == 422
    assert post(endpoint, body).json() == {"result": "no asset"}
