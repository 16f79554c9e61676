"""Start a DAG for the tables that a bulk sync has filled, whichever these are."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, AssetAlias, task
except ImportError:  # Airflow 2
    from airflow.datasets import DatasetAlias as AssetAlias
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator

# --8<-- [start:alias]
CRM_TABLES = AssetAlias("crm_tables")
# --8<-- [end:alias]

with DAG(
    dag_id="example_polytomic_asset_alias",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    # --8<-- [start:outlet]
    PolytomicStartBulkSyncOperator(
        task_id="sync",
        bulk_sync_id="00000000-0000-4000-8000-000000000003",
        outlets=[CRM_TABLES],
        deferrable=True,
        poll_interval=5,
    )
    # --8<-- [end:outlet]

# --8<-- [start:consumer]
with DAG(
    dag_id="example_polytomic_asset_alias_consumer",
    start_date=datetime(2026, 1, 1),
    schedule=[CRM_TABLES],
    catchup=False,
    tags=["example", "polytomic"],
):

    @task
    def dbt_commands(triggering_asset_events=None, triggering_dataset_events=None) -> list[str]:
        """Return one command for each table; Airflow 3 lists an event below its asset and below its alias."""
        events_by_asset = triggering_asset_events or triggering_dataset_events or {}
        tables = {event.extra["output_name"] for events in events_by_asset.values() for event in events}
        return [f"dbt run --select source:crm.{table}+" for table in sorted(tables)]

    dbt_commands()
# --8<-- [end:consumer]
