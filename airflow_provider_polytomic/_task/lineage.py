"""Record on a task what its OpenLineage methods report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_provider_polytomic.executions import Execution


def record_for_lineage(task: BaseOperator, execution: Execution, failure: str | None = None) -> None:
    """Set the attributes of a task that :class:`~airflow_provider_polytomic.lineage.OpenLineageMixin` reads.

    :param failure: message of the error that fails the task; None if the task succeeds
    """
    task._lineage_execution = execution
    task._lineage_failure = failure
