"""Define a DAG whose tasks all wait in the triggerer at once, without a worker before or after."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs


class Wait(BaseOperator):
    """Wait for an execution with the trigger of the start operators."""

    start_from_trigger = True

    def __init__(self, *, waiting, **options):
        super().__init__(**options)
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="airflow_provider_polytomic.triggers.executions.PolytomicExecutionTrigger",
            trigger_kwargs={**waiting, "end_from_trigger": True, "push_result": False},
            next_method="execute_complete",
            next_kwargs=None,
            timeout=None,
        )


with DAG(dag_id="many_waits", start_date=datetime(2026, 1, 1), schedule=None, catchup=False, max_active_tasks=2000):
    for waiting in json.loads(Path(os.environ["WAITS_FILE"]).read_text()):
        Wait(task_id=waiting["sync_id"], waiting=waiting)
