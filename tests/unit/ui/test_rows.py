"""What a row knows of its executions, and when its sync is late."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_polytomic.executions import Execution, Outcome
from airflow_provider_polytomic.ui.rows import (
    LATE_TOLERANCE,
    MAX_EXECUTIONS_SHOWN,
    MAX_ROWS_AT_ONCE,
    SyncRow,
    SyncTable,
    json_parts,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


def execution(id, began, minutes=None, outcome=Outcome.SUCCESS, **more):
    """Return an execution that began at a time and ended some minutes later, or runs."""
    ended = None if minutes is None else began + minutes * MINUTE
    outcome = outcome if ended else Outcome.RUNNING
    return Execution("model", "sync", id, outcome.value, outcome, began, began, ended, **more)


@pytest.fixture
def row():
    return SyncRow("model", "sync", "Sync", scheduled=True)


def test_a_row_has_the_latest_executions_in_order(row):
    row.add(*(execution(str(hour), NOON + timedelta(hours=hour), 5) for hour in range(30, 0, -1)))
    assert [each.id for each in row.executions] == [str(hour) for hour in range(11, 31)]
    assert len(row.executions) == MAX_EXECUTIONS_SHOWN


def test_an_end_is_not_undone_by_an_older_answer(row):
    row.add(execution("one", NOON, 5))
    row.add(execution("one", NOON))
    assert row.running is None
    assert row.last_ended.id == "one"


def test_counts_that_a_list_lacks_are_kept(row):
    row.add(execution("one", NOON, 5, counts={"total": 7}))
    row.add(execution("one", NOON, 5, counts={"total": 0}))
    assert row.executions[0].counts == {"total": 7}


@pytest.mark.parametrize(
    ("outcome", "is_failing"),
    [(Outcome.SUCCESS, False), (Outcome.PARTIAL, True), (Outcome.FAILED, True), (Outcome.CANCELED, False)],
)
def test_a_sync_is_failing_if_its_last_end_was_a_failure(row, outcome, is_failing):
    row.add(execution("one", NOON, 5, outcome), execution("two", NOON + timedelta(hours=1)))
    assert (row.is_failing, row.running.id) == (is_failing, "two")


def test_a_sync_is_late_if_its_schedule_has_not_started_it(row):
    row.add(execution("one", NOON - timedelta(hours=1), 20), execution("two", NOON - timedelta(hours=2), 5))
    row.next_at = NOON
    deadline = NOON + 20 * MINUTE + LATE_TOLERANCE
    assert row.late_by_own_schedule(deadline) is None
    assert row.late_by_own_schedule(deadline + MINUTE) == deadline


def test_a_scheduled_sync_is_late_if_it_runs_longer_than_ever(row):
    row.add(execution("one", NOON - timedelta(hours=1), 20), execution("two", NOON))
    row.next_at = NOON + timedelta(hours=1)
    deadline = NOON + 20 * MINUTE + LATE_TOLERANCE
    assert row.late_by_own_schedule(deadline) is None
    assert row.late_by_own_schedule(deadline + MINUTE) == deadline


@pytest.mark.parametrize("change", [{"active": False}, {"scheduled": False}])
def test_a_sync_without_a_schedule_is_not_late_by_itself(row, change):
    for name, value in change.items():
        setattr(row, name, value)
    row.next_at = NOON
    row.add(execution("one", NOON - timedelta(hours=9)))
    assert row.late_by_own_schedule(NOON + timedelta(days=1)) is None


def test_a_sync_that_has_run_since_it_was_due_is_not_late(row):
    row.next_at = NOON
    row.add(execution("one", NOON - timedelta(seconds=30), 1, Outcome.FAILED))
    assert row.late_by_own_schedule(NOON + timedelta(days=1)) is None


def test_the_usual_delay_of_a_dag_counts(row):
    deadline = NOON + 30 * MINUTE + LATE_TOLERANCE
    assert row.late_since_due(NOON, deadline, 30 * MINUTE) is None
    assert row.late_since_due(NOON, deadline + MINUTE, 30 * MINUTE) == deadline


def test_a_table_tells_what_has_changed_since_a_version():
    table = SyncTable()
    for sync_id in ("a", "b"):
        table.changed(table.get("model", sync_id))
    known, rows = table.changes(None, 0)
    assert known["complete"]
    assert [row.sync_id for row in rows] == ["a", "b"]
    assert table.changes(known["table"], known["version"])[1] == []
    table.changed(table.get("model", "a"))
    changes, rows = table.changes(known["table"], known["version"])
    assert ([row.sync_id for row in rows], changes["complete"]) == (["a"], False)


def test_a_table_is_complete_for_those_who_know_a_removed_row_or_another_table():
    table = SyncTable()
    for sync_id in ("a", "b"):
        table.changed(table.get("model", sync_id))
    known, _ = table.changes(None, 0)
    table.remove([("model", "a"), ("model", "unknown")])
    changes, rows = table.changes(known["table"], known["version"])
    assert ([row.sync_id for row in rows], changes["complete"]) == (["b"], True)
    assert table.changes("another", known["version"])[0]["complete"]


@pytest.mark.parametrize("count", [0, 1, MAX_ROWS_AT_ONCE, 5 * MAX_ROWS_AT_ONCE + 1])
def test_the_event_loop_handles_something_else_while_many_rows_are_encoded(count):
    rows = [SyncRow("model", f"sync {number}", "Sync") for number in range(count)]
    turns = []

    async def encode():
        async def take_turns():
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        other = asyncio.create_task(take_turns())
        text = "".join([part async for part in json_parts({"complete": True}, rows)])
        other.cancel()
        return json.loads(text)

    assert asyncio.run(encode()) == {"complete": True, "rows": [row.to_json() for row in rows]}
    assert len(turns) == math.ceil(count / MAX_ROWS_AT_ONCE)


def test_a_sync_becomes_late_without_a_change_of_its_executions(row):
    table = SyncTable()
    table.rows[row.key] = row
    row.next_at = NOON
    table.note_late(NOON)
    before = table.changes(None, 0)[0]["version"]
    table.note_late(NOON + timedelta(hours=1))
    [changed] = table.changes(table.id, before)[1]
    assert changed.to_json()["late_since"] == (NOON + LATE_TOLERANCE).isoformat()
