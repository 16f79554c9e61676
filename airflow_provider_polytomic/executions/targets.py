"""Targets of a wait that names no execution: the current one, or the latest one that completed since a moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, TypeVar

from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef, sync_kind
from airflow_provider_polytomic.executions.outcome import Outcome
from airflow_provider_polytomic.results import SyncKindName

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_SENSOR_CLOCK_SKEW = timedelta(minutes=5)
"""Difference between the clocks of Airflow and of Polytomic up to which a sensor finds its execution again."""


@dataclass(frozen=True)
class CompletedSince:
    """Stand for the latest execution of a sync that completed at or after a moment; there may be none yet.

    An execution that was seen running counts whatever its time of completion is: the server's clock may be behind.

    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param since: the moment
    """

    kind: SyncKindName
    sync_id: str
    since: datetime
    _running: list[str] = field(default_factory=list, init=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f"an execution of {sync_kind(self.kind).label} {self.sync_id} that ends after {self.since.isoformat()}"

    def fetch(self, *, without_retries: bool = False) -> Flow[Execution | None]:
        """Request the execution; until one has completed, return the one that runs, or None if there is none.

        :param without_retries: send one request only, for callers that poll anyway
        """
        call = sync_kind(self.kind).api.get_status(self.sync_id).converted(self._latest)
        execution: Execution | None = yield from send(call.without_retries() if without_retries else call)
        return execution

    def _latest(self, status: Any) -> Execution | None:
        read = partial(sync_kind(self.kind).read, self.sync_id)
        shown = [read(one) for one in (status.last_execution, status.current_execution) if one]
        ended = {one.completed_at: one for one in shown if one.outcome.final and one.completed_at}
        latest = max(ended, default=None)
        if latest and (latest >= self.since or ended[latest].id in self._running):
            return ended[latest]
        running = [one for one in shown if not one.outcome.final]
        self._running[:] = [one.id for one in running]
        return running[-1] if running else None


@dataclass(frozen=True)
class Freshness(CompletedSince):
    """Stand for the latest successful execution of a sync that completed at or after a moment; there may be none yet.

    Neither its start nor the outcome of other executions matters.

    :param since: the moment; together with ``max_age``, the later of the two counts
    :param max_age: age in seconds that the execution may have at the time of a request; default: any
    :param clock: function that returns the seconds since the epoch
    """

    max_age: float | None = None
    clock: Callable[[], float] = field(default=time.time, compare=False)

    def __str__(self) -> str:
        limit = f"in the last {self.max_age:g} s" if self.max_age is not None else f"since {self.since.isoformat()}"
        return f"a successful execution of {sync_kind(self.kind).label} {self.sync_id} that completed {limit}"

    def fetch(self, *, without_retries: bool = False) -> Flow[Execution | None]:
        """Search the history for the execution, and request it: the history may lack its counts and schemas.

        :param without_retries: send each request once, for callers that poll anyway
        """
        since, kind = self.since, sync_kind(self.kind)
        if self.max_age is not None:
            since = max(since, datetime.fromtimestamp(self.clock() - self.max_age, timezone.utc))
        call: Call[Page[object]] | None = kind.api.list_executions(self.sync_id)
        while call is not None:
            page = yield from send(call.without_retries() if without_retries else call)
            all_later = True
            for row in page:
                listed = kind.read(self.sync_id, row)
                if listed.completed_at is None:
                    continue
                if listed.completed_at < since:
                    all_later = False
                elif listed.outcome is Outcome.SUCCESS:
                    ref = ExecutionRef(self.kind, self.sync_id, listed.id)
                    execution = yield from ref.fetch(without_retries=without_retries)
                    if execution.outcome is Outcome.SUCCESS:
                        return execution
            call = next_page(call, page) if all_later else None
        return None


def current_execution(kind: SyncKindName, sync_id: str) -> Flow[Execution | None]:
    """Return the execution that is running; None if there is none."""
    status = yield from send(sync_kind(kind).api.get_status(sync_id))
    if status.current_execution is None:
        return None
    execution = sync_kind(kind).read(sync_id, status.current_execution)
    return None if execution.outcome.final else execution


def execution_current_at(kind: SyncKindName, sync_id: str, moment: datetime) -> Flow[Execution | None]:
    """Search the history for the execution that was running at a moment; return None if there was none.

    The moment is by the clock of this machine. If no execution seems to have been running then, but one was created
    within :data:`MAX_SENSOR_CLOCK_SKEW` after it, the server's clock may be ahead: the latest of these is returned.
    """
    call: Call[Page[object]] | None = sync_kind(kind).api.list_executions(sync_id)
    begun_after: Execution | None = None
    while call is not None:
        page = yield from send(call)
        for row in page:
            execution = sync_kind(kind).read(sync_id, row)
            if execution.created_at is None:
                continue
            if execution.created_at > moment:
                if execution.created_at <= moment + MAX_SENSOR_CLOCK_SKEW:
                    begun_after = begun_after or execution
                continue
            ended_before = execution.completed_at is not None and execution.completed_at < moment
            return begun_after if ended_before else execution
        call = next_page(call, page)
    return begun_after


def resolve_target(
    kind: SyncKindName,
    sync_id: str,
    since: datetime,
    current_at: datetime | None = None,
    *,
    poll_interval: float = 30.0,
    timeout: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> Flow[ExecutionRef | CompletedSince]:
    """Resolve which execution to wait for when no execution id is given.

    That is the current execution or, if there is none, one that completes at or after ``since``. A request that fails
    is repeated, since any other target would be a guess.

    :param since: earliest time of completion where no execution is current
    :param current_at: moment at which the execution must have been current; default: now
    :param poll_interval: seconds between two requests
    :param timeout: seconds within which a failed request is repeated
    :raises PolytomicError: if Polytomic refuses the request, or does not respond within the timeout
    """

    def find() -> Flow[Execution | None]:
        return execution_current_at(kind, sync_id, current_at) if current_at else current_execution(kind, sync_id)

    current = yield from repeat_while_transient(
        find, f"{sync_kind(kind).label} {sync_id}", poll_interval, timeout, clock=clock
    )
    return ExecutionRef(kind, sync_id, current.id) if current else CompletedSince(kind, sync_id, since)


def repeat_while_transient(
    build: Callable[[], Flow[T]],
    subject: str,
    poll_interval: float,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Flow[T]:
    """Run a flow again while its requests fail and another one may succeed.

    :param build: function that returns the flow
    :param subject: the sync that the flow is about, for the log
    :param poll_interval: seconds between two runs
    :param timeout: seconds after which the last failure is raised
    :raises PolytomicError: if Polytomic refuses a request, or does not respond within the timeout
    """
    deadline = clock() + timeout
    while True:
        try:
            return (yield from build())
        except PolytomicError as error:
            if not is_transient(error) or clock() >= deadline:
                raise
            log.warning("Could not request the status of %s; will retry: %s", subject, error)
        yield Pause(poll_interval)
