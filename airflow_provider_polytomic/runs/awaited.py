"""Which execution somebody waits for who has not started it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.protocol import Pause, Protocol, send
from airflow_provider_polytomic.api.retry import is_passing
from airflow_provider_polytomic.runs.execution import Execution
from airflow_provider_polytomic.runs.kinds import kind_of
from airflow_provider_polytomic.runs.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Completion:
    """The latest execution of a sync that ended at or after a moment; there may be none yet.

    :param kind: ``model`` or ``bulk``
    """

    kind: str
    sync_id: str
    since: datetime

    def __str__(self) -> str:
        return f"an execution of {kind_of(self.kind).label} {self.sync_id} that ends after {self.since.isoformat()}"

    def look(self, *, once: bool = False) -> Protocol[Execution | None]:
        """Ask for it.

        :param once: leave it at one request, for callers that come back anyway
        """
        status = kind_of(self.kind).status(self.sync_id)
        told = yield from send(status.once() if once else status)
        shown = [
            kind_of(self.kind).read(self.sync_id, one) for one in (told.last_execution, told.current_execution) if one
        ]
        ended = {one.completed_at: one for one in shown if one.outcome.final and one.completed_at}
        latest = max(ended, default=self.since)
        return ended.get(latest) if latest >= self.since else None


def current_execution(kind: str, sync_id: str) -> Protocol[Execution | None]:
    """Return the execution that runs now, if one does."""
    told = yield from send(kind_of(kind).status(sync_id))
    if told.current_execution is None:
        return None
    execution: Execution = kind_of(kind).read(sync_id, told.current_execution)
    return None if execution.outcome.final else execution


def execution_current_at(kind: str, sync_id: str, moment: datetime) -> Protocol[Execution | None]:
    """Return the execution that was running at a moment in the past, if one was, from the history."""
    call: Call[Page[object]] | None = kind_of(kind).executions(sync_id)
    while call is not None:
        page = yield from send(call)
        for told in page.rows:
            execution: Execution = kind_of(kind).read(sync_id, told)
            if execution.created_at is None or execution.created_at > moment:
                continue
            ended_before = execution.completed_at is not None and execution.completed_at < moment
            return None if ended_before else execution
        call = next_page(call, page)
    return None


def awaited_of(
    kind: str,
    sync_id: str,
    since: datetime,
    first_look: datetime | None = None,
    *,
    every: float = 30.0,
    patience: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> Protocol[Run | Completion]:
    """Choose what to wait for where no execution was named: the current one, else one that ends from a moment on.

    :param since: for where none is current
    :param first_look: when it was looked first, if not now
    :param every: seconds between two questions while there is no answer: to wait for another execution instead would
        be a guess
    :param patience: seconds within which it is asked again
    """
    end = clock() + patience
    while True:
        try:
            if first_look:
                current = yield from execution_current_at(kind, sync_id, first_look)
            else:
                current = yield from current_execution(kind, sync_id)
        except PolytomicError as error:
            if not is_passing(error) or clock() >= end:
                raise
            log.warning("%s %s could not be looked at: %s", kind_of(kind).label.capitalize(), sync_id, error)
        else:
            return Run(kind, sync_id, current.id) if current else Completion(kind, sync_id, since)
        yield Pause(every)
