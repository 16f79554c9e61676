"""Whether an ended execution is a success to the task, and if not, what to say about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.executions.advice import advice_on
from airflow_provider_polytomic.executions.diagnostics import Diagnostics
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.executions.outcome import Outcome

ERRORS_SHOWN = 5
SCHEMAS_SHOWN = 15
LONGEST_WORD = 100
LONGEST_ADDRESS = 2000
MOST_LINES = 28
"""How much of Polytomic's words stands in a message; all of them are in the result."""

NOTHING_KNOWN = Diagnostics()


@dataclass(frozen=True)
class SuccessCriteria:
    """What a task asks of an execution.

    :param max_errors: record errors that a success may have; None for any number
    :param fail_on_partial: whether an execution some schemas of which failed is a failure
    """

    max_errors: int | None = None
    fail_on_partial: bool = True

    def is_met_by(self, execution: Execution) -> bool:
        """Tell whether the execution has ended as the task wants it."""
        accepted = (Outcome.SUCCESS,) if self.fail_on_partial else (Outcome.SUCCESS, Outcome.PARTIAL)
        return execution.outcome in accepted and not self.exceeded_by(execution)

    def exceeded_by(self, execution: Execution) -> bool:
        """Tell whether more records had errors than are allowed."""
        return self.max_errors is not None and execution.counts["error"] > self.max_errors


def report(execution: Execution, headline: str, advice=(), cause: Diagnostics = NOTHING_KNOWN) -> str:
    """Say in a few lines what became of an execution, in Polytomic's own words where it gave some.

    :param headline: what it means to the task, as the end of a sentence about the sync
    :param advice: what to do next
    :param cause: what is known besides
    """
    label = sync_kind(execution.kind).label.capitalize()
    name = f" {one_line(cause.sync_name)!r}" if cause.sync_name else ""
    state = f"execution {_word(execution.id)} is {_word(execution.status)!r}{_duration(execution)}"
    told = [*_told(execution), *_found(execution, cause)]
    end = [f"  {one_line(execution.url, LONGEST_ADDRESS)}"] if execution.url else []
    end += ["  Next:", *(f"    - {step}" for step in advice)] if advice else []
    return "\n".join([f"{label}{name} {execution.sync_id} {headline}: {state}.", *told[: MOST_LINES - 3], *end])


def advice_for(execution: Execution, cause: Diagnostics) -> str | None:
    """Return what to do about the cause, if it is one that is known."""
    messages = [row["status_message"] or "" for row in execution.failed_schemas]
    words = [*execution.errors, *messages, *cause.problems, *(cause.console if cause.troubled else ())]
    of_connections = (advice_on([said], connection) for connection, said in cause.unhealthy_connections)
    return next(filter(None, of_connections), None) or advice_on(words)


def _word(text: str) -> str:
    return one_line(text, LONGEST_WORD)


def _told(execution: Execution) -> Iterator[str]:
    """Say what is in the execution itself."""
    for row in execution.failed_schemas[:SCHEMAS_SHOWN]:
        said = one_line(row["status_message"] or "no message")
        yield f"  schema {_word(row['schema'])} {_word(row['status'])}: {said}"
    if len(execution.failed_schemas) > SCHEMAS_SHOWN:
        others = ", ".join(row["schema"] for row in execution.failed_schemas[SCHEMAS_SHOWN:])
        yield f"  and {len(execution.failed_schemas) - SCHEMAS_SHOWN} more schemas: {one_line(others)}"
    of_schemas = [row["status_message"] for row in execution.failed_schemas]
    told = [error for error in execution.errors if not (error in of_schemas or _is_of_a_schema(execution, error))]
    for error in told[:ERRORS_SHOWN]:
        yield f"  Polytomic says: {one_line(error)}"
    if len(told) > ERRORS_SHOWN:
        yield f"  and {len(told) - ERRORS_SHOWN} more errors, in the task's XCom"
    if not told and not execution.failed_schemas and execution.outcome is Outcome.FAILED:
        yield "  Polytomic gives no cause."
    counts = ", ".join(f"{name} {number}" for name, number in execution.counts.items() if number)
    yield f"  records: {counts or 'none'}"


def _found(execution: Execution, cause: Diagnostics) -> Iterator[str]:
    """Say what was found besides, the most telling first: a long report loses its end."""
    for connection, said in cause.unhealthy_connections:
        yield f"  {connection} {one_line(said)}"
    for problem in cause.problems[:ERRORS_SHOWN]:
        yield f"  problem of the sync: {one_line(problem)}"
    if cause.records:
        yield "  first records with errors:"
    for record in cause.records:
        yield f"    {one_line(record)}"
    lines = [line for line in cause.console if not any(line.endswith(f": {error}") for error in execution.errors)]
    if lines:
        yield "  console log:"
    for line in lines:
        yield f"    {one_line(line)}"


def _is_of_a_schema(execution: Execution, error: str) -> bool:
    return any(error.startswith(f"{row['schema']}: ") for row in execution.failed_schemas)


def _duration(execution: Execution) -> str:
    began = execution.started_at or execution.created_at
    if not execution.outcome.final and began:
        return f" since {began:%Y-%m-%d %H:%M:%S}"
    if not (execution.started_at and execution.completed_at):
        return ""
    seconds = round((execution.completed_at - execution.started_at).total_seconds())
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 120:
        return f" after {seconds} s"
    return f" after {minutes} min {seconds % 60} s" if minutes < 120 else f" after {hours} h {minutes % 60} min"
