"""What becomes of an ended execution: the one place where a task's result is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_polytomic._task.asset_events import emit_asset_events
from airflow_provider_polytomic._task.errors import find_diagnostics
from airflow_provider_polytomic._task.link import linked
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic.exceptions import error_for
from airflow_provider_polytomic.lineage import record_for_lineage

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.executions import Execution, SuccessCriteria
    from airflow_provider_polytomic.operators._start import PolytomicRunOperator
    from airflow_provider_polytomic.results import ExecutionResult
    from airflow_provider_polytomic.sensors._base import PolytomicSensor
    from airflow_provider_polytomic.sensors._status import PolytomicStatusSensor


def finish_execution(
    task: PolytomicRunOperator | PolytomicStatusSensor,
    context: Context,
    execution: Execution,
    standard: SuccessCriteria,
    again: str = "a retry or a clear of the task starts it again",
) -> ExecutionResult:
    """Return the result of an ended execution; where it lacks what is asked, push it and raise that.

    :param again: how it comes to another execution
    :raises PolytomicRunError: what it lacks
    """
    from airflow_provider_polytomic.executions import Outcome, report

    execution = linked(context, execution)
    if not standard.is_met_by(execution):
        TaskExecutionState(context).push_result(execution.result())
        lacking = error_for(execution, standard, again, find_diagnostics(execution, task.polytomic_conn_id))
        record_for_lineage(task, execution, lacking.without_records)
        raise lacking
    if execution.counts["error"] or execution.outcome is Outcome.PARTIAL:
        task.log.warning(report(execution, "has ended with errors"))
    return publish_result(task, context, execution)


def publish_result(
    task: PolytomicRunOperator | PolytomicSensor, context: Context, execution: Execution
) -> ExecutionResult:
    """Return the result of a task that succeeds; its outlets and the lineage have it too."""
    emit_asset_events(task, context, execution)
    record_for_lineage(task, execution)
    return execution.result()
