"""Collect the failed executions of all syncs since the last successful run into one message.

The first task requests the list of syncs. The second task is mapped over that list. The last one writes the message,
which a notifier of your choice sends.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.models.dag import DAG

from airflow_provider_polytomic.operators.listing import PolytomicListExecutionsOperator, PolytomicListSyncsOperator

with DAG(
    dag_id="example_polytomic_what_failed",
    start_date=datetime(2026, 1, 1),
    schedule="0 7 * * *",
    catchup=False,
    is_paused_upon_creation=True,
    tags=["example", "polytomic"],
):
    # --8<-- [start:what_failed]
    list_syncs = PolytomicListSyncsOperator(task_id="list", kind="model", active=True)

    failed = PolytomicListExecutionsOperator.partial(
        task_id="failed",
        kind="model",
        outcome=["failed", "partial"],
        completed_after="{{ prev_start_date_success or (dag_run.start_date - macros.timedelta(days=1)) }}",
        map_index_template="{{ sync_name | default(task.sync_id) }}",
    ).expand(sync_id=list_syncs.output.map(lambda sync: sync["sync_id"]))

    @task
    def message(lists: Any) -> str:
        lines = [
            f"{one['sync_name']}: {one['status']} at {one['completed_at']}, {'; '.join(one['errors']) or 'no message'}"
            for executions in lists[:]  # [:] reads all of them with one request
            for one in executions
        ]
        text = "\n".join([f"{len(lines)} executions failed since the last run", *lines])
        print(text)  # noqa: T201
        return text

    message(failed.output)
    # --8<-- [end:what_failed]
