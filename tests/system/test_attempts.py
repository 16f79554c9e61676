"""Edit ``retries`` between attempts, fail the XCom and secrets backends, and make DAG runs again, on a real Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from . import secrets_backend, xcom_backend
from .cluster import Cluster
from .conftest import OWNED, TIMEOUT, Scenario
from .test_exactly_once import SIGNAL_DEATHS_ARE_RETRIED

RETRIES_FILE = "retries.txt"


@pytest.fixture
def without(cluster: Cluster) -> Callable[[str], AbstractContextManager[None]]:
    """Return a function that returns a context manager in which a backend is down, by the name of its file."""

    @contextmanager
    def without(name: str) -> Iterator[None]:
        flag = cluster.home / name
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()

    return without


def deploy(cluster: Cluster, dag_id: str, retries: int) -> None:
    """Deploy a DAG file with another number of retries, and wait until the scheduler has it."""
    (cluster.home / RETRIES_FILE).write_text(str(retries))
    cluster.parse_again("edited.py")
    rows = "SELECT 1 FROM serialized_dag WHERE dag_id = %s AND CAST(data AS TEXT) LIKE %s"
    has_it = lambda: cluster.database.rows(rows, dag_id, f'%"retries": {retries}%')  # noqa: E731
    cluster.wait_for(has_it, TIMEOUT, f"{retries} retries in {dag_id}")


def wait_until_the_executor_has_reported(run: Scenario) -> None:
    """Wait until the scheduler has handled the end of the task's process."""
    log, line = run.cluster.components["scheduler"].log, f"TaskInstance Finished: dag_id={run.dag_id}, task_id=sync, "
    run.wait_until(lambda: f"{line}run_id={run.run_id}," in log.read_text(errors="replace"), "a report of the executor")


@pytest.mark.skipif(not SIGNAL_DEATHS_ARE_RETRIED, reason="this Airflow does not retry a task whose process is killed")
def test_edited_retries_neither_start_again_nor_keep_a_clear_from_it(run_dag, cluster):
    run = run_dag("model_worker_edited")
    run.wait_until_waiting()
    deploy(cluster, run.dag_id, retries=2)
    cluster.kill_task(run.dag_id, run.run_id, "sync")
    run.wait_until(lambda: run.task.try_number == 2 and run.log().count(OWNED) == 2, "the second attempt")
    run.finish()
    run.wait_for_state("success")
    assert (len(run.executions), run.cancel_requests) == (1, [0])
    run.wait_until(lambda: cluster.run_state(run.dag_id, run.run_id) == "success", "the end of the DAG run")
    deploy(cluster, run.dag_id, retries=1)
    run.clear()
    run.wait_until(lambda: len(run.executions) == 2, "a second execution")
    run.finish()
    run.wait_for_state("success")
    assert run.cancel_requests == [0, 0]


def test_a_result_that_cannot_be_pushed_does_not_start_again(run_dag, without):
    run = run_dag("model_worker_retry")
    run.wait_until_waiting()
    with without(xcom_backend.FLAG):
        run.finish()
        run.wait_until(lambda: run.task.try_number == 2 or run.task.state == "up_for_retry", "a failed attempt")
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert run.xcom()["outcome"] == "success"


def test_without_xcom_the_task_waits_in_the_worker(run_dag, without):
    with without(xcom_backend.FLAG):
        run = run_dag("model_deferred_plain")
        run.wait_until(lambda: "without XCom the task cannot be deferred" in run.log(), "a wait in the worker")
    assert run.task.state == "running"
    run.finish()
    run.wait_for_state("success")
    assert (len(run.executions), run.cancel_requests) == (1, [0])


def test_the_look_up_of_a_connection_that_fails_for_a_while_ends_nothing(run_dag, without):
    failed = "Could not look up the Airflow connection 'polytomic_secret'"
    with without(secrets_backend.FLAG):
        run = run_dag("model_deferred_secret")
        run.wait_until(lambda: failed in run.log(), "a failed look-up in the worker")
    run.wait_until(lambda: run.executions, "an execution")
    in_worker = run.log().count(failed)
    with without(secrets_backend.FLAG):
        run.wait_until(lambda: run.log().count(failed) > in_worker, "a failed look-up in the triggerer")
    run.wait_until_waiting()
    run.finish()
    run.wait_for_state("success")
    assert (len(run.executions), run.cancel_requests) == (1, [0])


def test_a_dag_run_made_again_under_its_id_starts_another_execution(run_dag, cluster):
    run = run_dag("model_worker_plain", duration=3)
    run.wait_for_state("success")
    run.wait_until(lambda: cluster.run_state(run.dag_id, run.run_id) == "success", "the end of the DAG run")
    wait_until_the_executor_has_reported(run)  # or Airflow takes the report for one of the new task instance
    cluster.delete_run(run.dag_id, run.run_id)
    cluster.trigger(run.dag_id, run_id=run.run_id, conf={"sync_id": run.sync_id})
    run.wait_for_state("success")
    assert run.statuses == ["completed", "completed"]
