"""Polytomic's webhook from the emulator through the API server to a DAG, and what does not get through."""

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
MOST_BYTES = 1048576


@pytest.fixture
def endpoint(cluster):
    return f"{cluster.url}/polytomic/webhook"


@pytest.fixture
def webhook(emulator, endpoint):
    """Register the webhook, as docs/webhooks.md says, for as long as the test."""
    with PolytomicClient(emulator.api_key, base_url=emulator.url) as client:
        made = client.send(webhooks.create(endpoint=endpoint, secret=WEBHOOK_SECRET))
        yield lambda: list(client.pages(webhooks.list_deliveries(made.id)))
        client.send(webhooks.delete(made.id))


def post(endpoint, body, secret=WEBHOOK_SECRET):
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return httpx.post(endpoint, content=body, headers={"Polytomic-Signature": signature}, trust_env=False, timeout=30)


def asset_events(cluster):
    [asset] = cluster.rest("GET", f"assets?uri_pattern={SYNC_ID}")["assets"]
    return cluster.rest("GET", f"assets/events?asset_id={asset['id']}")["asset_events"]


def test_a_pushed_event_starts_the_consumer_once_though_it_is_delivered_twice(cluster, emulator, webhook, endpoint):
    cluster.wait_for(lambda: cluster._is_parsed(DAG_ID), TIMEOUT, "the DAG to be parsed")
    emulator.add_model_sync(id=SYNC_ID, name="Pushed", duration=1, counts={"total": 7, "insert": 7})
    emulator.set_switch("events_repeated", [SYNC_ID])
    execution = emulator.start(SYNC_ID)

    def told():
        attempts = [one for one in webhook() if one.event_type == "sync.completed"]
        return attempts if sum(bool(one.success) for one in attempts) == 2 else None

    attempts = cluster.wait_for(told, TIMEOUT, "two deliveries")
    answers = [json.loads(one.response_body) if one.response_body else one.error for one in attempts]
    assert sorted(answers, key=str) == [{"result": "created"}, {"result": "repeated"}]
    [event] = asset_events(cluster)

    def ended():
        runs = cluster.rest("GET", f"dags/{DAG_ID}/dagRuns")["dag_runs"]
        return [run for run in runs if run["state"] in ("success", "failed")]

    [run] = cluster.wait_for(ended, TIMEOUT, "the run of the consumer")
    assert run["state"] == "success"
    [payload] = cluster.xcom(DAG_ID, run["dag_run_id"], "payloads")
    assert payload == event["extra"]["payload"]
    assert (payload["event"], payload["kind"], payload["sync_id"]) == ("completed", "model", SYNC_ID)
    assert (payload["execution_id"], payload["sync_name"]) == (execution.id, "Pushed")
    assert (payload["counts"]["total"], payload["counts"]["insert"]) == (7, 7)
    assert datetime.fromisoformat(payload["created_at"]).timestamp() <= emulator.clock()

    again = {"type": "sync.completed", "event": {"sync_id": SYNC_ID, "execution_id": execution.id}}
    assert post(endpoint, json.dumps(again).encode()).json() == {"result": "repeated"}
    assert len(asset_events(cluster)) == 1
    logs = "".join(process.tail() for process in cluster.components.values())
    assert WEBHOOK_SECRET not in logs


def test_what_is_not_genuine_or_too_long_is_refused(endpoint):
    body = b'{"type": "sync.completed", "event": {"sync_id": "a", "execution_id": "b"}}'
    assert post(endpoint, body, secret="another").status_code == 401
    assert httpx.post(endpoint, content=body, trust_env=False, timeout=30).status_code == 401
    assert post(endpoint, b" " * (MOST_BYTES + 1)).status_code == 413
    parts = (b" " * MOST_BYTES for _ in range(2))
    unread = {"Polytomic-Signature": "any"}
    assert httpx.post(endpoint, content=parts, headers=unread, trust_env=False, timeout=30).status_code == 413
    assert post(endpoint, body).json() == {"result": "no asset"}
