"""A sync from a DAG on real Airflow components, in both modes."""

from __future__ import annotations

import pytest

COUNTS = {"total": 100, "insert": 80, "update": 15, "upserts": 0, "delete": 0, "error": 5, "warnings": 0}


@pytest.mark.parametrize("mode", ["deferred", "worker"])
def test_a_sync_runs_once_and_hands_on_its_counts(begin, mode):
    run = begin(f"model_{mode}_plain", counts=COUNTS)
    run.wait_for_waiting()
    [execution] = run.executions
    if mode == "deferred":
        assert run.task.pid is None or run.task.state == "deferred"
    run.finish()
    run.wait_for_state("success")
    result = run.xcom()
    assert (result["kind"], result["sync_id"], result["execution_id"]) == ("model", run.sync_id, execution.id)
    assert (result["status"], result["outcome"]) == ("completed", "success")
    assert result["counts"] == COUNTS
    assert run.cancels == [0]


@pytest.mark.parametrize("mode", ["deferred", "worker"])
def test_a_bulk_sync_runs_once_and_hands_on_its_schemas(begin, mode):
    run = begin(f"bulk_{mode}_plain")
    run.wait_for_waiting()
    run.finish()
    run.wait_for_state("success")
    result = run.xcom()
    assert (result["kind"], result["outcome"]) == ("bulk", "success")
    assert [row["schema"] for row in result["schemas"]] == ["contact"]
    assert run.cancels == [0]


def test_a_sensor_waits_for_an_execution_that_it_did_not_start(begin, emulator):
    run = begin("model_sensor", before=emulator.start)
    run.wait_for_state("deferred")
    run.finish()
    run.wait_for_state("success")
    assert run.xcom()["execution_id"] == run.executions[0].id
    assert len(run.executions) == 1


def test_a_failed_execution_fails_the_task_with_its_cause_and_its_result(begin, emulator):
    run = begin("model_deferred_plain", duration=8, outcome="failed", errors=["the target refused the key"])
    run.wait_for_state("failed")
    assert run.xcom()["outcome"] == "failed"
    assert "the target refused the key" in run.log()
    assert emulator.api_key not in run.log()
