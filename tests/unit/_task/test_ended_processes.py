"""End the process of an attempt at any step of the attempt, and of the one that follows it.

The guard decides with what Airflow would answer at that moment. The server knows which executions were canceled.
"""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.simulated_api import Plan, SimulatedApi, Stop
from tests.support.simulated_task import WAYS, Task

pytestmark = [
    pytest.mark.parametrize(("kind", "by_name"), [("model", False), ("bulk", True)], ids=["by_id", "by_name"]),
    pytest.mark.parametrize("way", WAYS),
]

STEPS = range(8)


@pytest.fixture
def task(kind, way, by_name):
    """Return a function that returns a new task."""
    return lambda: Task(SimulatedApi(kind, plans=[Plan(after=1000.0)]), by_name=by_name, way=way)


def test_a_process_that_ends_without_a_person_leaves_the_execution_to_the_retry(task):
    for steps, steps_of_the_next in product(STEPS, STEPS):
        one = task()
        first = one.begin(Stop(steps, acted=True))
        for _ in range(steps):
            first.step()
        cut_off = one.owning
        one.signal(cut_off)
        first.step()
        if cut_off and cut_off.waiting_state == "deferred":
            cut_off = None  # a trigger goes on in another triggerer, or has ended
        for one.ended_as in ("up_for_retry", "scheduled", "queued", None):
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
        owned = one.owned[:1]
        one.kill(state)
        assert one.api.canceled_ids == set(owned)
    assert owned


@pytest.mark.parametrize("way_of_clearing", ["clear", "restart"])
def test_a_process_that_ends_because_of_a_clear_cancels_its_own_execution_only(task, way, way_of_clearing):
    if (way, way_of_clearing) == ("poller", "restart"):
        pytest.skip("a task that is cleared while it is deferred does not restart")
    for steps, steps_of_the_next in product(STEPS, STEPS):
        one = task()
        first = one.begin()
        for _ in range(steps):
            first.step()
        old, state = one.owning, one.state
        if way_of_clearing == "clear" and state == "running":
            first.die(acted=True)
        canceled = set() if first.died else set(one.owned[:1])
        second = one.clear() if way_of_clearing == "clear" else one.restart()
        assert one.api.canceled_ids == canceled
        for _ in range(steps_of_the_next):
            second.step()
            one.signal(old)
        second.run()
        assert one.api.canceled_ids <= one.due
        assert second.result.execution.status == "completed"
