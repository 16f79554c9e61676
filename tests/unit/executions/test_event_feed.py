"""The feed of ends, under every reading of what the list of events does."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import PolytomicError, PolytomicResponseError, PolytomicServerError
from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.executions import events
from airflow_provider_polytomic.executions.event_feed import Ended, Feed
from airflow_provider_polytomic.executions.events import end_fields

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
TYPES = (
    "sync.completed",
    "sync.completed_with_errors",
    "sync.failed",
    "sync.canceled",
    "bulk_sync.completed",
    "bulk_sync.completed_with_error",
    "bulk_sync.failed",
    "bulk_sync.canceled",
)


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass
class Row:
    """An event: when it happened, and when it begins to be listed."""

    at: datetime
    execution_id: str
    type: str = "sync.completed"
    seen_at: datetime | None = None
    id: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def shown(self, precision: timedelta) -> dict[str, Any]:
        at = self.at - (self.at - NOW) % precision
        answer = {"sync_id": "s", "sync_name": "n", "execution_id": self.execution_id, **self.more}
        return {
            "id": self.id or f"{self.execution_id}/{self.type}",
            "type": self.type,
            "created_at": text(at),
            "event": answer,
        }


@dataclass
class Listing:
    """The list of events, as unhelpful as wanted; drives protocols without a socket.

    :param precision: how finely it shows the times that it compares exactly
    """

    rows: list[Any] = field(default_factory=list)
    order: str = "newest_first"
    tokens: bool = False
    precision: timedelta = timedelta(microseconds=1)
    now: datetime = NOW
    requests: list[dict[str, str]] = field(default_factory=list)
    fail_at: int | None = None

    def clock(self) -> float:
        return self.now.timestamp()

    def run(self, flow: Flow[Any]) -> Any:
        try:
            call = next(flow)
            while True:
                assert isinstance(call, Call)
                try:
                    answer = self.answer(call)
                except PolytomicError as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(answer)
        except StopIteration as stop:
            return stop.value

    def answer(self, call: Call[Any]) -> Any:
        query = dict(call.query)
        self.requests.append(query)
        if self.fail_at == len(self.requests):
            raise PolytomicServerError(500, method="GET", path=call.path)
        assert not call.repeatable
        after = datetime.fromisoformat(query["starting_after"].replace("Z", "+00:00"))
        before = datetime.fromisoformat(
            query.get("ending_before", text(NOW + timedelta(days=9))).replace("Z", "+00:00")
        )
        found = [
            row
            for row in self.rows
            if isinstance(row, Row)
            and after < row.at < before
            and (row.seen_at or row.at) <= self.now
            and query.get("type") in (None, row.type)
        ]
        found.sort(key=lambda row: (row.at, row.execution_id))
        if self.order == "newest_first":
            found.reverse()
        if self.order == "shuffled":
            found.sort(key=lambda row: hash((row.execution_id, row.type, len(self.rows))))
        limit, offset = int(query["limit"]), int(query.get("page_token", 0))
        answer: dict[str, Any] = {"data": [row.shown(self.precision) for row in found[offset : offset + limit]]}
        answer["data"] += [row for row in self.rows if not isinstance(row, Row)]
        if self.tokens:
            more = offset + limit < len(found)
            answer["pagination"] = {"next_page_token": str(offset + limit)} if more else {}
        return call.read(answer)


def names(given: list[Ended]) -> list[str]:
    return [ended.execution_id for ended in given]


@pytest.fixture(params=[pytest.param(False, id="no pages"), pytest.param(True, id="pages")])
def tokens(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_ROWS", 3)


def made(listing: Listing, **options: Any) -> Feed:
    one = Feed(**{"lookback": 0, "clock": listing.clock, **options})
    assert listing.run(one.fresh()) == []
    return one


# ---- every reading at once

moments = st.integers(0, 40).map(lambda tenths: NOW + timedelta(seconds=tenths / 10, microseconds=tenths % 3))
delays = st.sampled_from([0, 0, 0, 30, 299])


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    rows, crowd = [], dict[tuple[datetime, str], int]()
    for number, (at, type, late) in enumerate(
        draw(st.lists(st.tuples(moments, st.sampled_from(TYPES), delays), max_size=25))
    ):
        crowd[at, type] = crowd.get((at, type), 0) + 1
        if crowd[at, type] > 3:
            continue
        rows.append(Row(at, f"e{number}", type, at + timedelta(seconds=late)))
        if draw(st.booleans()):
            rows.append(Row(at, f"e{number}", type.partition(".")[0] + ".running", id=f"r{number}"))
        if draw(st.integers(0, 5)) == 0 and crowd[at, type] < 3:
            crowd[at, type] += 1
            rows.append(Row(at, f"e{number}", type, at + timedelta(seconds=late)))
    return rows


@settings(max_examples=100, deadline=None)
@given(
    rows=histories(),
    order=st.sampled_from(["newest_first", "oldest_first", "shuffled"]),
    tokens=st.booleans(),
    precision=st.sampled_from([timedelta(microseconds=1), timedelta(milliseconds=1), timedelta(seconds=1)]),
    polls=st.lists(st.integers(0, 120), max_size=6),
    stored=st.booleans(),
)
def test_each_end_is_given_once_and_in_order(
    rows: list[Row], order: str, tokens: bool, precision: timedelta, polls: list[int], stored: bool
) -> None:
    before = events.MAX_ROWS
    events.MAX_ROWS = 3
    try:
        listing = Listing(rows, order, tokens, precision, now=NOW - timedelta(minutes=1))
        one = made(listing)
        given = []
        for pause in [60, *polls, 600]:
            listing.now += timedelta(seconds=pause)
            fresh = listing.run(one.fresh())
            assert fresh == sorted(fresh, key=lambda ended: ended.created_at)
            given += fresh
            if stored:
                one = Feed(json.loads(json.dumps(one.cursor)), clock=listing.clock)
    finally:
        events.MAX_ROWS = before
    assert sorted(names(given)) == sorted({row.execution_id for row in rows if "running" not in row.type})


# ---- paging


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_hundreds_of_ends_between_two_polls(order: str, tokens: bool) -> None:
    listing = Listing(order=order, tokens=tokens)
    one = made(listing)
    listing.rows = [Row(NOW + timedelta(seconds=1 + number / 7), f"e{number}") for number in range(777)]
    listing.now += timedelta(minutes=3)
    assert names(listing.run(one.fresh())) == [f"e{number}" for number in range(777)]
    assert len(listing.requests) < (10 if tokens else 60)


def test_a_page_that_is_not_full_takes_one_request(tokens: bool) -> None:
    listing = Listing(tokens=tokens)
    one = made(listing)
    listing.rows = [Row(NOW + timedelta(seconds=number), f"e{number}") for number in range(99)]
    listing.now += timedelta(minutes=2)
    assert len(listing.run(one.fresh())) == 99
    assert len(listing.requests) == 2
    assert {query["limit"] for query in listing.requests} == {"100"}
    assert not [query for query in listing.requests if "type" in query]


def test_events_of_one_instant_are_listed_by_type(short_pages: None, caplog: pytest.LogCaptureFixture) -> None:
    listing = Listing()
    one = made(listing)
    instant = NOW + timedelta(seconds=5)
    listing.rows = [Row(instant, f"{type}{number}", type) for type in TYPES for number in range(2)]
    listing.now += timedelta(minutes=1)
    assert len(listing.run(one.fresh())) == 16
    assert caplog.text == ""
    listing.rows += [Row(instant, f"more{number}", "sync.failed") for number in range(2)]
    listing.run(one.fresh())
    listing.run(one.fresh())
    assert caplog.text.count("Missed some of") == 1


@pytest.mark.parametrize("order", ["newest_first", "shuffled"])
def test_a_list_that_ignores_times_is_an_error(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing(order=order)
    one = made(listing)
    monkeypatch.setattr(listing, "answer", lambda call, answer=listing.answer: answer(replace(call, query=timeless)))
    timeless = (("starting_after", text(NOW)), ("limit", "100"))
    listing.rows = [Row(NOW + timedelta(seconds=number / 9), f"e{number}") for number in range(1, 150)]
    listing.now += timedelta(minutes=1)
    listing.requests.clear()
    with pytest.raises(PolytomicResponseError, match="divided by time"):
        listing.run(one.fresh())
    assert len(listing.requests) <= 5


# ---- time


def test_earlier_ends_are_not_given() -> None:
    listing = Listing([Row(NOW - timedelta(seconds=1), "old")])
    one = made(listing)
    listing.rows.append(Row(NOW + timedelta(seconds=1), "new"))
    listing.now += timedelta(seconds=15)
    assert names(listing.run(one.fresh())) == ["new"]


def test_a_lookback_gives_ends_shortly_before() -> None:
    listing = Listing([Row(NOW - timedelta(seconds=ago), f"{ago} s ago") for ago in (1, 59, 61)])
    assert names(listing.run(Feed(clock=listing.clock).fresh())) == ["59 s ago", "1 s ago"]


def test_ends_before_the_first_answer_are_given() -> None:
    listing = Listing(fail_at=1)
    one = Feed(lookback=0, clock=listing.clock)
    with pytest.raises(PolytomicServerError):
        listing.run(one.fresh())
    listing.rows = [Row(NOW + timedelta(seconds=10), "in between")]
    listing.now += timedelta(seconds=20)
    assert names(listing.run(one.fresh())) == ["in between"]


@pytest.mark.parametrize("skew", [-600, -30, 30, 86400])
@pytest.mark.parametrize("quiet", [True, False])
def test_the_clock_of_polytomic_may_differ(skew: int, quiet: bool) -> None:
    theirs = NOW + timedelta(seconds=skew)
    previous_executions = Row(theirs - timedelta(seconds=40), "earlier")
    listing = Listing([] if quiet else [previous_executions], now=theirs)
    one = Feed(lookback=0, clock=lambda: listing.clock() - skew)
    listing.run(one.fresh())
    for number in range(3):
        listing.now += timedelta(seconds=15)
        listing.rows.append(Row(listing.now - timedelta(seconds=1), f"e{number}"))
        assert names(listing.run(one.fresh())) == [f"e{number}"]


def test_an_event_from_the_future_hides_no_other() -> None:
    listing = Listing()
    one = made(listing)
    listing.rows.append(Row(NOW + timedelta(days=8), "future", seen_at=NOW))
    assert names(listing.run(one.fresh())) == ["future"]
    for number in range(300):
        listing.now += timedelta(minutes=1)
        listing.rows.append(Row(listing.now - timedelta(seconds=1), f"e{number}"))
        assert names(listing.run(one.fresh())) == [f"e{number}"]
        if number % 100 == 50:
            one = Feed(json.loads(json.dumps(one.cursor)), clock=listing.clock)
    assert len(one.cursor["seen"]) < 30, "it moves on all the same"


def test_a_cursor_from_the_future_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    listing = Listing()
    kept = made(listing).cursor
    one = made(listing, cursor={**kept, "since": text(NOW + timedelta(minutes=16))})
    assert "going on from now" in caplog.text
    listing.rows = [Row(NOW + timedelta(seconds=1), "e")]
    listing.now += timedelta(seconds=15)
    assert names(listing.run(one.fresh())) == ["e"]


def test_a_feed_without_events_has_no_gap(caplog: pytest.LogCaptureFixture) -> None:
    listing = Listing([Row(NOW - timedelta(seconds=1), "old")])
    one = made(listing)
    for _ in range(60):
        listing.now += timedelta(hours=1)
        assert listing.run(one.fresh()) == []
    listing.rows.append(Row(listing.now, "new"))
    assert names(listing.run(one.fresh())) == ["new"]
    assert caplog.text == ""


def test_a_cursor_older_than_the_retention_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    listing = Listing()
    cursor = made(listing).cursor
    listing.now += timedelta(days=5)
    kept = [Row(listing.now - timedelta(hours=hours), f"{hours} h ago") for hours in range(47, 0, -1)]
    listing.rows = list(kept)
    again = Feed(cursor, clock=listing.clock)
    assert names(listing.run(again.fresh())) == [row.execution_id for row in kept]
    assert listing.run(again.fresh()) == []
    assert caplog.text.count("may be missed") == 1
    assert "last read at 2026-03-01T12:00:00+00:00" in caplog.text


def test_a_feed_catches_up_period_by_period(tokens: bool) -> None:
    listing = Listing(tokens=tokens)
    one = made(listing)
    listing.rows = [Row(NOW + timedelta(minutes=number), f"e{number}") for number in range(1, 1400)]
    listing.now += timedelta(days=1)
    assert names(listing.run(one.fresh())) == [row.execution_id for row in listing.rows]


def test_a_failure_while_catching_up_loses_no_end() -> None:
    listing = Listing()
    one = made(listing)
    listing.rows = [Row(NOW + timedelta(hours=number), f"e{number}") for number in range(1, 24)]
    listing.now += timedelta(days=1)
    listing.fail_at = 5
    first = names(listing.run(one.fresh()))
    assert 0 < len(first) < 23
    assert first + names(listing.run(one.fresh())) == [row.execution_id for row in listing.rows]


# ---- what one event says


def test_two_events_of_one_execution_give_one_end() -> None:
    listing = Listing()
    poll_interval = made(listing)
    careless = made(listing, wanted=lambda ended: ended.event == "completed")
    at = NOW + timedelta(seconds=1)
    listing.rows = [Row(at, "e", "sync.completed"), Row(at, "e", "sync.completed_with_errors")]
    listing.now += timedelta(seconds=15)
    assert [ended.event for ended in listing.run(poll_interval.fresh())] == ["completed_with_errors"]
    assert listing.run(careless.fresh()) == []


def test_a_later_event_with_errors_does_not_give_the_end_again() -> None:
    listing = Listing()
    poll_interval = made(listing)
    strict = made(listing, wanted=lambda ended: ended.event == "completed_with_errors")
    at = NOW + timedelta(seconds=1)
    listing.rows = [Row(at, "e"), Row(at, "e", "sync.completed_with_errors", at + timedelta(minutes=1))]
    listing.now += timedelta(seconds=15)
    assert [ended.event for ended in listing.run(poll_interval.fresh())] == ["completed"]
    listing.now += timedelta(minutes=1)
    assert listing.run(poll_interval.fresh()) == []
    assert [ended.event for ended in listing.run(strict.fresh())] == ["completed_with_errors"]


def test_the_fields_of_an_end() -> None:
    listing = Listing()
    one = made(listing)
    numbers = {"record_count": 9, "inserted_count": 5, "error_count": 1, "warning_count": None}
    listing.rows = [
        Row(NOW + timedelta(seconds=1), "a", "bulk_sync.completed_with_error", more={"sync_name": None, "name": "x"}),
        Row(NOW + timedelta(seconds=2), "b", more=numbers),
        Row(NOW + timedelta(seconds=3), "c", "sync.failed", more={"error": "no login"}),
    ]
    listing.now += timedelta(seconds=15)
    bulk, model, failed = listing.run(one.fresh())
    assert (bulk.kind, bulk.event, bulk.counts, bulk.event_id) == (
        "bulk",
        "completed_with_errors",
        None,
        "a/bulk_sync.completed_with_error",
    )
    counts = {"total": 9, "insert": 5, "update": 0, "upserts": 0, "delete": 0, "error": 1, "warnings": 0}
    assert (model.kind, model.event, model.counts, model.sync_id) == ("model", "completed", counts, "s")
    assert (failed.event, failed.error, failed.counts) == ("failed", "no login", None)


def test_an_event_that_cannot_be_read_is_skipped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    listing = Listing()
    one = made(listing)
    good = Row(NOW + timedelta(seconds=1), "e")
    listing.rows = [
        None,
        7,
        "text",
        {},
        {"id": "no time", "type": "sync.completed"},
        {"id": "bad time", "type": "sync.completed", "created_at": "yesterday"},
        {"id": "no execution", "type": "sync.completed", "created_at": text(good.at), "event": {"sync_id": "s"}},
        {"id": "no event", "type": "sync.completed", "created_at": text(good.at)},
        {"id": "odd", "type": ["x"], "created_at": text(good.at), "event": 5},
        {"id": "unknown", "type": "sync.paused", "created_at": text(good.at), "event": None},
        {"id": "unknown, too", "type": None, "created_at": text(good.at)},
        good,
    ]
    listing.now += timedelta(seconds=15)
    assert names(listing.run(one.fresh())) == ["e"]
    assert listing.run(one.fresh()) == []
    skipped = [record.getMessage() for record in caplog.records]
    assert len(skipped) == 9
    assert not [message for message in skipped if "unknown" in message]


# ---- the cursor


def test_a_cursor_is_small_json_whatever_happens(tokens: bool) -> None:
    listing = Listing(tokens=tokens)
    one = made(listing)
    listing.rows = [Row(NOW + timedelta(seconds=number / 20), f"{number:036}") for number in range(1, 3000)]
    listing.now += timedelta(minutes=3)
    assert len(listing.run(one.fresh())) == 2999
    assert len(json.dumps(one.cursor)) < 64_000
    assert listing.run(one.fresh()) == []
    listing.now += timedelta(hours=1)
    listing.rows.append(Row(listing.now, "last"))
    assert names(listing.run(one.fresh())) == ["last"]
    assert list(one.cursor["seen"]) == ["last"]


@pytest.mark.parametrize(
    "broken", [{}, {"since": 5}, {"since": "x", "begin": None, "read_at": None, "seen": {}}, {"since": None}]
)
def test_a_cursor_that_cannot_be_read_begins_anew(broken: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    listing = Listing()
    one = made(listing, cursor=broken)
    assert "going on from now" in caplog.text
    listing.rows = [Row(NOW + timedelta(seconds=1), "e")]
    listing.now += timedelta(seconds=15)
    assert names(listing.run(one.fresh())) == ["e"]


def test_a_long_name_is_cut_and_a_long_id_is_no_id() -> None:
    event = {"id": "i" * 5000, "type": "sync.completed", "created_at": text(NOW)}
    fields = end_fields({**event, "event": {"sync_id": "s", "execution_id": "e", "sync_name": "n" * 5000}})
    assert fields is not None
    assert (len(fields["event_id"]), len(fields["sync_name"])) == (1000, 1000)
    with pytest.raises(ValueError, match="it has no execution_id"):
        end_fields({**event, "event": {"sync_id": "s", "execution_id": "e" * 5000}})


# ---- one window for many feeds


def test_a_window_that_begins_too_late_is_ignored() -> None:
    listing = Listing()
    behind, ahead = made(listing), made(listing)
    listing.rows = [Row(NOW + timedelta(minutes=number), f"e{number}") for number in range(1, 31)]
    listing.now += timedelta(minutes=30)
    listing.run(ahead.fresh())
    late = listing.run(events.EventReader().window(*ahead.period))
    assert behind.take(late) == []
    whole = listing.run(events.EventReader().window(*behind.period))
    assert names(behind.take(whole)) == [f"e{number}" for number in range(1, 31)]
    assert ahead.take(whole) == []


def test_a_new_feed_ignores_the_windows_of_one_that_lies_behind() -> None:
    listing = Listing()
    behind = made(listing)
    listing.rows = [Row(NOW + timedelta(minutes=10 * number), f"e{number}") for number in range(1, 143)]
    listing.now += timedelta(days=1)
    new, reader = Feed(lookback=0, clock=listing.clock), events.EventReader()
    caught_up = []
    for _ in range(20):
        window = listing.run(reader.window(*behind.period))
        caught_up += behind.take(window)
        assert new.take(window) == []
    assert names(caught_up) == [row.execution_id for row in listing.rows]
    listing.rows.append(Row(listing.now + timedelta(seconds=1), "last"))
    listing.now += timedelta(seconds=15)
    window = listing.run(reader.window(*min(new.period, behind.period)))
    assert names(new.take(window)) == names(behind.take(window)) == ["last"]


# ---- against the emulator


@pytest.fixture
def client(emulator: Any) -> Iterator[PolytomicClient]:
    with PolytomicClient(api_key=emulator.api_key, base_url=emulator.url) as client:
        yield client


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
@pytest.mark.parametrize("paging", ["token", "none"])
@pytest.mark.parametrize("name", ["sync_name", "name"])
def test_each_behavior_of_the_emulator(
    emulator: Any, client: PolytomicClient, order: str, paging: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = Feed(lookback=0, clock=emulator.clock)
    client.run(one.fresh())
    emulator.set_switch("event_order", order)
    emulator.set_switch("event_paging", paging)
    emulator.set_switch("event_sync_name", name)
    emulator.set_switch("completed_beside_errors", True)
    good = emulator.add_model_sync(duration=5, counts={"total": 3, "insert": 2, "update": 1})
    partial = emulator.add_bulk_sync(outcome="errors")
    late = emulator.add_model_sync(duration=5)
    lost = emulator.add_model_sync(duration=5)
    emulator.set_switch("events_lost", [lost.id])
    emulator.set_switch("events_delayed", {late.id: 120})
    emulator.set_switch("events_repeated", ["*"])
    started = {sync.id: emulator.start(sync.id).id for sync in (good, partial, late, lost)}
    given = []
    for _ in range(12):
        emulator.clock.advance(15)
        given += client.run(one.fresh())
    assert sorted(names(given)) == sorted(started[sync.id] for sync in (good, partial, late))
    by_sync = {ended.sync_id: ended for ended in given}
    assert {ended.sync_name for ended in given} == {good.name, partial.name, late.name}
    assert (by_sync[partial.id].event, by_sync[partial.id].counts) == ("completed_with_errors", None)
    counts = by_sync[good.id].counts
    assert counts
    assert (counts["total"], counts["insert"], counts["update"]) == (3, 2, 1)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("paging", ["token", "none"])
def test_more_than_a_page_of_the_emulator(emulator: Any, client: PolytomicClient, paging: str) -> None:
    emulator.clock.freeze()
    emulator.set_switch("event_paging", paging)
    one = Feed(lookback=0, clock=emulator.clock)
    client.run(one.fresh())
    started = []
    for _ in range(70):
        started += [emulator.start(emulator.add_model_sync(duration=1).id).id for _ in range(3)]
        emulator.clock.advance(1)
    emulator.clock.advance(5)
    assert sorted(names(client.run(one.fresh()))) == sorted(started)


def test_the_retention_of_the_emulator(
    emulator: Any, client: PolytomicClient, caplog: pytest.LogCaptureFixture
) -> None:
    one = Feed(lookback=0, clock=emulator.clock)
    client.run(one.fresh())
    gone = emulator.start(emulator.add_model_sync(duration=1).id)
    emulator.clock.advance(40 * 3600)
    kept = emulator.start(emulator.add_model_sync(duration=1).id)
    emulator.clock.advance(20 * 3600)
    assert names(client.run(Feed(one.cursor, clock=emulator.clock).fresh())) == [kept.id]
    assert "may be missed" in caplog.text
    assert gone.id not in caplog.text


def test_a_failed_request_is_not_retried(emulator: Any, client: PolytomicClient) -> None:
    emulator.fault("status", status=500, path="/api/events")
    with pytest.raises(PolytomicServerError):
        client.run(Feed().fresh())
    assert len([request for request in emulator.requests if request.path == "/api/events"]) == 1
