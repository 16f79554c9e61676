"""Cancel the running executions of a model sync and of a bulk sync, for example before a maintenance window."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicCancelBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator

with DAG(
    dag_id="example_polytomic_cancel",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={
        "sync_id": Param("00000000-0000-4000-8000-000000000001", type="string", title="Id of the model sync"),
        "bulk_sync_id": Param("00000000-0000-4000-8000-000000000003", type="string", title="Id of the bulk sync"),
    },
    tags=["example", "polytomic"],
):
    # Starts an execution, so that the example has one to cancel.
    start = PolytomicStartSyncOperator(task_id="start", sync_id="{{ params.sync_id }}", wait_for_completion=False)

    # --8<-- [start:cancel]
    cancel = PolytomicCancelSyncOperator(
        task_id="cancel",
        sync_id="{{ params.sync_id }}",
        timeout=300,
    )
    # --8<-- [end:cancel]

    # --8<-- [start:cancel_bulk]
    cancel_bulk = PolytomicCancelBulkSyncOperator(
        task_id="cancel_bulk",
        bulk_sync_id="{{ params.bulk_sync_id }}",
        wait_for_completion=False,
    )
    # --8<-- [end:cancel_bulk]

    start >> [cancel, cancel_bulk]
