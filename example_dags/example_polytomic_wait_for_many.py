"""Start several syncs in mapped tasks, and wait for all of them in one task."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor

with DAG(
    dag_id="example_polytomic_wait_for_many",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    render_template_as_native_obj=True,
    params={"sync_ids": Param(["00000000-0000-4000-8000-000000000001"], type="array", title="Ids of model syncs")},
    tags=["example", "polytomic"],
):
    # --8<-- [start:wait_for_many]
    @task
    def sync_ids(params: dict | None = None) -> list[str]:
        return params["sync_ids"]

    start = PolytomicStartSyncOperator.partial(task_id="start", wait_for_completion=False).expand(sync_id=sync_ids())

    PolytomicWaitForSyncsSensor(
        task_id="wait",
        runs=start.output,
        deferrable=True,
        poke_interval=5,
        timeout=3600,
    )
    # --8<-- [end:wait_for_many]
