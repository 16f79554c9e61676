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
from airflow_provider_polytomic.operators.listing import PolytomicListOrganizationsOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

BULK_SYNC_ID = "crm-to-warehouse"
ORGANIZATION_IDS = ["customer-a", "customer-b"]
MODEL_SYNC_ID = "contacts-to-crm"
WHOLE = bulk_sync_asset(BULK_SYNC_ID)
FULL, EMPTY = (bulk_sync_asset(BULK_SYNC_ID, schema=schema) for schema in ("contact", "account"))
FAILING_SYNC_ID = "failing"
ALIAS_SYNC_ID = "crm-tables"
TABLES = AssetAlias("crm_tables")
MODELS = [sync_asset(MODEL_SYNC_ID, organization_id=each) for each in ORGANIZATION_IDS]


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

with scenario("assets_organizations"):
    partner = {"polytomic_conn_id": "polytomic_partner"}
    organizations = PolytomicListOrganizationsOperator(task_id="organizations", include_owner=False, **partner)
    PolytomicStartSyncOperator.partial(
        task_id="sync", sync_name="Contacts to CRM", poll_interval=2, deferrable=True, outlets=MODELS, **partner
    ).expand(organization_id=organizations.output.map(lambda organization: organization["organization_id"]))

with scenario("assets_failing"):
    PolytomicStartSyncOperator(task_id="sync", sync_id=FAILING_SYNC_ID, poll_interval=2)

for name, asset in {"whole": WHOLE, "full": FULL, "empty": EMPTY, "alias": TABLES}.items():
    with scenario(f"assets_after_{name}", [asset]) as dag:
        ReadEvents(task_id="read")
    globals()[dag.dag_id] = dag
