"""Show the console log of an execution while it grows.

The API does not document the order of a page's lines, the levels, or the cursor of a page without new lines, so nothing
here relies on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, FlowStep, Pause, send, wrap_steps
from airflow_provider_polytomic.api.models.executions import ConsoleLine
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.api.retry import Backoff
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef, sync_kind
from airflow_provider_polytomic.executions.wait import DeadlinePassed

CONSOLE_POLL_INTERVAL = 10.0
"""Seconds between two polls: the API keeps only the latest lines."""

CONSOLE_LINES_KEPT = 50
CONSOLE_REQUEST_TIMEOUT = 5.0
FAILED_CONSOLE_BACKOFF = Backoff(first=2, maximum=33)
"""Polls from a failed one to the next that is sent."""

MAX_SEEN_LINES = 1000
MAX_CONSOLE_LINE_LENGTH = 1000
MAX_LEVEL_LENGTH = 20


class ConsoleLogReader:
    """Read the console log of one execution and show each line once.

    :param ref: the execution
    :param show: function that takes one line of the log
    :param secrets: texts to mask in the lines
    """

    def __init__(self, ref: ExecutionRef, show: Callable[[str], None], secrets: Sequence[str | None] = ()) -> None:
        self._ref = ref
        self._show = show
        self._secrets = secrets
        self._cursor: str | None = None
        self._seen: dict[str, None] = {}
        self._newest_first = False
        self._failures = 0
        self._to_skip = 0.0

    def poll(self) -> Flow[None]:
        """Show the new lines; skip more and more polls while requests fail."""
        if self._to_skip > 0:
            self._to_skip -= 1
            return
        yield from self.fetch(best_effort=True)

    def fetch(self, *, best_effort: bool = False) -> Flow[None]:
        """Show the new lines, oldest first, as a group that Airflow's UI folds; a failed request shows none.

        :param best_effort: leave the request out where it would delay another one
        """
        after = self._cursor
        call = sync_kind(self._ref.kind).api.get_console_log(
            self._ref.sync_id, self._ref.execution_id, after=after, limit=CONSOLE_LINES_KEPT
        )
        try:
            page = yield from send(call.with_timeout(CONSOLE_REQUEST_TIMEOUT, best_effort=best_effort))
        except PolytomicError:
            self._to_skip = FAILED_CONSOLE_BACKOFF.delay(self._failures) - 1
            self._failures += 1
            return
        self._failures = 0
        self._cursor = page.next_cursor or after
        self._newest_first = newest_first(page, self._newest_first)
        new = [line for line in in_order(page, self._newest_first) if self._is_new(line)]
        if not new:
            return
        self._show(f"::group::Polytomic console log, {len(new)} new lines")
        if after and len(new) >= CONSOLE_LINES_KEPT:
            self._show(f"(earlier lines may be missing: Polytomic keeps the latest {CONSOLE_LINES_KEPT})")
        for line in new:
            self._show(in_one_line(line, *self._secrets))
        self._show("::endgroup::")

    def _is_new(self, line: ConsoleLine) -> bool:
        key = line.id or f"{line.timestamp} {line.message}"
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN_LINES:
            del self._seen[next(iter(self._seen))]
        return True


def wait_with_console_log(
    waiting: Flow[Execution], console: ConsoleLogReader, clock: Callable[[], float] = time.monotonic
) -> Flow[Execution]:
    """Wait as ``waiting`` does, and show the console log in its pauses and after its end.

    The time that the console log takes is taken off the pauses, so that the wait polls as often as it would alone.
    """

    def do(step: FlowStep) -> Flow[Any]:
        if not (isinstance(step, Pause) and step.seconds):
            return (yield step)
        seconds = step.seconds
        while seconds > 0:
            start = clock()
            yield from console.poll()
            seconds -= clock() - start
            pause = max(0.0, min(seconds, CONSOLE_POLL_INTERVAL))
            yield Pause(pause)
            seconds -= pause

    try:
        execution = yield from wrap_steps(waiting, do)
    except DeadlinePassed:
        yield from console.fetch()
        raise
    yield from console.fetch()
    return execution


def follow_console_log(console: ConsoleLogReader, poll_interval: float = CONSOLE_POLL_INTERVAL) -> Flow[None]:
    """Show the console log until the flow is closed."""
    while True:
        yield from console.poll()
        yield Pause(poll_interval)


def newest_first(lines: Sequence[ConsoleLine], default: bool = False) -> bool:
    """Return whether a page begins with its latest line.

    :param default: answer for a page whose lines have no different times
    """
    times = [line.timestamp for line in lines if line.timestamp]
    return times[0] > times[-1] if times and times[0] != times[-1] else default


def in_order(lines: Sequence[ConsoleLine], reverse: bool) -> list[ConsoleLine]:
    """Return the lines of a page, oldest first.

    :param reverse: whether the page begins with its latest line; decides the order of lines of one time
    """
    ordered = list(reversed(lines) if reverse else lines)
    if all(line.timestamp for line in ordered):
        ordered.sort(key=lambda line: line.timestamp)  # type: ignore[arg-type, return-value]
    return ordered


def in_one_line(line: ConsoleLine, *secrets: str | None) -> str:
    """Format a line of the console log as one printable line without secrets."""
    at = f"{line.timestamp:%Y-%m-%d %H:%M:%S} " if line.timestamp else ""
    level = one_line(str(redact(line.level or "", *secrets)), MAX_LEVEL_LENGTH) or "line"
    return one_line(f"{at}{level}: {redact(line.message or '', *secrets)}", MAX_CONSOLE_LINE_LENGTH)
