"""Run a sync that must have ended at a given time, and alert somebody if it has not.

The deadline of the DAG needs Airflow 3.1. The limit of the task works on every Airflow.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

try:
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

    try:
        from airflow.sdk import AsyncCallback
    except ImportError:  # Airflow 3.1
        from airflow.sdk.definitions.deadline import AsyncCallback
except ImportError:  # before Airflow 3.1
    DeadlineAlert = None

from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

SYNC_ID = "00000000-0000-4000-8000-000000000001"

# --8<-- [start:alert]


def alert(context: dict) -> None:
    """Report a failed task; put a call of your chat or pager here."""
    logging.getLogger(__name__).error("%s failed: %s", context["task_instance"].task_id, context["exception"])


# --8<-- [end:alert]
# --8<-- [start:deadline]
if DeadlineAlert:
    deadline = {
        "deadline": DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(hours=2),
            callback=AsyncCallback("alerts.sync_is_late", kwargs={"text": "The sync of the contacts is late"}),
        )
    }
else:
    deadline = {}
# --8<-- [end:deadline]

with DAG(
    dag_id="example_polytomic_deadline",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    tags=["example", "polytomic"],
    **deadline,
):
    # --8<-- [start:limit]
    PolytomicStartSyncOperator(
        task_id="sync",
        sync_id=SYNC_ID,
        deferrable=True,
        poll_interval=5,
        timeout=timedelta(hours=1),
        on_failure_callback=alert,
    )
    # --8<-- [end:limit]
