"""Run the syncs that Terraform manages, with their ids from an Airflow variable.

Without the variable, the ids are those of the emulator's samples, so that this example works by itself.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

SAMPLES = {"orders": "00000000-0000-4000-8000-000000000003", "contacts": "00000000-0000-4000-8000-000000000001"}

with DAG(
    dag_id="example_polytomic_terraform",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    user_defined_macros={"samples": SAMPLES},
    tags=["example", "polytomic"],
):
    # --8<-- [start:terraform]
    orders = PolytomicStartBulkSyncOperator(
        task_id="orders",
        bulk_sync_id="{{ var.json.get('polytomic_syncs', samples)['orders'] }}",
        deferrable=True,
        poll_interval=5,
    )
    contacts = PolytomicStartSyncOperator(
        task_id="contacts",
        sync_id="{{ var.json.get('polytomic_syncs', samples)['contacts'] }}",
        deferrable=True,
        poll_interval=5,
    )

    orders >> contacts
    # --8<-- [end:terraform]
