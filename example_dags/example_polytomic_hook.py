"""Call Polytomic from tasks of your own, by the hook."""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.models.param import Param

from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

with DAG(
    dag_id="example_polytomic_hook",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    catchup=False,
    params={"sync_id": Param("00000000-0000-4000-8000-000000000001", type="string", title="Id of the model sync")},
    tags=["example", "polytomic"],
):
    # --8<-- [start:hook]
    @task
    def start(params: dict[str, Any]) -> dict[str, Any]:
        return PolytomicHook().start_sync(params["sync_id"])

    @task
    def wait(execution: dict[str, Any], params: dict[str, Any]) -> str:
        result = PolytomicHook().wait_for_execution("model", params["sync_id"], execution["id"], poll_interval=1)
        return result["outcome"]

    @task
    def names_of_syncs() -> list[str]:
        return [sync["name"] for sync in PolytomicHook().list_syncs(active=True)]

    # --8<-- [end:hook]

    # --8<-- [start:send]
    @task(multiple_outputs=False)
    def schedule_of(params: dict[str, Any]) -> dict[str, Any]:
        from airflow_provider_polytomic.api import syncs

        return PolytomicHook().send(syncs.get(params["sync_id"])).model_dump(mode="json")

    # --8<-- [end:send]

    wait(start()) >> names_of_syncs() >> schedule_of()
