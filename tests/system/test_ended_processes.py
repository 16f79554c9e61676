"""End the processes of tasks that wait in a worker: the execution is canceled only if the task was killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from airflow_provider_polytomic._compat import trigger_has_on_kill
from tests.support.failing_proxy import FailingProxy

from .cluster import IS_AIRFLOW_2, Cluster
from .conftest import OWNED, Scenario, scenario_runner
from .processes import free_port
from .test_exactly_once import SIGNAL_DEATHS_ARE_RETRIED

GOES_ON = "The execution goes on"

SUPERVISOR_PASSES_SIGTERM_ON = IS_AIRFLOW_2 or trigger_has_on_kill()

passes_sigterm_on = pytest.mark.skipif(
    not SUPERVISOR_PASSES_SIGTERM_ON, reason="this Airflow ends the supervisor and leaves the task's process alone"
)


def supervisor(run: Scenario) -> int:
    """Return the process that supervises the process of the task."""
    return psutil.Process(run.task.pid).ppid()


def wait_until_adopted(run: Scenario) -> None:
    """Wait until a second attempt waits for the execution of the first one."""
    run.wait_until(lambda: run.task.try_number > 1 and run.log().count(OWNED) > 1, "the second attempt")


def finish_without_a_cancellation(run: Scenario) -> None:
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert run.cancel_requests == [0]


@passes_sigterm_on
def test_the_retry_after_a_drained_worker_adopts_the_execution(run_dag):
    run = run_dag("model_worker_retry")
    run.wait_until_waiting()
    os.kill(supervisor(run), signal.SIGTERM)
    wait_until_adopted(run)
    assert GOES_ON in run.log()
    finish_without_a_cancellation(run)


@passes_sigterm_on
def test_a_drained_worker_cancels_nothing_where_no_retry_is_left(run_dag):
    run = run_dag("model_worker_plain")
    run.wait_until_waiting()
    os.kill(supervisor(run), signal.SIGTERM)
    run.wait_for_state("failed")
    assert run.cancel_requests == [0]
    assert GOES_ON in run.log()


@pytest.mark.skipif(IS_AIRFLOW_2, reason="the REST API of this Airflow does not clear a running task")
def test_clearing_a_task_in_a_worker_cancels_the_old_execution_and_starts_a_new_one(run_dag):
    run = run_dag("model_worker_retry")
    run.wait_until_waiting()
    run.clear()
    run.wait_until(lambda: run.statuses[:1] == ["canceled"], "a canceled execution")
    run.wait_until_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert [cancel_requests > 0 for cancel_requests in run.cancel_requests] == [True, False]


@pytest.mark.parametrize("way", ["failed", "deleted"])
def test_ending_the_dag_run_cancels_the_execution_of_a_worker(run_dag, cluster, way):
    run = run_dag("model_worker_plain")
    run.wait_until_waiting()
    cluster.fail_run(run.dag_id, run.run_id)
    if way == "deleted":
        cluster.delete_run(run.dag_id, run.run_id)
    run.wait_until(lambda: run.statuses == ["canceled"], "a canceled execution")


@pytest.mark.parametrize(
    ("mode", "failures"),
    [("deferred", 15), ("worker", 9 if IS_AIRFLOW_2 else 5)],
    ids=["12 s deferred", "6 s in a worker of 2.11, 2 s of 3"],
)
def test_a_due_cancellation_is_repeated_until_an_outage_ends(run_dag, cluster, emulator, mode, failures):
    run = run_dag(f"model_{mode}_plain")
    run.wait_until_waiting()
    outage = emulator.fault("status", status=503, method="POST", path=f"/**/{run.sync_id}/**/cancel", count=failures)
    run.mark("failed")
    run.wait_until(lambda: run.statuses == ["canceled"], "a canceled execution")
    assert outage.hits == failures
    assert run.task.state == "failed"
    end = cluster.components["triggerer"].log  # where Airflow 3 writes the lines of a trigger that it has ended
    cancellation = ("Requested cancellation of", f"execution {run.executions[0].id}")

    def is_logged():
        lines = (run.log() + end.read_text(errors="replace")).splitlines()
        return any(all(part in line for part in cancellation) for line in lines)

    run.wait_until(is_logged, "the last line of the log")


class TestLostHeartbeats:
    """A worker whose heartbeats fail, on an Airflow that notices it within seconds."""

    @pytest.fixture(scope="class")
    def proxy(self) -> Iterator[FailingProxy]:
        with FailingProxy(free_port(), free_port()) as proxy:
            yield proxy

    @pytest.fixture(scope="class")
    def cluster(self, emulator, proxy) -> Iterator[Cluster]:
        env = {
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{proxy.url}/execution/",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MIN": "0.1",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "0.1",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "2",
            "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
        }
        connections = {"polytomic_default": json.loads(emulator.airflow_connection)}
        dags = Path(__file__).parent / "dags"
        with Cluster(dags, env=env, connections=connections, port=proxy.target_port) as cluster:
            yield cluster

    @pytest.fixture
    def run_dag(self, cluster, emulator):
        return scenario_runner(cluster, emulator)

    @pytest.mark.skipif(
        not SIGNAL_DEATHS_ARE_RETRIED or IS_AIRFLOW_2,
        reason="Airflow 2 sends heartbeats to the database, and the supervisor of 3.0 ends at the first that fails",
    )
    @pytest.mark.parametrize("away", ["/heartbeat", ""], ids=["heartbeats", "all requests"])
    def test_the_retry_after_failed_heartbeats_adopts_the_execution(self, run_dag, proxy, away):
        run = run_dag("model_worker_retry")
        run.wait_until_waiting()
        pid = run.task.pid
        with proxy.failing(away):
            run.wait_until(lambda: not psutil.pid_exists(pid), "the end of the process")
        wait_until_adopted(run)
        assert GOES_ON in run.log()
        finish_without_a_cancellation(run)

    def test_an_attempt_that_was_cut_off_leaves_the_execution_to_the_next_one(self, run_dag):
        run = run_dag("model_worker_retry")
        run.wait_until_waiting()
        first, pid = supervisor(run), run.task.pid
        os.kill(first, signal.SIGSTOP)
        wait_until_adopted(run)
        os.kill(first, signal.SIGCONT)
        if IS_AIRFLOW_2:  # whose supervisor notices the other attempt, and does nothing
            os.kill(first, signal.SIGTERM)
        run.wait_until(lambda: not psutil.pid_exists(pid), "the end of the first process")
        assert run.cancel_requests == [0]
        assert GOES_ON in run.log()
        finish_without_a_cancellation(run)
