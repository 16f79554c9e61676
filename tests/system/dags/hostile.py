"""Define DAGs whose executions get answers that no API should send, and others beside them."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic._compat import has_asset_watchers
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

HOSTILE = {"polytomic_conn_id": "polytomic_hostile", "deferrable": True}
REFUSALS = ("half_a_pair", "long_error", "wrong_type")
UNREADABLE = ("huge_count", "gzip_bomb", "another_id", "deeply_nested", "errors_as_objects", "gone")
ENDS = ("failed_with_control_characters",)
IN_WORKER = "huge_count"
FAST = 0.05
"""Interval of the polls whose answers are not understood: 300 of them end the wait."""

with DAG("hostile_answers", start_date=datetime(2026, 1, 1), schedule=None, catchup=False) as hostile_answers:
    PolytomicStartSyncOperator.partial(task_id="model", if_running="join", **HOSTILE).expand_kwargs(
        [
            {"sync_id": kind, "poll_interval": FAST if kind in UNREADABLE else 1}
            for kind in (*REFUSALS, *UNREADABLE, *ENDS)
        ]
    )
    PolytomicStartBulkSyncOperator(task_id="bulk", bulk_sync_id="many_schemas", poll_interval=1, **HOSTILE)
    PolytomicSyncStatusSensor(
        task_id="sensor", sync_id="half_a_pair", execution_id="sensed", poke_interval=1, timeout=300, **HOSTILE
    )
    PolytomicStartSyncOperator(
        task_id="worker", sync_id=IN_WORKER, if_running="join", poll_interval=FAST, **{**HOSTILE, "deferrable": False}
    )
    PolytomicSyncStatusSensor(
        task_id="poking_sensor",
        sync_id="half_a_pair",
        execution_id="sensed",
        poke_interval=1,
        timeout=300,
        **{**HOSTILE, "deferrable": False},
    )
    PolytomicStartSyncOperator(task_id="innocent_model", sync_id="innocent", poll_interval=1, **HOSTILE)
    PolytomicStartBulkSyncOperator(task_id="innocent_bulk", bulk_sync_id="innocent", poll_interval=1, **HOSTILE)

if has_asset_watchers():
    from airflow.sdk import Asset, AssetWatcher, BaseOperator

    from airflow_provider_polytomic.triggers.events import PolytomicEventTrigger

    class ReadPayloads(BaseOperator):
        """Return the payloads of the events that have started the run."""

        def execute(self, context):
            return [event.extra["payload"] for each in context["triggering_asset_events"].values() for event in each]

    trigger = PolytomicEventTrigger(polytomic_conn_id="polytomic_hostile", poll_interval=2)
    asset = Asset("hostile-events", watchers=[AssetWatcher(name="polytomic", trigger=trigger)])
    with DAG("hostile_events", start_date=datetime(2026, 1, 1), schedule=[asset], catchup=False) as hostile_events:
        ReadPayloads(task_id="read")
