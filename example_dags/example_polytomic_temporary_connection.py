"""Create a Polytomic connection, update it, run a sync, and delete the connection."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.connections import (
    PolytomicCreateConnectionOperator,
    PolytomicDeleteConnectionOperator,
    PolytomicUpdateConnectionOperator,
)
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

SETTINGS = {"hostname": "db.example.com", "port": 5432, "database": "staging", "username": "polytomic"}

with DAG(
    dag_id="example_polytomic_temporary_connection",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={"sync_id": Param("00000000-0000-4000-8000-000000000001", type="string", title="Id of the model sync")},
    tags=["example", "polytomic"],
):
    create = PolytomicCreateConnectionOperator(
        task_id="create",
        name="Staging",
        connection_type="postgresql",
        configuration=SETTINGS,
        if_exists="reuse",
    )

    # --8<-- [start:update]
    update = PolytomicUpdateConnectionOperator(
        task_id="update",
        connection_id="{{ ti.xcom_pull(task_ids='create')['id'] }}",
        # An update replaces the whole configuration, so it needs all settings.
        configuration={**SETTINGS, "port": 6432},
    )
    # --8<-- [end:update]

    sync = PolytomicStartSyncOperator(task_id="sync", sync_id="{{ params.sync_id }}", deferrable=True, poll_interval=5)

    # --8<-- [start:delete]
    delete = PolytomicDeleteConnectionOperator(
        task_id="delete",
        connection_id="{{ ti.xcom_pull(task_ids='create')['id'] }}",
        trigger_rule="all_done",
    )
    # --8<-- [end:delete]

    create >> update >> sync >> delete
