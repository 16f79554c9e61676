"""What becomes of an ended execution: the one place where a task's result is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic.exceptions import shortfall
from airflow_provider_polytomic.lineage import remember
from airflow_provider_polytomic.operators._failure import look_for_cause
from airflow_provider_polytomic.operators._ledger import Ledger
from airflow_provider_polytomic.operators._link import linked
from airflow_provider_polytomic.operators._outlets import tell_outlets

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.operators._run import PolytomicRunOperator
    from airflow_provider_polytomic.runs import Execution, Standard
    from airflow_provider_polytomic.sensors._base import PolytomicSensor
    from airflow_provider_polytomic.sensors._status import PolytomicStatusSensor


def conclude(
    task: PolytomicRunOperator | PolytomicStatusSensor,
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

    execution = linked(context, execution)
    if not standard.met_by(execution):
        Ledger(context).push_result(execution.result())
        lacking = shortfall(execution, standard, again, look_for_cause(execution, task.polytomic_conn_id))
        remember(task, execution, lacking.without_records)
        raise lacking
    if execution.counts["error"] or execution.outcome is Outcome.PARTIAL:
        task.log.warning(report(execution, "has ended with errors"))
    return hand_on(task, context, execution)


def hand_on(task: PolytomicRunOperator | PolytomicSensor, context: Context, execution: Execution) -> dict[str, Any]:
    """Return the result of a task that succeeds; its outlets and the lineage have it too."""
    tell_outlets(task, context, execution)
    remember(task, execution)
    return execution.result()
