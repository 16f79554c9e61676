"""Run one bulk sync, then one mapped task for each table that received rows."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator

with DAG(
    dag_id="example_polytomic_bulk_sync",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={"bulk_sync_id": Param("00000000-0000-4000-8000-000000000003", type="string", title="Id of the bulk sync")},
    tags=["example", "polytomic"],
):
    # --8<-- [start:bulk_sync]
    sync = PolytomicStartBulkSyncOperator(
        task_id="sync",
        bulk_sync_id="{{ params.bulk_sync_id }}",
        fail_on_partial=False,
        deferrable=True,
        poll_interval=5,
    )
    # --8<-- [end:bulk_sync]

    # --8<-- [start:tables]
    @task
    def tables_with_rows(result: dict) -> list[str]:
        """Return the tables, or the schemas without a known table, that completed and received rows."""
        completed = [row for row in result["schemas"] if row["status"] == "completed" and row["record_count"]]
        return [row["output_name"] or row["schema"] for row in completed]

    @task
    def transform(table: str) -> str:
        """Return the command that transforms one table."""
        return f"dbt run --select source:{table}+"

    transform.expand(table=tables_with_rows(sync.output))
    # --8<-- [end:tables]
