"""DAGs that start when syncs end which nobody here has started."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_polytomic._compat import has_asset_watchers
from airflow_provider_polytomic.triggers.events import PolytomicEventTrigger

POLL_INTERVAL = 2
MANY = 20


def wait_with_console_log(sync_id):
    from airflow.sdk import Asset, AssetWatcher

    trigger = PolytomicEventTrigger(sync_ids=[sync_id], poll_interval=POLL_INTERVAL)
    return Asset(sync_id, watchers=[AssetWatcher(name="polytomic", trigger=trigger)])


def consumer(dag_id, schedule):
    from airflow.sdk import DAG, BaseOperator

    class ReadEvents(BaseOperator):
        """Return what the events say that have started the run."""

        def execute(self, context):
            return [
                event.extra["payload"] for events in context["triggering_asset_events"].values() for event in events
            ]

    with DAG(dag_id=dag_id, start_date=datetime(2026, 1, 1), schedule=schedule, catchup=False) as dag:
        ReadEvents(task_id="read")
    return dag


if has_asset_watchers():
    without_retries = consumer("watch_once", [wait_with_console_log("watched-once")])
    restarted = consumer("watch_restarted", [wait_with_console_log("watched-restarted")])
    many = consumer("watch_many", [wait_with_console_log(f"watched-{number:02}") for number in range(MANY)])
