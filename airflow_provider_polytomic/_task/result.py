"""Finish a task with the result of its execution: XCom, asset events and lineage, or the exception."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_polytomic._task.asset_events import emit_asset_events
from airflow_provider_polytomic._task.errors import RETRY_STARTS_AGAIN, error_for, find_diagnostics, with_problem
from airflow_provider_polytomic._task.link import with_link
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic._task.storable import storable

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.executions import Execution, SuccessCriteria
    from airflow_provider_polytomic.results import ExecutionResult

log = logging.getLogger(__name__)


def finish_execution(
    task: Any,
    context: Context,
    execution: Execution,
    criteria: SuccessCriteria,
    retry_hint: str = RETRY_STARTS_AGAIN,
    shortage: str | None = None,
) -> ExecutionResult:
    """Return the result of an ended execution; if it does not meet the criteria, push the result and raise.

    :param task: an operator or sensor
    :param retry_hint: how another execution is started
    :param shortage: why the execution has sent too few records although it meets the criteria; default: it has not
    :raises PolytomicRunError: if the execution does not meet the criteria
    """
    from airflow_provider_polytomic.executions import Outcome, report

    execution = with_link(context, execution)
    left_out = execution.result().get("schemas_left_out")
    if left_out:
        task.log.warning("Left %d schemas of %s out of the result, which has those that failed", left_out, execution.id)
    if shortage or not criteria.is_met_by(execution):
        problem = TaskExecutionState(context).push_result(execution.task_result())
        diagnostics = find_diagnostics(execution, task)
        error = error_for(context, execution, criteria, diagnostics, retry_hint, shortage)
        record_for_lineage(task, execution, error.message_without_records)
        raise with_problem(error, problem)
    if execution.counts["error"] or execution.outcome is Outcome.PARTIAL:
        task.log.warning(report(execution, "has ended with errors"))
    return publish_result(task, context, execution)


def with_all_schemas(client: PolytomicClient, execution: Execution) -> Execution:
    """Return an execution with the schemas that a trigger's event has left out."""
    from airflow_provider_polytomic.api import PolytomicError
    from airflow_provider_polytomic.executions import ExecutionRef

    if not execution.left_out:
        return execution
    ref = ExecutionRef(execution.kind, execution.sync_id, execution.id)
    try:
        complete = client.run(ref.fetch())
    except PolytomicError as error:
        log.warning("Going on without %d schemas of %s: %s", execution.left_out, ref, error)
        return execution
    return replace(complete, url=execution.url) if complete.outcome.final else execution


def publish_result(task: Any, context: Context, execution: Execution) -> ExecutionResult:
    """Return the result of a task that succeeds, after adding it to the asset events and the lineage."""
    emit_asset_events(task, context, execution)
    record_for_lineage(task, execution)
    return cast("ExecutionResult", storable(execution.task_result(), "the result"))


def record_for_lineage(task: Any, execution: Execution, failure: str | None = None) -> None:
    """Set the attributes of a task that :class:`~airflow_provider_polytomic.lineage.OpenLineageMixin` reads.

    :param failure: message of the error that fails the task; None if the task succeeds
    """
    task._lineage_execution, task._lineage_failure = execution, failure
