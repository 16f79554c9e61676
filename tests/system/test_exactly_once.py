"""Start exactly one execution for a task instance while real components are killed, stopped and paused.

The tasks have the id of a model sync, or the name of a bulk sync.
"""

from __future__ import annotations

import pytest

from airflow_provider_polytomic._compat import trigger_has_on_kill

from .cluster import AIRFLOW_VERSION, IS_AIRFLOW_2, Cluster
from .conftest import OWNED, TIMEOUT

KINDS = ["model", "bulk"]
NAMES_ARE_KEPT = IS_AIRFLOW_2 or trigger_has_on_kill()
SIGNAL_DEATHS_ARE_RETRIED = not AIRFLOW_VERSION.startswith("3.0.")


def has_trigger(cluster: Cluster, trigger_id: int) -> bool:
    return bool(cluster.database.rows('SELECT 1 FROM "trigger" WHERE id = %s', trigger_id))


def wait_for_heartbeats(cluster: Cluster, triggerer: str, count: int) -> None:
    """Wait for some heartbeats of a triggerer, after which it has seen all earlier changes in the database."""
    seen = set()

    def has_beaten() -> bool:
        [row] = cluster.database.rows("SELECT latest_heartbeat FROM job WHERE id = %s", cluster.triggerers[triggerer])
        seen.add(row["latest_heartbeat"])
        return len(seen) > count

    cluster.wait_for(has_beaten, TIMEOUT, f"{count} heartbeats of {triggerer}")


@pytest.mark.parametrize("kind", KINDS)
def test_an_execution_survives_a_killed_triggerer(run_dag, cluster, kind):
    run = run_dag(f"{kind}_deferred_plain")
    run.wait_until_waiting()
    cluster.components["triggerer"].kill()
    cluster.start_triggerer("triggerer")
    run.finish()
    run.wait_for_state("success")
    assert run.cancel_requests == [0]


def test_an_execution_survives_a_stopped_triggerer(run_dag, cluster):
    run = run_dag("model_deferred_plain")
    run.wait_until_waiting()
    cluster.components["triggerer"].terminate()
    assert run.cancel_requests == [0]
    cluster.start_triggerer("triggerer")
    run.finish()
    run.wait_for_state("success")
    assert run.cancel_requests == [0]


def test_an_execution_survives_the_move_of_its_trigger_to_another_triggerer(run_dag, cluster):
    run = run_dag("model_deferred_plain")
    run.wait_until_waiting()
    first = cluster.components["triggerer"]
    first.pause()
    cluster.start_triggerer("second")
    run.wait_until(lambda: run.task.triggerer_id == cluster.triggerers["second"], "the trigger at the second triggerer")
    first.resume()
    wait_for_heartbeats(cluster, "triggerer", 3)
    assert run.cancel_requests == [0]
    assert run.task.state == "deferred"
    run.finish()
    run.wait_for_state("success")
    assert run.cancel_requests == [0]
    cluster.components.pop("second").terminate()


@pytest.mark.parametrize(
    ("mode", "kind", "state"),
    [
        ("deferred", "model", "failed"),
        ("deferred", "model", "success"),
        ("deferred", "bulk", "success"),
        ("worker", "model", "failed"),
    ],
)
def test_marking_the_task_cancels_the_execution(run_dag, mode, kind, state):
    run = run_dag(f"{kind}_{mode}_plain")
    run.wait_until_waiting()
    run.mark(state)
    run.wait_until(lambda: run.statuses == ["canceled"], "a canceled execution")
    assert run.task.state == state


def test_marking_the_task_cancels_nothing_without_cancel_on_kill(run_dag, cluster):
    run = run_dag("model_deferred_not_canceled")
    run.wait_until_waiting()
    trigger_id = run.task.trigger_id
    run.mark("failed")
    run.wait_until(lambda: not has_trigger(cluster, trigger_id), "the end of the trigger")
    assert run.cancel_requests == [0]


def test_clearing_the_task_cancels_the_old_execution_and_starts_a_new_one(run_dag):
    run = run_dag("model_deferred_retry")  # a race in Airflow 2.11 may fail the new attempt, see docs/reliability.md
    run.wait_until_waiting()
    run.clear()
    run.wait_until(lambda: run.statuses[:1] == ["canceled"], "a canceled execution")
    run.wait_until_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert [cancel_requests > 0 for cancel_requests in run.cancel_requests] == [True, False]


def test_clearing_a_finished_task_starts_a_new_execution(run_dag, cluster):
    run = run_dag("model_deferred_plain")
    run.wait_until_waiting()
    run.finish()
    run.wait_until(lambda: cluster.run_state(run.dag_id, run.run_id) == "success", "the end of the DAG run")
    run.clear()
    run.wait_until_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert run.statuses == ["completed", "completed"]
    assert run.cancel_requests == [0, 0]


def test_failing_the_dag_run_cancels_the_executions_of_all_mapped_tasks(cluster, emulator):
    syncs = [emulator.add_model_sync(name=f"mapped {index}", duration="inf").id for index in range(2)]
    run_id = cluster.trigger("model_mapped", conf={"sync_ids": syncs})

    def all_are_waiting() -> bool:
        logs = [cluster.task_log("model_mapped", run_id, "sync", map_index) for map_index in range(2)]
        return all("Waiting for" in log for log in logs)

    cluster.wait_for(all_are_waiting, TIMEOUT, "two triggers")
    cluster.fail_run("model_mapped", run_id)

    def all_are_canceled() -> bool:
        return all(emulator.executions(sync_id)[0].status == "canceled" for sync_id in syncs)

    cluster.wait_for(all_are_canceled, TIMEOUT, "two canceled executions")
    assert [len(emulator.executions(sync_id)) for sync_id in syncs] == [1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_killed_after_the_accepted_start_does_not_start_again(run_dag, cluster, emulator, kind):
    def delay_the_response(sync_id: str) -> None:
        emulator.fault("delay", when="after", method="POST", path=f"/**/{sync_id}/executions", delay=60)

    run = run_dag(f"{kind}_worker_retry", before=delay_the_response)
    run.wait_until(lambda: len(run.executions) == 1 and run.task.pid, "the accepted start")
    if NAMES_ARE_KEPT:
        run.rename_sync()
    cluster.kill_task(run.dag_id, run.run_id, "sync")
    if SIGNAL_DEATHS_ARE_RETRIED:
        run.wait_until_waiting()
        run.finish()
        run.wait_for_state("success")
        assert run.task.try_number == 2
    else:
        run.wait_for_state("failed")
    assert len(run.executions) == 1
    assert run.cancel_requests == [0]


@pytest.mark.skipif(not trigger_has_on_kill(), reason="this Airflow keeps no state for the attempts of a task")
def test_a_retry_after_the_key_has_expired_finds_its_execution_in_the_state_store(run_dag, cluster, emulator):
    run = run_dag("model_worker_retry")
    run.wait_until_waiting()
    emulator.clock.advance(25 * 3600)
    cluster.kill_task(run.dag_id, run.run_id, "sync")
    run.wait_until(lambda: run.task.try_number == 2 and run.log().count(OWNED) == 2, "the second attempt")
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert "state store failed" not in run.log()


def test_a_lost_response_to_the_start_does_not_start_again(run_dag, emulator):
    def lose_the_response(sync_id: str) -> None:
        emulator.fault("reset", when="after", method="POST", path=f"/**/{sync_id}/executions")

    run = run_dag("model_deferred_plain", before=lose_the_response)
    run.wait_until_waiting()
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1


@pytest.mark.parametrize("mode", ["deferred", "worker"])
def test_a_retry_after_a_failed_execution_starts_a_new_one(run_dag, emulator, mode):
    run = run_dag(f"model_{mode}_retry", next_executions=[{"duration": 8, "outcome": "failed"}, {"duration": 8}])
    run.wait_for_state("success")
    assert run.statuses == ["failed", "completed"]
    assert run.task.try_number == 2
    assert run.cancel_requests == [0, 0]


@pytest.mark.parametrize("mode", ["deferred", "worker"])
@pytest.mark.parametrize("variant", ["timeout", "execution_timeout"])
def test_a_timeout_cancels_the_execution(run_dag, mode, variant):
    run = run_dag(f"model_{mode}_{variant}")
    run.wait_for_state("failed")
    run.wait_until(lambda: run.statuses == ["canceled"], "a canceled execution")


def test_a_task_waits_for_a_blocking_execution_and_never_cancels_it(run_dag, emulator):
    run = run_dag("model_deferred_plain", before=emulator.start)
    run.wait_until_waiting()
    run.finish()
    run.wait_until_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert run.cancel_requests == [0, 0]
    assert run.xcom()["execution_id"] == run.executions[1].id


def test_marking_the_task_does_not_cancel_a_blocking_execution(run_dag, cluster, emulator):
    run = run_dag("model_deferred_plain", before=emulator.start)
    run.wait_until_waiting()
    trigger_id = run.task.trigger_id
    run.mark("failed")
    run.wait_until(lambda: not has_trigger(cluster, trigger_id), "the end of the trigger")
    assert run.cancel_requests == [0]


def test_thirty_failed_polls_do_not_end_the_wait(run_dag, emulator):
    run = run_dag("model_deferred_plain")
    run.wait_until_waiting()
    path = f"/**/{run.sync_id}/executions/*"
    faults = [
        emulator.fault("status", status=503, html=True, method="GET", path=path, count=10),
        emulator.fault("status", status=429, method="GET", path=path, count=10, headers={"Retry-After": "1"}),
        emulator.fault("reset", method="GET", path=path, count=10),
    ]
    run.wait_until(lambda: all(fault.hits == 10 for fault in faults), "thirty failed polls")
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert run.cancel_requests == [0]
    assert "Failed polls: " in run.log()
