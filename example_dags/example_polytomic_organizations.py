"""Run the same sync in each customer's organization, with the key of a partner.

The first task requests the list of organizations. The second task is mapped over that list; each of its instances finds
the sync by its name, since each organization has a sync with an id of its own.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.listing import PolytomicListOrganizationsOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

with DAG(
    dag_id="example_polytomic_organizations",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    # --8<-- [start:organizations]
    organizations = PolytomicListOrganizationsOperator(
        task_id="organizations", include_owner=False, polytomic_conn_id="polytomic_partner"
    )

    PolytomicStartSyncOperator.partial(
        task_id="sync",
        sync_name="Customers to CRM",
        polytomic_conn_id="polytomic_partner",
        deferrable=True,
        max_active_tis_per_dagrun=16,
        map_index_template="{{ task.organization_id }}",
    ).expand(organization_id=organizations.output.map(lambda organization: organization["organization_id"]))
    # --8<-- [end:organizations]
