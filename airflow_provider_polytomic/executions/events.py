"""Read the ends of executions from Polytomic's events, both listed and delivered by webhook.

The API promises little about the list of events: no order, perhaps no next page, at most 100 rows. A period whose
response is full and has no next page is split in two until each response is complete. Events are compared by content.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from airflow_provider_polytomic.api import events
from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.decoding import REPLACEMENT
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Page, UtcDatetime
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.executions.execution import COUNTS, Execution
from airflow_provider_polytomic.executions.outcome import Outcome, outcome_of
from airflow_provider_polytomic.results import SyncKindName

log = logging.getLogger(__name__)

ENDS = ("completed", "completed_with_errors", "failed", "canceled")
"""Ends of an execution, in the words of model sync events; bulk sync events say ``completed_with_error``."""

MAX_ROWS = 100
MAX_PERIODS = 5000
"""Requests for one window: a list that takes more ignores the times that it is asked for."""

TICK = timedelta(microseconds=1)
MAX_SPLIT_PERIOD = timedelta(seconds=1)
TIME_TOLERANCE = timedelta(seconds=1)
"""Time by which a row may lie outside of the requested period: times may be compared less finely than shown."""

MAX_WARNED = 1000

FIRST_YEAR, LAST_YEAR = 1971, 9000
"""Years of an event's time; other times are placeholders, and near the limits of what can be added to a time."""

MAX_EVENT_TEXT = 1000
"""Characters of an id or a name in an event; a longer one is not an id, and a longer name is cut."""

MAX_EVENT_ERRORS = 5
"""Error messages in the payload of an event."""

_KIND_OF_PREFIX: dict[str, SyncKindName] = {"sync": "model", "bulk_sync": "bulk"}
_BEGIN = "running"
_ENDS = {**{end: end for end in ENDS}, "completed_with_error": "completed_with_errors"}
_TYPES = (
    *(f"sync.{end}" for end in ENDS),
    *(f"bulk_sync.{end}" for end in ("completed", "completed_with_error", "failed", "canceled")),
)
_COUNT_FIELDS = {
    "total": "record_count", "insert": "inserted_count", "update": "updated_count", "upserts": "upserted_count",
    "delete": "deleted_count", "error": "error_count", "warnings": "warning_count",
}  # fmt: skip
_DATETIME: TypeAdapter[datetime] = TypeAdapter(UtcDatetime)


@dataclass(frozen=True)
class EndEvent:
    """One event about the end of an execution.

    :param event: one of :data:`ENDS`
    :param event_id: id of the event; made of execution and end where the event has none
    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param sync_name: name of the sync, where the event has it
    :param execution_id: id of the execution
    :param created_at: time of the event by Polytomic's clock, where the event has it
    :param counts: records as in :attr:`Execution.counts`, where the event has them. No known event counts deletions
    :param error: error message, where the event has it
    :param organization_id: id of the organization, where the event has it
    """

    event: str
    event_id: str
    kind: SyncKindName
    sync_id: str
    sync_name: str | None
    execution_id: str
    created_at: datetime | None
    counts: dict[str, int] | None = None
    error: str | None = None
    organization_id: str | None = None


@dataclass(frozen=True)
class Ended(EndEvent):
    """A listed event, which always has a time."""

    created_at: datetime


@dataclass(frozen=True)
class Window:
    """The ends of a period, the oldest first, one for each execution.

    :param since: beginning of the period, itself excluded
    :param until: end of the period; None for the present
    :param newest: time of the newest event of whatever type; None if there is none
    :param ends: the ends
    """

    since: datetime
    until: datetime | None
    newest: datetime | None
    ends: tuple[Ended, ...]


def time_of(event: Any) -> datetime | None:
    """Return the time of an event, as decoded from JSON; None if it has none.

    :raises ValueError: if the event or its time cannot be read
    """
    if not isinstance(event, Mapping):
        raise ValueError("it is not an object")
    value = event.get("created_at")
    if not isinstance(value, str):
        return None
    try:
        moment = _DATETIME.validate_python(value)
    except ValueError:
        raise ValueError("its time cannot be read") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError("its time is not of this epoch")
    return moment


def end_fields(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields of an :class:`EndEvent`; None if the event, as decoded from JSON, is about something else.

    :raises ValueError: if the event cannot be read
    """
    type = event.get("type") or ""
    if not isinstance(type, str):
        raise ValueError("its type is not a text")
    prefix, _, word = type.partition(".")
    if prefix not in _KIND_OF_PREFIX or word not in _ENDS:
        return None
    payload = event.get("event")
    if not isinstance(payload, Mapping):
        raise ValueError("it has no payload")
    end, execution_id = _ENDS[word], _id(payload, "execution_id")
    return {
        "event": end,
        "event_id": _short_text(event.get("id")) or f"{execution_id}/{end}",
        "kind": _KIND_OF_PREFIX[prefix],
        "sync_id": _id(payload, "sync_id"),
        "sync_name": _short_text(payload.get("sync_name")) or _short_text(payload.get("name")),
        "execution_id": execution_id,
        "created_at": time_of(event) or time_of(payload),
        "counts": _counts(payload),
        "error": _text(payload.get("error")),
        "organization_id": _text(payload.get("organization_id")),
    }


def execution_of_event(event: Any) -> Execution | None:
    """Return the execution as an event, decoded from JSON, shows it; None if the event is about none.

    :raises ValueError: if the event cannot be read
    """
    moment = time_of(event)
    prefix, _, word = str(event.get("type") or "").partition(".")
    if word == _BEGIN and prefix in _KIND_OF_PREFIX and isinstance(payload := event.get("event"), Mapping):
        ids = _id(payload, "sync_id"), _id(payload, "execution_id")
        return Execution(_KIND_OF_PREFIX[prefix], *ids, word, outcome_of(word, None), started_at=moment)
    fields = end_fields(event)
    if fields is None:
        return None
    end = EndEvent(**fields)
    status = end.event
    if status == "completed_with_errors":
        status = "errors" if end.kind == "bulk" else "completed"
    execution = Execution(
        end.kind,
        end.sync_id,
        end.execution_id,
        status,
        outcome_of(status, moment),
        completed_at=moment,
        errors=tuple(event_errors([end.error])),
    )
    return replace(execution, counts=end.counts) if end.counts else execution


def event_errors(errors: Iterable[str | None]) -> list[str]:
    """Return error messages for the payload of an event: a few short lines without secrets."""
    return [one_line(redact(error)) for error in errors if error][:MAX_EVENT_ERRORS]


def end_of(execution: Execution) -> str | None:
    """Return which of :data:`ENDS` an execution has come to; None if it is running."""
    if execution.outcome is Outcome.SUCCESS and not (execution.counts["error"] or execution.errors):
        return "completed"
    ends = {Outcome.SUCCESS: "completed_with_errors", Outcome.PARTIAL: "completed_with_errors"}
    return {**ends, Outcome.FAILED: "failed", Outcome.CANCELED: "canceled"}.get(execution.outcome)


class EventReader:
    """Read windows of ends from the list of events; skip events that cannot be read, with one warning each."""

    def __init__(self) -> None:
        self._warned: dict[str, None] = {}

    def window(self, since: datetime, until: datetime | None = None) -> Flow[Window]:
        """List the ends of a period. Each request is sent once, since callers poll anyway.

        :raises PolytomicError: if a request fails
        """
        ends: dict[str, Ended] = {}
        newest: datetime | None = None
        periods: list[tuple[datetime, datetime | None]] = [(since, until)]
        for _ in range(MAX_PERIODS):
            if not periods:
                break
            after, before = periods.pop()
            rows, complete = yield from _list(after, before)
            read = [each for each in map(self._read, rows) if each]
            if not complete and read:
                moments = sorted(moment for moment, _ in read)
                first, last = after - TIME_TOLERANCE, before + TIME_TOLERANCE if before else moments[-1]
                if moments[0] < first or moments[-1] > last:
                    raise events.list().response_error(
                        "the list cannot be divided by time: it ignores the requested times"
                    )
                parts = _split(moments, after, before)
                periods += parts
                if not parts:
                    rows = yield from self._list_by_type(after, before)
                    read += [each for each in map(self._read, rows) if each]
            for moment, end in read:
                newest = max(newest or moment, moment)
                known = ends.get(end.execution_id) if end else None
                # An end with errors replaces a plain "completed", which may be sent beside it.
                if end and (known is None or (known.event == "completed" and end.event != "completed")):
                    ends[end.execution_id] = end
        else:
            raise events.list().response_error("the list cannot be divided by time")
        ordered = sorted(ends.values(), key=lambda end: (end.created_at, end.event_id))
        return Window(since, until, newest, tuple(ordered))

    def _list_by_type(self, after: datetime, before: datetime | None) -> Flow[list[Any]]:
        """List the events of a single instant, type by type."""
        found: list[Any] = []
        for type in _TYPES:
            rows, complete = yield from _list(after, before, type)
            found += rows
            if not complete:
                self._warn(f"{after} {type}", f"Missed some of more than {MAX_ROWS} {type} events at {after}")
        return found

    def _read(self, row: Any) -> tuple[datetime, Ended | None] | None:
        try:
            created_at, fields = time_of(row), end_fields(row)
            if created_at is None:
                raise ValueError("it has no time")
            return created_at, Ended(**fields) if fields else None
        except Exception as error:
            name = str(row.get("id"))[:80] if isinstance(row, Mapping) else f"a {type(row).__name__}"
            self._warn(name, f"Skipped an event that cannot be read: {name}: {error}")
            return None

    def _warn(self, key: str, message: str) -> None:
        if key in self._warned:
            return
        self._warned[key] = None
        if len(self._warned) > MAX_WARNED:
            del self._warned[next(iter(self._warned))]
        log.warning("%s", one_line(message, 500))


def _list(after: datetime, before: datetime | None, type: str | None = None) -> Flow[tuple[list[Any], bool]]:
    """List the events of a period, and return whether these are certainly all."""
    typed = events.list(type=type, starting_after=after, ending_before=before, limit=MAX_ROWS)
    call: Call[Page[Any]] | None = replace(typed, model=Page[Any]).without_retries()
    rows: list[Any] = []
    paged = False
    while call is not None:
        page = yield from send(call)
        rows += page
        call = next_page(call, page)
        paged = paged or call is not None
    return rows, paged or len(rows) < MAX_ROWS


def _split(moments: list[datetime], after: datetime, before: datetime | None) -> list[tuple[datetime, datetime | None]]:
    """Split a period in two that cover it; return none if it is a single instant.

    :param moments: times of the events that are known of it
    """
    if before is not None and before - after <= 2 * TICK:
        return []
    middle = moments[len(moments) // 2]
    if middle <= after:
        middle = after + min(before - after if before else MAX_SPLIT_PERIOD, MAX_SPLIT_PERIOD) / 2
    if before is None or middle + TICK < before:
        return [(after, middle + TICK), (middle, before)]
    return [(after, middle), (middle - TICK, before)]


def _id(payload: Mapping[str, Any], name: str) -> str:
    value = _text(payload.get(name))
    if value is None or value.strip() in ("", ".", "..") or REPLACEMENT in value or len(value) > MAX_EVENT_TEXT:
        raise ValueError(f"it has no {name}")
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _short_text(value: Any) -> str | None:
    text = _text(value)
    return text if text is None or len(text) <= MAX_EVENT_TEXT else text[: MAX_EVENT_TEXT - 1] + "…"


def _counts(payload: Mapping[str, Any]) -> dict[str, int] | None:
    if not isinstance(payload.get(_COUNT_FIELDS["total"]), int):
        return None
    numbers = {name: payload.get(_COUNT_FIELDS[name]) for name in COUNTS}
    return {name: number if isinstance(number, int) else 0 for name, number in numbers.items()}
