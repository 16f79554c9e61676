"""Call any operation of the API by its name: pause a sync, and start it again."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.operation import PolytomicOperationOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

with DAG(
    dag_id="example_polytomic_operation",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={"sync_id": Param("00000000-0000-4000-8000-000000000001", type="string", title="Id of the model sync")},
    tags=["example", "polytomic"],
):
    pause = PolytomicOperationOperator(
        task_id="pause",
        operation="syncs.activate",
        arguments={"sync_id": "{{ params.sync_id }}", "active": False},
    )

    # --8<-- [start:operation]
    resume = PolytomicOperationOperator(
        task_id="resume",
        operation="syncs.activate",
        arguments={"sync_id": "{{ params.sync_id }}", "active": True},
    )
    # --8<-- [end:operation]

    sync = PolytomicStartSyncOperator(task_id="sync", sync_id="{{ params.sync_id }}", deferrable=True, poll_interval=5)

    pause >> resume >> sync
