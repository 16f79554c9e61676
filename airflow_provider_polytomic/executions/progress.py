"""Progress of a wait in the log: a changed status at once, other changes at intervals."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.outcome import is_completed_schema, is_unsuccessful_schema
from airflow_provider_polytomic.executions.targets import CompletedSince

log = logging.getLogger(__name__)

PROGRESS_INTERVAL = 60.0
"""Seconds between two lines about an execution whose status has not changed."""


class ProgressLogger:
    """Log the progress of an execution, and the polls that fail.

    :param target: execution that the lines are about
    :param clock: function that returns the seconds since the epoch
    """

    def __init__(self, target: ExecutionRef | CompletedSince, clock: Callable[[], float] = time.time) -> None:
        self._target = target
        self._clock = clock
        self._polled_at = 0.0
        self._logged: tuple[str, int, int, int] | None = None
        self._logged_at = 0.0
        self._failures = 0

    def polled(self, execution: Execution | None) -> None:
        """Log the answer of a poll; None stands for an execution that does not exist yet."""
        if self._failures:
            log.info("Polytomic answers again after %d failed polls (%s)", self._failures, self._target)
        self._failures = 0
        if execution is None:
            return
        self._polled_at = self._clock()
        state = (execution.status, *_progress(execution))
        changed = self._logged is None or self._logged[0] != execution.status
        if changed or (state != self._logged and self._polled_at - self._logged_at >= PROGRESS_INTERVAL):
            log.info("%s (%s)", ", ".join(self._parts(execution)), self._target)
            self._logged, self._logged_at = state, self._polled_at

    def failed(self, error: PolytomicError) -> None:
        """Log a poll that failed: the first, second, fourth, eighth and so on in a row."""
        self._failures += 1
        if self._failures & (self._failures - 1):
            return
        last = "unknown"
        if self._logged:
            at = datetime.fromtimestamp(self._polled_at, timezone.utc).isoformat(timespec="seconds")
            last = f"{self._logged[0]} at {at}"
        log.warning("%d failed polls, last status %s: %s (%s)", self._failures, last, error, self._target)

    def _parts(self, execution: Execution) -> Iterator[str]:
        yield execution.status
        total, done, schemas = _progress(execution)
        rate = self._rate(execution)
        yield f"{total:,} records" + (f" ({rate:,.0f}/s)" if rate else "")
        if execution.counts["error"]:
            yield f"{execution.counts['error']:,} with errors"
        if schemas:
            yield f"{done} of {schemas} schemas"
        seconds = self._duration(execution)
        if seconds >= 1:
            yield f"after {format_duration(seconds)}"

    def _rate(self, execution: Execution) -> float:
        """Return records per second since the last line; in the first and last line, of the whole execution."""
        records, seconds = execution.counts["total"], self._duration(execution)
        if self._logged and not execution.outcome.final:
            records -= self._logged[1]
            seconds = self._polled_at - self._logged_at
        return records / seconds if records > 0 and seconds >= 1 else 0.0

    def _duration(self, execution: Execution) -> float:
        start = execution.started_at or execution.created_at
        end = execution.completed_at.timestamp() if execution.completed_at else self._polled_at
        return max(0.0, end - start.timestamp()) if start else 0.0


def _progress(execution: Execution) -> tuple[int, int, int]:
    """Return the number of records, of ended schemas and of all schemas."""
    statuses = [row["status"] for row in execution.schemas]
    done = sum(is_completed_schema(status) or is_unsuccessful_schema(status) for status in statuses)
    return execution.counts["total"], done, len(statuses)


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
