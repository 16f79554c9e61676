"""One execution for a task instance, whatever dies: real components, killed, stopped and paused."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic._compat import trigger_has_on_kill

from .cluster import AIRFLOW_VERSION, Cluster

KINDS = ["model", "bulk"]
SIGNAL_DEATHS_ARE_RETRIED = not AIRFLOW_VERSION.startswith("3.0.")


def has_trigger(cluster: Cluster, trigger_id: int) -> bool:
    return bool(cluster.database.rows('SELECT 1 FROM "trigger" WHERE id = %s', trigger_id))


def wait_for_heartbeats(cluster: Cluster, triggerer: str, beats: int) -> None:
    """Wait until a triggerer has gone round its loop so often, so that it has seen what changed before."""
    seen = set()

    def beaten() -> bool:
        [row] = cluster.database.rows("SELECT latest_heartbeat FROM job WHERE id = %s", cluster.triggerers[triggerer])
        seen.add(row["latest_heartbeat"])
        return len(seen) > beats

    cluster.wait_for(beaten, 60, f"{beats} heartbeats of {triggerer}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_triggerer_costs_nothing(begin, cluster, kind):
    run = begin(f"{kind}_deferred_plain")
    run.wait_for_waiting()
    cluster.components["triggerer"].kill()
    cluster.start_triggerer("triggerer")
    run.finish()
    run.wait_for_state("success")
    assert run.cancels == [0]


def test_a_terminated_triggerer_costs_nothing(begin, cluster):
    run = begin("model_deferred_plain")
    run.wait_for_waiting()
    cluster.components["triggerer"].terminate()
    assert run.cancels == [0]
    cluster.start_triggerer("triggerer")
    run.finish()
    run.wait_for_state("success")
    assert run.cancels == [0]


def test_a_trigger_that_moves_to_another_triggerer_leaves_the_execution_alone(begin, cluster):
    run = begin("model_deferred_plain")
    run.wait_for_waiting()
    first = cluster.components["triggerer"]
    first.pause()
    cluster.start_triggerer("second")
    run.wait_until(lambda: run.task.triggerer_id == cluster.triggerers["second"], "the trigger at the second triggerer")
    first.resume()
    wait_for_heartbeats(cluster, "triggerer", 3)
    assert run.cancels == [0]
    assert run.task.state == "deferred"
    run.finish()
    run.wait_for_state("success")
    assert run.cancels == [0]
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
def test_marking_the_task_cancels_the_execution(begin, mode, kind, state):
    run = begin(f"{kind}_{mode}_plain")
    run.wait_for_waiting()
    run.mark(state)
    run.wait_until(lambda: run.statuses == ["canceled"], "the canceled execution")
    assert run.task.state == state


def test_marking_the_task_leaves_the_execution_where_that_is_wanted(begin, cluster):
    run = begin("model_deferred_kept")
    run.wait_for_waiting()
    trigger_id = run.task.trigger_id
    run.mark("failed")
    run.wait_until(lambda: not has_trigger(cluster, trigger_id), "the end of the trigger")
    assert run.cancels == [0]


def test_clearing_the_task_cancels_the_old_execution_and_starts_a_new_one(begin):
    run = begin("model_deferred_retry")  # 2.11 may lose the new attempt to its own race, see docs/reliability.md
    run.wait_for_waiting()
    run.clear()
    run.wait_until(lambda: run.statuses[:1] == ["canceled"], "the canceled execution")
    run.wait_for_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert [cancels > 0 for cancels in run.cancels] == [True, False]


def test_failing_the_dag_run_cancels_the_executions_of_all_mapped_tasks(cluster, emulator):
    syncs = [emulator.add_model_sync(name=f"mapped {index}", duration="inf").id for index in range(2)]
    run_id = cluster.trigger("model_mapped", conf={"sync_ids": syncs})

    def all_waited_for() -> bool:
        logs = [cluster.task_log("model_mapped", run_id, "sync", map_index) for map_index in range(2)]
        return all("Waiting for" in log for log in logs)

    cluster.wait_for(all_waited_for, 90, "two triggers")
    cluster.fail_run("model_mapped", run_id)
    for sync_id in syncs:
        cluster.wait_for(lambda sync_id=sync_id: emulator.executions(sync_id)[0].status == "canceled", 60, "a cancel")
    assert [len(emulator.executions(sync_id)) for sync_id in syncs] == [1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_lost_after_the_accepted_start_does_not_start_again(begin, cluster, emulator, kind):
    def delay_the_answer(sync_id: str) -> None:
        emulator.fault("delay", when="after", method="POST", path=f"/**/{sync_id}/executions", delay=60)

    run = begin(f"{kind}_worker_retry", before=delay_the_answer)
    run.wait_until(lambda: len(run.executions) == 1 and run.task.pid, "the accepted start")
    cluster.kill_task(run.dag_id, run.run_id, "sync")
    if SIGNAL_DEATHS_ARE_RETRIED:
        run.wait_for_waiting()
        run.finish()
        run.wait_for_state("success")
        assert run.task.try_number == 2
    else:
        run.wait_for_state("failed")
    assert len(run.executions) == 1
    assert run.cancels == [0]


@pytest.mark.skipif(not trigger_has_on_kill(), reason="this Airflow keeps no state for the attempts of a task")
def test_a_retry_after_the_key_has_expired_finds_its_execution_by_the_state_store(begin, cluster, emulator):
    run = begin("model_worker_retry")
    run.wait_for_waiting()
    emulator.clock.advance(25 * 3600)
    cluster.kill_task(run.dag_id, run.run_id, "sync")
    run.wait_until(lambda: run.task.try_number == 2 and run.log().count(": ours, ") == 2, "the second attempt")
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert "state store failed" not in run.log()


def test_a_lost_answer_to_the_start_does_not_start_again(begin, emulator):
    def lose_the_answer(sync_id: str) -> None:
        emulator.fault("reset", when="after", method="POST", path=f"/**/{sync_id}/executions")

    run = begin("model_deferred_plain", before=lose_the_answer)
    run.wait_for_waiting()
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1


@pytest.mark.parametrize("mode", ["deferred", "worker"])
def test_a_retry_after_a_failed_execution_starts_a_new_one(begin, emulator, mode):
    run = begin(f"model_{mode}_retry", next_executions=[{"duration": 8, "outcome": "failed"}, {"duration": 8}])
    run.wait_for_state("success")
    assert run.statuses == ["failed", "completed"]
    assert run.task.try_number == 2
    assert run.cancels == [0, 0]


@pytest.mark.parametrize("mode", ["deferred", "worker"])
@pytest.mark.parametrize("variant", ["timeout", "execution_timeout"])
def test_a_timeout_cancels_the_execution(begin, mode, variant):
    run = begin(f"model_{mode}_{variant}")
    run.wait_for_state("failed")
    run.wait_until(lambda: run.statuses == ["canceled"], "the canceled execution")


def test_an_execution_in_the_way_is_waited_for_and_never_canceled(begin, emulator):
    run = begin("model_deferred_plain", before=emulator.start)
    run.wait_for_waiting()
    run.finish()
    run.wait_for_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert run.cancels == [0, 0]
    assert run.xcom()["execution_id"] == run.executions[1].id


def test_an_execution_in_the_way_is_left_alone_by_a_kill(begin, cluster, emulator):
    run = begin("model_deferred_plain", before=emulator.start)
    run.wait_for_waiting()
    trigger_id = run.task.trigger_id
    run.mark("failed")
    run.wait_until(lambda: not has_trigger(cluster, trigger_id), "the end of the trigger")
    assert run.cancels == [0]


def test_a_minute_of_failing_polls_decides_nothing(begin, emulator):
    run = begin("model_deferred_plain")
    run.wait_for_waiting()
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
    assert run.cancels == [0]
    assert "failed polls" in run.log()
