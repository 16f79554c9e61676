"""DAGs whose tasks get their parameters from mapped tasks, and other shapes that authors use."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

try:
    from airflow.sdk import DAG, task, task_group
except ImportError:  # Airflow 2
    from airflow.decorators import task, task_group
    from airflow.models.dag import DAG

from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.connections import (
    PolytomicCreateConnectionOperator,
    PolytomicTestConnectionOperator,
)
from airflow_provider_polytomic.operators.listing import PolytomicListExecutionsOperator
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

SYNC_ID = "{{ dag_run.conf['sync_id'] }}"


def shape(dag_id: str) -> DAG:
    return DAG(dag_id=dag_id, start_date=datetime(2026, 1, 1), schedule=None, catchup=False)


@task
def same(value: str) -> str:
    return value


@task
def both() -> list[str]:
    return ["contact", "account"]


with shape("lists_of_mapped_tasks") as lists_of_mapped_tasks:
    PolytomicStartSyncOperator(
        task_id="identities", sync_id=SYNC_ID, identities=same.expand(value=["a@example.com", "b@example.com"])
    )
    PolytomicCreateConnectionOperator(
        task_id="policies",
        name="Warehouse",
        connection_type="postgresql",
        policies=same.override(task_id="policy").expand(value=["p1", "p2"]),
    )
    PolytomicListExecutionsOperator(
        task_id="outcomes", sync_id=SYNC_ID, outcome=same.override(task_id="outcome").expand(value=["failed"])
    )

with shape("lists_of_map") as lists_of_map:
    PolytomicStartBulkSyncOperator(task_id="task", bulk_sync_id=SYNC_ID, schemas=both().map(lambda schema: schema))

with shape("runs_of_one_task") as runs_of_one_task:
    start = PolytomicStartSyncOperator(task_id="start", sync_id=SYNC_ID, wait_for_completion=False)
    PolytomicWaitForSyncsSensor(task_id="task", runs=start.output, poke_interval=5)

with shape("runs_of_a_mapped_task") as runs_of_a_mapped_task:
    started = PolytomicStartSyncOperator.partial(task_id="start", wait_for_completion=False).expand(sync_id=[SYNC_ID])
    PolytomicWaitForSyncsSensor(task_id="task", runs=started.output, poke_interval=5)

with shape("runs_of_a_mapped_group") as runs_of_a_mapped_group:

    @task_group
    def once(person: str) -> Any:
        return PolytomicStartSyncOperator(
            task_id="start", sync_id=SYNC_ID, identities=person, wait_for_completion=False
        ).output

    PolytomicWaitForSyncsSensor(task_id="task", runs=once.expand(person=["a@example.com"]), poke_interval=5)

with shape("group_over_a_literal_list") as group_over_a_literal_list:

    @task_group
    def each(suffix: str) -> None:
        PolytomicStartBulkSyncOperator(task_id="start", bulk_sync_id=SYNC_ID, schemas=suffix)

    each.expand(suffix=["contact", "account"])

with shape("configuration_of_a_mapped_task") as configuration_of_a_mapped_task:
    PolytomicCreateConnectionOperator.partial(
        task_id="create",
        connection_type="postgresql",
        configuration={"hostname": "db.example.com", "database": same("crm")},
    ).expand(name=["One", "Two"])
    PolytomicCreateConnectionOperator.partial(task_id="each", connection_type="postgresql").expand_kwargs(
        [{"name": "Three", "configuration": {"database": same.override(task_id="other")("erp")}}]
    )

with shape("durations") as durations:
    sync = PolytomicStartBulkSyncOperator(
        task_id="start",
        bulk_sync_id=SYNC_ID,
        poll_interval=timedelta(seconds=5),
        timeout=timedelta(hours=1),
        wait_for_completion=False,
    )
    sync >> PolytomicCancelBulkSyncOperator(
        task_id="cancel", bulk_sync_id=SYNC_ID, poll_interval=timedelta(seconds=1), timeout=timedelta(minutes=1)
    )
    PolytomicCreateConnectionOperator(
        task_id="create",
        name="Warehouse",
        connection_type="postgresql",
        refresh_schemas=True,
        refresh_timeout=timedelta(minutes=1),
    )

with shape("id_of_a_created_connection") as id_of_a_created_connection:
    create = PolytomicCreateConnectionOperator(
        task_id="create", name="Warehouse", connection_type="postgresql", multiple_outputs=True
    )
    PolytomicTestConnectionOperator(task_id="task", connection_id=create.output["id"])

with DAG(
    "nightly", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), schedule="0 2 * * *", catchup=False
) as nightly:
    PolytomicSyncStatusSensor(task_id="task", sync_id=SYNC_ID, poke_interval=5, timeout=10)

with shape("cancel_model") as cancel_model:
    PolytomicCancelSyncOperator(task_id="task", sync_id=SYNC_ID)

with shape("hook_in_tasks") as hook_in_tasks:

    @task
    def names_of_connections() -> list[str | None]:
        from airflow_provider_polytomic.api import connections

        return [connection.name for connection in PolytomicHook().send(connections.list())]

    @task
    def list_syncs() -> list[dict[str, Any]]:
        return list(PolytomicHook().list_syncs())

    @task
    def start_sync(dag_run: Any = None) -> dict[str, Any]:
        return PolytomicHook().start_sync(dag_run.conf["sync_id"])

    @task
    def send_a_flow() -> str:
        from airflow_provider_polytomic.api import syncs

        try:
            PolytomicHook().send(syncs.change("id", name="New"))  # type: ignore[arg-type]
        except TypeError as error:
            return str(error)
        return ""

    @task
    def host_of_a_copy() -> str:
        hook = PolytomicHook()
        hook.get_conn()
        other = copy.copy(hook)
        other.polytomic_conn_id = "polytomic_other"
        return other.get_conn().config.base_url

    names_of_connections() >> list_syncs() >> start_sync() >> send_a_flow() >> host_of_a_copy()

with shape("id_as_uuid") as id_as_uuid:
    PolytomicStartSyncOperator(task_id="task", sync_id=UUID("00000000-0000-4000-8000-000000000001"))  # type: ignore[arg-type]

with shape("retry_of_failed_schemas") as retry_of_failed_schemas:
    PolytomicStartBulkSyncOperator(task_id="task", bulk_sync_id=SYNC_ID, retry_failed_schemas=True)
