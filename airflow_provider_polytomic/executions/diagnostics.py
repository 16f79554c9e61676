"""Collect what the API reports about the cause of an unsuccessful execution, apart from the execution itself."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.api import connections, data_models, syncs
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.decoding import decode_json
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.api.redaction import MASK, one_line, redact
from airflow_provider_polytomic.api.secret_names import is_secret_name
from airflow_provider_polytomic.executions.console import CONSOLE_LINES_KEPT, in_one_line, in_order, newest_first
from airflow_provider_polytomic.executions.error_handling import resends_rejected
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.executions.outcome import Outcome

DIAGNOSTICS_BUDGET = 5.0
"""Seconds for all requests together: they delay the failure of the task."""

DIAGNOSTICS_REQUEST_TIMEOUT = 2.0
CONSOLE_LINES_SHOWN = 3
MAX_NAME_LENGTH = 100

_ERROR_LEVEL = re.compile(r"err|warn|fail|fatal|crit|sever|alert|emerg", re.IGNORECASE)
"""Levels of console lines that report an error; the API does not document its levels."""

RECORDS_SHOWN = 3
MAX_RECORD_LENGTH = 300


@dataclass(frozen=True)
class Diagnostics:
    """Hold what is known about the cause of an unsuccessful execution.

    :param sync: settings of the sync
    :param sync_name: name of the sync
    :param resends_rejected: whether the next execution sends the records again that the target has rejected
    :param problems: Polytomic's messages about the configuration of the sync
    :param unhealthy_connections: unhealthy connections of the sync, each with Polytomic's message
    :param console: latest lines of the console log that report an error or, where none does, the latest lines
    :param has_console_errors: whether these lines report errors
    :param records: first lines of the file of records that had errors
    :param error_file: signed URL of that file, with which anybody can read it
    """

    sync: Sync | BulkSync | None = field(default=None, repr=False)
    sync_name: str | None = None
    resends_rejected: bool | None = None
    problems: tuple[str, ...] = ()
    unhealthy_connections: tuple[tuple[str, str], ...] = ()
    console: tuple[str, ...] = ()
    has_console_errors: bool = False
    records: tuple[str, ...] = ()
    error_file: str | None = field(default=None, repr=False)


def collect_diagnostics(
    execution: Execution, secrets: Sequence[str | None] = (), sync: Sync | BulkSync | None = None
) -> Flow[Diagnostics]:
    """Collect diagnostics; leave out what is refused or not answered in time.

    :param secrets: texts to mask
    :param sync: settings of the sync; default: they are requested
    """
    deadline = time.monotonic() + DIAGNOSTICS_BUDGET

    def request(call: Call[Any]) -> Flow[Any]:
        left = deadline - time.monotonic()
        try:
            return (yield from send(call.with_timeout(min(left, DIAGNOSTICS_REQUEST_TIMEOUT)))) if left > 0 else None
        except PolytomicError:
            return None

    api, handling = sync_kind(execution.kind).api, None
    has_rejected = execution.outcome.final and execution.counts["error"] and execution.kind == "model"
    if has_rejected:
        handling = yield from request(syncs.get_error_handling(execution.sync_id))
    sync = sync or (yield from request(api.get(execution.sync_id)))
    page = yield from request(
        api.get_console_log(execution.sync_id, execution.id, after=None, limit=CONSOLE_LINES_KEPT)
    )
    unhealthy_connections: list[tuple[str, str]] = []
    error_file = None
    if execution.outcome in (Outcome.FAILED, Outcome.PARTIAL):
        for connection_id in (yield from _connection_ids(sync, request)):
            connection = yield from request(connections.get(connection_id))
            if connection and (connection.status_error or (connection.status or "healthy") != "healthy"):
                message = f"is {connection.status!r}: {connection.status_error or 'no message'}"
                name = redact(connection.name or connection_id, *secrets, max_length=MAX_NAME_LENGTH)
                unhealthy_connections.append((f"connection {name!r}", redact(message, *secrets)))
    if has_rejected:
        files = yield from request(syncs.get_log_urls(execution.sync_id, execution.id, "errors"))
        error_file = files.urls[0] if files and files.urls else None
    lines = in_order(page, newest_first(page)) if page else []
    error_lines = [line for line in lines if _ERROR_LEVEL.search(line.level or "")]
    shown = (error_lines or lines)[-CONSOLE_LINES_SHOWN:]
    return Diagnostics(
        sync=sync,
        sync_name=redact(sync.name, *secrets) if sync and sync.name else None,
        resends_rejected=resends_rejected(handling, sync) if has_rejected else None,
        problems=tuple(redact(one.message or one.code or "", *secrets) for one in getattr(sync, "problems", ())),
        unhealthy_connections=tuple(unhealthy_connections),
        console=tuple(in_one_line(line, *secrets) for line in shown),
        has_console_errors=bool(error_lines),
        error_file=error_file,
    )


def _connection_ids(sync: Any, request: Callable[[Call[Any]], Flow[Any]]) -> Flow[list[str]]:
    """Return the ids of the connections that a sync reads from and writes to, with one request at most."""
    if sync is None:
        return []
    found = [getattr(sync, "source_connection_id", None), getattr(sync, "destination_connection_id", None)]
    found.append(
        getattr(sync, "target_connection_id", None) or (getattr(sync, "target", None) or {}).get("connection_id")
    )
    for model_id in getattr(sync, "model_ids", ())[:1]:
        model = yield from request(data_models.get(model_id))
        found.insert(0, model.connection_id if model else None)
    return [str(each) for each in dict.fromkeys(found) if each]


def first_records(text: str, *secrets: str | None) -> tuple[str, ...]:
    """Return the first lines of a file: a table with a header, JSON, or other text.

    Values of fields that are named like secrets are masked. If the file has such fields, lines that cannot be parsed
    are left out.

    :param text: beginning of the file
    :param secrets: texts to mask
    """
    # Unlike these, str.splitlines would also split at characters that a record may contain.
    lines = [line for line in re.split(r"\r?\n", text) if line.strip()][: RECORDS_SHOWN + 1]
    if not lines or any(ord(letter) < 32 and letter not in "\t\x0c" for line in lines for letter in line):
        return ()
    guarded = any(is_secret_name(name) for name in re.findall(r"[\w -]+", text))
    is_json = lines[0].lstrip()[0] in "{["
    shown = _json(lines[:RECORDS_SHOWN], guarded, secrets) if is_json else _table(lines, guarded, secrets)
    return tuple(one_line(line, MAX_RECORD_LENGTH) for line in shown)


def _json(lines: list[str], guarded: bool, secrets: tuple[str | None, ...]) -> list[str]:
    """Read JSON with one object per line. A line that is none may begin a longer one, so the next lines are unsafe."""
    shown = []
    for line in lines:
        record = _record(line)
        if record is not None:
            shown.append(json.dumps(redact(record, *secrets), ensure_ascii=False))
        elif not guarded:
            shown.append(str(redact(line, *secrets)))
        elif line.strip() != "[":
            break
    return shown


def _record(line: str) -> Any:
    for part in (line, line.strip().strip(",[]")):
        try:
            read = decode_json(part)
        except ValueError:
            continue
        if all(isinstance(each, dict) for each in (read if isinstance(read, list) else [read])):
            return read
    return None


def _table(lines: list[str], guarded: bool, secrets: tuple[str | None, ...]) -> list[str]:
    """Read a table. The cells of a row longer or shorter than the header may belong to other columns."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=max(",;\t|", key=lines[0].count), strict=True):
            rows.append(row)
    except csv.Error:
        if not guarded:
            return [str(redact(line, *secrets)) for line in lines]
    hidden = [is_secret_name(name) for name in rows[0]] if rows else []
    shown = rows[:1]
    for row in rows[1:]:
        if len(row) == len(hidden):
            shown.append([MASK if secret and cell else cell for cell, secret in zip(row, hidden)])
        elif not guarded:
            shown.append(row)
    return [", ".join(str(redact(cell, *secrets)) for cell in row) for row in shown]
