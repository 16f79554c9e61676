"""Which execution somebody waits for who has not started it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.executions.ref import ExecutionRef

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CompletedSince:
    """The latest execution of a sync that ended at or after a moment; there may be none yet.

    :param kind: ``model`` or ``bulk``
    """

    kind: str
    sync_id: str
    since: datetime

    def __str__(self) -> str:
        return f"an execution of {sync_kind(self.kind).label} {self.sync_id} that ends after {self.since.isoformat()}"

    def fetch(self, *, without_retries: bool = False) -> Flow[Execution | None]:
        """Ask for it.

        :param without_retries: leave it at one request, for callers that come back anyway
        """
        status = sync_kind(self.kind).status(self.sync_id)
        told = yield from send(status.without_retries() if without_retries else status)
        shown = [
            sync_kind(self.kind).read(self.sync_id, one) for one in (told.last_execution, told.current_execution) if one
        ]
        ended = {one.completed_at: one for one in shown if one.outcome.final and one.completed_at}
        latest = max(ended, default=self.since)
        return ended.get(latest) if latest >= self.since else None


def current_execution(kind: str, sync_id: str) -> Flow[Execution | None]:
    """Return the execution that runs now, if one does."""
    told = yield from send(sync_kind(kind).status(sync_id))
    if told.current_execution is None:
        return None
    execution: Execution = sync_kind(kind).read(sync_id, told.current_execution)
    return None if execution.outcome.final else execution


def execution_current_at(kind: str, sync_id: str, moment: datetime) -> Flow[Execution | None]:
    """Return the execution that was running at a moment in the past, if one was, from the history."""
    call: Call[Page[object]] | None = sync_kind(kind).executions(sync_id)
    while call is not None:
        page = yield from send(call)
        for told in page.rows:
            execution: Execution = sync_kind(kind).read(sync_id, told)
            if execution.created_at is None or execution.created_at > moment:
                continue
            ended_before = execution.completed_at is not None and execution.completed_at < moment
            return None if ended_before else execution
        call = next_page(call, page)
    return None


def resolve_target(
    kind: str,
    sync_id: str,
    since: datetime,
    first_look: datetime | None = None,
    *,
    poll_interval: float = 30.0,
    timeout: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> Flow[ExecutionRef | CompletedSince]:
    """Choose what to wait for where no execution was named: the current one, else one that ends from a moment on.

    :param since: for where none is current
    :param first_look: when it was looked first, if not now
    :param poll_interval: seconds between two questions while there is no answer: to wait for another execution instead would
        be a guess
    :param timeout: seconds within which it is asked again
    """
    end = clock() + timeout
    while True:
        try:
            if first_look:
                current = yield from execution_current_at(kind, sync_id, first_look)
            else:
                current = yield from current_execution(kind, sync_id)
        except PolytomicError as error:
            if not is_transient(error) or clock() >= end:
                raise
            log.warning("%s %s could not be looked at: %s", sync_kind(kind).label.capitalize(), sync_id, error)
        else:
            return ExecutionRef(kind, sync_id, current.id) if current else CompletedSince(kind, sync_id, since)
        yield Pause(poll_interval)
