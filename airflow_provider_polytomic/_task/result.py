"""Finish a task with the result of its execution: XCom, asset events and lineage, or the exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._task.asset_events import emit_asset_events
from airflow_provider_polytomic._task.errors import RETRY_STARTS_AGAIN, error_for, find_diagnostics, with_problem
from airflow_provider_polytomic._task.link import with_link
from airflow_provider_polytomic._task.state import TaskExecutionState

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.executions import Execution, SuccessCriteria
    from airflow_provider_polytomic.results import ExecutionResult


def finish_execution(
    task: Any, context: Context, execution: Execution, criteria: SuccessCriteria, retry_hint: str = RETRY_STARTS_AGAIN
) -> ExecutionResult:
    """Return the result of an ended execution; if it does not meet the criteria, push the result and raise.

    :param task: an operator or sensor with ``polytomic_conn_id``
    :param retry_hint: how another execution is started
    :raises PolytomicRunError: if the execution does not meet the criteria
    """
    from airflow_provider_polytomic.executions import Outcome, report

    execution = with_link(context, execution)
    if not criteria.is_met_by(execution):
        problem = TaskExecutionState(context).push_result(execution.result())
        error = error_for(execution, criteria, find_diagnostics(execution, task.polytomic_conn_id), retry_hint)
        record_for_lineage(task, execution, error.message_without_records)
        raise with_problem(error, problem)
    if execution.counts["error"] or execution.outcome is Outcome.PARTIAL:
        task.log.warning(report(execution, "has ended with errors"))
    return publish_result(task, context, execution)


def publish_result(task: Any, context: Context, execution: Execution) -> ExecutionResult:
    """Return the result of a task that succeeds, after adding it to the asset events and the lineage."""
    emit_asset_events(task, context, execution)
    record_for_lineage(task, execution)
    return execution.result()


def record_for_lineage(task: Any, execution: Execution, failure: str | None = None) -> None:
    """Set the attributes of a task that :class:`~airflow_provider_polytomic.lineage.OpenLineageMixin` reads.

    :param failure: message of the error that fails the task; None if the task succeeds
    """
    task._lineage_execution, task._lineage_failure = execution, failure
