"""DAGs of one task each, whose sync is named in the conf of the run."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.connections import PolytomicCreateConnectionOperator
from airflow_provider_polytomic.operators.operation import PolytomicOperationOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

SYNC_ID = "{{ dag_run.conf['sync_id'] }}"
MODES = {"worker": False, "deferrable": True}


def one_task(dag_id: str) -> DAG:
    return DAG(dag_id=dag_id, start_date=datetime(2026, 1, 1), schedule=None, catchup=False)


for mode, deferrable in MODES.items():
    with one_task(f"start_model_{mode}") as dag:
        PolytomicStartSyncOperator(task_id="task", sync_id=SYNC_ID, deferrable=deferrable)
    globals()[dag.dag_id] = dag
    with one_task(f"start_bulk_{mode}") as dag:
        PolytomicStartBulkSyncOperator(task_id="task", bulk_sync_id=SYNC_ID, deferrable=deferrable)
    globals()[dag.dag_id] = dag
    with one_task(f"sense_model_{mode}") as dag:
        PolytomicSyncStatusSensor(task_id="task", sync_id=SYNC_ID, deferrable=deferrable, poke_interval=5)
    globals()[dag.dag_id] = dag
    with one_task(f"sense_bulk_{mode}") as dag:
        PolytomicBulkSyncStatusSensor(task_id="task", bulk_sync_id=SYNC_ID, deferrable=deferrable, poke_interval=5)
    globals()[dag.dag_id] = dag

with one_task("call_operation") as call_operation:
    PolytomicOperationOperator(
        task_id="task",
        operation="connections.create",
        arguments={
            "name": "Warehouse",
            "type": "postgresql",
            "configuration": {"hostname": "db.example.com", "account_key": "{{ var.value.warehouse }}"},
        },
    )

with one_task("create_connection") as create_connection:
    PolytomicCreateConnectionOperator(
        task_id="task",
        name="Warehouse",
        connection_type="postgresql",
        configuration={"hostname": "db.example.com"},
        configuration_conn_id="warehouse",
    )
