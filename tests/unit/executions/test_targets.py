"""Find the execution that is current, or was at a moment in the past."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.executions import cancel_current, current_execution, execution_current_at

SYNC = "248df4b7-aa70-47b8-a036-33ac447e668d"
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def ran(number: int, began: str, ended: str | None = None) -> dict[str, Any]:
    day = "2026-01-01T"
    return {
        "id": str(number),
        "status": "completed" if ended else "running",
        "created_at": f"{day}{began}:00Z",
        "completed_at": f"{day}{ended}:00Z" if ended else None,
    }


def answered(flow: Generator[Any, Any, Any], *pages: Iterable[dict[str, Any]]) -> tuple[Any, list[Call[Any]]]:
    """Run a flow with these answers, and return its result and calls."""
    calls: list[Call[Any]] = []
    left = [{"data": rows} if isinstance(rows, dict) else {"data": list(rows)} for rows in pages]
    for number, answer in enumerate(left[:-1], 1):
        answer["pagination"] = {"next_page_token": f"page-{number}"}
    try:
        call = next(flow)
        while True:
            calls.append(call)
            call = flow.send(call.read(left.pop(0)))
    except StopIteration as stop:
        return stop.value, calls


@pytest.mark.parametrize("kind", ["model", "bulk"])
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([ran(1, "11:00")], "1"),
        ([ran(1, "11:00", "13:00")], "1"),
        ([ran(1, "11:00", "11:30")], None),
        ([ran(2, "12:30"), ran(1, "11:00", "12:20")], "1"),
        ([ran(2, "12:30"), ran(1, "11:00", "11:30")], None),
        ([ran(2, "12:30")], None),
        ([], None),
    ],
)
def test_the_execution_that_was_current_is_the_last_that_was_created(kind, rows, expected):
    found, _ = answered(execution_current_at(kind, SYNC, NOON), rows)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_the_history_is_searched_page_by_page(kind):
    found, calls = answered(execution_current_at(kind, SYNC, NOON), [ran(2, "12:30")], [ran(1, "11:00")])
    assert found.id == "1"
    assert [dict(call.query).get("page_token") for call in calls] == [None, "page-1"]


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_a_current_execution_that_has_ended_is_not_current(kind):
    shown = {"current_execution": ran(1, "11:00", "11:30")}
    assert answered(current_execution(kind, SYNC), shown)[0] is None
    canceled, calls = answered(cancel_current(kind, SYNC, poll_interval=1.0, timeout=None), shown)
    assert canceled is None
    assert [call.method for call in calls] == ["GET"]
