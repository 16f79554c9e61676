"""The event trigger of asset needs_asset_watchers, run as the triggerer runs it."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing

import pytest

from airflow_provider_polytomic._compat import has_asset_watchers
from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.executions import ExecutionRef
from airflow_provider_polytomic.executions.event_feed import Feed
from airflow_provider_polytomic.triggers import _shared_event_poll, events
from airflow_provider_polytomic.triggers.events import PolytomicEventTrigger
from tests.support.event_triggers import PAYLOAD, AssetStateStore, EventTriggerRunner, rebuild

needs_asset_watchers = pytest.mark.skipif(not has_asset_watchers(), reason="Airflow 2 has no AssetWatcher")
COUNTS = {"total": 6, "insert": 3, "update": 2, "upserts": 0, "delete": 1, "error": 0, "warnings": 0}
BULK_COUNTS = {**dict.fromkeys(COUNTS, 0), "total": 500}


def listings(emulator):
    return [request for request in emulator.requests if request.path == "/api/events"]


def lookups(emulator):
    return [request for request in emulator.requests if "/executions/" in request.path]


def run_to_its_end(emulator, sync, seconds=60):
    execution = emulator.start(sync.id)
    emulator.clock.advance(seconds)
    return execution


def run_within(scenario, seconds=30):
    asyncio.run(asyncio.wait_for(scenario, seconds))


@pytest.fixture(autouse=True)
def _emulator_clock(emulator, monkeypatch):
    """Use the emulator's clock in the feed, too."""
    monkeypatch.setitem(Feed.__init__.__kwdefaults__, "clock", emulator.clock)


# ---- parameters


@pytest.mark.skipif(has_asset_watchers(), reason="Airflow 3 has AssetWatcher")
def test_airflow_2_raises_the_reason():
    with pytest.raises(PolytomicTaskError, match="needs asset watchers"):
        PolytomicEventTrigger()


@needs_asset_watchers
def test_equal_watchers_share_one_trigger():
    from airflow.triggers.base import BaseEventTrigger

    one = PolytomicEventTrigger(sync_ids=("b", "a", "a"), events={"failed", "completed"}, poll_interval=15)
    two = PolytomicEventTrigger(sync_ids=["a", "b"], events=["completed", "failed"], poll_interval=15.0)
    assert json.loads(json.dumps(one.serialize())) == json.loads(json.dumps(two.serialize()))
    assert BaseEventTrigger.hash(*one.serialize()) == BaseEventTrigger.hash(*rebuild(two).serialize())
    assert PolytomicEventTrigger("a").serialize() == PolytomicEventTrigger(["a"]).serialize()
    assert PolytomicEventTrigger("a").serialize() != PolytomicEventTrigger("b").serialize()


@needs_asset_watchers
@pytest.mark.parametrize(
    "invalid",
    [
        {"sync_ids": []},
        {"kind": "models"},
        {"events": ()},
        {"events": ["sync.completed"]},
        {"events": "running"},
        {"poll_interval": 0},
        {"poll_interval": float("nan")},
    ],
)
def test_invalid_parameters_are_refused(invalid):
    with pytest.raises(ValueError, match=next(iter(invalid))):
        PolytomicEventTrigger(**invalid)


# ---- events


@needs_asset_watchers
def test_an_event_has_the_ids_and_counts_of_its_execution(emulator):
    async def scenario():
        model = emulator.add_model_sync(counts=COUNTS)
        bulk = emulator.add_bulk_sync(schemas=[{"id": "contact", "records": 500, "duration": 5}])
        async with EventTriggerRunner() as trigger:
            first, second = run_to_its_end(emulator, model), run_to_its_end(emulator, bulk)
            payloads = await trigger.wait_for_events(2)
        assert [list(one) for one in payloads] == [PAYLOAD, PAYLOAD]
        expected = [(first, model, "model", COUNTS), (second, bulk, "bulk", BULK_COUNTS)]
        for one, (execution, sync, kind, counts) in zip(payloads, expected, strict=True):
            assert (one["event"], one["kind"], one["counts"], one["url"]) == ("completed", kind, counts, None)
            assert (one["execution_id"], one["sync_id"], one["sync_name"]) == (execution.id, sync.id, sync.name)
        events_of_emulator = {event["id"]: event["created_at"] for event in emulator.events}
        assert [events_of_emulator[one["event_id"]].replace("Z", "+00:00") for one in payloads] == [
            one["created_at"] for one in payloads
        ]

    run_within(scenario())


@needs_asset_watchers
@pytest.mark.parametrize("reachable", [True, False])
def test_the_event_of_a_failure_has_its_error_messages(emulator, reachable):
    async def scenario():
        errors = [f"The CRM refused record {number}: password=hunter2-secret" for number in range(9)]
        sync = emulator.add_model_sync(outcome="failed", errors=errors)
        if not reachable:
            emulator.fault("status", status=500, path="/api/**/executions/*", count=None)
        async with EventTriggerRunner(events=["failed"]) as trigger:
            run_to_its_end(emulator, sync)
            [payload] = await trigger.wait_for_events()
        assert payload["errors"][0].startswith("The CRM refused record 0: password=***")
        assert len(payload["errors"]) == (5 if reachable else 1)

    run_within(scenario())


@needs_asset_watchers
def test_the_url_is_built_from_the_link_template(emulator, monkeypatch):
    connection = json.loads(emulator.airflow_connection)
    connection["extra"] = {**(connection.get("extra") or {}), "link_template": "https://p.example.com/{sync_id}"}
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))

    async def scenario():
        sync = emulator.add_model_sync()
        async with EventTriggerRunner() as trigger:
            run_to_its_end(emulator, sync)
            [payload] = await trigger.wait_for_events()
        assert payload["url"] == f"https://p.example.com/{sync.id}"

    run_within(scenario())


@needs_asset_watchers
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["good", "bulk"]),
        ({"kind": "bulk"}, ["bulk"]),
        ({"kind": "model"}, ["good"]),
        ({"events": "failed"}, ["bad"]),
        ({"events": ["canceled", "completed_with_errors"]}, ["poor", "partial"]),
        ({"events": events.EVENTS, "kind": "model"}, ["good", "poor", "bad"]),
        ({"sync_ids": ["good", "bad", "gone"], "events": events.EVENTS}, ["good", "bad"]),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_only_matching_events_are_sent(emulator, wanted, expected, beside):
    emulator.set_switch("completed_beside_errors", beside)
    emulator.set_switch("events_repeated", ["*"])
    syncs = {
        "good": emulator.add_model_sync(name="good"),
        "poor": emulator.add_model_sync(name="poor", counts={"error": 2}),
        "bad": emulator.add_model_sync(name="bad", outcome="failed"),
        "bulk": emulator.add_bulk_sync(name="bulk"),
        "partial": emulator.add_bulk_sync(name="partial", outcome="errors"),
    }
    if "sync_ids" in wanted:
        wanted = {**wanted, "sync_ids": [syncs[name].id if name in syncs else name for name in wanted["sync_ids"]]}

    async def scenario():
        async with EventTriggerRunner(**wanted) as trigger:
            for sync in syncs.values():
                run_to_its_end(emulator, sync)
            assert [one["sync_name"] for one in await trigger.wait_for_events(len(expected))] == expected

    run_within(scenario())


@needs_asset_watchers
def test_without_a_shared_stream_it_polls_by_itself(emulator):
    async def scenario():
        sync = emulator.add_model_sync()
        ended = run_to_its_end(emulator, sync)
        async with aclosing(PolytomicEventTrigger(poll_interval=0.01).run()) as stream:
            assert (await anext(stream)).payload["execution_id"] == ended.id
            later = run_to_its_end(emulator, sync)
            assert (await anext(stream)).payload["execution_id"] == later.id

    run_within(scenario())


# ---- failures


@needs_asset_watchers
@pytest.mark.parametrize("problem", [{"status": 404}, {"status": 200, "body": {"data": {"id": [1]}}}, None])
def test_a_failed_request_for_one_execution_does_not_affect_others(emulator, problem, monkeypatch, caplog):
    async def scenario():
        gone, there = emulator.add_model_sync(counts=COUNTS), emulator.add_model_sync(counts=COUNTS)
        fetch = ExecutionRef.fetch

        def fetch_with_a_bug(ref, **options):
            if ref.sync_id == gone.id:
                raise LookupError("a bug")
            return fetch(ref, **options)

        async with EventTriggerRunner(poll_interval=0.5) as trigger:
            if problem:
                emulator.fault("status", path=f"/api/syncs/{gone.id}/executions/*", count=None, **problem)
            else:
                monkeypatch.setattr(ExecutionRef, "fetch", fetch_with_a_bug)
            for _ in range(2):
                run_to_its_end(emulator, gone)
                run_to_its_end(emulator, there)
            payloads = await trigger.wait_for_events(4)
        expected = {gone.id: {**COUNTS, "delete": 0}, there.id: COUNTS}
        assert [one["counts"] for one in payloads] == [expected[one["sync_id"]] for one in payloads]

    run_within(scenario())
    assert caplog.text.count("Using the counts of the event for") == 2


@needs_asset_watchers
def test_requests_for_executions_stop_during_an_outage(emulator):
    async def scenario():
        sync = emulator.add_model_sync(counts=COUNTS)
        emulator.fault("status", path="/api/**/executions/*", count=None)
        async with EventTriggerRunner(poll_interval=0.5) as trigger:
            for _ in range(30):
                run_to_its_end(emulator, sync)
            payloads = await trigger.wait_for_events(30)
        assert all(one["counts"] == {**COUNTS, "delete": 0} for one in payloads)
        assert len(lookups(emulator)) <= 3 * _shared_event_poll.MAX_CONCURRENT_DETAILS, (
            "30 run_to_its_end may be in more than one poll"
        )

    run_within(scenario())


@needs_asset_watchers
@pytest.mark.parametrize("fail", ["status", "reset", "malformed"])
def test_an_event_is_sent_although_its_execution_cannot_be_requested(emulator, fail, caplog):
    async def scenario():
        model = emulator.add_model_sync(counts=COUNTS)
        bulk = emulator.add_bulk_sync()
        emulator.fault(fail, path="/api/**/executions/*", count=None)
        async with EventTriggerRunner() as trigger:
            run_to_its_end(emulator, model)
            [payload] = await trigger.wait_for_events(1)
            assert payload["counts"] == {**COUNTS, "delete": 0}
            run_to_its_end(emulator, bulk)
            payloads = await trigger.wait_for_events(2)
            assert payloads[1]["counts"] is None
            assert [one["errors"] for one in payloads] == [[], []]
            assert {request.path for request in lookups(emulator)} == {
                request.path for request in lookups(emulator)[:2]
            }
            assert len(lookups(emulator)) == 2

    run_within(scenario())
    assert "Using the counts of the event for" in caplog.text


@needs_asset_watchers
def test_a_slow_response_delays_an_event_only_until_the_timeout(emulator, monkeypatch):
    monkeypatch.setattr(_shared_event_poll, "DETAILS_TIMEOUT", 0.2)

    async def scenario():
        sync = emulator.add_bulk_sync()
        emulator.fault("delay", path="/api/**/executions/*", delay=5, count=None)
        async with EventTriggerRunner() as trigger:
            for _ in range(3):
                run_to_its_end(emulator, sync)
            payloads = await trigger.wait_for_events(3)
        assert [one["counts"] for one in payloads] == [None] * 3

    run_within(scenario())


@pytest.fixture
def pauses(monkeypatch):
    """Record the pauses between polls, and shorten them."""
    seen, sleep = [], asyncio.sleep

    async def pause(seconds, *more):
        if seconds >= 1:
            seen.append(seconds)
        await sleep(min(seconds, 0.005))

    monkeypatch.setattr(asyncio, "sleep", pause)
    return seen


@needs_asset_watchers
@pytest.mark.parametrize(
    ("fault", "first"),
    [
        ({"kind": "status", "status": 500}, 15),
        ({"kind": "status", "status": 401}, 60),
        ({"kind": "status", "status": 403}, 60),
        ({"kind": "status", "status": 404, "html": True}, 15),
        ({"kind": "reset"}, 15),
        ({"kind": "malformed"}, 15),
        ({"kind": "status", "status": 200, "body": {"data": 5}}, 15),
        ({"kind": "status", "status": 200, "body": []}, 15),
    ],
)
def test_an_outage_is_logged_once_and_missed_events_are_sent_afterwards(emulator, pauses, fault, first, caplog):
    caplog.set_level(logging.INFO)
    requests = 16 if fault.get("status") == 401 else 8  # a poll asks twice whether the key is really refused

    async def scenario():
        sync = emulator.add_model_sync()
        async with EventTriggerRunner(poll_interval=15) as trigger:
            pauses.clear()
            emulator.fault(path="/api/events", count=requests, **fault)
            missed = [run_to_its_end(emulator, sync).id for _ in range(3)]
            payloads = await trigger.wait_for_events(3)
        assert [one["execution_id"] for one in payloads] == missed

    run_within(scenario())
    waits = [pause for pause in pauses if pause >= first]
    growing = waits[waits.index(first) :][:8]
    longest = 300
    expected = [min(first * 2**number, longest) for number in range(8)]
    while growing[:8] != expected[: len(growing[:8])]:
        growing = growing[1:]
    assert len(growing) >= 6
    assert caplog.text.count("Could not read Polytomic's events") == 1
    assert caplog.text.count("Reading Polytomic's events again. Failed polls: 8") == 1


@needs_asset_watchers
def test_different_transient_failures_are_logged_once(emulator, pauses, caplog):
    async def scenario():
        sync = emulator.add_model_sync()
        async with EventTriggerRunner(poll_interval=15) as trigger:
            for fault in ({"kind": "status", "status": 502}, {"kind": "reset"}, {"kind": "malformed"}) * 2:
                emulator.fault(path="/api/events", count=1, **fault)
            run_to_its_end(emulator, sync)
            await trigger.wait_for_events(1)

    run_within(scenario())
    assert caplog.text.count("Could not read Polytomic's events") == 1


@needs_asset_watchers
@pytest.mark.parametrize(("wanted", "waited"), [(777, 777), (10**9, 3600)])
def test_retry_after_is_honored_up_to_a_maximum(emulator, pauses, wanted, waited):
    async def scenario():
        sync = emulator.add_model_sync()
        async with EventTriggerRunner(poll_interval=15) as trigger:
            emulator.fault("status", path="/api/events", status=429, headers={"Retry-After": str(wanted)})
            run_to_its_end(emulator, sync)
            await trigger.wait_for_events(1)

    run_within(scenario())
    assert waited in pauses
    assert max(pauses) == waited


@needs_asset_watchers
def test_a_corrected_connection_is_used(emulator, pauses, monkeypatch, caplog):
    good = emulator.airflow_connection

    async def scenario():
        monkeypatch.delenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT")
        sync = emulator.add_model_sync()
        trigger = EventTriggerRunner(poll_interval=15)
        running = asyncio.ensure_future(trigger.__aenter__())
        while len(pauses) < 2:
            await asyncio.sleep(0)
        monkeypatch.setenv(
            "AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps({**json.loads(good), "password": "invalid-key"})
        )
        while "401" not in caplog.text:
            await asyncio.sleep(0)
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", good)
        await running
        run_to_its_end(emulator, sync)
        await trigger.wait_for_events(1)
        await trigger.__aexit__()

    run_within(scenario())
    assert "invalid-key" not in caplog.text
    assert "Could not look up the Airflow connection" in caplog.text
    assert caplog.text.count("Could not read Polytomic's events") == 1


# ---- cursor


@needs_asset_watchers
def test_a_restarted_watcher_continues_at_its_cursor(emulator):
    async def scenario():
        store, sync = AssetStateStore(), emulator.add_model_sync()
        run_to_its_end(emulator, sync)
        async with EventTriggerRunner(store) as trigger:
            ended = run_to_its_end(emulator, sync)
            assert [one["execution_id"] for one in await trigger.wait_for_events(1)] == [ended.id]
        meanwhile = [run_to_its_end(emulator, sync).id for _ in range(3)]
        async with EventTriggerRunner(store, poll_interval=0.02) as trigger:
            assert [one["execution_id"] for one in await trigger.wait_for_events(3)] == meanwhile
        async with EventTriggerRunner(store) as trigger:
            await trigger.polls(3)
            assert trigger.payloads == []
        async with EventTriggerRunner(store, sync_ids=[sync.id]) as other:
            await other.polls(3)
            assert other.payloads == []

    run_within(scenario())


@needs_asset_watchers
def test_an_event_that_airflow_has_not_stored_is_sent_again(emulator):
    async def scenario():
        store, sync = AssetStateStore(), emulator.add_model_sync()
        async with EventTriggerRunner(store):
            pass
        async with EventTriggerRunner(store, stores=False) as trigger:
            ended = run_to_its_end(emulator, sync)
            await trigger.wait_for_events(1)
        async with EventTriggerRunner(store) as trigger:
            assert [one["execution_id"] for one in await trigger.wait_for_events(1)] == [ended.id]

    run_within(scenario())


@needs_asset_watchers
def test_without_a_store_recent_events_are_sent(emulator):
    async def scenario():
        sync = emulator.add_model_sync(duration=1)
        long_ago, lately = run_to_its_end(emulator, sync, 120), run_to_its_end(emulator, sync, 200)
        async with EventTriggerRunner() as trigger:
            assert [one["execution_id"] for one in await trigger.wait_for_events(1)] == [lately.id]
        assert long_ago.id != lately.id

    run_within(scenario())


@needs_asset_watchers
def test_a_store_that_fails_loses_no_event(emulator, pauses, caplog):
    async def scenario():
        store, sync = AssetStateStore(), emulator.add_model_sync()
        async with EventTriggerRunner(store) as trigger:
            store.fails = True
            first = run_to_its_end(emulator, sync)
            await trigger.wait_for_events(1)
            await trigger.polls(5)
        restarted = EventTriggerRunner(store)
        running = asyncio.ensure_future(restarted.__aenter__())
        while pauses.count(events.CURSOR_RETRY_DELAY) < 3:
            await asyncio.sleep(0)
        store.fails = False
        await running
        assert [one["execution_id"] for one in await restarted.wait_for_events(1)] == [first.id]
        await restarted.__aexit__()

    run_within(scenario())
    assert caplog.text.count("Could not save the cursor") == 1
    assert "the database is unavailable" in caplog.text


@needs_asset_watchers
def test_the_cursor_is_rarely_saved_without_events(emulator, monkeypatch):
    async def scenario():
        store = AssetStateStore()
        async with EventTriggerRunner(store) as trigger:
            await trigger.polls(10)
            assert store.written == 1
            monkeypatch.setattr(events, "CURSOR_SAVE_INTERVAL", 0.0)
            await trigger.polls(3)
            assert store.written > 2

    run_within(scenario())


@needs_asset_watchers
def test_a_trigger_of_several_assets_saves_its_cursor_with_each(emulator):
    class Stores:
        def __init__(self):
            self._by_name, self._by_uri = {"a": AssetStateStore(), "b": AssetStateStore()}, {}

        def all(self):
            return list(self._by_name.values())

    async def scenario():
        stores, sync = Stores(), emulator.add_model_sync()
        async with EventTriggerRunner(stores) as trigger:
            run_to_its_end(emulator, sync)
            await trigger.wait_for_events(1)
        one, other = stores.all()
        assert one.values == other.values != {}
        stores._by_name = {"new": AssetStateStore(), **stores._by_name}
        async with EventTriggerRunner(stores) as trigger:
            await trigger.polls(2)
            assert trigger.payloads == []

    run_within(scenario())


# ---- shared polls


def shared_streams():
    return pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow before 3.3 has no shared streams")


async def subscribed(manager, number, trigger, payloads, failed):
    """Run a trigger as the triggerer of Airflow 3.3 does, and store its events at once."""
    trigger.trigger_id, key = number, trigger.shared_stream_key()
    try:
        async for event in trigger.filter_shared_stream(manager.subscribe(trigger_id=number, trigger=trigger, key=key)):
            payloads.setdefault(number, []).append(event.payload)
            seq = manager.bind_pending_event(trigger_id=number, key=key)
            assert seq is not None
            manager.confirm_persisted([seq])
    except Exception as error:
        failed.append(error)
    finally:
        await manager.unsubscribe(number, key)


@needs_asset_watchers
def test_twenty_watchers_share_the_polls_and_the_requests_for_executions(emulator):
    manager = shared_streams().SharedStreamManager()

    async def scenario():
        payloads, failed, store = {}, [], [AssetStateStore() for _ in range(20)]
        syncs = [emulator.add_bulk_sync() for _ in range(20)]
        tasks = []
        for number, sync in enumerate(syncs):
            trigger = PolytomicEventTrigger(
                sync_ids=None if number % 2 else [sync.id], events=events.EVENTS, poll_interval=0.25
            )
            trigger.asset_state_store = store[number]
            tasks.append(asyncio.ensure_future(subscribed(manager, number, trigger, payloads, failed)))
        while not all(one.written for one in store):
            await asyncio.sleep(0.01)
        begin, count = asyncio.get_running_loop().time(), len(listings(emulator))
        await asyncio.sleep(2)
        polls = len(listings(emulator)) - count
        assert 1 <= polls <= (asyncio.get_running_loop().time() - begin) / 0.25 + 1
        for sync in syncs[:3]:
            run_to_its_end(emulator, sync)
        while [len(payloads.get(number, [])) for number in range(20)] != [1, 3, 1] + [3, 0] * 8 + [3]:
            await asyncio.sleep(0.01)
            assert not failed
        assert len(lookups(emulator)) == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await manager.stop_all()
        assert {len(next(iter(one.values.values()))["seen"]) for one in store} == {0, 1, 3}

    run_within(scenario(), 60)


@needs_asset_watchers
def test_a_watcher_that_catches_up_shares_the_poll(emulator):
    manager = shared_streams().SharedStreamManager()

    async def scenario():
        store, other = AssetStateStore(), AssetStateStore()
        sync = emulator.add_model_sync(duration=1)
        async with EventTriggerRunner(store):
            pass
        missed = []
        for _ in range(9):
            missed.append(run_to_its_end(emulator, sync, 3600).id)
        payloads, failed, tasks = {}, [], []
        for number, one in enumerate([other, store]):
            trigger = PolytomicEventTrigger(poll_interval=0.01)
            trigger.asset_state_store = one
            tasks.append(asyncio.ensure_future(subscribed(manager, number, trigger, payloads, failed)))
        while len(payloads.get(1, [])) < 9:
            await asyncio.sleep(0.01)
            assert not failed
        assert [payload["execution_id"] for payload in payloads[1]] == missed
        assert payloads.get(0, []) == []
        last = run_to_its_end(emulator, sync, 60)
        while len(payloads.get(0, [])) + len(payloads[1]) < 11:
            await asyncio.sleep(0.01)
        assert [payload["execution_id"] for payload in payloads[0]] == [last.id]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_within(scenario(), 60)
