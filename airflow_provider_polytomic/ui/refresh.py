"""Find out what has changed in the syncs of a connection with few requests.

Lists, events and the status of many bulk syncs come first. Single requests follow for rows on a screen, then for syncs
that an event says have failed, then for the others. Nothing here waits: what the budget does not allow now is
left for the next time.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from math import inf
from typing import Any, cast

from airflow_provider_polytomic.api import bulk_syncs, events, identity, syncs
from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.errors import PolytomicAPIError, PolytomicNotFoundError, PolytomicResponseError
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution
from airflow_provider_polytomic.api.models.syncs import BulkSyncSummary
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.executions import Execution, own_schedule, shown_name, sync_kind
from airflow_provider_polytomic.executions.events import execution_of_event, time_of
from airflow_provider_polytomic.hooks._connection import ConnectionConfig, link_url
from airflow_provider_polytomic.results import SyncKindName
from airflow_provider_polytomic.ui.rows import (
    MAX_EXECUTIONS_SHOWN,
    MAX_SYNCS_SHOWN,
    SyncKey,
    SyncRow,
    SyncTable,
    Viewed,
)

log = logging.getLogger(__name__)

KINDS: tuple[SyncKindName, ...] = ("model", "bulk")

PAGE_REQUEST_TIMEOUT = 10.0
LIST_INTERVAL = 300.0
NEWEST_INTERVAL = 30.0
"""Seconds after which the first page of a list is read again: it has the syncs that were created or changed last."""

BATCH_INTERVAL = 30.0
RUNNING_STATUS_INTERVAL = 10.0
VIEWED_STATUS_INTERVAL = 60.0
OTHER_STATUS_INTERVAL = 900.0
REFUSAL_PAUSE = 300.0
"""Seconds without events, or without the status of many bulk syncs, after Polytomic has refused to list them."""

FIRST_EVENTS = timedelta(hours=48)
"""Age of the oldest failures that are listed at first; Polytomic keeps events as long."""

RECENT_EVENTS = timedelta(minutes=15)
EVENT_OVERLAP = timedelta(seconds=60)
FAILURE_EVENTS = ("sync.failed", "bulk_sync.failed", "sync.completed_with_errors", "bulk_sync.completed_with_error")
MAX_EVENTS = 100
MAX_BATCH_SYNCS = 50
MAX_OTHERS = 5
"""Single requests of one refresh for rows that are on no screen."""

RESERVED_REQUESTS = 15
"""Requests of each minute that are reserved for the rows on a screen."""


class RequestBudget:
    """Count the requests of the last minute.

    :param per_minute: number of requests in any minute
    :param clock: function that returns monotonic seconds
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._sent_at: deque[float] = deque()

    @property
    def left(self) -> int:
        """Number of requests that may be sent now."""
        while self._sent_at and self._clock() - self._sent_at[0] >= 60:
            self._sent_at.popleft()
        return self._per_minute - len(self._sent_at)

    def take(self) -> None:
        """Record that a request is sent."""
        self._sent_at.append(self._clock())


@dataclass
class EventFeed:
    """Follow the events of one type; None for all types.

    :param since: time after which events are listed next
    :param is_over: whether it needs no more requests
    """

    type: str | None
    since: datetime
    is_over: bool = False


@dataclass
class Listing:
    """Read the pages of the list of one kind of sync.

    :param page: next page; None if no page is to be read now
    :param listed_at: seconds of the clock at which the list was complete
    :param newest_at: seconds of the clock at which its first page was read
    """

    kind: SyncKindName
    page: Call[Any] | None = None
    listed_at: float = -inf
    newest_at: float = -inf
    found: set[SyncKey] = field(default_factory=set)


class Refresher:
    """Keep the table of a connection up to date.

    :param table: the table
    :param viewed: the rows that are on a screen
    :param budget: number of requests that may be sent
    :param config: settings of the connection
    :param clock: function that returns monotonic seconds
    """

    def __init__(
        self,
        table: SyncTable,
        viewed: Viewed,
        budget: RequestBudget,
        config: ConnectionConfig,
        clock: Callable[[], float],
    ) -> None:
        self._table = table
        self._viewed = viewed
        self._budget = budget
        self.config = config
        self._clock = clock
        self._listings = [Listing(kind) for kind in KINDS]
        begin = _now() - FIRST_EVENTS
        self._feeds = [
            *(EventFeed(type, begin) for type in FAILURE_EVENTS),
            EventFeed(None, _now() - RECENT_EVENTS),
        ]
        self._events_paused_until = self._batch_paused_until = -inf
        self._batched_at: dict[str, float] = {}
        self._organization_id = config.organization_id

    @property
    def is_listing(self) -> bool:
        """Return whether some syncs are not listed yet."""
        return any(listing.listed_at == -inf for listing in self._listings)

    def refresh(self) -> Flow[None]:
        """Send the requests that are due, as far as the budget allows them.

        :raises PolytomicError: if Polytomic does not respond, or refuses the key
        """
        if self._organization_id is None and self._is_organization_linked():
            self._organization_id = (yield from self._send(identity.get())).organization_id or ""
        for listing in self._listings:
            yield from self._list(listing)
        if self._clock() >= self._events_paused_until:
            yield from self._read_events()
        if self._clock() >= self._batch_paused_until:
            yield from self._read_batches()
        others = MAX_OTHERS
        while (row := self._next_due(others > 0)) is not None:
            others -= row.key not in self._viewed
            yield from self._read_row(row)

    def _send(self, call: Call[Any]) -> Flow[Any]:
        self._budget.take()
        return (yield from send(call.with_timeout(PAGE_REQUEST_TIMEOUT).without_retries()))

    def _is_organization_linked(self) -> bool:
        return any("{organization_id}" in (self.config.link_template_of(kind) or "") for kind in KINDS)

    def _list(self, listing: Listing) -> Flow[None]:
        now, first = self._clock(), sync_kind(listing.kind).api.list(limit=MAX_BATCH_SYNCS)
        if listing.page is None and now >= listing.listed_at + LIST_INTERVAL:
            listing.page, listing.found, listing.newest_at = first, set(), now
        elif listing.page is None and now >= listing.newest_at + NEWEST_INTERVAL and self._budget.left > 0:
            listing.newest_at = now
            for each in (yield from self._send(first)):
                yield from self._note_listed(listing, each)
        while listing.page is not None and self._budget.left > 0:
            answer = yield from self._send(listing.page)
            for each in answer:
                if len(listing.found) < MAX_SYNCS_SHOWN:
                    yield from self._note_listed(listing, each)
            is_full = len(listing.found) >= MAX_SYNCS_SHOWN
            listing.page = None if is_full else next_page(listing.page, answer)
            if listing.page is None:
                listing.listed_at = self._clock()
                known = {key for key in self._table.rows if key[0] == listing.kind}
                self._table.remove(known - listing.found)

    def _note_listed(self, listing: Listing, sync: Any) -> Flow[None]:
        row = self._table.get(listing.kind, sync.id)
        before = replace(row)
        row.name = shown_name(sync.name or sync.id, *self.config.secrets)
        row.active = sync.active is not False
        row.scheduled = own_schedule(sync) is not None
        linked = replace(self.config, organization_id=self._organization_id)
        row.url = yield from link_url(linked, row.kind, row.sync_id, None)
        listing.found.add(row.key)
        if row != before or row.version == 0:
            self._table.changed(row)

    def _read_events(self) -> Flow[None]:
        """Read the failures of the last two days once, and then what happens."""
        for feed in self._feeds:
            while not feed.is_over and self._budget.left > 0:
                call = events.list(type=feed.type, starting_after=feed.since, limit=MAX_EVENTS)
                try:
                    page = yield from self._send(replace(call, model=Page[Any]))
                except (PolytomicAPIError, PolytomicResponseError) as error:
                    if is_transient(error):
                        raise
                    log.info("Paused reading events for the page: Polytomic refuses to list them: %s", error)
                    self._events_paused_until = self._clock() + REFUSAL_PAUSE
                    return
                moments = [moment for each in page if (moment := self._note_event(each))]
                newest = min(max(moments, default=feed.since), _now())
                is_full = len(page) >= MAX_EVENTS and newest > feed.since
                feed.is_over = feed.type is not None and not is_full
                feed.since = newest if is_full else max(feed.since, newest - EVENT_OVERLAP)
                if not is_full:
                    break

    def _note_event(self, event: Any) -> datetime | None:
        """Add what an event says to its row; return the time of the event."""
        try:
            moment, execution = time_of(event), execution_of_event(event)
        except ValueError:
            return None
        row = execution and self._table.rows.get((execution.kind, execution.sync_id))
        if execution and not row and moment and moment > _now() - RECENT_EVENTS:
            for listing in self._listings:
                listing.newest_at = -inf if listing.kind == execution.kind else listing.newest_at
        if execution and row:
            before = row.executions
            row.add(execution)
            if row.executions != before:
                row.is_hinted = True
                self._table.changed(row)
        return moment

    def _read_batches(self) -> Flow[None]:
        """Read the status of many bulk syncs at once: of all at first, then of those that run or are on a screen."""
        while self._budget.left > 0 and (due := list(self._batch_due())[:MAX_BATCH_SYNCS]):
            self._batched_at.update(dict.fromkeys(due, self._clock()))
            try:
                page = yield from self._send(replace(bulk_syncs.list_status(sync_id=due), model=Page[Any]))
            except (PolytomicAPIError, PolytomicResponseError) as error:
                if is_transient(error):
                    raise
                log.info("Paused reading the status of many bulk syncs for the page: %s", error)
                self._batch_paused_until = self._clock() + REFUSAL_PAUSE
                return
            for each in page:
                self._note_status_of_bulk_sync(each)

    def _batch_due(self) -> Iterator[str]:
        now = self._clock()
        for row in self._table:
            if row.kind == "bulk":
                interval = BATCH_INTERVAL if row.key in self._viewed or row.running else OTHER_STATUS_INTERVAL
                if now >= self._batched_at.get(row.sync_id, -inf) + interval:
                    yield row.sync_id

    def _note_status_of_bulk_sync(self, each: Any) -> None:
        try:
            status = BulkSyncSummary.model_validate(each)
        except ValueError:
            return
        row = self._table.rows.get(("bulk", status.sync_id))
        ids = {schema.execution_id for schema in status.schemas}
        if row is None:
            return
        before = row.executions, row.next_at
        row.next_at = status.next_execution_time
        if len(ids) == 1 and None not in ids and status.status:
            row.add(_execution_of_summary(status, cast(str, ids.pop())))
        if (row.executions, row.next_at) != before:
            self._table.changed(row)

    def _next_due(self, with_others: bool) -> SyncRow | None:
        """Return the row for which a single request is due first.

        :param with_others: whether it may be on no screen
        """
        left = self._budget.left
        if left <= 0:
            return None
        ranked = [(rank, row) for row in self._table if (rank := self._rank(row)) is not None]
        rank, row = min(ranked, key=lambda each: each[0], default=(0, None))
        return row if rank < _OTHERS or (with_others and left > RESERVED_REQUESTS) else None

    def _rank(self, row: SyncRow) -> int | None:
        """Return how urgent a request for a row is, 0 at most; None if none is due."""
        age, is_viewed = self._clock() - row.status_read_at, row.key in self._viewed
        has_history = row.history_read_at > -inf
        is_due = row.next_at is not None and row.next_at <= _now()
        if is_viewed and has_history and (row.running or row.is_hinted or is_due) and age >= RUNNING_STATUS_INTERVAL:
            return 0
        if is_viewed and not has_history:
            return 1
        if is_viewed and age >= VIEWED_STATUS_INTERVAL:
            return 2
        if row.is_failing and not has_history:
            return _OTHERS
        if row.is_hinted or not has_history or (is_due and age >= VIEWED_STATUS_INTERVAL):
            return _OTHERS + 1
        return _OTHERS + 2 if age >= OTHER_STATUS_INTERVAL else None

    def _read_row(self, row: SyncRow) -> Flow[None]:
        """Read the executions of a sync at first, then its status."""
        is_first = row.history_read_at == -inf
        if is_first:
            row.history_read_at = self._clock()
        else:
            row.status_read_at = self._clock()
        row.is_hinted = False
        try:
            yield from self._read_history(row) if is_first else self._read_status(row)
        except PolytomicNotFoundError:
            self._table.remove([row.key])
        except (PolytomicAPIError, PolytomicResponseError) as error:
            if is_transient(error) or getattr(error, "status_code", None) == 401:
                raise
            log.info("Could not read %s %s for the page: %s", sync_kind(row.kind).label, row.sync_id, error)
        self._table.changed(row)

    def _read_history(self, row: SyncRow) -> Flow[None]:
        call = (
            bulk_syncs.list_executions(row.sync_id, limit=MAX_EXECUTIONS_SHOWN)
            if row.kind == "bulk"
            else syncs.list_executions(row.sync_id)
        )
        answer = yield from self._send(call)
        kind = sync_kind(row.kind)
        row.add(*(kind.read(row.sync_id, each) for each in answer[:MAX_EXECUTIONS_SHOWN]))

    def _read_status(self, row: SyncRow) -> Flow[None]:
        kind = sync_kind(row.kind)
        answer = yield from self._send(kind.api.get_status(row.sync_id))
        shown = [each for each in (answer.last_execution, answer.current_execution) if each]
        row.add(*(kind.read(row.sync_id, each) for each in shown))
        row.next_at = answer.next_execution_time


_OTHERS = 3
"""Rank of rows that are on no screen."""


def _execution_of_summary(status: Any, execution_id: str) -> Execution:
    """Return the execution that the status of a bulk sync shows; all its schemas are of this one."""
    starts = [schema.started_at for schema in status.schemas if schema.started_at]
    ends = [schema.completed_at for schema in status.schemas]
    answer = BulkSyncExecution.of_schemas(
        status.schemas,
        id=execution_id,
        status=status.status,
        started_at=min(starts, default=None),
        completed_at=max(end for end in ends if end) if ends and all(ends) else None,
    )
    execution = Execution.of_bulk_sync(status.sync_id, answer)
    return execution if execution.outcome.final else replace(execution, completed_at=None)


def _now() -> datetime:
    return datetime.now(timezone.utc)
