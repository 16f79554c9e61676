"""Wait for the end of an execution, and log the progress: a changed status at once, other changes at intervals."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TypeAlias, TypeVar, Union

from airflow_provider_polytomic.api import errors
from airflow_provider_polytomic.api.flow import Flow, Pause
from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.durations import duration, optional_duration
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef, short_name, sync_kind
from airflow_provider_polytomic.executions.measurements import measure_end
from airflow_provider_polytomic.executions.outcome import is_completed_schema, is_unsuccessful_schema
from airflow_provider_polytomic.executions.targets import CompletedSince

T = TypeVar("T")
log = logging.getLogger(__name__)

FINAL_ERRORS = (
    errors.PolytomicAuthError,
    errors.PolytomicPermissionError,
    errors.PolytomicNotFoundError,
    errors.PolytomicValidationError,
)
"""Refusals that end a wait, since the next poll would be refused, too."""

PROGRESS_INTERVAL = 60.0
"""Seconds between two lines about an execution whose status has not changed."""


MISREAD_TIMEOUT = 3600.0
"""Seconds of polls with responses that cannot be understood after which a wait ends."""

MIN_MISREAD_POLLS = 10
MAX_MISREAD_POLLS = 300


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
    *,
    not_before: float | None = None,
) -> float | None:
    """Return the end of a wait, in seconds since the epoch; None for no end.

    The timeout of an execution that an earlier attempt started counts from its creation. That of an execution just
    started counts from now: a server clock that is off must not shorten it.

    :param timeout: seconds that the execution may take; None for any number
    :param latest: end of the wait whatever the execution took so far; None for none
    :param not_before: time before which it cannot have started, whatever the server's clock says; None for any
    """
    if timeout is None:
        return latest
    now, created = clock(), execution.created_at
    earliest = float("-inf") if not_before is None else not_before
    start = min(now, max(created.timestamp(), earliest)) if adopted and created else now
    return start + timeout if latest is None else min(start + timeout, latest)


PollResult: TypeAlias = Union[Execution, errors.PolytomicError, None]
"""Result of a poll: the execution, the error of the request, or None if there is no execution yet."""


class ProgressLogger:
    """Log the progress of an execution, and the polls that fail.

    :param target: execution that the lines are about
    :param clock: function that returns the seconds since the epoch
    """

    def __init__(self, target: ExecutionRef | CompletedSince, clock: Callable[[], float] = time.time) -> None:
        self._target = target
        self._clock = clock
        self._polled_at = 0.0
        self._logged: tuple[str, int, int, int] | None = None
        self._logged_at = 0.0
        self._failures = 0

    def polled(self, execution: Execution | None, interval: float = PROGRESS_INTERVAL) -> None:
        """Log the response of a poll; None stands for an execution that does not exist yet.

        :param interval: seconds between two lines about an unchanged status; if it is longer than usual, the first line
            is left out, too
        """
        if self._failures:
            log.info("Polytomic answers again. Failed polls: %d (%s)", self._failures, self._target)
        self._failures = 0
        if execution is None:
            return
        self._polled_at = self._clock()
        state = (_status(execution), *_progress(execution))
        if self._logged is None:
            is_due = execution.outcome.final or interval <= PROGRESS_INTERVAL
        else:
            has_progressed = state != self._logged and self._polled_at - self._logged_at >= interval
            is_due = has_progressed or state[0] != self._logged[0]
        if is_due:
            name, about = getattr(self._target, "sync_name", None), str(self._target)
            if name:
                name, about = f"{short_name(name)}: ", f"execution {execution.id}"
            log.info("%s%s (%s)", name or "", ", ".join(self._parts(execution)), about)
        if is_due or self._logged is None:
            self._logged, self._logged_at = state, self._polled_at

    def failed(self, error: errors.PolytomicError) -> None:
        """Log a poll that failed: the first, second, fourth, eighth and so on in a row."""
        self._failures += 1
        if self._failures & (self._failures - 1):
            return
        last = "unknown"
        if self._logged:
            at = datetime.fromtimestamp(self._polled_at, timezone.utc).isoformat(timespec="seconds")
            last = f"{self._logged[0]} at {at}"
        log.warning("Failed polls: %d, last status %s: %s (%s)", self._failures, last, error, self._target)

    def _parts(self, execution: Execution) -> Iterator[str]:
        schema = "" if execution.schema is None else f"schema {short_name(one_line(execution.schema))}: "
        yield f"{schema}{_status(execution)}"
        total, done, schemas = _progress(execution)
        rate = self._rate(execution)
        yield f"{total:,} records" + (f" ({rate:,.0f}/s)" if rate else "")
        if execution.counts["error"]:
            yield f"{execution.counts['error']:,} with errors"
        if schemas and execution.schema is None:
            yield f"{done} of {schemas} schemas"
        seconds = self._duration(execution)
        if seconds >= 1:
            yield f"after {format_duration(seconds)}"

    def _rate(self, execution: Execution) -> float:
        """Return records per second since the last line; in the first and last line, of the whole execution."""
        records, seconds = execution.counts["total"], self._duration(execution)
        if self._logged and not execution.outcome.final:
            records -= self._logged[1]
            seconds = self._polled_at - self._logged_at
        return records / seconds if records > 0 and seconds >= 1 else 0.0

    def _duration(self, execution: Execution) -> float:
        start = execution.started_at or execution.created_at
        end = execution.completed_at.timestamp() if execution.completed_at else self._polled_at
        return max(0.0, end - start.timestamp()) if start else 0.0


def _status(execution: Execution) -> str:
    """Return the status of the execution or, if this is about one of its schemas, of the schema."""
    if execution.schema is None:
        return execution.status
    return execution.schemas[0]["status"] if execution.schemas else "not synced yet"


def _progress(execution: Execution) -> tuple[int, int, int]:
    """Return the number of records, of ended schemas and of all schemas."""
    statuses = [row["status"] for row in execution.schemas]
    done = sum(is_completed_schema(status) or is_unsuccessful_schema(status) for status in statuses)
    return execution.counts["total"], done, len(statuses)


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def max_misread_polls(poll_interval: float) -> float:
    """Return the number of polls in a row that may have answers that cannot be understood."""
    return min(max(MIN_MISREAD_POLLS, MISREAD_TIMEOUT / poll_interval), MAX_MISREAD_POLLS)


def is_misread(error: errors.PolytomicError) -> bool:
    """Return whether an error is an unreadable response that would be repeated: no refusal, and no failure."""
    if isinstance(error, errors.PolytomicAPIError):
        return not isinstance(error, FINAL_ERRORS) and not is_transient(error)
    return isinstance(error, errors.PolytomicResponseError) and error.is_json


def _unreadable(last: errors.PolytomicError, polls: int) -> errors.PolytomicResponseError:
    method, path = getattr(last, "method", ""), getattr(last, "path", "")
    problem = f"the last {polls} responses could not be understood, and the wait ends; the latest: {last}"
    return errors.PolytomicResponseError(problem, method=method, path=path)


def expecting_any_answer(flow: Flow[T]) -> Flow[T]:
    """Run a flow whose evaluation of a response may fail in any way.

    :raises PolytomicResponseError: in place of an unexpected exception
    """
    try:
        return (yield from flow)
    except errors.PolytomicError:
        raise
    except Exception as error:
        frames = "".join(traceback.format_tb(error.__traceback__))
        log.error("Could not evaluate an answer: %s\n%s", type(error).__name__, frames)
        problem = f"the response cannot be evaluated: {type(error).__name__}"
    raise errors.PolytomicResponseError(problem, method="GET", path="", transient=False)


class WaitState:
    """Decide after each poll whether a wait ends, and log its progress.

    :param target: execution that is waited for
    :param poll_interval: seconds between two polls
    :param deadline: end of the wait by ``clock``; None for none
    :param wall_clock: function that returns the seconds since the epoch, for the log
    :param schema: the schema of the execution whose end is waited for; None for the whole execution
    """

    def __init__(
        self,
        target: ExecutionRef | CompletedSince,
        poll_interval: float,
        deadline: float | None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        schema: str | None = None,
    ) -> None:
        self._target = target
        self._schema = schema
        self._max_misread_polls = max_misread_polls(poll_interval)
        self._deadline = deadline
        self._clock = clock
        self._progress = ProgressLogger(target, wall_clock)
        self._last: Execution | None = None
        self._misread_polls = 0

    def update(self, result: PollResult, progress_interval: float = PROGRESS_INTERVAL) -> Execution | None:
        """Return the execution, or what concerns the schema, if it has ended; None if the wait goes on.

        :param progress_interval: seconds between two log lines about an unchanged status
        :raises DeadlinePassed: if the deadline has passed
        :raises PolytomicError: one of :data:`FINAL_ERRORS`, or if the responses cannot be understood for long
        """
        if isinstance(result, FINAL_ERRORS):
            raise result
        if isinstance(result, errors.PolytomicError):
            self._progress.failed(result)
            problem = result if is_misread(result) else None
        else:
            problem = self._contradiction(result)
            if problem is None:
                self._misread_polls = 0
            if result and self._schema is not None:
                result = result.for_schema(self._schema)
            self._last = result
            self._progress.polled(result, progress_interval)
            if result and result.outcome.final:
                return result
        self._misread_polls += problem is not None
        if problem and self._misread_polls >= self._max_misread_polls:
            raise _unreadable(problem, self._misread_polls)
        if self._deadline is not None and self._clock() >= self._deadline:
            raise DeadlinePassed(self._target, self._last)
        return None

    def _contradiction(self, execution: Execution | None) -> errors.PolytomicResponseError | None:
        """Return the error of an execution that has ended by its time of completion, but not by its status."""
        if execution is None or execution.completed_at is None or execution.outcome.final:
            return None
        if not isinstance(self._target, ExecutionRef):  # a later execution may end
            return None
        call = sync_kind(self._target.kind).api.get_execution(self._target.sync_id, self._target.execution_id)
        problem = f"there is a time of completion, but the status is {execution.status!r}"
        return errors.PolytomicResponseError(problem, method=call.method, path=call.path)


def wait_for_end(
    ref: ExecutionRef | CompletedSince,
    poll_interval: float | timedelta = 30.0,
    timeout: float | timedelta | None = None,
    *,
    deadline: float | None = None,
    pause_first: bool = False,
    clock: Callable[[], float] | None = None,
) -> Flow[Execution]:
    """Poll an execution until it ends, and return it.

    A poll that fails says nothing about the execution: it is logged, and the wait goes on until the deadline. The wait
    ends earlier only if the responses cannot be understood for an hour, and at least ten in a row; one with a time of
    completion and an unknown status is such a response. The time left is measured from the beginning of the wait, so
    that a wall clock that is set meanwhile does not matter.

    :param ref: the execution; or the latest one that completed since a moment, as soon as there is one
    :param poll_interval: seconds or timedelta between two polls; default 30
    :param timeout: seconds or timedelta to wait; default: without limit
    :param deadline: end of the wait in seconds since the epoch; the last poll is sent then; default: none
    :param pause_first: begin with a pause, where the status has just been requested; default False
    :param clock: function that returns the seconds since the epoch; default: the wall clock for ``deadline``, and a
        clock that is never set for the time left
    :raises DeadlinePassed: if the execution has not ended by then; a built-in ``TimeoutError``
    :raises PolytomicError: if Polytomic refuses a poll (400, 401, 403, 404 or 422), or its responses are unreadable
    :raises ValueError: if the interval or the timeout is not greater than 0 and at most ten years
    """
    interval, seconds = duration(poll_interval, "poll_interval"), optional_duration(timeout, "timeout")
    ahead = 0.0 if clock else time.monotonic() - time.time()
    now, wall_clock = clock or time.monotonic, clock or time.time
    limits = [] if deadline is None else [deadline + ahead]
    if seconds is not None:
        limits.append(now() + seconds)
    end = min(limits, default=None)
    state = WaitState(ref, interval, end, now, wall_clock)
    while True:
        if pause_first:
            yield Pause(interval if end is None else max(0.0, min(interval, end - now())))
        pause_first = True
        result: PollResult
        try:
            result = yield from ref.fetch(without_retries=True)
        except errors.PolytomicError as error:
            result = error
        if ended := state.update(result):
            yield from measure_end(ref, ended, wall_clock())
            return ended
