"""Recognize ids of other objects than the expected kind of sync."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.executions import advice_on_id

CHOICES = {"model": "ModelOperator", "bulk": "BulkOperator"}


@pytest.fixture
def advice(emulator):
    def ask(kind, sync_id):
        with PolytomicClient(emulator.api_key, base_url=emulator.url) as client:
            return client.run(advice_on_id(kind, sync_id, CHOICES))

    return ask


@pytest.fixture
def ids(emulator):
    warehouse = emulator.add_connection(name="Warehouse", type="postgresql").id
    sync, bulk = emulator.add_model_sync().id, emulator.add_bulk_sync().id
    return {
        "sync": sync,
        "bulk_sync": bulk,
        "sync_execution": emulator.start(sync).id,
        "bulk_sync_execution": emulator.start(bulk).id,
        "model": emulator.add_model(connection_id=warehouse).id,
        "connection": warehouse,
        "organization": emulator.organization_id,
    }


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("model", "bulk_sync", "use BulkOperator, since the id is that of a bulk sync"),
        ("bulk", "sync", "use ModelOperator, since the id is that of a model sync"),
        ("model", "model", "use the id of a model sync, since the id is that of a model"),
        ("bulk", "connection", "use the id of a bulk sync, since the id is that of a connection"),
        ("model", "organization", "use the id of a model sync, since the id is that of an organization"),
        (
            "model",
            "sync_execution",
            "use the id of its sync ({sync}), since the id is that of an execution of a model sync",
        ),
        (
            "model",
            "bulk_sync_execution",
            "use BulkOperator with the id of its sync ({bulk_sync}), since the id is that of an execution of a "
            "bulk sync",
        ),
        ("model", "sync", None),
        ("bulk", "bulk_sync", None),
    ],
)
def test_an_id_of_another_object_is_recognized(advice, ids, kind, given, expected):
    assert advice(kind, ids[given]) == (expected and expected.format(**ids))


def test_an_unknown_id_is_no_other_object(advice):
    assert advice("model", str(uuid4())) is None


@pytest.mark.parametrize(
    "answer",
    [
        {"data": None},
        {"data": {"id": "{id}", "type": "a_new_type"}},
        {"data": {"id": "{id}", "type": None}},
        {"data": {"id": "{id}", "type": ["bulk_sync"]}},
        {"data": {"id": "another", "type": "bulk_sync"}},
        {"data": {"type": "bulk_sync"}},
        ["bulk_sync"],
    ],
    ids=str,
)
def test_an_unexpected_answer_is_no_advice(answer):
    sync_id = str(uuid4())
    if isinstance(answer, dict) and answer["data"] and answer["data"].get("id") == "{id}":
        answer = {"data": {**answer["data"], "id": sync_id}}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    with PolytomicClient("key", base_url="https://polytomic.example.com", transport=transport) as client:
        assert client.run(advice_on_id("model", sync_id, CHOICES)) is None


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_refused_request_is_sent_once_and_is_no_advice(emulator, advice, ids, status):
    emulator.fault("status", status=status, path="/api/entities/*", count=None)
    assert advice("model", ids["bulk_sync"]) is None
    assert [request.path for request in emulator.requests] == [f"/api/entities/{ids['bulk_sync']}"]
