"""Outcomes of executions. Only this module maps a status of the API to an outcome."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Literal

log = logging.getLogger(__name__)


class Outcome(str, Enum):
    """Classify how an execution ended; RUNNING if it has not."""

    value: Literal["running", "success", "partial", "failed", "canceled"]

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Return whether the execution has ended."""
        return self is not Outcome.RUNNING


CANCELING = "canceling"

_UNFINISHED = frozenset({"created", "scheduled", "queued", "waiting", "running", "processing", "exporting", CANCELING})
_FINAL = {
    "completed": Outcome.SUCCESS,
    "errors": Outcome.PARTIAL,
    "failed": Outcome.FAILED,
    "canceled": Outcome.CANCELED,
}
_INTERRUPTED = "interrupted"

_warned: set[str] = set()


def outcome_of(status: str, completed_at: datetime | None, schema_statuses: Iterable[str] = ()) -> Outcome:
    """Return the outcome that a status stands for.

    An execution that completed although one of its schemas did not is partial. Polytomic may resume an ``interrupted``
    execution, so that status is an end only once there is a time of completion. Polytomic adds status words now and
    then: an unknown one counts as running and is logged once per process.

    :param status: status of the execution
    :param completed_at: time when the execution ended, if it has
    :param schema_statuses: statuses of a bulk sync execution's schemas
    """
    if status == _INTERRUPTED:
        return Outcome.FAILED if completed_at else Outcome.RUNNING
    outcome = _FINAL.get(status, Outcome.RUNNING)
    if outcome is Outcome.SUCCESS and any(is_unsuccessful_schema(word) for word in schema_statuses):
        return Outcome.PARTIAL
    if status not in _FINAL and status not in _UNFINISHED and status not in _warned:
        _warned.add(status)
        log.warning("Unknown execution status %r: treating the execution as still running", status)
    return outcome


def is_unfinished(status: str) -> bool:
    """Return whether a status is known to be that of an execution that has not ended."""
    return status in _UNFINISHED


def outcome_of_schema(statuses: Iterable[str], execution: Outcome) -> Outcome:
    """Return the outcome of one schema of an execution.

    An ``interrupted`` schema, or one with an unknown status, has not ended before its execution has. A schema that its
    execution has not completed by then was not synced.

    :param statuses: statuses of all rows that the execution shows of the schema; none if it does not show it
    :param execution: outcome of the execution
    """
    words = set(statuses)
    for word in ("failed", "canceled"):
        if word in words:
            return _FINAL[word]
    if words == {"completed"}:
        return Outcome.SUCCESS
    if not execution.final:
        return Outcome.RUNNING
    return Outcome.CANCELED if execution is Outcome.CANCELED else Outcome.FAILED


def is_unsuccessful_schema(status: str) -> bool:
    """Return whether a schema of an ended execution was not synced."""
    return status in ("failed", "canceled", _INTERRUPTED)


def is_completed_schema(status: str) -> bool:
    """Return whether a schema was synced."""
    return status == "completed"
