"""Call the emulator with the official SDK: every method works, and every response has the shape of the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from polytomic import AsyncPolytomic, Polytomic
from polytomic.core.api_error import ApiError

from airflow_provider_polytomic.emulator import Emulator, ManualClock
from tests.support.sample_objects import SampleObjects, create_sample_objects, unknown_objects

from . import shapes
from .sdk_calls import CALLS, PARTNERS

STATES: list[dict[str, Any]] = [
    {"empty_list": "null", "no_execution": "null", "event_paging": "none", "console_end": "null"},
    {"event_order": "oldest_first", "completed_beside_errors": True, "console_end": "absent"},
    {"events_repeated": ["*"], "event_order": "shuffled", "console_order": "newest_first", "page_size": 1},
]
READING = [name for name in CALLS if "_get" in name or "_list" in name]
WITHOUT_IDS = {
    "bulk_sync_executions_list_status",
    "bulk_sync_list",
    "connections_connect",
    "connections_create",
    "connections_get_connection_type_schema",
    "connections_get_types",
    "connections_list",
    "events_get_types",
    "events_list",
    "identity_get",
    "model_sync_get_schedule_options",
    "model_sync_list",
    "models_list",
    "organization_list",
    "webhooks_create",
    "webhooks_list",
}


@pytest.fixture(scope="module")
def served() -> Iterator[Emulator]:
    with Emulator(clock=ManualClock()) as emulator:
        yield emulator


@pytest.fixture
def emulator(served: Emulator) -> Emulator:
    served.reset()
    return served


class Caller:
    """Make single calls with the SDK's client, and check the shape of each response."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.seen: list[tuple[str, int]] = []

    def _check(self, response: httpx.Response) -> None:
        response.read()
        self.seen.append((shapes.operation(response.request), response.status_code))
        shapes.check(response)

    def __call__(self, name: str, objects: SampleObjects) -> Any:
        key = self._emulator.partner_key if name in PARTNERS else self._emulator.api_key
        with httpx.Client(verify=False, event_hooks={"response": [self._check]}) as http:
            sdk = Polytomic(httpx_client=http, base_url=self._emulator.url, token=key, max_retries=0)
            return CALLS[name](sdk, objects)


@pytest.fixture
def call(emulator: Emulator) -> Caller:
    return Caller(emulator)


def test_every_operation_is_called() -> None:
    assert set(CALLS) == shapes.operations()


@pytest.mark.parametrize("name", CALLS)
def test_each_operation_succeeds(emulator: Emulator, call: Caller, name: str) -> None:
    objects = create_sample_objects(emulator)
    if name == "webhooks_create":
        call("webhooks_delete", objects)
    answer = call(name, objects)
    assert call.seen[-1][0] == name
    assert call.seen[-1][1] in (200, 202)
    assert answer is not None or name.endswith(("_delete", "_test_connection", "_refresh"))


@pytest.mark.parametrize("state", STATES, ids=["nulls", "orders", "repetitions"])
def test_responses_have_the_documented_shape_in_every_behavior(
    emulator: Emulator, call: Caller, state: dict[str, Any]
) -> None:
    objects = create_sample_objects(emulator)
    for switch, value in state.items():
        emulator.set_switch(switch, value)
    for name in READING:
        call(name, objects)
    assert [name for name, status in call.seen if status == 200] == READING


def test_empty_lists(emulator: Emulator, call: Caller) -> None:
    for reading in ("list", "null"):
        emulator.set_switch("empty_list", reading)
        for name in ("connections_list", "model_sync_list", "bulk_sync_list", "models_list", "events_list"):
            assert not (call(name, unknown_objects())).data
        assert not (call("webhooks_list", unknown_objects())).data


@pytest.mark.parametrize("name", [name for name in CALLS if name not in WITHOUT_IDS])
def test_an_unknown_id_is_not_found(emulator: Emulator, call: Caller, name: str) -> None:
    with pytest.raises(ApiError) as refused:
        call(name, unknown_objects())
    assert refused.value.status_code == 404
    assert call.seen == [(name, 404)]


def test_the_emulator_emits_every_type_of_event(emulator: Emulator, call: Caller) -> None:
    outcomes = ("completed", "failed", "canceled")
    for outcome in outcomes:
        emulator.start(emulator.add_model_sync(outcome=outcome, counts={}).id)
        emulator.start(emulator.add_bulk_sync(outcome=outcome).id)
    emulator.start(emulator.add_model_sync(counts={"error": 1}).id)
    emulator.start(emulator.add_bulk_sync(outcome="errors").id)
    emulator.clock.advance(60)
    seen = {event.type for event in call("events_list", unknown_objects()).data}
    assert seen == set((call("events_get_types", unknown_objects())).data)


def test_an_execution_has_the_documented_shape_in_each_status(emulator: Emulator, call: Caller) -> None:
    objects = create_sample_objects(emulator)
    emulator.plan(objects.idle, statuses=[["queued", 0], ["processing", 2], ["running", 4]])
    emulator.start(objects.idle)
    emulator.start(objects.idle_bulk)
    for _ in range(6):
        for name in ("model_sync_get_status", "bulk_sync_get_status", "bulk_sync_executions_list_status"):
            call(name, objects)
        emulator.clock.advance(2)
    assert {status for _, status in call.seen} == {200}


async def test_the_async_client_of_the_sdk_works_like_the_sync_one(emulator: Emulator) -> None:
    objects = create_sample_objects(emulator)
    async with httpx.AsyncClient(verify=False) as http:
        sdk = AsyncPolytomic(httpx_client=http, base_url=emulator.url, token=emulator.api_key, max_retries=0)
        assert (await CALLS["model_sync_get"](sdk, objects)).data.id == objects.sync
        assert (await CALLS["bulk_sync_start"](sdk, objects)).data.id
