"""Run dbt when a sync from Salesforce has completed, and show the number of rows.

The trigger needs Airflow 3. The second DAG runs the sync, so that the example works by itself. In production,
Polytomic's own schedule does that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from airflow.sdk import DAG, Asset, AssetWatcher, task
except ImportError:  # Airflow 2 has no AssetWatcher
    from airflow.decorators import task
    from airflow.models.dag import DAG

    AssetWatcher = None

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.triggers.events import PolytomicEventTrigger

SYNC_ID = "00000000-0000-4000-8000-000000000003"

if AssetWatcher:
    # --8<-- [start:when_data_arrives]
    trigger = PolytomicEventTrigger(sync_ids=[SYNC_ID], events=["completed"])
    salesforce = Asset("salesforce", watchers=[AssetWatcher(name="polytomic", trigger=trigger)])

    with DAG("example_polytomic_when_data_arrives", schedule=[salesforce], tags=["example", "polytomic"]):

        @task
        def show_rows(triggering_asset_events: Any = None) -> list[str]:
            """Return a line about each event; a DAG run that was started by hand has none."""
            payloads = [event.extra["payload"] for events in triggering_asset_events.values() for event in events]
            return [f"{payload['sync_name']}: {(payload['counts'] or {}).get('total')} rows" for payload in payloads]

        @task.bash
        def dbt() -> str:
            return "echo dbt build --select source:salesforce+"

        show_rows() >> dbt()
    # --8<-- [end:when_data_arrives]

with DAG(
    "example_polytomic_on_its_own_schedule",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    PolytomicStartBulkSyncOperator(task_id="sync", bulk_sync_id=SYNC_ID, poll_interval=5)
