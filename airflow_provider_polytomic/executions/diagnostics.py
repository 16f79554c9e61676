"""Why an execution ended badly: what the API says beside the execution itself. Asked only where one did."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.api import connections, data_models, syncs
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.executions.console import RETAINED, in_one_line, in_order, newest_first
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import MODEL, sync_kind
from airflow_provider_polytomic.executions.outcome import Outcome

PATIENCE = 5.0
"""Seconds for all requests together: the verdict waits for them."""

ONE_REQUEST = 2.0
LINES = 3
LONGEST_NAME = 100

_TROUBLE = re.compile(r"err|warn|fail|fatal|crit|sever|alert|emerg", re.IGNORECASE)
"""Levels of console lines that tell of trouble; which words there are is not documented."""


@dataclass(frozen=True)
class Diagnostics:
    """What is known of why an execution ended badly; all of it may be missing.

    :param sync_name: what the sync is called
    :param problems: what Polytomic finds wrong with the sync itself
    :param unhealthy_connections: the connections of the sync that are not healthy, and what is said of each
    :param console: the latest lines of the console log that tell of trouble; where there are none, the latest
    :param troubled: whether these lines tell of trouble
    :param records: the first lines of the file of records that had errors
    :param error_file: the signed URL of that file; whoever has it can read it
    """

    sync_name: str | None = None
    problems: tuple[str, ...] = ()
    unhealthy_connections: tuple[tuple[str, str], ...] = ()
    console: tuple[str, ...] = ()
    troubled: bool = False
    records: tuple[str, ...] = ()
    error_file: str | None = field(default=None, repr=False)


def collect_diagnostics(
    execution: Execution,
    secrets: Sequence[str | None] = (),
    *,
    timeout: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> Flow[Diagnostics]:
    """Look for the cause; what is not answered soon, or not allowed, is left out.

    :param secrets: texts that must not be in it
    :param timeout: seconds for all of it
    """
    ask = _Questions(clock() + timeout, clock)
    sync = yield from ask.answer(sync_kind(execution.kind).sync(execution.sync_id))
    page = yield from ask.answer(sync_kind(execution.kind).console(execution.sync_id, execution.id, None, RETAINED))
    unhealthy_connections: list[tuple[str, str]] = []
    error_file = None
    if execution.outcome in (Outcome.FAILED, Outcome.PARTIAL):
        for connection_id in (yield from _connections_of(sync, ask)):
            connection = yield from ask.answer(connections.get(connection_id))
            if connection and (connection.status_error or (connection.status or "healthy") != "healthy"):
                said = f"is {connection.status!r}: {connection.status_error or 'no message'}"
                name = one_line(redact(connection.name or connection_id, *secrets), LONGEST_NAME)
                unhealthy_connections.append((f"connection {name!r}", redact(said, *secrets)))
    if execution.outcome.final and execution.counts["error"] and execution.kind == MODEL.name:
        files = yield from ask.answer(syncs.get_log_urls(execution.sync_id, execution.id, "errors"))
        error_file = files.urls[0] if files and files.urls else None
    console, troubled = _telling(page.rows if page else (), secrets)
    return Diagnostics(
        sync_name=redact(sync.name, *secrets) if sync and sync.name else None,
        problems=tuple(redact(one.message or one.code or "", *secrets) for one in getattr(sync, "problems", ())),
        unhealthy_connections=tuple(unhealthy_connections),
        console=console,
        troubled=troubled,
        error_file=error_file,
    )


class _Questions:
    """Requests that share one deadline, none of which matters enough to fail."""

    def __init__(self, deadline: float, clock: Callable[[], float]) -> None:
        self._deadline = deadline
        self._clock = clock

    def answer(self, call: Call[Any]) -> Flow[Any]:
        """Return the answer; None where there is none, or no time left to ask."""
        left = self._deadline - self._clock()
        if left <= 0:
            return None
        try:
            return (yield from send(call.with_timeout(min(left, ONE_REQUEST))))
        except PolytomicError:
            return None


def _connections_of(sync: Any, ask: _Questions) -> Flow[list[str]]:
    """List the connections that a sync reads from and writes to, as far as that is cheap to know."""
    if sync is None:
        return []
    found = [getattr(sync, "source_connection_id", None), getattr(sync, "destination_connection_id", None)]
    found.append(
        getattr(sync, "target_connection_id", None) or (getattr(sync, "target", None) or {}).get("connection_id")
    )
    for model_id in getattr(sync, "model_ids", ())[:1]:
        model = yield from ask.answer(data_models.get(model_id))
        found.insert(0, model.connection_id if model else None)
    return [str(each) for each in dict.fromkeys(found) if each]


def _telling(lines: Sequence[Any], secrets: Sequence[str | None]) -> tuple[tuple[str, ...], bool]:
    """Choose the latest lines that tell of trouble, and say that they do; where there are none, the latest."""
    ordered = in_order(lines, newest_first(lines))
    trouble = [line for line in ordered if _TROUBLE.search(line.level or "")]
    return tuple(in_one_line(line, *secrets) for line in (trouble or ordered)[-LINES:]), bool(trouble)
