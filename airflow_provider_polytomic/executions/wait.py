"""Wait for the end of an execution."""

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
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.progress import ProgressLogger
from airflow_provider_polytomic.executions.targets import CompletedSince

FINAL_ERRORS = (PolytomicAuthError, PolytomicPermissionError, PolytomicNotFoundError, PolytomicValidationError)
"""Refusals that end a wait, since the next poll would be refused, too."""


class DeadlinePassed(TimeoutError):
    """The execution did not end before the deadline.

    :param target: execution that was waited for
    :param execution: the execution as of the last poll that was answered; None if none was
    """

    def __init__(self, target: ExecutionRef | CompletedSince, execution: Execution | None) -> None:
        self.target = target
        self.execution = execution
        super().__init__(f"{target} has not ended in time")


def effective_deadline(
    execution: Execution,
    adopted: bool,
    timeout: float | None,
    latest: float | None,
    clock: Callable[[], float] = time.time,
) -> float | None:
    """Return the end of a wait, in seconds since the epoch; None for no end.

    The timeout of an execution that an earlier attempt started counts from its creation. That of an execution just
    started counts from now: a server clock that is off must not shorten it.

    :param timeout: seconds that the execution may take; None for any number
    :param latest: end of the wait whatever the execution took so far; None for none
    """
    if timeout is None:
        return latest
    now, created = clock(), execution.created_at
    start = min(now, created.timestamp()) if adopted and created else now
    return start + timeout if latest is None else min(start + timeout, latest)


PollResult: TypeAlias = Union[Execution, PolytomicError, None]
"""Result of a poll: the execution, the error of the request, or None if there is no execution yet."""


class WaitState:
    """Decide after each poll whether a wait ends, and log its progress.

    :param target: execution that is waited for
    :param deadline: end of the wait by ``clock``; None for none
    :param progress: logger of the wait's progress
    """

    def __init__(
        self,
        target: ExecutionRef | CompletedSince,
        deadline: float | None,
        clock: Callable[[], float],
        progress: ProgressLogger,
    ) -> None:
        self._target = target
        self._deadline = deadline
        self._clock = clock
        self._progress = progress
        self._last: Execution | None = None

    def update(self, result: PollResult) -> Execution | None:
        """Return the execution if it has ended; None if the wait goes on.

        :raises DeadlinePassed: if the deadline has passed
        :raises PolytomicError: one of :data:`FINAL_ERRORS`
        """
        if isinstance(result, FINAL_ERRORS):
            raise result
        if isinstance(result, PolytomicError):
            self._progress.failed(result)
        else:
            self._last = result
            self._progress.polled(result)
            if result and result.outcome.final:
                return result
        if self._deadline is not None and self._clock() >= self._deadline:
            raise DeadlinePassed(self._target, self._last)
        return None


def wait_for_end(
    ref: ExecutionRef | CompletedSince,
    poll_interval: float = 30.0,
    timeout: float | None = None,
    *,
    deadline: float | None = None,
    pause_first: bool = False,
    clock: Callable[[], float] = time.time,
) -> Flow[Execution]:
    """Poll an execution until it ends, and return it.

    A poll that fails says nothing about the execution: it is logged, and the wait goes on until the deadline.

    :param ref: the execution; or the latest one that completed since a moment, as soon as there is one
    :param poll_interval: seconds between two polls; default 30
    :param timeout: seconds to wait; default: without limit
    :param deadline: end of the wait in seconds since the epoch; the last poll is sent then; default: none
    :param pause_first: begin with a pause, where the status has just been requested; default False
    :param clock: function that returns the seconds since the epoch
    :raises DeadlinePassed: if the execution has not ended by then; a built-in ``TimeoutError``
    :raises PolytomicError: if Polytomic refuses a poll (400, 401, 403, 404 or 422)
    """
    if timeout is not None:
        deadline = min(clock() + timeout, float("inf") if deadline is None else deadline)
    state = WaitState(ref, deadline, clock, ProgressLogger(ref, clock))
    while True:
        if pause_first:
            yield Pause(poll_interval if deadline is None else max(0.0, min(poll_interval, deadline - clock())))
        pause_first = True
        result: PollResult
        try:
            result = yield from ref.fetch(without_retries=True)
        except PolytomicError as error:
            result = error
        if ended := state.update(result):
            return ended
