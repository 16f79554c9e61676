"""Wait for a bulk sync that Polytomic's own schedule or something else starts."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor

with DAG(
    dag_id="example_polytomic_bulk_sensor",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={"bulk_sync_id": Param("00000000-0000-4000-8000-000000000003", type="string", title="Id of the bulk sync")},
    tags=["example", "polytomic"],
):
    # Starts the sync, so that this example works by itself. In production, Polytomic's schedule does that.
    start = PolytomicStartBulkSyncOperator(
        task_id="start", bulk_sync_id="{{ params.bulk_sync_id }}", wait_for_completion=False
    )

    # --8<-- [start:bulk_sensor]
    wait = PolytomicBulkSyncStatusSensor(
        task_id="wait",
        bulk_sync_id="{{ params.bulk_sync_id }}",
        fail_on_partial=False,
        deferrable=True,
        poke_interval=5,
        timeout=3600,
    )
    # --8<-- [end:bulk_sensor]

    start >> wait
