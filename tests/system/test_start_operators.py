"""Start operators on real Airflow components, deferred and in a worker."""

from __future__ import annotations

import pytest

COUNTS = {"total": 100, "insert": 80, "update": 15, "upserts": 0, "delete": 0, "error": 5, "warnings": 0}


@pytest.mark.parametrize("mode", ["deferred", "worker"])
def test_a_sync_runs_once_and_returns_its_counts(run_dag, mode):
    run = run_dag(f"model_{mode}_plain", counts=COUNTS)
    run.wait_until_waiting()
    [execution] = run.executions
    if mode == "deferred":
        assert run.task.pid is None or run.task.state == "deferred"
    run.finish()
    run.wait_for_state("success")
    result = run.xcom()
    assert (result["kind"], result["sync_id"], result["execution_id"]) == ("model", run.sync_id, execution.id)
    assert (result["status"], result["outcome"]) == ("completed", "success")
    assert result["counts"] == COUNTS
    assert run.cancel_requests == [0]


def test_workers_and_the_triggerer_send_their_metrics(run_dag, statsd):
    pytest.importorskip("statsd")
    packets_before = len(statsd.packets)

    def sent(name, **tags):
        return statsd.sum(name, packets_before, conn_id="polytomic_default", **tags)

    run = run_dag("model_deferred_plain")
    run.wait_until_waiting()
    run.finish()
    run.wait_for_state("success")
    worker, triggerer = "scheduler.polytomic", "triggerer.polytomic"  # the executor runs workers in the scheduler
    run.wait_until(lambda: sent(f"{triggerer}.executions.ended"), "the metric of the end")
    assert sent(f"{worker}.executions.started", kind="model") == 1
    assert sent(f"{triggerer}.executions.ended", kind="model", outcome="success") == 1
    assert sent(f"{worker}.requests") >= 2
    assert sent(f"{triggerer}.requests") >= 1
    assert sent(f"{triggerer}.waits") >= 1
    assert sent(f"{worker}.waits") == sent(f"{triggerer}.executions.started") == 0


def test_a_failed_execution_fails_the_task_with_its_error_and_its_result(run_dag, emulator):
    run = run_dag("model_deferred_plain", duration=8, outcome="failed", errors=["the target refused the key"])
    run.wait_for_state("failed")
    assert run.xcom()["outcome"] == "failed"
    assert "the target refused the key" in run.log()
    assert emulator.api_key not in run.log()


@pytest.mark.parametrize("mode", ["deferred", "worker"])
def test_rejected_records_end_the_task_or_are_sent_by_a_resync(run_dag, emulator, mode):
    emulator.set_switch("auto_retry_record_errors", "off")
    try:
        plans = [{"counts": {"total": 10, "error": 4}}, {"counts": {}}]
        run = run_dag(f"model_{mode}_rejected", duration=3, next_executions=plans)
        run.wait_for_state("failed" if mode == "deferred" else "success")
    finally:
        emulator.set_switch("auto_retry_record_errors", "on")
    resyncs = [execution.request.get("resync", False) for execution in run.executions]
    assert resyncs == ([False] if mode == "deferred" else [False, True])
    assert run.task.try_number == len(resyncs)
    if mode == "deferred":
        assert "the next execution does not send the rejected records again" in run.log()


def test_a_refused_start_fails_the_task_without_a_retry(run_dag, emulator):
    run = run_dag(
        "model_deferred_retry",
        before=lambda sync_id: emulator.fault("status", status=403, method="POST", path=f"/**/{sync_id}/executions"),
    )
    run.wait_for_state("failed")
    assert run.task.try_number == 1
    assert "grant the missing permission" in run.log()
