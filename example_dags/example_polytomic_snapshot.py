"""Declare an asset for each schema of a bulk sync from a committed file, and notice when Polytomic has other schemas.

This command has written the file: ``python -m airflow_provider_polytomic.snapshot
example_dags/example_polytomic_snapshot.json --bulk-sync-name "CRM to warehouse"``.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.snapshots import PolytomicCheckSnapshotOperator
from airflow_provider_polytomic.snapshot import BulkSyncSnapshot

# --8<-- [start:snapshot]
SNAPSHOT = Path(__file__).with_suffix(".json")
crm = BulkSyncSnapshot.read(SNAPSHOT)
# --8<-- [end:snapshot]

with DAG(
    dag_id="example_polytomic_snapshot",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    # --8<-- [start:tasks]
    check = PolytomicCheckSnapshotOperator(task_id="check", snapshot=SNAPSHOT)
    sync = PolytomicStartBulkSyncOperator(
        task_id="sync",
        bulk_sync_id=crm.bulk_sync_id,
        outlets=list(crm.assets().values()),
        deferrable=True,
        poll_interval=5,
    )
    check >> sync
    # --8<-- [end:tasks]
