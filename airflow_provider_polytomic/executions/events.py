"""The ends of executions, as the list of events tells them.

What the list promises is little: no order, perhaps no next page, at most one hundred rows. So a stretch of time whose
answer is full and offers no next page is cut in two until each answer is whole, and rows are compared by what they say.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from airflow_provider_polytomic.api import events
from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.events import Event, EventPayload
from airflow_provider_polytomic.executions.execution import COUNTS

log = logging.getLogger(__name__)

ENDS = ("completed", "completed_with_errors", "failed", "canceled")
"""What becomes of an execution, in the words of the events; the singular that bulk syncs have becomes the plural."""

MOST_ROWS = 100

MOST_STRETCHES = 5000
"""Requests for one window: a list that takes more does not heed the times that it is asked for."""

TICK = timedelta(microseconds=1)
STRIDE = timedelta(seconds=1)

TOLERANCE = timedelta(seconds=1)
"""How far a row may lie outside of the times that were asked for, which may be compared less finely than shown."""

_KINDS = {"sync": "model", "bulk_sync": "bulk"}
_WORDS = {**{word: word for word in ENDS}, "completed_with_error": "completed_with_errors"}
_TYPES = (
    *(f"sync.{word}" for word in ENDS),
    *(f"bulk_sync.{word}" for word in ("completed", "completed_with_error", "failed", "canceled")),
)
_COUNT_FIELDS = {
    "total": "record_count",
    "insert": "inserted_count",
    "update": "updated_count",
    "upserts": "upserted_count",
    "delete": "deleted_count",
    "error": "error_count",
    "warnings": "warning_count",
}
_MOST_WARNED = 1000


@dataclass(frozen=True)
class Ended:
    """An execution has ended, as an event tells it.

    :param event: one of :data:`ENDS`
    :param kind: ``model`` or ``bulk``
    :param created_at: when, by Polytomic's clock
    :param counts: records by what became of them, as those of an execution; None where the event does not tell them.
        No event is known to tell deletions: ``delete`` is 0 then
    :param error: what went wrong, if the event says so
    """

    event: str
    event_id: str
    kind: str
    sync_id: str
    sync_name: str | None
    execution_id: str
    created_at: datetime
    counts: dict[str, int] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Window:
    """All ends that are listed from a moment on, the oldest first, one for each execution.

    :param since: the moment, itself not included
    :param until: where the window ends; None for the present
    :param newest: when the newest event was created, of whatever type; None if there is none
    """

    since: datetime
    until: datetime | None
    newest: datetime | None
    ends: tuple[Ended, ...]


class EventReader:
    """Reads windows; what cannot be read in them is skipped, and warned about once."""

    def __init__(self) -> None:
        self._warned: dict[str, None] = {}

    def window(self, since: datetime, until: datetime | None = None) -> Flow[Window]:
        """List the ends between two moments; each request is sent once, since callers come back anyway.

        :raises PolytomicError: if a request fails
        """
        ends: dict[str, Ended] = {}
        newest: datetime | None = None
        stretches: list[tuple[datetime, datetime | None]] = [(since, until)]
        for _ in range(MOST_STRETCHES):
            if not stretches:
                break
            after, before = stretches.pop()
            rows, whole = yield from _listed(after, before)
            read = [each for each in map(self._read, rows) if each]
            if not whole and read:
                if not all(_lies_within(moment, after, before) for moment, _ in read):
                    raise events.list().response_error(
                        "the list cannot be divided by time: it does not heed the times asked"
                    )
                cut = _cut(sorted(moment for moment, _ in read), after, before)
                stretches += cut
                if not cut:
                    rows = yield from self._of_one_instant(after, before)
                    read += [each for each in map(self._read, rows) if each]
            for moment, end in read:
                newest = max(newest or moment, moment)
                if end:
                    _keep(ends, end)
        else:
            raise events.list().response_error("the list cannot be divided by time")
        ordered = sorted(ends.values(), key=lambda end: (end.created_at, end.event_id))
        return Window(since, until, newest, tuple(ordered))

    def _of_one_instant(self, after: datetime, before: datetime | None) -> Flow[list[Any]]:
        """List what time cannot divide type by type."""
        found: list[Any] = []
        for type in _TYPES:
            rows, whole = yield from _listed(after, before, type)
            found += rows
            if not whole:
                self._warn(f"{after} {type}", f"more than {MOST_ROWS} events {type} bear one time: some are not seen")
        return found

    def _read(self, row: Any) -> tuple[datetime, Ended | None] | None:
        try:
            event = Event.model_validate(row)
            if event.created_at is None:
                raise ValueError("it has no time")
            return event.created_at, _end_of(event, event.created_at)
        except ValueError as error:
            name = str(row.get("id"))[:80] if isinstance(row, Mapping) else f"a {type(row).__name__}"
            what = "it has another shape than promised" if isinstance(error, ValidationError) else error
            self._warn(name, f"an event cannot be read and is skipped: {name}: {what}")
            return None

    def _warn(self, key: str, message: str) -> None:
        if key in self._warned:
            return
        self._warned[key] = None
        if len(self._warned) > _MOST_WARNED:
            del self._warned[next(iter(self._warned))]
        log.warning("Polytomic's events: %s", message)


def _listed(after: datetime, before: datetime | None, type: str | None = None) -> Flow[tuple[list[Any], bool]]:
    """List a stretch as it comes, and tell whether that is certainly all of it."""
    typed = events.list(type=type, starting_after=after, ending_before=before, limit=MOST_ROWS)
    call: Call[Page[Any]] | None = replace(typed, model=Page[Any]).without_retries()
    rows: list[Any] = []
    paged = False
    while call is not None:
        page = yield from send(call)
        rows += page.rows
        call = next_page(call, page)
        paged = paged or call is not None
    return rows, paged or len(rows) < MOST_ROWS


def _lies_within(moment: datetime, after: datetime, before: datetime | None) -> bool:
    return moment >= after - TOLERANCE and (before is None or moment <= before + TOLERANCE)


def _cut(moments: list[datetime], after: datetime, before: datetime | None) -> list[tuple[datetime, datetime | None]]:
    """Cut a stretch in two shorter ones that cover it; none if it is a single instant.

    :param moments: the times of the rows that are known of it
    """
    if before is not None and before - after <= 2 * TICK:
        return []
    middle = moments[len(moments) // 2]
    if middle <= after:
        middle = after + min(before - after if before else STRIDE, STRIDE) / 2
    if before is None or middle + TICK < before:
        return [(after, middle + TICK), (middle, before)]
    return [(after, middle), (middle - TICK, before)]


def _keep(ends: dict[str, Ended], end: Ended) -> None:
    """Keep one end of an execution: errors outdo the plain completion that may be told beside them."""
    known = ends.get(end.execution_id)
    if known is None or (known.event == "completed" and end.event != "completed"):
        ends[end.execution_id] = end


def _end_of(event: Event, created_at: datetime) -> Ended | None:
    kind, _, word = (event.type or "").partition(".")
    if kind not in _KINDS or word not in _WORDS:
        return None
    told = event.event
    if told is None or not told.sync_id or not told.execution_id:
        raise ValueError("it names no execution")
    return Ended(
        event=_WORDS[word],
        event_id=event.id,
        kind=_KINDS[kind],
        sync_id=told.sync_id,
        sync_name=told.sync_name,
        execution_id=told.execution_id,
        created_at=created_at,
        counts=_counts(told),
        error=told.error,
    )


def _counts(told: EventPayload) -> dict[str, int] | None:
    said = told.model_extra or {}
    if not isinstance(said.get(_COUNT_FIELDS["total"]), int):
        return None
    numbers = {name: said.get(_COUNT_FIELDS[name]) for name in COUNTS}
    return {name: number if isinstance(number, int) else 0 for name, number in numbers.items()}
