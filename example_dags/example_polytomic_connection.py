"""Create a Polytomic connection, test it, then run a sync."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.operators.connections import (
    PolytomicCreateConnectionOperator,
    PolytomicTestConnectionOperator,
)
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

with DAG(
    dag_id="example_polytomic_connection",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={"sync_id": Param("00000000-0000-4000-8000-000000000001", type="string", title="Id of the model sync")},
    tags=["example", "polytomic"],
):
    # --8<-- [start:create]
    create = PolytomicCreateConnectionOperator(
        task_id="create",
        name="Example warehouse",
        connection_type="postgresql",
        configuration={"hostname": "db.example.com", "port": 5432, "database": "warehouse", "username": "polytomic"},
        # For the password, add configuration_conn_id="warehouse", the id of an Airflow connection.
        if_exists="update",
    )
    # --8<-- [end:create]

    # --8<-- [start:test]
    test = PolytomicTestConnectionOperator(
        task_id="test",
        connection_id="{{ ti.xcom_pull(task_ids='create')['id'] }}",
    )
    # --8<-- [end:test]

    sync = PolytomicStartSyncOperator(task_id="sync", sync_id="{{ params.sync_id }}", deferrable=True, poll_interval=5)

    create >> test >> sync
