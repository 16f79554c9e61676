"""The three scenarios of the demo: a DAG run, its sync, and the expected outcome of both."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.emulator import Emulator
from airflow_provider_polytomic.emulator.domain.syncs import Sync
from airflow_provider_polytomic.emulator.samples import FAILING_MODEL_SYNC_ID, MODEL_SYNC_ID
from airflow_provider_polytomic.executions import Execution, sync_kind
from tests.system.cluster import Cluster
from tests.system.logs import last_error
from tests.system.processes import is_running

TASK_ID = "sync"
ENDED = ("success", "failed")


class Scenario:
    """Follow one DAG run and its sync.

    `states` lists the states of the task in Airflow, `statuses` those of the execution in Polytomic, without
    repetitions.
    """

    dag_id = "example_polytomic_sync"
    parameter = "sync_id"
    run_id = ""

    def __init__(self, cluster: Cluster, emulator: Emulator, sync: Sync) -> None:
        self.cluster = cluster
        self.emulator = emulator
        self.sync = sync
        self.run_state: str | None = None
        self.states: list[str] = []
        self.statuses: list[str] = []
        self.execution: Execution | None = None
        self.freed_process = False

    def start(self) -> None:
        """Trigger the DAG run."""
        self.cluster.trigger(self.dag_id, self.run_id, {self.parameter: self.sync.id})

    @property
    def is_over(self) -> bool:
        """True if the DAG run and the execution have ended."""
        return self.run_state in ENDED and bool(self.execution and self.execution.completed_at)

    @property
    def holds_no_worker(self) -> bool:
        """True if the task has ended, or is waiting without a process."""
        state = self.states[-1] if self.states else None
        return state in ENDED or (state == "deferred" and self.freed_process)

    def note_task(self, state: str | None, pid: int | None) -> bool:
        """Record the state and the process of the task; return True if the state is new.

        The state `scheduled` is omitted, since it may be too short to be observed.
        """
        if state == "deferred":
            self.freed_process = self.freed_process or not (pid and is_running(pid))
        return self._note(self.states, state if state != "scheduled" else None)

    def note_execution(self, client: PolytomicClient) -> bool:
        """Request the execution from Polytomic; return True if its status is new."""
        started = self.emulator.executions(self.sync.id)
        if not started:
            return False
        kind = sync_kind(self.sync.kind)
        self.execution = kind.read(self.sync.id, client.send(kind.api.get_execution(self.sync.id, started[-1].id)))
        return self._note(self.statuses, self.execution.status)

    def _note(self, seen: list[str], word: str | None) -> bool:
        if not word or seen[-1:] == [word]:
            return False
        seen.append(word)
        return True

    @property
    def records(self) -> str:
        """The record counts of the execution so far."""
        if self.execution is None:
            return ""
        if self.execution.kind == "bulk":
            rows = self.execution.schemas
            done = sum(row["status"] == "completed" for row in rows)
            return f"{done} of {len(rows)} schemas, {sum(row['record_count'] for row in rows)} records"
        counts = self.execution.counts.items()
        return ", ".join(f"{name} {count}" for name, count in counts if count and name != "total")

    @property
    def result(self) -> dict[str, Any]:
        """The result of the task in XCom."""
        return self.cluster.xcom(self.dag_id, self.run_id, TASK_ID) or {}

    @property
    def log(self) -> str:
        """The whole log of the task."""
        return self.cluster.task_log(self.dag_id, self.run_id, TASK_ID)

    def problems(self) -> Iterator[str]:
        """List the differences from the expected outcome, after the end."""
        executions = [execution.id for execution in self.emulator.executions(self.sync.id)]
        if "deferred" not in self.states:
            yield "the task was never deferred"
        elif not self.freed_process:
            yield "the deferred task kept its process"
        if executions != [self.result.get("execution_id")]:
            yield f"Polytomic ran the executions {executions}, but the result has {self.result.get('execution_id')}"
        if self.emulator.api_key in self.log:
            yield "the task's log contains the API key"


class Succeeding(Scenario):
    """A model sync that moves its records."""

    run_id = "demo-succeeds"

    def problems(self) -> Iterator[str]:
        """List the differences from the expected outcome, after the end."""
        yield from super().problems()
        if self.run_state != "success":
            yield f"the DAG run ended as {self.run_state}"
        counts, planned = self.result.get("counts", {}), self.sync.plan.counts
        if any(counts.get(name) != count for name, count in planned.items()):
            yield f"the result has the counts {counts}, Polytomic has {dict(planned)}"


class Failing(Scenario):
    """A model sync that fails because its target refuses the login."""

    run_id = "demo-fails"

    @property
    def report(self) -> str:
        """The failure report in the task's log."""
        return last_error(self.log)

    def problems(self) -> Iterator[str]:
        """List the differences from the expected outcome, after the end."""
        yield from super().problems()
        if (self.run_state, self.states[-1]) != ("failed", "failed"):
            yield f"the task ended as {self.states[-1]}, the DAG run as {self.run_state}"
        if self.result.get("outcome") != "failed":
            yield f"the outcome in the result is {self.result.get('outcome')}"
        yield from (
            f"the report does not contain {error!r}" for error in self.sync.plan.errors if error not in self.report
        )


class Canceled(Scenario):
    """A bulk sync whose task is marked failed while it waits."""

    dag_id = "example_polytomic_bulk_sync"
    parameter = "bulk_sync_id"
    run_id = "demo-is-canceled"
    is_marked = False

    def may_be_marked(self) -> bool:
        """Return True if a triggerer waits for the execution and a schema has completed."""
        if self.is_marked or self.states[-1:] != ["deferred"] or self.execution is None:
            return False
        is_waited_for = self.cluster.task_instance(self.dag_id, self.run_id, TASK_ID).triggerer_id is not None
        return is_waited_for and any(row["status"] == "completed" for row in self.execution.schemas)

    def mark_failed(self) -> None:
        """Mark the task failed."""
        self.is_marked = True
        self.cluster.mark(self.dag_id, self.run_id, TASK_ID, "failed")

    def problems(self) -> Iterator[str]:
        """List the differences from the expected outcome, after the end."""
        if "deferred" not in self.states or self.states[-1] != "failed":
            yield f"the states of the task were {' -> '.join(self.states)}"
        [execution] = self.emulator.executions(self.sync.id)
        if (execution.status, execution.cancel_requests) != ("canceled", 1):
            yield f"the execution is {execution.status} after {execution.cancel_requests} cancellation requests"


def create_scenarios(cluster: Cluster, emulator: Emulator) -> tuple[Succeeding, Failing, Canceled]:
    """Create the three scenarios."""
    syncs = {sync.id: sync for sync in emulator.syncs}
    endless = emulator.add_bulk_sync(
        name="Events to warehouse",
        schemas=[
            {"id": "click", "duration": 4, "records": 5200},
            {"id": "page_view", "duration": math.inf},
            {"id": "purchase", "duration": math.inf},
        ],
    )
    return (
        Succeeding(cluster, emulator, syncs[MODEL_SYNC_ID]),
        Failing(cluster, emulator, syncs[FAILING_MODEL_SYNC_ID]),
        Canceled(cluster, emulator, endless),
    )


def summary(result: dict[str, Any]) -> str:
    """Return the outcome, the counts and the errors of a result as JSON."""
    counts = {name: count for name, count in result["counts"].items() if count}
    return json.dumps({"outcome": result["outcome"], "counts": counts, "errors": result["errors"]})
