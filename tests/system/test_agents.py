"""An agent with a scripted model in a real task waits for the approval of a start, and a lost worker repeats none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from .cluster import Cluster
from .conftest import TASK_ID, Scenario, scenario_runner

exceptions = pytest.importorskip("airflow.sdk.exceptions")
pytest.importorskip("airflow.providers.common.ai.operators.agent", exc_type=ImportError)

pytestmark = pytest.mark.skipif(
    not hasattr(exceptions, "TaskAwaitingInput"), reason="no task of this Airflow waits for an approval"
)

MAX_ANSWER_DELAY = 60
"""Seconds until an answer arrives for which no test waits."""

EXECUTOR_IS_DONE = "event with state success for task instance TaskInstanceKey(dag_id='{}', task_id='{}', run_id='{}'"
"""Part of the scheduler's log line. A task that an approval resumes before it may fail in Airflow."""


@pytest.fixture(scope="module")
def cluster(emulator: Any) -> Iterator[Cluster]:
    """Run an Airflow for these tests alone: the DAG file needs the library of the agents."""
    connections = {"polytomic_default": json.loads(emulator.airflow_connection)}
    with Cluster(Path(__file__).parent / "dags" / "with_agents", connections=connections) as cluster:
        yield cluster


@pytest.fixture
def run_agent(cluster: Cluster, emulator: Any) -> Callable[[], Scenario]:
    """Return a function that runs the agent until it waits for approval."""

    def run() -> Scenario:
        scenario = scenario_runner(cluster, emulator)("agent")
        scenario.wait_for_state("awaiting_input")
        line = EXECUTOR_IS_DONE.format(scenario.dag_id, TASK_ID, scenario.run_id)
        log = cluster.components["scheduler"].log
        scenario.wait_until(lambda: line in log.read_text(errors="replace"), "an executor that is done with the task")
        return scenario

    return run


def approve(run: Scenario, option: str = "Approve") -> None:
    path = f"dags/{run.dag_id}/dagRuns/{quote(run.run_id, safe='')}/taskInstances/{TASK_ID}/-1/hitlDetails"
    run.cluster.rest("PATCH", path, {"chosen_options": [option], "params_input": {}})


def test_an_agent_starts_nothing_before_approval_and_one_execution_after_it(run_agent):
    run = run_agent()
    assert run.executions == []
    approve(run)
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert run.xcom() == "done"


def test_an_agent_starts_nothing_that_a_person_rejects(run_agent):
    run = run_agent()
    approve(run, "Reject")
    run.wait_for_state("success")
    assert run.executions == []


def test_the_retry_after_a_killed_worker_does_not_repeat_an_approved_start(run_agent, cluster, emulator):
    run = run_agent()
    emulator.fault("delay", when="after", path=f"/**/{run.sync_id}/executions", method="POST", delay=MAX_ANSWER_DELAY)
    approve(run)
    run.wait_until(lambda: len(run.executions) == 1, "a start whose answer is on its way")
    cluster.kill_task(run.dag_id, run.run_id, TASK_ID)
    run.wait_for_state("success")
    assert run.task.try_number == 2
    assert len(run.executions) == 1
