"""Define tasks with assets as outlets, and the DAGs that the asset events start."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, AssetAlias, BaseOperator
except ImportError:  # Airflow 2
    from airflow.datasets import DatasetAlias as AssetAlias
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG

from airflow_provider_polytomic.assets import bulk_sync_asset, sync_asset
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

BULK_SYNC_ID = "crm-to-warehouse"
MODEL_SYNC_IDS = ["contacts-to-crm", "orders-to-crm"]
WHOLE = bulk_sync_asset(BULK_SYNC_ID)
FULL, EMPTY = (bulk_sync_asset(BULK_SYNC_ID, schema=schema) for schema in ("contact", "account"))
FAILING_SYNC_ID = "failing"
ALIAS_SYNC_ID = "crm-tables"
TABLES = AssetAlias("crm_tables")
MODELS = [sync_asset(sync_id) for sync_id in MODEL_SYNC_IDS]


class ReadEvents(BaseOperator):
    """Return the extras of the events that have started the run."""

    def execute(self, context):
        by_asset = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        return [event.extra for events in by_asset.values() for event in events]


def scenario(dag_id, schedule=None):
    return DAG(dag_id=dag_id, start_date=datetime(2026, 1, 1), schedule=schedule, catchup=False)


with scenario("assets_bulk"):
    PolytomicStartBulkSyncOperator(
        task_id="sync", bulk_sync_id=BULK_SYNC_ID, poll_interval=2, deferrable=True, outlets=[WHOLE, FULL, EMPTY]
    )

with scenario("assets_alias"):
    PolytomicStartBulkSyncOperator(
        task_id="sync", bulk_sync_id=ALIAS_SYNC_ID, poll_interval=2, deferrable=True, outlets=[TABLES]
    )

with scenario("assets_mapped"):
    PolytomicStartSyncOperator.partial(task_id="sync", poll_interval=2, outlets=MODELS).expand(sync_id=MODEL_SYNC_IDS)

with scenario("assets_failing"):
    PolytomicStartSyncOperator(task_id="sync", sync_id=FAILING_SYNC_ID, poll_interval=2)

for name, asset in {"whole": WHOLE, "full": FULL, "empty": EMPTY, "alias": TABLES}.items():
    with scenario(f"assets_after_{name}", [asset]) as dag:
        ReadEvents(task_id="read")
    globals()[dag.dag_id] = dag
