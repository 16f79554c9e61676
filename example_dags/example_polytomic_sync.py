"""Run one model sync and use its record counts."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

with DAG(
    dag_id="example_polytomic_sync",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={"sync_id": Param("00000000-0000-4000-8000-000000000001", type="string", title="Id of the model sync")},
    tags=["example", "polytomic"],
):
    # --8<-- [start:sync]
    sync = PolytomicStartSyncOperator(
        task_id="sync",
        sync_id="{{ params.sync_id }}",
        deferrable=True,
        poll_interval=5,
    )
    # --8<-- [end:sync]

    @task
    def report(result: dict) -> str:
        """Return a line about the records of the sync."""
        counts = result["counts"]
        return f"{counts['total']} records, {counts['error']} with errors"

    report(sync.output)
