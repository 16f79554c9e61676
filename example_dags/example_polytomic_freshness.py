"""Create a report only if its data is fresh.

The first task runs the sync, so that this example works by itself. In production, Polytomic's own schedule does that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor

SYNC_ID = "00000000-0000-4000-8000-000000000003"

with DAG(
    dag_id="example_polytomic_freshness",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    sync = PolytomicStartBulkSyncOperator(task_id="sync", bulk_sync_id=SYNC_ID, poll_interval=5)

    # --8<-- [start:freshness]
    wait_for_fresh_data = PolytomicFreshnessSensor(
        task_id="wait_for_fresh_data",
        sync_id=SYNC_ID,
        kind="bulk",
        max_age=timedelta(hours=6),
        deferrable=True,
        poke_interval=60,
        timeout=3600,
    )
    # --8<-- [end:freshness]

    @task
    def report(latest: dict) -> str:
        """Return a line about the age of the data."""
        return f"{latest['counts']['total']} rows, complete since {latest['completed_at']}"

    sync >> wait_for_fresh_data
    report(wait_for_fresh_data.output)
