"""Start a DAG when Polytomic's webhook reports the end of a sync.

This needs Airflow 3 and the setup in docs/webhooks.md. The second DAG runs the sync, so that there is an end to report.
In production, Polytomic's own schedule does that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_polytomic.assets import sync_asset
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

SYNC_ID = "00000000-0000-4000-8000-000000000001"

# --8<-- [start:webhook]
with DAG(
    "example_polytomic_webhook",
    schedule=[sync_asset(SYNC_ID)],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "polytomic"],
):

    @task
    def show_rows(triggering_asset_events: Any = None) -> list[str]:
        """Return a line about each event; a DAG run that was started by hand has none."""
        events = [event for each in (triggering_asset_events or {}).values() for event in each]
        return [f"{event.extra['payload']['sync_name']}: {event.extra['payload']['counts']}" for event in events]

    show_rows()
# --8<-- [end:webhook]

with DAG(
    "example_polytomic_pushed",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
):
    PolytomicStartSyncOperator(task_id="sync", sync_id=SYNC_ID, poll_interval=5)
