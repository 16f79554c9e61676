"""Whether an ended execution is a success to the task, and if not, what to say about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_polytomic.runs.execution import Execution
from airflow_provider_polytomic.runs.kinds import kind_of
from airflow_provider_polytomic.runs.outcome import Outcome

ERRORS_SHOWN = 5
SCHEMAS_SHOWN = 15
LONGEST_LINE = 300
"""How much of Polytomic's words stands in a message; all of them are in the result."""


@dataclass(frozen=True)
class Standard:
    """What a task asks of an execution.

    :param max_errors: record errors that a success may have; None for any number
    :param fail_on_partial: whether an execution some schemas of which failed is a failure
    """

    max_errors: int | None = None
    fail_on_partial: bool = True

    def met_by(self, execution: Execution) -> bool:
        """Tell whether the execution has ended as the task wants it."""
        accepted = (Outcome.SUCCESS,) if self.fail_on_partial else (Outcome.SUCCESS, Outcome.PARTIAL)
        return execution.outcome in accepted and not self.exceeded_by(execution)

    def exceeded_by(self, execution: Execution) -> bool:
        """Tell whether more records had errors than are allowed."""
        return self.max_errors is not None and execution.counts["error"] > self.max_errors


def report(execution: Execution, headline: str, advice: str = "") -> str:
    """Say in a few lines what became of an execution, in Polytomic's own words where it gave some.

    :param headline: what it means to the task, as the end of a sentence about the sync
    :param advice: what to do next
    """
    return "\n".join(_lines(execution, headline, advice))


def _lines(execution: Execution, headline: str, advice: str) -> Iterator[str]:
    label = kind_of(execution.kind).label.capitalize()
    state = f"execution {execution.id} is {execution.status!r}{_duration(execution)}"
    yield f"{label} {execution.sync_id} {headline}: {state}."
    for row in execution.failed_schemas[:SCHEMAS_SHOWN]:
        yield f"  schema {row['schema']} {row['status']}: {_in_one_line(row['status_message'] or 'no message')}"
    if len(execution.failed_schemas) > SCHEMAS_SHOWN:
        others = ", ".join(row["schema"] for row in execution.failed_schemas[SCHEMAS_SHOWN:])
        yield f"  and {len(execution.failed_schemas) - SCHEMAS_SHOWN} more schemas: {_in_one_line(others)}"
    told = [error for error in execution.errors if not _is_of_a_schema(execution, error)]
    for error in told[:ERRORS_SHOWN]:
        yield f"  Polytomic says: {_in_one_line(error)}"
    if len(told) > ERRORS_SHOWN:
        yield f"  and {len(told) - ERRORS_SHOWN} more errors, in the task's XCom"
    if not told and not execution.failed_schemas and execution.outcome is Outcome.FAILED:
        yield "  Polytomic gives no cause."
    counts = ", ".join(f"{name} {number}" for name, number in execution.counts.items() if number)
    yield f"  records: {counts or 'none'}"
    if execution.url:
        yield f"  {execution.url}"
    if advice:
        yield f"  Next: {advice}"


def _in_one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"


def _is_of_a_schema(execution: Execution, error: str) -> bool:
    return any(error.startswith(f"{row['schema']}: ") for row in execution.failed_schemas)


def _duration(execution: Execution) -> str:
    if not (execution.started_at and execution.completed_at):
        return ""
    return f" after {(execution.completed_at - execution.started_at).total_seconds():.0f} s"
