"""Sensors on real Airflow components, deferred by a worker, or started and ended in the triggerer."""

from __future__ import annotations

import time

import pytest

from airflow_provider_polytomic._compat import can_start_from_trigger

from .cluster import IS_AIRFLOW_2

starts_in_triggerer = pytest.mark.skipif(
    not can_start_from_trigger(), reason="this Airflow does not render templates in the triggerer"
)

keeps_the_execution = pytest.mark.skipif(
    not (IS_AIRFLOW_2 or can_start_from_trigger()), reason="this Airflow keeps nothing from one poke to the next"
)


@pytest.fixture
def polytomic_ahead(emulator):
    """Return a function that sets Polytomic's clock some seconds ahead of Airflow's, until the test ends."""
    before = emulator.clock() - time.time()
    yield lambda seconds: emulator.clock.set(time.time() + seconds)
    emulator.clock.set(time.time() + before)


@starts_in_triggerer
def test_a_sensor_that_starts_in_the_triggerer_needs_a_worker_at_its_end_only(run_dag, emulator):
    run = run_dag("sensor_starts_in_triggerer", before=emulator.start)
    run.wait_until_waiting()
    assert run.task.pid is None
    run.finish()
    run.wait_for_state("success")
    assert run.xcom()["execution_id"] == run.executions[0].id


@starts_in_triggerer
def test_a_sensor_by_name_that_starts_and_ends_in_the_triggerer_needs_no_worker(run_dag, emulator):
    run = run_dag("bulk_schema_in_triggerer", before=emulator.start)
    run.wait_until_waiting()
    run.finish()
    run.wait_for_state("success")
    assert run.task.pid is None
    assert run.xcom()["execution_id"] == run.executions[0].id


@starts_in_triggerer
def test_a_sensor_waits_for_the_same_execution_after_its_triggerer_is_killed(run_dag, cluster, emulator):
    run = run_dag("sensor_in_triggerer", before=emulator.start)
    run.wait_until_waiting()
    cluster.components["triggerer"].kill()
    run.finish()
    emulator.start(run.sync_id)
    cluster.start_triggerer("triggerer")
    run.wait_for_state("success")
    assert run.task.pid is None, "a worker ran the task"
    assert run.xcom()["execution_id"] == run.executions[0].id


def test_a_sensor_that_starts_in_a_worker_ends_in_the_triggerer(run_dag, emulator):
    run = run_dag("sensor_ends_in_triggerer", before=emulator.start)
    run.wait_until_waiting()
    run.finish()
    run.wait_for_state("success")
    assert run.xcom()["execution_id"] == run.executions[0].id
    assert "Waiting for" in run.log()


def test_a_worker_evaluates_a_failure_although_the_sensor_may_end_in_the_triggerer(run_dag, emulator):
    run = run_dag("sensor_ends_in_triggerer", before=emulator.start)
    run.wait_until_waiting()
    run.finish("failed")
    run.wait_for_state("failed")
    assert run.xcom()["outcome"] == "failed"


@keeps_the_execution
def test_a_rescheduled_sensor_waits_for_the_execution_of_its_first_poke(run_dag, emulator, polytomic_ahead):
    def start_the_second_execution(sync_id):
        emulator.finish(emulator.start(sync_id).id, "failed")
        emulator.start(sync_id)

    polytomic_ahead(120)
    run = run_dag("sensor_rescheduled", before=start_the_second_execution)
    run.wait_for_state("up_for_reschedule")
    run.finish()
    emulator.start(run.sync_id)
    run.wait_for_state("success")
    assert run.xcom()["execution_id"] == run.executions[1].id
