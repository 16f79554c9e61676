"""Waiting for the end of an execution."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timezone

from airflow_provider_polytomic.api.errors import (
    PolytomicAuthError,
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicPermissionError,
)
from airflow_provider_polytomic.api.protocol import Pause, Protocol
from airflow_provider_polytomic.runs.awaited import Completion
from airflow_provider_polytomic.runs.execution import Execution
from airflow_provider_polytomic.runs.run import Run

log = logging.getLogger(__name__)

HOPELESS = (PolytomicAuthError, PolytomicPermissionError, PolytomicNotFoundError)
"""Answers that no waiting mends."""

PROGRESS_INTERVAL = 60.0
"""Seconds between two lines about a run whose status has not changed."""


class DeadlinePassed(Exception):
    """The execution had not ended when the time was up.

    :param execution: what was last heard of it; None if nothing was
    """

    def __init__(self, run: Run | Completion, execution: Execution | None) -> None:
        self.run = run
        self.execution = execution
        super().__init__(f"{run} has not ended in time")


def deadline_of(
    execution: Execution,
    adopted: bool,
    timeout: float | None,
    latest: float | None,
    clock: Callable[[], float] = time.time,
) -> float | None:
    """Return when waiting for an execution ends, in seconds since the epoch; None for never.

    The server's time is believed only for an execution that an earlier attempt started: a clock that is off must not
    shorten the time of a fresh one.

    :param timeout: seconds that it has from its start on; None for any number
    :param latest: when waiting ends whatever the execution has; None for never
    """
    if timeout is None:
        return latest
    now, created = clock(), execution.created_at
    began = min(now, created.timestamp()) if adopted and created else now
    return began + timeout if latest is None else min(began + timeout, latest)


def wait_for_end(
    run: Run | Completion,
    *,
    every: float,
    deadline: float | None = None,
    pause_first: bool = False,
    clock: Callable[[], float] = time.time,
) -> Protocol[Execution]:
    """Ask for the execution until it has ended.

    A poll that fails is news about the API, not about the sync: it is logged and ridden out until the deadline.

    :param run: the execution; or whichever ends first from a moment on
    :param every: seconds between two polls
    :param deadline: when to give up, in seconds since the epoch; the status is asked before it is applied
    :param pause_first: the status has just been asked, so begin with a pause
    :raises DeadlinePassed: if it has not ended by then
    :raises PolytomicError: 401, 403 or 404, which no waiting mends
    """
    journal = _Journal(run, clock)
    if pause_first:
        yield Pause(_until_next(every, deadline, clock))
    while True:
        try:
            execution = yield from run.look(once=True)
        except HOPELESS:
            raise
        except PolytomicError as error:
            journal.failed(error)
        else:
            journal.heard(execution)
            if execution and execution.outcome.final:
                return execution
        if deadline is not None and clock() >= deadline:
            raise DeadlinePassed(run, journal.last)
        yield Pause(_until_next(every, deadline, clock))


def _until_next(every: float, deadline: float | None, clock: Callable[[], float]) -> float:
    return every if deadline is None else max(0.0, min(every, deadline - clock()))


class _Journal:
    """What the log says of a wait: changes at once, the rest sparsely."""

    def __init__(self, run: Run | Completion, clock: Callable[[], float]) -> None:
        self.last: Execution | None = None
        self._run = run
        self._clock = clock
        self._heard_at: float | None = None
        self._told_at = 0.0
        self._failures = 0

    def heard(self, execution: Execution | None) -> None:
        now = self._clock()
        if self._failures:
            log.info("%s: Polytomic answers again after %d failed polls", self._run, self._failures)
        self._failures = 0
        if execution is None:
            return
        changed = self.last is None or self.last.status != execution.status
        if changed or (self.last != execution and now - self._told_at >= PROGRESS_INTERVAL):
            log.info("%s: %s, %s records", self._run, execution.status, execution.counts["total"])
            self._told_at = now
        self.last, self._heard_at = execution, now

    def failed(self, error: PolytomicError) -> None:
        self._failures += 1
        if self._failures & (self._failures - 1):
            return
        good = "none yet"
        if self.last and self._heard_at is not None:
            at = datetime.fromtimestamp(self._heard_at, timezone.utc).isoformat(timespec="seconds")
            good = f"{self.last.status} at {at}"
        log.warning("%s: %d failed polls, last good status %s: %s", self._run, self._failures, good, error)
