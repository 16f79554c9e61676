"""What became of many executions, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.executions.error_records import LONGEST_LINE
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.ref import ExecutionRef

ROWS_SHOWN = 24
"""Rows of a table; the others are counted, and all of them are in the result."""

COLUMNS = ("sync", "execution", "status", "records", "errors", "cause")


def status_table(runs: Sequence[ExecutionRef], ends: Mapping[ExecutionRef, Execution | str]) -> str:
    """Lay out what became of each of ``runs``.

    :param ends: the execution, or why there is none; nothing for one of which nothing is known
    """
    cells = [COLUMNS, *(_cells(run, ends.get(run)) for run in runs[:ROWS_SHOWN])]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip()[:LONGEST_LINE] for row in cells]
    if len(runs) > ROWS_SHOWN:
        lines.append(f"and {len(runs) - ROWS_SHOWN} more")
    return "\n".join(f"  {line}" for line in lines)


def _cells(run: ExecutionRef, end: Execution | str | None) -> tuple[str, ...]:
    sync = f"{run.kind} {run.sync_id}"
    if not isinstance(end, Execution):
        return (sync, run.execution_id, "unknown", "", "", one_line(end or ""))
    counts = end.counts
    cause = end.errors[0] if end.errors else ""
    return (sync, end.id, end.status, str(counts["total"]), str(counts["error"]), one_line(cause))
