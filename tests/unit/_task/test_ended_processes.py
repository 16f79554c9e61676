"""End the process of an attempt at any step of the attempt, and of the one that follows it.

The guard decides with what Airflow would answer at that moment. The server knows which executions were canceled.
"""

from __future__ import annotations

from itertools import product

import pytest

from airflow_provider_polytomic._compat import StoredTaskInstance
from airflow_provider_polytomic._task import kill_guard
from airflow_provider_polytomic._task.kill_guard import WaitingAttempt, was_killed_in_worker
from airflow_provider_polytomic.executions import ExecutionRef, cancel
from tests.support.simulated_api import KINDS, SYNC, Plan, Process, SimulatedApi, Stop
from tests.support.simulated_task import WAYS, Task

pytestmark = [pytest.mark.parametrize("kind", KINDS), pytest.mark.parametrize("way", WAYS)]

STEPS = range(8)


class TaskInAirflow(Task):
    """A task whose state and XCom Airflow keeps, and whose processes receive signals."""

    state: str | None = None
    xcom: dict[str, object] | None = None
    waiting: WaitingAttempt | None = None

    def begin(self, stop: Stop | None = None) -> Process:
        self.state, self.xcom, self.waiting = "running", None, None
        return super().begin(stop)

    def _own(self, generation: int, run: ExecutionRef) -> None:
        super()._own(generation, run)
        self.waiting = WaitingAttempt("dag", "run", "task", -1, self.attempt, run.execution_id)
        self.xcom = {"execution_id": run.execution_id, "ownership": "owned", "try_number": self.attempt}

    def signal(self, attempt: WaitingAttempt | None) -> None:
        """End the process of an attempt, which cancels its execution if the task was killed."""
        if attempt and was_killed_in_worker(attempt, 5.0):
            run = ExecutionRef(self.api.kind, SYNC, attempt.execution_id)
            Process(self.api, cancel(run, timeout=2.0, clock=lambda: self.api.now)).run()


@pytest.fixture
def task(kind, way, monkeypatch):
    """Return a function that returns a new task, whose state is what Airflow answers."""

    def new() -> TaskInAirflow:
        task = TaskInAirflow(SimulatedApi(kind, plans=[Plan(after=1000.0)]), way=way)

        def ask(attempt: WaitingAttempt, key: str) -> StoredTaskInstance:
            return StoredTaskInstance(True, task.state, task.xcom)

        monkeypatch.setattr(kill_guard, "stored_task_instance_in_worker", ask)
        return task

    return new


def test_a_process_that_ends_without_a_person_leaves_the_execution_to_the_retry(task):
    for steps, steps_of_the_next in product(STEPS, STEPS):
        one = task()
        first = one.begin(Stop(steps, acted=True))
        for _ in range(steps):
            first.step()
        cut_off = one.waiting
        one.signal(cut_off)
        first.step()
        for one.state in ("up_for_retry", "scheduled", "queued", None):
            one.signal(cut_off)
        second = one.retry()
        for _ in range(steps_of_the_next):
            second.step()
            one.signal(cut_off)
        second.run()
        assert second.result.execution.status == "completed"
        assert len(one.starts) == 1
        assert one.api.canceled_ids == set()


@pytest.mark.parametrize("state", ["failed", "success", "skipped"])
def test_a_process_that_ends_because_the_task_is_over_cancels_its_execution(task, state):
    for steps in STEPS:
        one = task()
        first = one.begin()
        for _ in range(steps):
            first.step()
        one.state = state
        one.signal(one.waiting)
        assert one.api.canceled_ids == ({one.waiting.execution_id} if one.waiting else set())
    assert one.waiting


def test_a_process_that_ends_because_of_a_clear_cancels_its_own_execution_only(task):
    for steps, steps_of_the_next in product(STEPS, STEPS):
        one = task()
        first = one.begin(Stop(steps, acted=True))
        for _ in range(steps):
            first.step()
        old = one.waiting
        one.state = "restarting"
        one.signal(old)
        first.step()
        assert one.api.canceled_ids == ({old.execution_id} if old else set())
        second = one.clear()
        for _ in range(steps_of_the_next):
            second.step()
            one.signal(old)
        second.run()
        assert one.api.canceled_ids == ({old.execution_id} if old else set())
        assert second.result.execution.status == "completed"
