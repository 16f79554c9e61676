"""Define DAGs that start when a sync ends that Airflow did not start."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_polytomic._compat import has_asset_watchers
from airflow_provider_polytomic.triggers.events import PolytomicEventTrigger

WATCHERS_INTERVAL = 2
WATCHERS = 20


def watched_asset(sync_id):
    from airflow.sdk import Asset, AssetWatcher

    trigger = PolytomicEventTrigger(sync_ids=[sync_id], poll_interval=WATCHERS_INTERVAL)
    return Asset(sync_id, watchers=[AssetWatcher(name="polytomic", trigger=trigger)])


def consumer(dag_id, schedule):
    from airflow.sdk import DAG, BaseOperator

    class ReadEvents(BaseOperator):
        """Return the payloads of the events that have started the run."""

        def execute(self, context):
            return [
                event.extra["payload"] for events in context["triggering_asset_events"].values() for event in events
            ]

    with DAG(dag_id=dag_id, start_date=datetime(2026, 1, 1), schedule=schedule, catchup=False) as dag:
        ReadEvents(task_id="read")
    return dag


if has_asset_watchers():
    once = consumer("watch_once", [watched_asset("watched-once")])
    restarted = consumer("watch_restarted", [watched_asset("watched-restarted")])
    many = consumer("watch_many", [watched_asset(f"watched-{number:02}") for number in range(WATCHERS)])
