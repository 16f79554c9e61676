"""What the log says of a wait: changes of the status at once, the rest sparsely."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.outcome import is_completed_schema, is_unsuccessful_schema
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince

log = logging.getLogger(__name__)

PROGRESS_INTERVAL = 60.0
"""Seconds between two lines about an execution whose status has not changed."""


class ProgressLogger:
    """Logs how an execution goes, and what is the matter with asking for it.

    :param target: what the lines are about
    :param clock: seconds since the epoch
    """

    def __init__(self, target: ExecutionRef | CompletedSince, clock: Callable[[], float] = time.time) -> None:
        self._awaited = target
        self._clock = clock
        self._heard_at = 0.0
        self._told: tuple[str, int, int, int] | None = None
        self._told_at = 0.0
        self._failures = 0

    def heard(self, execution: Execution | None) -> None:
        """Note an answer; None where there is no execution yet."""
        if self._failures:
            log.info("%s: Polytomic answers again after %d failed polls", self._awaited, self._failures)
        self._failures = 0
        if execution is None:
            return
        self._heard_at = self._clock()
        news = (execution.status, *_progress(execution))
        changed = self._told is None or self._told[0] != execution.status
        if changed or (news != self._told and self._heard_at - self._told_at >= PROGRESS_INTERVAL):
            log.info("%s: %s", self._awaited, ", ".join(self._words(execution)))
            self._told, self._told_at = news, self._heard_at

    def failed(self, error: PolytomicError) -> None:
        """Note that it could not be asked for."""
        self._failures += 1
        if self._failures & (self._failures - 1):
            return
        good = "none yet"
        if self._told:
            at = datetime.fromtimestamp(self._heard_at, timezone.utc).isoformat(timespec="seconds")
            good = f"{self._told[0]} at {at}"
        log.warning("%s: %d failed polls, last good status %s: %s", self._awaited, self._failures, good, error)

    def _words(self, execution: Execution) -> Iterator[str]:
        yield execution.status
        total, done, schemas = _progress(execution)
        rate = self._rate(execution)
        yield f"{total:,} records" + (f" ({rate:,.0f}/s)" if rate else "")
        if execution.counts["error"]:
            yield f"{execution.counts['error']:,} with errors"
        if schemas:
            yield f"{done} of {schemas} schemas"
        took = self._duration(execution)
        if took >= 1:
            yield f"after {_in_words(took)}"

    def _rate(self, execution: Execution) -> float:
        """Return the records a second since the last line, or of the whole execution where it is the first or last."""
        records, seconds = execution.counts["total"], self._duration(execution)
        if self._told and not execution.outcome.final:
            records -= self._told[1]
            seconds = self._heard_at - self._told_at
        return records / seconds if records > 0 and seconds >= 1 else 0.0

    def _duration(self, execution: Execution) -> float:
        began = execution.started_at or execution.created_at
        ended = execution.completed_at.timestamp() if execution.completed_at else self._heard_at
        return max(0.0, ended - began.timestamp()) if began else 0.0


def _progress(execution: Execution) -> tuple[int, int, int]:
    words = [row["status"] for row in execution.schemas]
    done = sum(is_completed_schema(word) or is_unsuccessful_schema(word) for word in words)
    return execution.counts["total"], done, len(words)


def _in_words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
