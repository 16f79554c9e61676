"""Report on executions in a few lines of text, for errors and logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.executions.diagnostics import MAX_NAME_LENGTH, Diagnostics
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef, sync_kind
from airflow_provider_polytomic.executions.outcome import Outcome
from airflow_provider_polytomic.executions.wait import format_duration

MAX_REPORT_LINES = 28
"""Airflow's UI cuts long messages. The complete errors and schemas are in the task's result."""

MAX_SHOWN_ERRORS = 5
MAX_SHOWN_SCHEMAS = 15
MAX_WORD_LENGTH = 100
MAX_URL_LENGTH = 2000

MAX_TABLE_ROWS = 22
MAX_TABLE_WIDTH = 300
TABLE_COLUMNS = ("sync", "execution", "status", "records", "errors", "message")


@dataclass(frozen=True)
class SuccessCriteria:
    """Define which ended executions are a success for a task.

    :param max_errors: number of record errors that a success may have; default: any
    :param fail_on_partial: whether an execution with failed schemas is a failure; default True
    """

    max_errors: int | None = None
    fail_on_partial: bool = True

    def is_met_by(self, execution: Execution) -> bool:
        """Return whether the execution is a success for the task."""
        accepted = (Outcome.SUCCESS,) if self.fail_on_partial else (Outcome.SUCCESS, Outcome.PARTIAL)
        return execution.outcome in accepted and not self.exceeded_by(execution)

    def exceeded_by(self, execution: Execution) -> bool:
        """Return whether the execution has more record errors than allowed."""
        return self.max_errors is not None and execution.counts["error"] > self.max_errors


def report(
    execution: Execution, headline: str, next_steps: Sequence[str] = (), diagnostics: Diagnostics | None = None
) -> str:
    """Return a report on an execution: what became of it, Polytomic's messages, and what to do next.

    :param headline: what became of the execution, as the end of a sentence about the sync
    :param next_steps: what to do next, one step each
    :param diagnostics: what else is known; default: nothing
    """
    diagnostics = diagnostics or Diagnostics()
    label = sync_kind(execution.kind).label
    if execution.schema is not None:
        label = f"schema {_word(execution.schema)!r} of {label}"
    sync_name = diagnostics.sync_name or execution.sync_name
    name = f" {sync_name[:MAX_NAME_LENGTH]!r}" if sync_name else ""
    subject = f"{label[:1].upper()}{label[1:]}{name} {_word(execution.sync_id)}"
    first = f"{subject} {headline}: execution {_word(execution.id)} {_state(execution)}."
    details = [*_execution_lines(execution), *_diagnostics_lines(execution, diagnostics)]
    last = [f"  {one_line(execution.url, MAX_URL_LENGTH)}"] if execution.url else []
    if next_steps:
        last += ["  Next:", *(f"    - {step}" for step in next_steps)]
    return "\n".join([first, *details[: MAX_REPORT_LINES - 1 - len(last)], *last])


def _word(text: str) -> str:
    return one_line(text, MAX_WORD_LENGTH)


def _execution_lines(execution: Execution) -> Iterator[str]:
    failed = execution.failed_schemas
    for row in failed[:MAX_SHOWN_SCHEMAS]:
        message = one_line(row["status_message"] or "no message")
        yield f"  schema {_word(row['schema'])} {_word(row['status'])}: {message}"
    if len(failed) > MAX_SHOWN_SCHEMAS:
        others = ", ".join(row["schema"] for row in failed[MAX_SHOWN_SCHEMAS:])
        yield f"  and {len(failed) - MAX_SHOWN_SCHEMAS} more schemas: {one_line(others)}"
    shown = {row["status_message"] for row in failed}
    prefixes = tuple(f"{row['schema']}: " for row in failed)
    errors = [error for error in execution.errors if error not in shown and not error.startswith(prefixes)]
    for error in errors[:MAX_SHOWN_ERRORS]:
        yield f"  Polytomic says: {one_line(error)}"
    if len(errors) > MAX_SHOWN_ERRORS:
        yield f"  and {len(errors) - MAX_SHOWN_ERRORS} more errors, in the task's XCom"
    if not errors and not failed and execution.outcome is Outcome.FAILED:
        yield "  Polytomic gives no reason."
    counts = ", ".join(f"{name} {number}" for name, number in execution.counts.items() if number)
    yield f"  records: {counts or 'none'}"


def _diagnostics_lines(execution: Execution, diagnostics: Diagnostics) -> Iterator[str]:
    """Yield the most helpful lines first, since a long report is cut."""
    for connection, message in diagnostics.unhealthy_connections:
        yield f"  {connection} {one_line(message)}"
    for problem in diagnostics.problems[:MAX_SHOWN_ERRORS]:
        yield f"  problem of the sync: {one_line(problem)}"
    if diagnostics.resends_rejected is not None:
        does, unless = ("sends", "") if diagnostics.resends_rejected else ("does not send", ", unless it is a resync")
        yield f"  the next execution {does} the rejected records again{unless}"
    if diagnostics.records:
        yield "  first records with errors:"
    for record in diagnostics.records:
        yield f"    {one_line(record)}"
    lines = [line for line in diagnostics.console if not any(line.endswith(f": {error}") for error in execution.errors)]
    if lines:
        yield "  console log:"
    for line in lines:
        yield f"    {one_line(line)}"


def _state(execution: Execution) -> str:
    status, start = repr(_word(execution.status)), execution.started_at or execution.created_at
    if not execution.outcome.final and start:
        return f"has been {status} since {start:%Y-%m-%d %H:%M:%S}"
    if not (execution.started_at and execution.completed_at):
        return f"is {status}"
    return f"is {status} after {format_duration((execution.completed_at - execution.started_at).total_seconds())}"


def status_table(refs: Sequence[ExecutionRef], ends: Mapping[ExecutionRef, Execution | str]) -> str:
    """Return a table with a row for each of ``refs``, of which the first :data:`MAX_TABLE_ROWS` are shown.

    :param ends: execution for each reference, or the reason why it is unknown; may lack some
    """
    rows = [TABLE_COLUMNS, *(_row(ref, ends.get(ref)) for ref in refs[:MAX_TABLE_ROWS])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TABLE_COLUMNS) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip()[:MAX_TABLE_WIDTH] for row in rows]
    if len(refs) > MAX_TABLE_ROWS:
        lines.append(f"and {len(refs) - MAX_TABLE_ROWS} more")
    return "\n".join(f"  {line}" for line in lines)


def _row(ref: ExecutionRef, end: Execution | str | None) -> tuple[str, ...]:
    sync = f"{ref.kind} {ref.sync_id}"
    if not isinstance(end, Execution):
        return (sync, ref.execution_id, "unknown", "", "", one_line(end or ""))
    message = end.errors[0] if end.errors else ""
    return (sync, _word(end.id), end.status, str(end.counts["total"]), str(end.counts["error"]), one_line(message))
