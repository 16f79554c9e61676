"""The syncs that the page shows, as far as they are known, and when one of them is late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from math import inf
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.executions import Execution, Outcome
from airflow_provider_polytomic.executions.execution import isoformat
from airflow_provider_polytomic.results import SyncKindName

SyncKey = tuple[SyncKindName, str]

MAX_EXECUTIONS_SHOWN = 20
MAX_SYNCS_SHOWN = 5000
MAX_ROWS_AT_ONCE = 100
"""Rows that are encoded before the event loop of the API server handles something else."""


LATE_TOLERANCE = timedelta(minutes=10)
"""Time beyond the longest of the shown executions after which a sync is late."""

DUE_CLOCK_SKEW = timedelta(minutes=1)
"""Difference between the clocks of Airflow and Polytomic up to which an execution counts as one that was due."""

EARLIEST = datetime.min.replace(tzinfo=timezone.utc)


@dataclass
class SyncRow:
    """One sync.

    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param name: name of the sync
    :param active: whether the sync is active
    :param scheduled: whether Polytomic starts it by a schedule of its own
    :param next_at: time of the next execution by that schedule, where it is known
    :param executions: the latest executions, the oldest first
    :param status_read_at: seconds of the clock at which its status was read
    :param history_read_at: seconds of the clock at which its executions were read
    :param is_hinted: whether an event has said something that neither of them confirms yet
    :param late_since: time since which the sync is late by its own schedule
    :param url: address of the sync in Polytomic
    :param version: version of the table in which the row has changed
    """

    kind: SyncKindName
    sync_id: str
    name: str
    active: bool = True
    scheduled: bool = False
    next_at: datetime | None = None
    executions: tuple[Execution, ...] = ()
    status_read_at: float = -inf
    history_read_at: float = -inf
    is_hinted: bool = False
    late_since: datetime | None = None
    url: str | None = None
    version: int = 0

    @property
    def key(self) -> SyncKey:
        """The kind and the id of the sync."""
        return self.kind, self.sync_id

    @property
    def running(self) -> Execution | None:
        """The execution that is running."""
        latest = self.executions[-1:]
        return next((each for each in latest if not each.outcome.final), None)

    @property
    def last_ended(self) -> Execution | None:
        """The latest execution that has ended."""
        return next((each for each in reversed(self.executions) if each.outcome.final), None)

    @property
    def is_failing(self) -> bool:
        """Return whether the latest execution that has ended was not a success."""
        ended = self.last_ended
        return ended is not None and ended.outcome in (Outcome.FAILED, Outcome.PARTIAL)

    @property
    def longest(self) -> timedelta:
        """The longest duration of the shown executions that have ended."""
        durations = [duration for each in self.executions if each.outcome.final and (duration := duration_of(each))]
        return max(durations, default=timedelta())

    def add(self, *found: Execution) -> None:
        """Add executions, or what is newly known of them; keep the latest."""
        known = {each.id: each for each in self.executions}
        for execution in found:
            known[execution.id] = _merged(known.get(execution.id), execution)
        self.executions = tuple(sorted(known.values(), key=_order)[-MAX_EXECUTIONS_SHOWN:])

    def late_by_own_schedule(self, now: datetime) -> datetime | None:
        """Return since when the sync is late by its own schedule; None if it is not.

        That counts from the time of the next execution once it has passed, or from the beginning of the running one.
        """
        if not (self.active and self.scheduled):
            return None
        running = self.running
        due = began_at(running) if running else None
        if self.next_at and self.next_at <= now:
            due = self.next_at
        return self.late_since_due(due, now)

    def late_since_due(
        self, due: datetime | None, now: datetime, usual_delay: timedelta = timedelta()
    ) -> datetime | None:
        """Return since when the sync is late, if an execution was due at some time; None if it is not.

        :param due: time at which a schedule should have started an execution
        :param usual_delay: time that usually passes between that and the start
        """
        if due is None or any(
            each.outcome.final and began_at(each) >= due - DUE_CLOCK_SKEW for each in self.executions
        ):
            return None
        deadline = due + usual_delay + self.longest + LATE_TOLERANCE
        return deadline if deadline < now else None

    def to_json(self) -> dict[str, Any]:
        """Return the row for the page."""
        running, ended = self.running, self.last_ended
        return {
            "key": f"{self.kind}:{self.sync_id}",
            "kind": self.kind,
            "sync_id": self.sync_id,
            "name": self.name,
            "active": self.active,
            "state": running.status if running else ended.outcome.value if ended else None,
            "running": running is not None,
            "failing": self.is_failing,
            "late_since": isoformat(self.late_since),
            "next_at": isoformat(self.next_at),
            "is_read": self.history_read_at > -inf,
            "url": self.url,
            "executions": [execution_to_json(each) for each in self.executions],
        }


class SyncTable:
    """The syncs of one Airflow connection; each change gives the table another version.

    :param id: id of this table, since the versions of two tables have nothing in common
    :param rows: rows by kind and id
    """

    def __init__(self) -> None:
        self.id = uuid4().hex
        self.rows: dict[SyncKey, SyncRow] = {}
        self._version = 0
        self._removed_in = 0

    def __iter__(self) -> Iterator[SyncRow]:
        return iter(self.rows.values())

    def get(self, kind: SyncKindName, sync_id: str) -> SyncRow:
        """Return a row, a new one if there is none.

        :param kind: ``model`` or ``bulk``
        """
        return self.rows.setdefault((kind, sync_id), SyncRow(kind, sync_id, sync_id))

    def changed(self, row: SyncRow) -> None:
        """Record that a row has changed."""
        self._version += 1
        row.version = self._version

    def remove(self, keys: Iterable[SyncKey]) -> None:
        """Remove the rows of syncs that do not exist any more."""
        for key in keys:
            if self.rows.pop(key, None):
                self._version += 1
                self._removed_in = self._version

    def note_late(self, now: datetime) -> None:
        """Find out which syncs are late by their own schedule."""
        for row in self:
            late_since = row.late_by_own_schedule(now)
            if late_since != row.late_since:
                row.late_since = late_since
                self.changed(row)

    def changes(self, table_id: str | None, after: int) -> tuple[dict[str, Any], list[SyncRow]]:
        """Return the version of the table for the page, and the rows that have changed; all if that is not known.

        :param table_id: id of the table that the caller knows
        :param after: version of it that the caller knows
        """
        complete = table_id != self.id or not self._removed_in <= after <= self._version
        rows = [row for row in self if complete or row.version > after]
        return {"table": self.id, "version": self._version, "complete": complete}, rows


async def json_parts(answer: Mapping[str, Any], rows: Sequence[SyncRow]) -> AsyncIterator[str]:
    """Encode a response with its rows in parts, since thousands of rows would block the event loop for seconds."""
    yield f'{json.dumps(answer)[:-1]}, "rows": ['
    for begin in range(0, len(rows), MAX_ROWS_AT_ONCE):
        part = json.dumps([row.to_json() for row in rows[begin : begin + MAX_ROWS_AT_ONCE]])
        yield (", " if begin else "") + part[1:-1]
        await asyncio.sleep(0)
    yield "]}"


def began_at(execution: Execution) -> datetime:
    """Return when an execution began; its end where nothing else is known."""
    return execution.created_at or execution.started_at or execution.completed_at or EARLIEST


def duration_of(execution: Execution) -> timedelta | None:
    """Return how long an execution took; None if that is not known."""
    begin, end = execution.started_at or execution.created_at, execution.completed_at
    return end - begin if begin and end else None


def execution_to_json(execution: Execution) -> dict[str, Any]:
    """Return an execution for the page, without its errors and schemas."""
    duration = duration_of(execution)
    return {
        "id": execution.id,
        "status": execution.status,
        "outcome": execution.outcome.value,
        "began_at": isoformat(execution.started_at or execution.created_at),
        "ended_at": isoformat(execution.completed_at),
        "seconds": duration.total_seconds() if duration else None,
        "counts": {name: count for name, count in execution.counts.items() if count},
    }


def _order(execution: Execution) -> tuple[bool, datetime, str]:
    """Order executions by their beginning; a running one is the latest."""
    return not execution.outcome.final, began_at(execution), execution.id


def _merged(known: Execution | None, found: Execution) -> Execution:
    """Return what two responses say about an execution: an end is final, and a list may lack the counts."""
    if known is None:
        return found
    if known.outcome.final and not found.outcome.final:
        return known
    times = {
        name: getattr(found, name) or getattr(known, name) for name in ("created_at", "started_at", "completed_at")
    }
    counts = found.counts if any(found.counts.values()) else known.counts
    return replace(found, counts=counts, errors=found.errors or known.errors, **times)


@dataclass
class Viewed:
    """The rows on the screens of the viewers.

    :param timeout: seconds for which a row counts as looked at
    """

    timeout: float
    _seen_at: dict[SyncKey, float] = field(default_factory=dict)

    def look(self, keys: Iterable[SyncKey], now: float) -> None:
        """Record that somebody sees rows."""
        self._seen_at = {key: at for key, at in self._seen_at.items() if now - at <= self.timeout}
        self._seen_at.update(dict.fromkeys(keys, now))

    def __contains__(self, key: SyncKey) -> bool:
        return key in self._seen_at
