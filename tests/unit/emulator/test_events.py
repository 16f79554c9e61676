"""Events of executions, and the switches that change them."""

from __future__ import annotations

from datetime import datetime

import pytest

from airflow_provider_polytomic.emulator.domain.clock import timestamp

HOUR = 3600


def listed(http, status=200, **query):
    response = http.get("/api/events", params=query)
    assert response.status_code == status, response.text
    return response.json().get("data")


def types(events):
    return [each["type"] for each in events]


@pytest.mark.parametrize(
    ("kind", "plan", "expected"),
    [
        ("model", {}, ["sync.running", "sync.completed"]),
        ("model", {"outcome": "failed"}, ["sync.running", "sync.failed"]),
        ("model", {"outcome": "canceled"}, ["sync.running", "sync.canceled"]),
        ("model", {"counts": {"error": 1}}, ["sync.running", "sync.completed_with_errors"]),
        ("model", {"errors": ["x"]}, ["sync.running", "sync.completed_with_errors"]),
        ("model", {"outcome": "interrupted"}, ["sync.running"]),
        ("model", {"statuses": [["queued", 0]]}, ["sync.running", "sync.completed"]),
        ("bulk", {}, ["bulk_sync.running", "bulk_sync.completed"]),
        ("bulk", {"outcome": "errors"}, ["bulk_sync.running", "bulk_sync.completed_with_error"]),
        ("bulk", {"outcome": "failed"}, ["bulk_sync.running", "bulk_sync.failed"]),
    ],
)
def test_events_of_an_execution(emulator, clock, http, kind, plan, expected):
    sync = getattr(emulator, f"add_{kind}_sync")(**plan)
    execution = emulator.start(sync.id)
    assert listed(http) == []
    clock.advance(10)
    seen = listed(http)[::-1]
    assert sorted(types(seen)) == sorted(expected)
    for each in seen:
        assert (each["event"]["execution_id"], each["event"]["sync_id"]) == (execution.id, sync.id)
        assert each["event"]["sync_name"] == sync.name


def test_an_event_appears_when_it_happens(emulator, clock, http):
    emulator.start(emulator.add_model_sync(duration=10, outcome="failed", errors=["no login"]).id)
    clock.advance(1)
    [running] = listed(http)
    clock.advance(9)
    failed, again = listed(http)
    assert (failed["type"], failed["event"]["error"], again) == ("sync.failed", "no login", running)
    assert failed["created_at"] == timestamp(clock())


def test_fields_of_completed_events(emulator, clock, http):
    counts = {"total": 3, "insert": 2, "update": 1, "warnings": 4}
    emulator.start(emulator.add_model_sync(counts=counts, target_connection_id="t").id)
    emulator.start(emulator.add_bulk_sync(source_connection_id="s", destination_connection_id="d").id)
    clock.advance(10)
    [model] = listed(http, type="sync.completed")
    assert [model["event"][f"{name}_count"] for name in ("record", "inserted", "updated", "warning")] == [3, 2, 1, 4]
    assert (model["event"]["target_connection_id"], len(model["event"]["total_records"])) == ("t", 1)
    [bulk] = listed(http, type="bulk_sync.completed")
    assert (bulk["event"]["source_connection_id"], bulk["event"]["destination_connection_id"]) == ("s", "d")


def test_time_bounds_are_strict(emulator, clock, http):
    emulator.start(emulator.add_model_sync(duration=10).id)
    clock.advance(10.000123)
    completed, running = listed(http)
    assert listed(http, starting_after=running["created_at"]) == [completed]
    assert listed(http, starting_after=completed["created_at"]) == []
    assert listed(http, ending_before=completed["created_at"]) == [running]
    assert listed(http, ending_before=running["created_at"]) == []


def test_an_event_is_kept_for_two_days(emulator, clock, http):
    emulator.start(emulator.add_model_sync(duration=HOUR, statuses=[["running", 0]]).id)
    clock.advance(48 * HOUR)
    assert types(listed(http)) == ["sync.completed"]
    clock.advance(HOUR)
    assert listed(http) == []


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"type": "sync.paused"}, {"starting_after": "yesterday"}]
)
def test_an_invalid_query_is_refused(http, query):
    listed(http, 422, **query)


def many(emulator, clock, count):
    sync = emulator.add_model_sync(duration=1, statuses=[["queued", 0], ["running", 0.5]])
    for _ in range(count):
        emulator.start(sync.id)
        clock.advance(1)


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_pages_contain_all_events(emulator, clock, http, order):
    many(emulator, clock, 13)
    emulator.set_switch("event_order", order)
    emulator.set_switch("events_repeated", ["sync.running"])
    seen, sizes, token = [], [], {}
    while token or not sizes:
        page = http.get("/api/events", params=token).json()
        seen += page["data"]
        sizes.append(len(page["data"]))
        token = {"page_token": page["pagination"].get("next_page_token")} if page["pagination"] else {}
    assert sizes == [10, 10, 10, 9]
    moments = [datetime.fromisoformat(each["created_at"].replace("Z", "+00:00")) for each in seen]
    assert (moments == sorted(moments, reverse=order == "newest_first")) is (order != "shuffled")
    assert len({each["id"] for each in seen}) == 26


def test_a_switch_turns_off_pages(emulator, clock, http):
    many(emulator, clock, 60)
    emulator.set_switch("event_paging", "none")
    page = http.get("/api/events", params={"limit": 100, "page_token": "ignored"}).json()
    assert (set(page), len(page["data"])) == ({"data"}, 100)


def test_a_switch_loses_events(emulator, clock, http):
    lost, kept = (emulator.start(emulator.add_model_sync(duration=5).id) for _ in range(2))
    clock.advance(5)
    emulator.set_switch("events_lost", [lost.id, "*.running"])
    assert [each["event"]["execution_id"] for each in listed(http)] == [kept.id]
    emulator.set_switch("events_lost", ["*"])
    assert listed(http) == emulator.events == []


def test_a_switch_delays_events(emulator, clock, http):
    late = emulator.start(emulator.add_model_sync(duration=5).id)
    emulator.start(emulator.add_model_sync(duration=7).id)
    emulator.set_switch("events_delayed", {late.id: 30, "sync.running": 0})
    clock.advance(7)
    assert late.id not in [each["event"]["execution_id"] for each in listed(http)]
    clock.advance(28)
    seen = [each for each in listed(http) if each["event"]["execution_id"] == late.id]
    assert types(seen) == ["sync.completed", "sync.running"]


def test_a_switch_repeats_events(emulator, clock, http):
    emulator.start(emulator.add_model_sync(duration=5).id)
    emulator.set_switch("events_repeated", ["sync.completed"])
    clock.advance(5)
    first, second, running = listed(http)
    assert first == second
    assert types([first, running]) == ["sync.completed", "sync.running"]


def test_a_switch_adds_completed_to_completed_with_errors(emulator, clock, http):
    emulator.start(emulator.add_model_sync(counts={"error": 2}).id)
    emulator.start(emulator.add_bulk_sync(outcome="errors").id)
    clock.advance(10)
    alone = {"sync.running", "bulk_sync.running", "sync.completed_with_errors", "bulk_sync.completed_with_error"}
    assert set(types(listed(http))) == alone
    emulator.set_switch("completed_beside_errors", True)
    assert set(types(listed(http))) == alone | {"sync.completed", "bulk_sync.completed"}


def test_a_switch_renames_the_field_with_the_name_of_the_sync(emulator, clock, http):
    emulator.start(emulator.add_model_sync(name="n", duration=5).id)
    emulator.set_switch("event_sync_name", "name")
    clock.advance(5)
    assert listed(http)[0]["event"]["name"] == "n"
    assert "sync_name" not in listed(http)[0]["event"]


def test_types(http):
    known = http.get("/api/events_types").json()["data"]
    assert {"sync.completed_with_errors", "bulk_sync.completed_with_error"} <= set(known)
    assert len(known) == 10


@pytest.mark.parametrize("name", ["events_lost", "events_repeated"])
def test_events_are_named_by_a_list(emulator, name):
    with pytest.raises(ValueError, match="list"):
        emulator.set_switch(name, "sync.completed")
