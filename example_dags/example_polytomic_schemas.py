"""Transform each table as soon as it has arrived, while the bulk sync still syncs the others."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.sensors.schemas import PolytomicBulkSchemaSensor

with DAG(
    dag_id="example_polytomic_schemas",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    # --8<-- [start:schemas]
    BULK_SYNC_ID = "00000000-0000-4000-8000-000000000003"

    start = PolytomicStartBulkSyncOperator(task_id="start", bulk_sync_id=BULK_SYNC_ID, wait_for_completion=False)

    @task
    def dbt_run(table: dict) -> str:
        """Return the dbt command that transforms a table."""
        return f"dbt run --select source:crm.{table['output_name']}+"

    for schema in ("Account", "Contact", "Opportunity"):
        arrived = PolytomicBulkSchemaSensor(
            task_id=f"wait_for_{schema}",
            bulk_sync_id=BULK_SYNC_ID,
            schema=schema,
            execution_id="{{ ti.xcom_pull(task_ids='start')['execution_id'] }}",
            deferrable=True,
            poke_interval=5,
            timeout=3600,
        )
        start >> arrived
        dbt_run.override(task_id=f"dbt_{schema}")(arrived.output)
    # --8<-- [end:schemas]
