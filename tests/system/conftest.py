"""Provide one Airflow and one emulator for many system tests; each test adds its own syncs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_polytomic.emulator import Emulator
from tests.support.hostile_server import HostilePolytomic, hostile_polytomic
from tests.support.organizations import partner_connection
from tests.support.statsd_server import StatsdServer, statsd_server

from .cluster import Cluster, TaskInstance

TASK_ID = "sync"
TIMEOUT = 90
LINK_TEMPLATE = "{base_url}/org/{organization_id}/{kind}/{sync_id}?run={execution_id}"
OWNED = ": owned, "
"""Part of the log line of a worker that has started an execution or found it again."""

WEBHOOK_SECRET = "webhook-secret-of-the-tests"

FIRST_HALF = ("test_assets.py", "test_attempts.py", "test_ended_processes.py", "test_exactly_once.py")
"""Modules for the first worker of pytest-xdist; the others take about as long. Each worker has its own Airflow."""


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
def page_emulator() -> Iterator[Emulator]:
    """An emulator for the page in Airflow's UI: the syncs of the other tests would use up its requests."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def hostile() -> Iterator[HostilePolytomic]:
    with hostile_polytomic() as hostile:
        yield hostile


@pytest.fixture(scope="session")
def statsd() -> Iterator[StatsdServer]:
    """A server for the metrics of all components; without the package statsd, Airflow sends none."""
    with statsd_server() as server:
        yield server


@pytest.fixture(scope="session")
def cluster(
    emulator: Emulator, hostile: HostilePolytomic, page_emulator: Emulator, statsd: StatsdServer
) -> Iterator[Cluster]:
    connections = {
        "polytomic_page": json.loads(page_emulator.airflow_connection),
        "polytomic_hostile": {"conn_type": "polytomic", "host": hostile.url, "password": "key-of-the-tests"},
        "polytomic_default": {**json.loads(emulator.airflow_connection), "extra": {"link_template": LINK_TEMPLATE}},
        "polytomic_partner": json.loads(partner_connection(emulator)),
        "polytomic_webhook": {"conn_type": "http", "password": WEBHOOK_SECRET},
        "airflow_api": {"conn_type": "http", "login": "webhook", "password": "webhook"},
    }
    env = {
        "AIRFLOW__POLYTOMIC__UI_CONNECTIONS": "polytomic_page",
        "AIRFLOW__CORE__XCOM_BACKEND": "tests.system.xcom_backend.FailingXCom",
        "AIRFLOW__SECRETS__BACKEND": "tests.system.secrets_backend.FailingSecrets",
        "AIRFLOW__POLYTOMIC__WEBHOOK_CONN_ID": "polytomic_webhook",
        "AIRFLOW__POLYTOMIC__WEBHOOK_AIRFLOW_CONN_ID": "airflow_api",
        **(statsd.settings if find_spec("statsd") else {}),
    }
    with Cluster(Path(__file__).parent / "dags", env=env, connections=connections) as cluster:
        yield cluster


@dataclass
class Scenario:
    """Follow one DAG run and the executions of its sync, in Airflow and in the emulator."""

    cluster: Cluster
    emulator: Emulator
    dag_id: str
    sync_id: str
    run_id: str

    @property
    def task(self) -> TaskInstance:
        return self.cluster.task_instance(self.dag_id, self.run_id, TASK_ID)

    @property
    def executions(self) -> list[Any]:
        return self.emulator.executions(self.sync_id)

    @property
    def cancel_requests(self) -> list[int]:
        """The number of cancel requests for each execution, oldest first."""
        return [execution.cancel_requests for execution in self.executions]

    @property
    def statuses(self) -> list[str]:
        return [execution.status for execution in self.executions]

    def wait_until(self, predicate: Callable[[], Any], what: str) -> Any:
        return self.cluster.wait_for(predicate, TIMEOUT, f"{what} in {self.dag_id}")

    def wait_for_state(self, *states: str) -> str:
        def state() -> str | None:
            state = self.cluster.task_state(self.dag_id, self.run_id, TASK_ID)
            return state if state in states else None

        return str(self.wait_until(state, f"state {' or '.join(states)}"))

    def wait_until_waiting(self, executions: int = 1) -> None:
        """Wait until the task waits for the latest execution, in the triggerer or in a worker.

        :param executions: Number of executions (int) that there must be by then; default 1.
        """

        def is_waiting() -> bool:
            if len(self.executions) != executions:
                return False
            ref = f"execution {self.executions[-1].id} of "
            begins = OWNED if "worker" in self.dag_id else "Waiting for "
            return any(ref in line and begins in line for line in self.log().splitlines())

        self.wait_until(is_waiting, "a task that waits for its execution")

    def rename_sync(self) -> None:
        """Give the name of the sync to another one."""
        sync = next(one for one in self.emulator.syncs if one.id == self.sync_id)
        add = self.emulator.add_bulk_sync if sync.kind == "bulk" else self.emulator.add_model_sync
        add(name=sync.name)
        sync.name = "Renamed"

    def finish(self, outcome: str = "completed") -> None:
        self.emulator.finish(self.executions[-1].id, outcome)

    def xcom(self, key: str = "return_value") -> Any:
        return self.cluster.xcom(self.dag_id, self.run_id, TASK_ID, key)

    def log(self) -> str:
        return self.cluster.task_log(self.dag_id, self.run_id, TASK_ID)

    def mark(self, state: str) -> None:
        self.cluster.mark(self.dag_id, self.run_id, TASK_ID, state)

    def clear(self) -> None:
        self.cluster.clear(self.dag_id, self.run_id, TASK_ID)


def scenario_runner(cluster: Cluster, emulator: Emulator) -> Callable[..., Scenario]:
    """Return a function that adds a sync whose executions do not end by themselves, and runs a DAG for it."""

    def run_dag(dag_id: str, before: Callable[[str], None] | None = None, **plan: Any) -> Scenario:
        plan.setdefault("duration", math.inf)
        if dag_id.startswith("bulk"):
            plan.pop("duration")
            sync = emulator.add_bulk_sync(schemas=[{"id": "contact", "duration": math.inf}], **plan)
        else:
            sync = emulator.add_model_sync(**plan)
        sync.name = f"{dag_id} {sync.id}"
        if before:
            before(sync.id)
        run_id = cluster.trigger(dag_id, conf={"sync_id": sync.id, "sync_name": sync.name})
        return Scenario(cluster, emulator, dag_id, sync.id, run_id)

    return run_dag


@pytest.fixture
def run_dag(cluster: Cluster, emulator: Emulator) -> Callable[..., Scenario]:
    return scenario_runner(cluster, emulator)
