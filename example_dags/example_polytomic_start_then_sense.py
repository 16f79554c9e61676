"""Start a sync, do other work in the meantime, and wait for the sync in a later task."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

with DAG(
    dag_id="example_polytomic_start_then_sense",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={"sync_id": Param("00000000-0000-4000-8000-000000000001", type="string", title="Id of the model sync")},
    tags=["example", "polytomic"],
):
    # --8<-- [start:start_then_sense]
    start = PolytomicStartSyncOperator(
        task_id="start",
        sync_id="{{ params.sync_id }}",
        wait_for_completion=False,
    )
    wait = PolytomicSyncStatusSensor(
        task_id="wait",
        sync_id="{{ params.sync_id }}",
        execution_id="{{ ti.xcom_pull(task_ids='start')['execution_id'] }}",
        deferrable=True,
        poke_interval=5,
        timeout=600,
    )
    # --8<-- [end:start_then_sense]

    @task
    def other_work() -> None:
        """Do work that does not need the rows of the sync."""

    start >> [wait, other_work()]
