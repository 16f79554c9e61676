"""Define one DAG for each way of running a sync that the system tests check."""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG

from airflow_provider_polytomic._compat import can_start_from_trigger
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.schemas import PolytomicBulkSchemaSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

MODES = {"deferred": {"deferrable": True}, "worker": {"deferrable": False}}
VARIANTS = {
    "plain": {},
    "retry": {"retries": 2, "retry_delay": timedelta(seconds=1)},
    "timeout": {"timeout": 8},
    "execution_timeout": {"execution_timeout": timedelta(seconds=12)},
    "not_canceled": {"cancel_on_kill": False},
}

SYNC_NAME = "{{ dag_run.conf['sync_name'] }}"
"""The name of the sync, which all DAGs of bulk syncs take."""

ROTATED_STARTS = 10
"""Deferred start operators that wait while their key is rotated, beside one in a worker."""

ROTATED_SENSORS = 40
"""Deferred sensors that wait meanwhile; they need a worker once at most, so many of them take little time."""


def scenario(dag_id: str) -> DAG:
    return DAG(dag_id=dag_id, start_date=datetime(2026, 1, 1), schedule=None, catchup=False)


for mode, retry_resync in {"deferred": False, "worker": True}.items():
    with scenario(f"model_{mode}_rejected") as dag:
        PolytomicStartSyncOperator(
            task_id="sync", sync_id="{{ dag_run.conf['sync_id'] }}", poll_interval=2, max_errors=0,
            retry_resync=retry_resync, **MODES[mode], **VARIANTS["retry"],
        )  # fmt: skip
    globals()[dag.dag_id] = dag

for mode, how in MODES.items():
    for variant, options in VARIANTS.items():
        with scenario(f"model_{mode}_{variant}") as dag:
            PolytomicStartSyncOperator(
                task_id="sync", sync_id="{{ dag_run.conf['sync_id'] }}", poll_interval=2, **how, **options
            )
        globals()[dag.dag_id] = dag

for name in ("deferred_plain", "worker_retry"):
    mode, _, variant = name.partition("_")
    with scenario(f"bulk_{name}") as dag:
        PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_name=SYNC_NAME, poll_interval=2, **MODES[mode], **VARIANTS[variant]
        )
    globals()[dag.dag_id] = dag

with scenario("model_deferred_secret") as model_deferred_secret:
    PolytomicStartSyncOperator(
        task_id="sync",
        sync_id="{{ dag_run.conf['sync_id'] }}",
        poll_interval=2,
        deferrable=True,
        polytomic_conn_id="polytomic_secret",
    )

with scenario("model_mapped") as model_mapped:
    PolytomicStartSyncOperator.partial(task_id="sync", poll_interval=2, deferrable=True).expand_kwargs(
        [{"sync_id": "{{ dag_run.conf['sync_ids'][0] }}"}, {"sync_id": "{{ dag_run.conf['sync_ids'][1] }}"}]
    )

SENSORS = {
    "deferred": {"deferrable": True},
    "ends_in_triggerer": {"deferrable": True, "end_from_trigger": True},
}
if can_start_from_trigger():
    SENSORS["starts_in_triggerer"] = {"start_from_trigger": True}
    SENSORS["in_triggerer"] = {"start_from_trigger": True, "end_from_trigger": True}
for variant, options in SENSORS.items():
    with scenario(f"sensor_{variant}") as dag:
        PolytomicSyncStatusSensor(
            task_id="sync", sync_id="{{ dag_run.conf['sync_id'] }}", poke_interval=2, timeout=120, **options
        )
    globals()[dag.dag_id] = dag

if can_start_from_trigger():
    with scenario("bulk_schema_in_triggerer") as bulk_schema_in_triggerer:
        PolytomicBulkSchemaSensor(
            task_id="sync",
            bulk_sync_name=SYNC_NAME,
            schema="{{ 'contact' }}",
            poke_interval=2,
            timeout=120,
            **SENSORS["in_triggerer"],
        )

with scenario("rotated_key") as rotated_key:
    ids = [f"{{{{ dag_run.conf['sync_ids'][{n}] }}}}" for n in range(ROTATED_STARTS + ROTATED_SENSORS + 1)]
    connection = {"polytomic_conn_id": "polytomic_rotated"}
    PolytomicStartSyncOperator(task_id="worker", sync_id=ids[0], poll_interval=2, **connection)
    for number in range(1, ROTATED_STARTS + 1):
        PolytomicStartSyncOperator(
            task_id=f"start_{number}", sync_id=ids[number], poll_interval=5, deferrable=True, **connection
        )
    for number in range(ROTATED_STARTS + 1, len(ids)):
        PolytomicSyncStatusSensor(
            task_id=f"sense_{number}",
            sync_id=ids[number],
            poke_interval=5,
            **(SENSORS.get("in_triggerer") or SENSORS["ends_in_triggerer"]),
            **connection,
        )

with scenario("sensor_rescheduled") as sensor_rescheduled:
    PolytomicSyncStatusSensor(
        task_id="sync",
        sync_id="{{ dag_run.conf['sync_id'] }}",
        poke_interval=8,
        timeout=240,
        mode="reschedule",
        deferrable=False,
    )
