"""Run all active bulk syncs of an organization, at most four at a time.

The first task requests the list of syncs. The second task is mapped over that list.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.listing import PolytomicListSyncsOperator

with DAG(
    dag_id="example_polytomic_all_bulk_syncs",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    # --8<-- [start:list_syncs]
    list_syncs = PolytomicListSyncsOperator(task_id="list", kind="bulk", active=True)

    PolytomicStartBulkSyncOperator.partial(
        task_id="sync",
        deferrable=True,
        poll_interval=5,
        max_active_tis_per_dagrun=4,
        map_index_template="{{ sync_name | default(task.bulk_sync_id) }}",
    ).expand_kwargs(list_syncs.output.map(lambda sync: {"bulk_sync_id": sync["sync_id"]}))
    # --8<-- [end:list_syncs]
