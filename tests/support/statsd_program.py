"""Record every metric with the ``Stats`` of this Airflow, as its configuration says. A program of its own."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from airflow_provider_polytomic.api import syncs
from airflow_provider_polytomic.emulator import Emulator
from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.executions import ExecutionRef, cancel
from airflow_provider_polytomic.executions.poller.circuit_breaker import FAILURES_TO_OPEN
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger
from tests.support.task_instances import TaskInstance, first_event


def main() -> None:
    """Run a task twice, cancel an execution, and wait in a triggerer through an outage and a rate limit."""
    with Emulator() as emulator:
        os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"] = emulator.airflow_connection
        sync_id = emulator.add_model_sync(duration=0.5).id
        task = TaskInstance(PolytomicStartSyncOperator(task_id="sync", sync_id=sync_id, poll_interval=0.1))
        task.finish()
        with suppress(PolytomicTaskError):
            task.retry().finish()
        endless = emulator.start(emulator.add_model_sync(duration=float("inf")).id)
        PolytomicHook().run(cancel(ExecutionRef("model", endless.sync_id, endless.id)))
        emulator.fault("status", status=429, count=1, headers={"Retry-After": "0"})
        PolytomicHook().send(syncs.list())
        waited_for = emulator.start(emulator.add_model_sync(duration=4.0).id)
        emulator.fault("status", status=503, count=FAILURES_TO_OPEN)
        emulator.fault("status", status=429, count=1, headers={"Retry-After": "1"})
        trigger = PolytomicExecutionTrigger(
            kind="model", sync_id=waited_for.sync_id, execution_id=waited_for.id, poll_interval=0.1
        )
        asyncio.run(first_event(trigger))


if __name__ == "__main__":
    main()
