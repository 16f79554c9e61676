"""What becomes of an ended execution: the one place where a task's result is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic.exceptions import shortfall
from airflow_provider_polytomic.operators._ledger import Ledger

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_polytomic.runs import Execution, Standard


def conclude(
    task: BaseOperator,
    context: Context,
    execution: Execution,
    standard: Standard,
    again: str = "a retry or a clear of the task starts it again",
) -> dict[str, Any]:
    """Return the result of an ended execution; where it lacks what is asked, push it and raise that.

    :param again: how it comes to another execution
    :raises PolytomicRunError: what it lacks
    """
    from airflow_provider_polytomic.runs import Outcome, report

    lacking = shortfall(execution, standard, again)
    if lacking:
        Ledger(context).push_result(execution.result())
        raise lacking
    if execution.counts["error"] or execution.outcome is Outcome.PARTIAL:
        task.log.warning(report(execution, "has ended with errors"))
    return execution.result()
