"""Log the progress of a wait."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_polytomic.executions import Execution, ExecutionRef, Outcome
from airflow_provider_polytomic.executions.execution import COUNTS
from airflow_provider_polytomic.executions.wait import PROGRESS_INTERVAL, ProgressLogger

RUN = ExecutionRef("bulk", "s", "e")
BEGAN = 1_700_000_000.0


class LoggedProgress:
    """A progress logger, and the lines that it logged."""

    def __init__(self, log: pytest.LogCaptureFixture) -> None:
        self.now = BEGAN
        self.log = log
        self.progress = ProgressLogger(RUN, lambda: self.now)

    def at(self, seconds: float, execution: Execution, interval: float = PROGRESS_INTERVAL) -> list[str]:
        self.log.clear()
        self.now = BEGAN + seconds
        self.progress.polled(execution, interval)
        return [record.getMessage().removesuffix(f" ({RUN})") for record in self.log.records]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[LoggedProgress]:
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    return LoggedProgress(caplog)


def execution(total: int, *words: str, status: str = "running", **more: Any) -> Execution:
    return Execution(
        "bulk", "s", "e", status, Outcome.RUNNING,
        started_at=datetime.fromtimestamp(BEGAN, timezone.utc),
        counts={**dict.fromkeys(COUNTS, 0), "total": total},
        schemas=tuple({"schema": str(place), "status": word} for place, word in enumerate(words)),
        **more,
    )  # fmt: skip


def test_progress_has_counts_rate_schemas_and_time(logged: LoggedProgress):
    assert logged.at(10, execution(200, "running", "created")) == [
        "running, 200 records (20/s), 0 of 2 schemas, after 10 s"
    ]
    assert logged.at(130, execution(5000, "completed", "running")) == [
        "running, 5,000 records (40/s), 1 of 2 schemas, after 2 min 10 s"
    ]


def test_an_unchanged_execution_is_not_logged_again(logged: LoggedProgress):
    logged.at(0, execution(5))
    assert [logged.at(seconds, execution(5)) for seconds in (30, 90, 600)] == [[], [], []]


def test_counts_are_logged_once_a_minute(logged: LoggedProgress):
    lines = [logged.at(second, execution(second * 10, "running")) for second in range(0, 301, 5)]
    assert [bool(line) for line in lines] == [second % 60 == 0 for second in range(0, 301, 5)]


def test_counts_are_logged_less_often_if_there_are_many_waits(logged: LoggedProgress):
    lines = [logged.at(second, execution(second * 10), 120.0) for second in range(0, 301, 5)]
    assert [bool(line) for line in lines] == [second in (120, 240) for second in range(0, 301, 5)]
    assert logged.at(305, execution(0, status="canceling"), 120.0)


def test_an_end_is_logged_although_there_are_many_waits(logged: LoggedProgress):
    assert logged.at(60, replace(execution(60), outcome=Outcome.SUCCESS), 120.0)


def test_a_changed_status_is_logged_at_once(logged: LoggedProgress):
    logged.at(0, execution(0))
    assert logged.at(1, execution(0, status="canceling")) == ["canceling, 0 records, after 1 s"]


def test_the_last_line_has_the_rate_of_the_whole_execution(logged: LoggedProgress):
    logged.at(0, execution(0))
    logged.at(90, execution(1))
    counts = {**dict.fromkeys(COUNTS, 0), "total": 7300, "error": 3}
    ended = replace(
        execution(0),
        status="completed",
        outcome=Outcome.SUCCESS,
        completed_at=datetime.fromtimestamp(BEGAN + 7300, timezone.utc),
        counts=counts,
    )
    assert logged.at(9999, ended) == ["completed, 7,300 records (1/s), 3 with errors, after 2 h 1 min"]


def test_a_clock_that_is_off_gives_no_duration(logged: LoggedProgress):
    assert logged.at(-500, execution(100)) == ["running, 100 records"]


def test_nothing_is_logged_without_an_execution(logged: LoggedProgress):
    logged.progress.polled(None)
    assert logged.log.records == []


def test_a_line_fits_a_screen_whatever_the_name_is(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "airflow_provider_polytomic.executions")
    ids = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
    progress = ProgressLogger(ExecutionRef("bulk", *ids, "Contacts of all regions " * 9), lambda: BEGAN + 100_000)
    progress.polled(replace(execution(123_456_789, *["running"] * 100), id=ids[1]))
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("Contacts of all regions ")
    assert line.endswith(f"(execution {ids[1]})")
    assert len(line) <= 180  # characters beside the time on a screen of 1440 pixels
