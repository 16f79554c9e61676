"""Create a connection and a bulk sync on it, run the sync, and delete both, also after a failure."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.connections import (
    PolytomicCreateConnectionOperator,
    PolytomicDeleteConnectionOperator,
)
from airflow_provider_polytomic.operators.operation import PolytomicOperationOperator

WAREHOUSE_ID = "00000000-0000-4000-8000-000000000011"

with DAG(
    dag_id="example_polytomic_temporary_sync",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["example", "polytomic"],
):
    # --8<-- [start:temporary_sync]
    create_connection = PolytomicCreateConnectionOperator(
        task_id="create_connection",
        name="Trial of {{ run_id }}",
        connection_type="postgresql",
        configuration={"hostname": "db.example.com", "port": 5432, "database": "trial", "username": "polytomic"},
        # For the password, add configuration_conn_id="trial", the id of an Airflow connection.
        if_exists="reuse",
    )
    create_sync = PolytomicOperationOperator(
        task_id="create_sync",
        operation="bulk_syncs.create",
        arguments={
            "name": "Trial of {{ run_id }}",
            "source_connection_id": "{{ ti.xcom_pull(task_ids='create_connection')['id'] }}",
            "destination_connection_id": WAREHOUSE_ID,
            "destination_configuration": {"schema": "trial"},
            "default_schedule": {"frequency": "manual"},
            "active": True,
        },
    )
    run_sync = PolytomicStartBulkSyncOperator(
        task_id="run_sync",
        bulk_sync_id="{{ ti.xcom_pull(task_ids='create_sync')['id'] }}",
        deferrable=True,
        poll_interval=5,
    )
    delete_sync = PolytomicOperationOperator(
        task_id="delete_sync",
        operation="bulk_syncs.delete",
        arguments={"sync_id": "{{ ti.xcom_pull(task_ids='create_sync')['id'] }}"},
        allow_destructive=True,
    ).as_teardown(setups=create_sync)
    delete_connection = PolytomicDeleteConnectionOperator(
        task_id="delete_connection",
        connection_id="{{ ti.xcom_pull(task_ids='create_connection')['id'] }}",
    ).as_teardown(setups=create_connection)

    create_connection >> create_sync >> run_sync >> delete_sync >> delete_connection
    # --8<-- [end:temporary_sync]
