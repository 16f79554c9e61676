"""Build the models of dbt, then send their rows to an application."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

with DAG(
    dag_id="example_polytomic_after_dbt",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    # --8<-- [start:after_dbt]
    @task.bash
    def dbt_build() -> str:
        """Return the command; it is only printed, so that this example works without dbt."""
        return "echo dbt build --select customers"

    sync = PolytomicStartSyncOperator(
        task_id="sync",
        sync_id="00000000-0000-4000-8000-000000000001",
        deferrable=True,
        poll_interval=5,
    )

    dbt_build() >> sync
    # --8<-- [end:after_dbt]
