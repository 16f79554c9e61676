"""Run the three scenarios at once, show their progress, and check their outcomes."""

from __future__ import annotations

import time
from typing import Any

from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.emulator import Emulator
from tests.system.cluster import Cluster
from tests.system.logs import readable
from tests.system.processes import poll

from .scenarios import TASK_ID, Scenario, create_scenarios, summary
from .screen import Screen

RUN_TIMEOUT = 120
LOG_TIMEOUT = 10
STATUS_INTERVAL = 0.5
EXPLANATIONS = {
    "queued": "waiting for a worker slot",
    "running": "in a worker slot",
    "deferred": "waiting in the triggerer, no worker slot in use",
}
ROWS = """
    SELECT run.run_id, run.state AS run_state, task.state, task.pid
    FROM dag_run run LEFT JOIN task_instance task
    ON task.dag_id = run.dag_id AND task.run_id = run.run_id AND task.task_id = %s
"""


class Demonstration:
    """Run the three scenarios on a running Airflow and a running emulator.

    `slots` is the number of worker slots in use while all tasks were waiting.
    """

    def __init__(self, cluster: Cluster, emulator: Emulator, screen: Screen) -> None:
        self._cluster = cluster
        self._screen = screen
        self.success, self.failure, self.canceled = create_scenarios(cluster, emulator)
        self.scenarios: list[Scenario] = [self.success, self.failure, self.canceled]
        self.slots: int | None = None
        self._client = PolytomicClient(api_key=emulator.api_key, base_url=emulator.url)
        self._last_status = 0.0

    def run(self) -> bool:
        """Run and show the scenarios; return True if all of them ended as expected."""
        with self._client:
            for scenario in self.scenarios:
                scenario.start()
                self._screen.say(f"{scenario.sync.name}: triggered DAG {scenario.dag_id}")
            with self._screen.status_table(self.scenarios):
                self._cluster.wait_for(self._step, RUN_TIMEOUT, "the end of three DAG runs")
        report = poll(lambda: self.failure.report, LOG_TIMEOUT)
        self._screen.report(f"Error in the task log of {self.failure.sync.name}", report or "no error")
        is_as_expected = self._check()
        if is_as_expected:
            self._screen.say(f"Result of {self.success.sync.name} in XCom: {summary(self.success.result)}")
        return is_as_expected

    def _step(self) -> bool:
        rows = self._rows()
        is_status_due = time.monotonic() > self._last_status + STATUS_INTERVAL
        for scenario in self.scenarios:
            row = rows[scenario.run_id]
            scenario.run_state = row["run_state"]
            if scenario.note_task(row["state"], row["pid"]):
                self._say(scenario, f"task {row['state']}", EXPLANATIONS.get(row["state"], ""))
            if is_status_due and scenario.note_execution(self._client):
                self._say(scenario, f"sync {scenario.statuses[-1]}", scenario.records)
        if is_status_due:
            self._last_status = time.monotonic()
        self._measure()
        if self.slots is not None and self.canceled.may_be_marked():
            self.canceled.mark_failed()
            self._say(self.canceled, "task marked failed", "as a person would in Airflow's UI")
        return all(scenario.is_over for scenario in self.scenarios)

    def _rows(self) -> dict[str, Any]:
        """Return the states of all DAG runs and of their tasks that sync, by the id of the run."""
        return {row["run_id"]: row for row in self._cluster.database.rows(ROWS, TASK_ID)}

    def _measure(self) -> None:
        """Count the worker slots in use once all tasks are waiting or have ended, and the first is still waiting."""
        if self.slots is None and self._all_wait():
            slots = self._cluster.rest("GET", "pools/default_pool")["running_slots"]
            rows = self._rows()
            if any(scenario.states[-1] != rows[scenario.run_id]["state"] for scenario in self.scenarios):
                return
            self.slots = slots
            self._screen.say(f"All tasks are waiting and their processes have ended: {slots} worker slots in use")

    def _all_wait(self) -> bool:
        return self.success.states[-1:] == ["deferred"] and all(scenario.holds_no_worker for scenario in self.scenarios)

    def _say(self, scenario: Scenario, what: str, more: str) -> None:
        self._screen.say(f"{scenario.sync.name:<20} {what:<18}  {more}".rstrip())

    def _check(self) -> bool:
        is_as_expected = True
        for scenario in self.scenarios:
            problems = list(scenario.problems())
            if scenario is self.success and self.slots != 0:
                problems.append(f"{self.slots} worker slots were in use while the task was deferred")
            for problem in problems:
                self._screen.say(f"FAILED: {scenario.sync.name}: {problem}")
            if problems:
                self._screen.show(f"Log of that task:\n{readable(scenario.log)}")
            else:
                self._screen.say(f"OK, as expected: {scenario.sync.name}: {' -> '.join(scenario.states)}")
            is_as_expected = is_as_expected and not problems
        return is_as_expected
