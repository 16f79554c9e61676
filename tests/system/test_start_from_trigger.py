"""Starting from the triggerer: the promises of a start in a worker, with one short worker stint."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic._compat import can_start_from_trigger

needs_ability = pytest.mark.skipif(
    not can_start_from_trigger(), reason="this Airflow does not render templates in the triggerer"
)

KINDS = ["model", "bulk"]


@needs_ability
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_is_needed_for_the_verdict_only(begin, kind):
    run = begin(f"{kind}_triggered_plain")
    run.wait_for_waiting()
    assert run.task.pid is None
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert run.xcom()["execution_id"] == run.executions[0].id
    assert run.task.pid


@needs_ability
def test_a_killed_triggerer_costs_nothing(begin, cluster):
    run = begin("model_triggered_plain")
    run.wait_for_waiting()
    cluster.components["triggerer"].kill()
    cluster.start_triggerer("triggerer")
    run.wait_until(lambda: run.log().count("Waiting for") == 2, "the trigger in its second triggerer")
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert run.cancels == [0]


@needs_ability
def test_a_triggerer_lost_after_the_accepted_start_does_not_start_again(begin, cluster, emulator):
    def delay_the_answer(sync_id: str) -> None:
        emulator.fault("delay", when="after", method="POST", path=f"/**/{sync_id}/executions", delay=60)

    run = begin("model_triggered_plain", before=delay_the_answer)
    run.wait_until(lambda: len(run.executions) == 1, "the accepted start")
    cluster.components["triggerer"].kill()
    cluster.start_triggerer("triggerer")
    run.wait_for_waiting()
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1
    assert run.cancels == [0]


@needs_ability
@pytest.mark.parametrize("state", ["failed", "success"])
def test_marking_the_task_cancels_the_execution(begin, state):
    run = begin("model_triggered_plain")
    run.wait_for_waiting()
    run.mark(state)
    run.wait_until(lambda: run.statuses == ["canceled"], "the canceled execution")
    assert run.task.state == state


@needs_ability
def test_marking_the_task_during_the_start_cancels_what_was_started(begin, emulator):
    def delay_the_answer(sync_id: str) -> None:
        emulator.fault("delay", when="after", method="POST", path=f"/**/{sync_id}/executions", delay=6)

    run = begin("model_triggered_plain", before=delay_the_answer)
    run.wait_until(lambda: len(run.executions) == 1, "the accepted start")
    run.mark("failed")
    run.wait_until(lambda: run.statuses == ["canceled"], "the canceled execution")


@needs_ability
def test_clearing_a_waiting_task_cancels_the_old_execution_and_starts_a_new_one(begin):
    run = begin("model_triggered_plain")
    run.wait_for_waiting()
    run.clear()
    run.wait_until(lambda: run.statuses[:1] == ["canceled"], "the canceled execution")
    run.wait_for_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert [cancels > 0 for cancels in run.cancels] == [True, False]


@needs_ability
def test_clearing_a_finished_task_runs_the_sync_again(begin, cluster):
    run = begin("model_triggered_plain")
    run.wait_for_waiting()
    run.finish()
    run.wait_until(lambda: cluster.run_state(run.dag_id, run.run_id) == "success", "the end of the DAG run")
    run.clear()
    run.wait_for_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert run.statuses == ["completed", "completed"]
    assert run.cancels == [0, 0]


@needs_ability
def test_a_retry_after_a_failed_execution_starts_a_new_one(begin):
    run = begin("model_triggered_retry", next_executions=[{"duration": 8, "outcome": "failed"}, {"duration": 8}])
    run.wait_for_state("success")
    assert run.statuses == ["failed", "completed"]
    assert run.task.try_number == 2
    assert run.cancels == [0, 0]


@needs_ability
@pytest.mark.parametrize("variant", ["timeout", "execution_timeout"])
def test_a_timeout_cancels_the_execution(begin, variant):
    run = begin(f"model_triggered_{variant}")
    run.wait_for_state("failed")
    run.wait_until(lambda: run.statuses == ["canceled"], "the canceled execution")


@needs_ability
def test_an_execution_in_the_way_is_waited_for_and_never_canceled(begin, emulator):
    run = begin("model_triggered_plain", before=emulator.start)
    run.wait_until(lambda: "blocking" in run.log(), "the wait for the other execution")
    run.finish()
    run.wait_for_waiting(executions=2)
    run.finish()
    run.wait_for_state("success")
    assert run.cancels == [0, 0]


@needs_ability
def test_a_refusal_fails_the_task_and_says_why(begin, emulator):
    run = begin(
        "model_triggered_retry",
        before=lambda sync_id: emulator.fault("status", status=403, method="POST", path=f"/**/{sync_id}/executions"),
    )
    run.wait_for_state("failed")
    assert run.task.try_number == 1
    assert "grant the missing permission" in run.log()


@needs_ability
def test_what_another_task_has_said_can_be_in_a_template(begin):
    run = begin("model_triggered_pulled")
    run.wait_for_waiting()
    run.finish()
    run.wait_for_state("success")
    assert len(run.executions) == 1


@needs_ability
def test_a_mapped_task_is_started_by_a_worker(cluster, emulator):
    sync = emulator.add_model_sync(name="mapped", duration=9)
    run_id = cluster.trigger("model_triggered_mapped", conf={"sync_id": sync.id})
    cluster.wait_for(
        lambda: cluster.task_state("model_triggered_mapped", run_id, "sync", 0) == "success", 90, "its end"
    )
    assert len(emulator.executions(sync.id)) == 1


@needs_ability
def test_a_sensor_may_need_a_worker_at_its_end_only(begin, emulator):
    run = begin("model_sensor_triggered", before=emulator.start)
    run.wait_for_waiting()
    assert run.task.pid is None
    run.finish()
    run.wait_for_state("success")
    assert run.xcom()["execution_id"] == run.executions[0].id


@needs_ability
def test_a_sensor_may_need_no_worker_at_all(begin, emulator):
    run = begin("model_sensor_unworked", before=emulator.start)
    run.wait_for_waiting()
    run.finish()
    run.wait_for_state("success")
    assert run.task.pid is None
    assert run.xcom()["execution_id"] == run.executions[0].id


@needs_ability
def test_a_killed_triggerer_leaves_a_sensor_its_execution(begin, cluster, emulator):
    run = begin("model_sensor_unworked", before=emulator.start)
    run.wait_for_waiting()
    cluster.components["triggerer"].kill()
    run.finish()
    emulator.start(run.sync_id)
    cluster.start_triggerer("triggerer")
    run.wait_for_state("success")
    assert run.xcom()["execution_id"] == run.executions[0].id


def test_a_sensor_may_end_without_a_worker(begin, emulator):
    run = begin("model_sensor_ended", before=emulator.start)
    run.wait_for_waiting()
    run.finish()
    run.wait_for_state("success")
    assert run.xcom()["execution_id"] == run.executions[0].id
    assert "Waiting for" in run.log()


def test_a_failure_that_a_sensor_sees_is_judged_by_a_worker(begin, emulator):
    run = begin("model_sensor_ended", before=emulator.start)
    run.wait_for_waiting()
    run.finish("failed")
    run.wait_for_state("failed")
    assert run.xcom()["outcome"] == "failed"
