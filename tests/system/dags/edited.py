"""Define a DAG whose number of retries a test edits."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

RETRIES_FILE = "retries.txt"

edited = Path(os.environ.get("AIRFLOW_HOME", "."), RETRIES_FILE)

with DAG(dag_id="model_worker_edited", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
    PolytomicStartSyncOperator(
        task_id="sync",
        sync_id="{{ dag_run.conf['sync_id'] }}",
        poll_interval=2,
        deferrable=False,
        retries=int(edited.read_text()) if edited.exists() else 3,
        retry_delay=timedelta(seconds=1),
    )
