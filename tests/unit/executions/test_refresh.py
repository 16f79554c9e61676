"""Wait for a refresh of schemas during which Polytomic refuses requests."""

from __future__ import annotations

import math

import httpx
import pytest

from airflow_provider_polytomic.api import PolytomicAPIError, PolytomicClient, bulk_syncs, schemas, send
from airflow_provider_polytomic.executions import UnknownSchemas, find_schemas, repeat_after_refresh


@pytest.fixture
def client(emulator):
    emulator.clock.freeze()
    with PolytomicClient(emulator.api_key, base_url=emulator.url, sleep=emulator.clock.advance) as client:
        yield client


@pytest.fixture
def sync(emulator):
    source = emulator.add_connection(name="CRM", type="salesforce").id
    target = emulator.add_connection(name="Warehouse", type="postgresql").id
    ends = {"source_connection_id": source, "destination_connection_id": target}
    return emulator.add_bulk_sync(schemas=[{"id": "Contact"}, {"id": "Lead", "enabled": False}], **ends)


def begin_refresh(client, emulator, sync, **switches):
    for name, value in {"schema_refresh_seconds": 60, **switches}.items():
        emulator.set_switch(name, value)
    client.send(schemas.refresh(sync.attributes["source_connection_id"]))
    return emulator.clock()


def find(client, emulator, sync, wanted, **options):
    attempt = lambda number: find_schemas(sync.id, wanted)  # noqa: E731
    return client.run(repeat_after_refresh(attempt, sync.id, clock=emulator.clock, **options))


@pytest.mark.parametrize("wanted", [["Contact"], None])
def test_schemas_are_those_that_are_wanted_or_enabled(client, emulator, sync, wanted):
    assert find(client, emulator, sync, wanted) == ["Contact"]
    assert find(client, emulator, sync, ["Lead"]) == ["Lead"]


def test_a_schema_that_a_refresh_hides_is_waited_for(client, emulator, sync):
    began = begin_refresh(client, emulator, sync, schemas_while_refreshing="none")
    assert find(client, emulator, sync, ["Contact"]) == ["Contact"]
    assert emulator.clock() - began == 60


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_start_that_a_refresh_refuses_is_repeated(client, emulator, sync, status):
    began = begin_refresh(client, emulator, sync, start_while_refreshing=status)
    numbers = []

    def start(number):
        numbers.append(number)
        return send(bulk_syncs.start(sync.id))

    assert client.run(repeat_after_refresh(start, sync.id, clock=emulator.clock)).id
    assert (numbers, emulator.clock() - began) == ([0, 1], 60)


def test_a_refusal_without_a_refresh_counts(client, emulator, sync):
    with pytest.raises(UnknownSchemas) as raised:
        find(client, emulator, sync, ["Contact", "Unknown"])
    assert (raised.value.unknown, raised.value.known) == (["Unknown"], ["Contact", "Lead"])
    emulator.fault("status", status=422, method="POST", path="/api/bulk/syncs/*/executions")
    with pytest.raises(PolytomicAPIError, match="422"):
        client.run(repeat_after_refresh(lambda number: send(bulk_syncs.start(sync.id)), sync.id))


def test_a_refresh_that_does_not_end_is_not_waited_for_for_ever(client, emulator, sync):
    began = begin_refresh(client, emulator, sync, schemas_while_refreshing="none", schema_refresh_seconds=math.inf)
    with pytest.raises(UnknownSchemas):
        find(client, emulator, sync, ["Contact"], timeout=100)
    assert emulator.clock() - began == 100


@pytest.mark.parametrize("failing", ["/api/bulk/syncs/*", "/api/connections/*/schemas/status"])
def test_a_refusal_counts_if_the_refresh_is_not_known(client, emulator, sync, failing):
    begin_refresh(client, emulator, sync, schemas_while_refreshing="none")
    emulator.fault("status", status=403, path=failing, method="GET", count=None)
    with pytest.raises(UnknownSchemas):
        find(client, emulator, sync, ["Contact"])


@pytest.mark.parametrize(
    ("status", "waits"),
    [
        ({"cache_status": "Refreshing"}, True),
        ({"last_refresh_started": "2026-01-01T12:00:00Z"}, True),
        ({"last_refresh_started": "2026-01-01T12:00:00Z", "last_refresh_finished": "2026-01-01T11:00:00Z"}, True),
        ({"last_refresh_started": "2026-01-01T12:00:00Z", "last_refresh_finished": "2026-01-01T12:01:00Z"}, False),
        ({"cache_status": "failed", "last_refresh_started": "2026-01-01T12:00:00Z"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_the_status_tells_whether_a_refresh_is_in_progress(status, waits):
    pauses = []
    answers = {"/api/bulk/syncs/s": {"id": "s", "source_connection_id": "c"}, "/api/bulk/syncs/s/schemas": []}

    def answer(request):
        state = {"cache_status": "fresh"} if pauses else status
        return httpx.Response(200, json={"data": answers.get(request.url.path, state)})

    transport = httpx.MockTransport(answer)
    client = PolytomicClient("k", base_url="https://p.example.com", transport=transport, sleep=pauses.append)
    with client, pytest.raises(UnknownSchemas):
        client.run(repeat_after_refresh(lambda number: find_schemas("s", ["a"]), "s"))
    assert bool(pauses) is waits
