"""Define the example DAGs while a file exists in Airflow's home, with short intervals and without a schedule."""

from __future__ import annotations

import os
import runpy
from datetime import datetime, timedelta
from pathlib import Path

try:
    from airflow.sdk import DAG, get_parsing_context
    from airflow.sdk.definitions._internal.contextmanager import DagContext
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG, DagContext
    from airflow.utils.dag_parsing_context import get_parsing_context

FLAG = "examples_are_on"
INTERVAL = 2
RETRIES = 3
"""Airflow's executor may take a deferred task for a crashed one while the machine is busy."""

EXAMPLES = Path(__file__).parents[3] / "example_dags"

if Path(os.environ["AIRFLOW_HOME"], FLAG).exists():
    MANUAL = DAG("manual", start_date=datetime(2026, 1, 1), schedule=None)
    of_the_task = EXAMPLES / f"{get_parsing_context().dag_id}.py"
    for path in [of_the_task] if of_the_task.exists() else sorted(EXAMPLES.glob("*.py")):
        runpy.run_path(str(path))
    for example, _ in DagContext.autoregistered_dags:
        if example.is_paused_upon_creation:
            example.is_paused_upon_creation = False
            for name in {"timetable", "schedule_interval"} & {*vars(MANUAL)}:
                setattr(example, name, getattr(MANUAL, name))
        for task in example.tasks:
            for name in {"poll_interval", "poke_interval"} & {*vars(task)}:
                setattr(task, name, INTERVAL)
            task.retries, task.retry_delay = RETRIES, timedelta(seconds=1)
            if hasattr(task, "if_running"):  # Examples share syncs, which would run one after the other.
                task.if_running = "join"
