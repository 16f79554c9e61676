"""What the API's status words mean; nowhere else are they compared."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from enum import Enum

log = logging.getLogger(__name__)


class Outcome(str, Enum):
    """What became of an execution."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Tell whether the execution has ended."""
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
    """Judge an execution by its status word.

    An execution that completed although one of its schemas did not is partial. ``interrupted`` may mean that Polytomic
    goes on later, so it counts as an end only once there is a time of completion. A word that is not known counts as
    running, and is warned about once in a process: Polytomic adds words, and a new one must not fail anybody's task.

    :param status: the execution's status, as the API says it
    :param completed_at: when it ended, if it has
    :param schema_statuses: the statuses of a bulk execution's schemas
    """
    if status == _INTERRUPTED:
        return Outcome.FAILED if completed_at else Outcome.RUNNING
    outcome = _FINAL.get(status, Outcome.RUNNING)
    if outcome is Outcome.SUCCESS and any(is_unsuccessful_schema(word) for word in schema_statuses):
        return Outcome.PARTIAL
    if status not in _FINAL and status not in _UNFINISHED and status not in _warned:
        _warned.add(status)
        log.warning("Polytomic reports a status that is not known here: %r; it is taken as still running", status)
    return outcome


def is_unsuccessful_schema(status: str) -> bool:
    """Tell whether a schema of an ended execution has not been synced."""
    return status in ("failed", "canceled", _INTERRUPTED)


def is_completed_schema(status: str) -> bool:
    """Tell whether a schema has been synced."""
    return status == "completed"
