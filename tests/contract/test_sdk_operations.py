"""Polytomic's official SDK against the emulator: every method works, and every answer has the API's shape."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from polytomic import AsyncPolytomic, Polytomic
from polytomic.core.api_error import ApiError

from airflow_provider_polytomic.emulator import Emulator, ManualClock
from tests.support.sdk_world import World, build, nowhere

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
    """Make single calls with the SDK's client, sync or async, and check each answer on its way back."""

    def __init__(self, emulator: Emulator, asynchronous: bool) -> None:
        self._emulator = emulator
        self._asynchronous = asynchronous
        self.seen: list[tuple[str, int]] = []

    def _check(self, response: httpx.Response) -> None:
        self.seen.append((shapes.operation(response.request), response.status_code))
        shapes.check(response)

    async def __call__(self, name: str, world: World) -> Any:
        key = self._emulator.partner_key if name in PARTNERS else self._emulator.api_key
        settings: dict[str, Any] = {"base_url": self._emulator.url, "token": key, "max_retries": 0}
        if not self._asynchronous:

            def read_and_check(response: httpx.Response) -> None:
                response.read()
                self._check(response)

            with httpx.Client(verify=False, event_hooks={"response": [read_and_check]}) as http:
                return CALLS[name](Polytomic(httpx_client=http, **settings), world)

        async def aread_and_check(response: httpx.Response) -> None:
            await response.aread()
            self._check(response)

        async with httpx.AsyncClient(verify=False, event_hooks={"response": [aread_and_check]}) as http:
            answer = CALLS[name](AsyncPolytomic(httpx_client=http, **settings), world)
            assert inspect.isawaitable(answer)
            return await answer


@pytest.fixture
def call(emulator: Emulator) -> Caller:
    return Caller(emulator, asynchronous=False)


def test_every_operation_is_called() -> None:
    assert set(CALLS) == shapes.operations()


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", CALLS)
async def test_operation(emulator: Emulator, name: str, asynchronous: bool) -> None:
    world, call = build(emulator), Caller(emulator, asynchronous)
    if name == "webhooks_create":
        await call("webhooks_delete", world)
    answer = await call(name, world)
    assert call.seen[-1][0] == name
    assert call.seen[-1][1] in (200, 202)
    assert answer is not None or name.endswith(("_delete", "_test_connection", "_refresh"))


@pytest.mark.parametrize("state", STATES, ids=["nulls", "orders", "repetitions"])
async def test_answers_keep_their_shape_in_every_reading(
    emulator: Emulator, call: Caller, state: dict[str, Any]
) -> None:
    world = build(emulator)
    for switch, value in state.items():
        emulator.set_switch(switch, value)
    for name in READING:
        await call(name, world)
    assert [name for name, status in call.seen if status == 200] == READING


async def test_lists_of_nothing(emulator: Emulator, call: Caller) -> None:
    for reading in ("list", "null"):
        emulator.set_switch("empty_list", reading)
        for name in ("connections_list", "model_sync_list", "bulk_sync_list", "models_list", "events_list"):
            assert not (await call(name, nowhere())).data
        assert not (await call("webhooks_list", nowhere())).data


@pytest.mark.parametrize("name", [name for name in CALLS if name not in WITHOUT_IDS])
async def test_nothing_is_found_where_there_is_nothing(emulator: Emulator, call: Caller, name: str) -> None:
    with pytest.raises(ApiError) as refused:
        await call(name, nowhere())
    assert refused.value.status_code == 404
    assert call.seen == [(name, 404)]


async def test_every_type_of_event(emulator: Emulator, call: Caller) -> None:
    outcomes = ("completed", "failed", "canceled")
    for outcome in outcomes:
        emulator.start(emulator.add_model_sync(outcome=outcome, counts={}).id)
        emulator.start(emulator.add_bulk_sync(outcome=outcome).id)
    emulator.start(emulator.add_model_sync(counts={"error": 1}).id)
    emulator.start(emulator.add_bulk_sync(outcome="errors").id)
    emulator.clock.advance(60)
    seen = {event.type for event in (await call("events_list", nowhere())).data}
    assert seen == set((await call("events_get_types", nowhere())).data)


async def test_an_execution_keeps_its_shape_all_its_life(emulator: Emulator, call: Caller) -> None:
    world = build(emulator)
    emulator.plan(world.idle, statuses=[["queued", 0], ["processing", 2], ["running", 4]])
    emulator.start(world.idle)
    emulator.start(world.idle_bulk)
    for _ in range(6):
        for name in ("model_sync_get_status", "bulk_sync_get_status", "bulk_sync_executions_list_status"):
            await call(name, world)
        emulator.clock.advance(2)
    assert {status for _, status in call.seen} == {200}
