"""Define a DAG whose start operators and sensors are in a mapped task group."""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, task_group
except ImportError:  # Airflow 2
    from airflow.decorators import task_group
    from airflow.models.dag import DAG

from airflow_provider_polytomic._compat import can_start_from_trigger
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

DEFAULT_ARGS = {"retries": 3, "retry_delay": timedelta(seconds=1)}
"""Airflow's executor may take a deferred task for a crashed one while the machine is busy."""

SYNC_IDS = ["mapped-group-0", "mapped-group-1"]
STARTED = "{{{{ ti.xcom_pull(task_ids='each.start', map_indexes=ti.map_index)['{}'] }}}}"

with DAG(
    "mapped_group", start_date=datetime(2026, 1, 1), schedule=None, catchup=False, default_args=DEFAULT_ARGS
) as dag:

    @task_group
    def each(sync_id: str) -> None:
        start = PolytomicStartSyncOperator(
            task_id="start", sync_id=sync_id, wait_for_completion=False, multiple_outputs=True
        )
        run = {"sync_id": sync_id, "execution_id": start.output["execution_id"]}
        PolytomicSyncStatusSensor(task_id="deferred", deferrable=True, poke_interval=2, **run)
        PolytomicSyncStatusSensor(task_id="rescheduled", deferrable=False, mode="reschedule", poke_interval=10, **run)
        PolytomicWaitForSyncsSensor(task_id="many", runs=start.output, deferrable=True, poke_interval=2)
        if can_start_from_trigger():
            start >> PolytomicSyncStatusSensor(
                task_id="starts_in_triggerer",
                sync_id=STARTED.format("sync_id"),
                execution_id=STARTED.format("execution_id"),
                start_from_trigger=True,
                poke_interval=2,
            )

    each.expand(sync_id=SYNC_IDS)
