"""An execution's console log, followed while it grows.

How the API orders the lines of a page, what levels it knows and what cursor it gives where nothing is new is not
documented, so none of that is relied on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, FlowStep, Pause, send, wrap_steps
from airflow_provider_polytomic.api.models.executions import ConsoleLine
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.wait import DeadlinePassed

INTERVAL = 10.0
"""Seconds between two looks: the API keeps 50 lines only."""

PATIENCE = 5.0
"""Seconds for one request: nobody waits for a console log."""

RETAINED = 50
REMEMBERED = 1000
LONGEST_LINE = 1000
LONGEST_LEVEL = 20
LONGEST_REST = 32
"""Looks that are left out, at the most, after one that was not answered."""


class ConsoleLogReader:
    """The console log of one execution, and what of it has been shown.

    :param run: the execution
    :param show: takes one line of the log at a time
    :param secrets: texts that must not be in a line
    """

    def __init__(self, run: ExecutionRef, show: Callable[[str], None], secrets: Sequence[str | None] = ()) -> None:
        self._run = run
        self._show = show
        self._secrets = secrets
        self._cursor: str | None = None
        self._seen: dict[str, None] = {}
        self._newest_first = False
        self._failures = 0
        self._rest = 0

    def glance(self) -> Flow[None]:
        """Look, unless earlier looks went without an answer; each such one makes the rest after it longer."""
        if self._rest:
            self._rest -= 1
            return
        yield from self.fetch(best_effort=True)

    def fetch(self, *, best_effort: bool = False) -> Flow[None]:
        """Show the lines that are new, oldest first, as a group that folds; no answer is no news.

        :param best_effort: leave it out where it would delay another request
        """
        after = self._cursor
        try:
            page = yield from send(
                sync_kind(self._run.kind)
                .console(self._run.sync_id, self._run.execution_id, after, RETAINED)
                .with_timeout(PATIENCE, best_effort=best_effort)
            )
        except PolytomicError:
            self._failures += 1
            self._rest = min(2**self._failures - 1, LONGEST_REST)
            return
        self._failures = 0
        self._cursor = page.next_cursor or after
        self._newest_first = newest_first(page.rows, self._newest_first)
        new = [line for line in in_order(page.rows, self._newest_first) if self._is_new(line)]
        if not new:
            return
        self._show(f"::group::Polytomic console log, {len(new)} new lines")
        if after and len(new) >= RETAINED:
            self._show("(lines before these may be missing: Polytomic keeps the latest 50)")
        for line in new:
            self._show(in_one_line(line, *self._secrets))
        self._show("::endgroup::")

    def _is_new(self, line: ConsoleLine) -> bool:
        key = line.id or f"{line.timestamp} {line.message}"
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True


def wait_with_console_log(
    waiting: Flow[Execution], console: ConsoleLogReader, clock: Callable[[], float] = time.monotonic
) -> Flow[Execution]:
    """Wait as ``waiting`` does, and look at the console log in its pauses and once more after its end.

    What a look takes is taken from the pause, so that the wait goes on as it would alone.
    """

    def do(step: FlowStep) -> Flow[Any]:
        if isinstance(step, Pause):
            return (yield from _pause(step.seconds, console, clock))
        return (yield step)

    try:
        execution = yield from wrap_steps(waiting, do)
    except DeadlinePassed:
        yield from console.fetch()
        raise
    yield from console.fetch()
    return execution


def _pause(seconds: float, console: ConsoleLogReader, clock: Callable[[], float]) -> Flow[None]:
    while seconds > 0:
        began = clock()
        yield from console.glance()
        seconds -= clock() - began
        pause = max(0.0, min(seconds, INTERVAL))
        yield Pause(pause)
        seconds -= pause


def follow(console: ConsoleLogReader, poll_interval: float = INTERVAL) -> Flow[None]:
    """Look at the console log again and again, until somebody else ends it."""
    while True:
        yield from console.glance()
        yield Pause(poll_interval)


def newest_first(lines: Sequence[ConsoleLine], otherwise: bool = False) -> bool:
    """Tell whether a page begins with its latest line.

    :param otherwise: what to say where the page does not tell
    """
    dated = [line.timestamp for line in lines if line.timestamp]
    return dated[0] > dated[-1] if dated and dated[0] != dated[-1] else otherwise


def in_order(lines: Sequence[ConsoleLine], reverse: bool) -> list[ConsoleLine]:
    """Return the lines of a page, oldest first.

    :param reverse: they are given newest first; lines of one instant have nothing else to go by
    """
    ordered = list(reversed(lines) if reverse else lines)
    if all(line.timestamp for line in ordered):
        ordered.sort(key=lambda line: line.timestamp)  # type: ignore[arg-type, return-value]
    return ordered


def in_one_line(line: ConsoleLine, *secrets: str | None) -> str:
    """Write a line of the console log so that it is one line of ours, without secrets."""
    at = f"{line.timestamp:%Y-%m-%d %H:%M:%S} " if line.timestamp else ""
    level = one_line(str(redact(line.level or "", *secrets)), LONGEST_LEVEL) or "line"
    return one_line(f"{at}{level}: {redact(line.message or '', *secrets)}", LONGEST_LINE)
