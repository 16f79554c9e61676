"""Wait for the sync that Polytomic starts on its own schedule, then use its rows.

The first task starts the sync, so that this example works by itself. In production, Polytomic's own schedule does that.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor

BULK_SYNC_ID = "00000000-0000-4000-8000-000000000003"

with DAG(
    dag_id="example_polytomic_scheduled_by_polytomic",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):

    @task
    def somebody_else() -> None:
        """Start the sync as Polytomic's schedule or a person does."""
        PolytomicHook().start_bulk_sync(BULK_SYNC_ID)

    # --8<-- [start:wait]
    wait = PolytomicBulkSyncStatusSensor(
        task_id="wait",
        bulk_sync_id=BULK_SYNC_ID,
        deferrable=True,
        poke_interval=5,
        timeout=3600,
    )

    @task
    def report(result: dict) -> str:
        return f"{result['counts']['total']} rows, complete since {result['completed_at']}"

    report(wait.output)
    # --8<-- [end:wait]

    somebody_else() >> wait
