"""Define a DAG that runs after an event of Polytomic's webhook."""

from __future__ import annotations

import json
import os
from datetime import datetime
from urllib.parse import urlsplit

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2 has no route for a webhook
    DAG = None

SYNC_ID = "00000000-0000-4000-8000-00000000e701"

if DAG is not None:
    host = urlsplit(json.loads(os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"])["host"]).netloc
    pushed = Asset(name="pushed", uri=f"polytomic://{host}/model/{SYNC_ID}")

    with DAG(dag_id="webhook_consumer", start_date=datetime(2026, 1, 1), schedule=[pushed], catchup=False):

        @task
        def payloads(triggering_asset_events=None):
            return [event.extra["payload"] for event in triggering_asset_events[pushed]]

        payloads()
