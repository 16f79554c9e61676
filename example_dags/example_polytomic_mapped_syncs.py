"""Run several syncs, each in its own mapped task, and add up their records."""

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
    dag_id="example_polytomic_mapped_syncs",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    render_template_as_native_obj=True,
    params={"sync_ids": Param(["00000000-0000-4000-8000-000000000001"], type="array", title="Ids of model syncs")},
    tags=["example", "polytomic"],
):
    # --8<-- [start:mapped]
    @task
    def sync_ids(params: dict | None = None) -> list[str]:
        return params["sync_ids"]

    sync = PolytomicStartSyncOperator.partial(
        task_id="sync",
        deferrable=True,
        poll_interval=5,
        max_active_tis_per_dag=16,
        map_index_template="{{ sync_name | default(task.sync_id) }}",
    ).expand(sync_id=sync_ids())
    # --8<-- [end:mapped]

    @task
    def total_records(results: list[dict]) -> int:
        return sum(result["counts"]["total"] for result in results[:])  # [:] reads all of them with one request

    total_records(sync.output)
