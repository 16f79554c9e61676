"""One Airflow and one emulator for many system tests; each test brings syncs of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_polytomic.emulator import Emulator

from .cluster import Cluster, TaskInstance

TASK = "sync"
TIMEOUT = 90
LINK_TEMPLATE = "{base_url}/org/{organization_id}/{kind}/{sync_id}?run={execution_id}"
WEBHOOK_SECRET = "webhook-secret-of-the-tests"

FIRST_HALF = ("test_assets.py", "test_crowd.py", "test_exactly_once.py")
"""These and the others take about as long: each half has a worker of pytest-xdist, and an Airflow, to itself."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.xdist_group("first half" if item.path.name in FIRST_HALF else "second half"))


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def cluster(emulator: Emulator) -> Iterator[Cluster]:
    connections = {
        "polytomic_default": {**json.loads(emulator.airflow_connection), "extra": {"link_template": LINK_TEMPLATE}},
        "polytomic_webhook": {"conn_type": "http", "password": WEBHOOK_SECRET},
        "airflow_api": {"conn_type": "http", "login": "webhook", "password": "webhook"},
    }
    env = {
        "AIRFLOW__POLYTOMIC__WEBHOOK_CONN_ID": "polytomic_webhook",
        "AIRFLOW__POLYTOMIC__WEBHOOK_AIRFLOW_CONN_ID": "airflow_api",
    }
    with Cluster(Path(__file__).parent / "dags", env=env, connections=connections) as cluster:
        yield cluster


@dataclass
class Scenario:
    """A run of one DAG for one sync, and what both sides know of it."""

    cluster: Cluster
    emulator: Emulator
    dag_id: str
    sync_id: str
    run_id: str

    @property
    def task(self) -> TaskInstance:
        return self.cluster.task_instance(self.dag_id, self.run_id, TASK)

    @property
    def executions(self) -> list[Any]:
        return self.emulator.executions(self.sync_id)

    @property
    def cancels(self) -> list[int]:
        """How often each execution was asked to end, oldest first."""
        return [execution.cancel_requests for execution in self.executions]

    @property
    def statuses(self) -> list[str]:
        return [execution.status for execution in self.executions]

    def wait_until(self, predicate: Callable[[], Any], what: str) -> Any:
        return self.cluster.wait_for(predicate, TIMEOUT, f"{what} in {self.dag_id}")

    def wait_for_state(self, *states: str) -> str:
        def state() -> str | None:
            state = self.cluster.task_state(self.dag_id, self.run_id, TASK)
            return state if state in states else None

        return str(self.wait_until(state, f"state {' or '.join(states)}"))

    def wait_for_waiting(self, executions: int = 1) -> None:
        """Wait until the triggerer, or the worker, waits for the latest of so many executions."""

        def is_waited_for() -> bool:
            if len(self.executions) != executions:
                return False
            word = ": ours, " if "worker" in self.dag_id else "Waiting for"
            return any(word in line and self.executions[-1].id in line for line in self.log().splitlines())

        self.wait_until(is_waited_for, "a task that waits for its execution")

    def finish(self, outcome: str = "completed") -> None:
        self.emulator.finish(self.executions[-1].id, outcome)

    def xcom(self, key: str = "return_value") -> Any:
        return self.cluster.xcom(self.dag_id, self.run_id, TASK, key)

    def log(self) -> str:
        return self.cluster.task_log(self.dag_id, self.run_id, TASK)

    def mark(self, state: str) -> None:
        self.cluster.mark(self.dag_id, self.run_id, TASK, state)

    def clear(self) -> None:
        self.cluster.clear(self.dag_id, self.run_id, TASK)


@pytest.fixture
def begin(cluster: Cluster, emulator: Emulator) -> Callable[..., Scenario]:
    """Return a function that adds a sync whose executions never end by themselves, and runs a DAG for it."""

    def begin(dag_id: str, before: Callable[[str], None] | None = None, **plan: Any) -> Scenario:
        plan.setdefault("duration", math.inf)
        if dag_id.startswith("bulk"):
            plan.pop("duration")
            sync = emulator.add_bulk_sync(name=dag_id, schemas=[{"id": "contact", "duration": math.inf}], **plan)
        else:
            sync = emulator.add_model_sync(name=dag_id, **plan)
        if before:
            before(sync.id)
        run_id = cluster.trigger(dag_id, conf={"sync_id": sync.id})
        return Scenario(cluster, emulator, dag_id, sync.id, run_id)

    return begin
