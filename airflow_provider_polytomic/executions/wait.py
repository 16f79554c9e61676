"""Waiting for the end of an execution."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias, Union

from airflow_provider_polytomic.api.errors import (
    PolytomicAuthError,
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicPermissionError,
    PolytomicValidationError,
)
from airflow_provider_polytomic.api.flow import Flow, Pause
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.progress import ProgressLogger
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince

HOPELESS = (PolytomicAuthError, PolytomicPermissionError, PolytomicNotFoundError, PolytomicValidationError)
"""Answers that no waiting mends."""


class DeadlinePassed(Exception):
    """The execution had not ended when the time was up.

    :param execution: what was last heard of it, by the watcher in its last look; None if nothing was
    """

    def __init__(self, run: ExecutionRef | CompletedSince, execution: Execution | None) -> None:
        self.run = self.target = run
        self.execution = execution
        super().__init__(f"{run} has not ended in time")


def effective_deadline(
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


PollResult: TypeAlias = Union[Execution, PolytomicError, None]
"""What a look brings: the execution as it is, that there is none yet, or why it could not be asked for."""


class WaitState:
    """Judges what a wait hears, and keeps its log.

    :param deadline: when to give up, by ``clock``; None for never
    """

    def __init__(
        self,
        target: ExecutionRef | CompletedSince,
        deadline: float | None,
        clock: Callable[[], float],
        journal: ProgressLogger,
    ) -> None:
        self._awaited = target
        self._deadline = deadline
        self._clock = clock
        self._journal = journal

    def take(self, news: PollResult) -> Execution | None:
        """Return the execution if it has ended, None if the wait goes on.

        :raises DeadlinePassed: if the time is up
        :raises PolytomicError: what no waiting mends
        """
        if isinstance(news, HOPELESS):
            raise news
        heard: Execution | None = None
        if isinstance(news, PolytomicError):
            self._journal.failed(news)
        else:
            heard = news
            self._journal.heard(heard)
        if heard and heard.outcome.final:
            return heard
        if self._deadline is not None and self._clock() >= self._deadline:
            raise DeadlinePassed(self._awaited, heard)
        return None


def wait_for_end(
    run: ExecutionRef | CompletedSince,
    *,
    poll_interval: float,
    deadline: float | None = None,
    pause_first: bool = False,
    clock: Callable[[], float] = time.time,
) -> Flow[Execution]:
    """Ask for the execution until it has ended.

    A poll that fails is news about the API, not about the sync: it is logged and ridden out until the deadline.

    :param run: the execution; or the latest that has ended since a moment, as soon as there is one
    :param poll_interval: seconds between two polls
    :param deadline: when to give up, in seconds since the epoch; the status is asked before it is applied
    :param pause_first: the status has just been asked, so begin with a pause
    :raises DeadlinePassed: if it has not ended by then
    :raises PolytomicError: 400, 401, 403, 404 or 422, which no waiting mends
    """
    vigil = WaitState(run, deadline, clock, ProgressLogger(run, clock))
    last: Execution | None = None
    if pause_first:
        yield Pause(_until_next(poll_interval, deadline, clock))
    while True:
        news: PollResult
        try:
            news = yield from run.fetch(without_retries=True)
        except PolytomicError as error:
            news = error
        else:
            last = news
        try:
            ended = vigil.take(news)
        except DeadlinePassed:
            raise DeadlinePassed(run, last) from None
        if ended:
            return ended
        yield Pause(_until_next(poll_interval, deadline, clock))


def _until_next(poll_interval: float, deadline: float | None, clock: Callable[[], float]) -> float:
    return poll_interval if deadline is None else max(0.0, min(poll_interval, deadline - clock()))
