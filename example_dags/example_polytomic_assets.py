"""Start a DAG when a bulk sync has synced rows of one schema, and read the number of rows in that DAG.

The first DAG runs the bulk sync and declares its assets as outlets. The second DAG is scheduled by one of them.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_polytomic.assets import bulk_sync_asset
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator

# --8<-- [start:assets]
BULK_SYNC_ID = "00000000-0000-4000-8000-000000000003"
WHOLE_SYNC = bulk_sync_asset(BULK_SYNC_ID)
CONTACTS = bulk_sync_asset(BULK_SYNC_ID, schema="Contact")
# --8<-- [end:assets]

with DAG(
    dag_id="example_polytomic_assets",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    # --8<-- [start:outlets]
    PolytomicStartBulkSyncOperator(
        task_id="sync",
        bulk_sync_id=BULK_SYNC_ID,
        outlets=[WHOLE_SYNC, CONTACTS],
        deferrable=True,
        poll_interval=5,
    )
    # --8<-- [end:outlets]

# --8<-- [start:consumer]
with DAG(
    dag_id="example_polytomic_assets_consumer",
    start_date=datetime(2026, 1, 1),
    schedule=[CONTACTS],
    catchup=False,
    tags=["example", "polytomic"],
):

    @task
    def dbt_commands(triggering_asset_events=None, triggering_dataset_events=None) -> list[str]:
        """Return one command for each event; Airflow 2 calls the events of assets dataset events."""
        events_by_asset = triggering_asset_events or triggering_dataset_events or {}
        row_counts = [event.extra["counts"]["total"] for events in events_by_asset.values() for event in events]
        return [f"dbt run --select source:contact+  # {rows} rows" for rows in row_counts]

    dbt_commands()
# --8<-- [end:consumer]
