"""The sensor for many executions."""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic._compat import AirflowSensorTimeout, AirflowSkipException, BaseSensorOperator
from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicRunFailed, PolytomicTaskError
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.triggers.many import PolytomicManyExecutionsTrigger
from tests.support.task_instances import Deferred, first_event

NEVER = float("inf")

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture(params=[False, True], ids=["poke", "deferrable"])
def deferrable(request, monkeypatch, emulator) -> bool:
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
    time = SimpleNamespace(sleep=emulator.clock.advance, monotonic=emulator.clock)
    monkeypatch.setattr(sys.modules[BaseSensorOperator.__module__], "time", time)
    return request.param


@pytest.fixture
def started(emulator: Any) -> Any:
    """Return a function that starts an execution and returns the result of its operator."""

    def start(kind: str = "model", **plan: Any) -> dict[str, Any]:
        if kind == "model":
            sync = emulator.add_model_sync(**{"duration": 20, **plan})
        else:
            sync = emulator.add_bulk_sync(**{"schemas": [{"id": "contact", "duration": 40}], **plan})
        return {"kind": kind, "sync_id": sync.id, "execution_id": emulator.start(sync.id).id, "status": "created"}

    return start


@pytest.fixture
def build(task_instance: Any, deferrable: bool) -> Any:
    def build(runs: Any, **options: Any) -> Any:
        options = {"poke_interval": 5, "timeout": 600, "deferrable": deferrable, **options}
        return task_instance(PolytomicWaitForSyncsSensor(task_id="wait", runs=runs, **options))

    return build


def test_the_results_of_all_are_returned_in_order(build, started):
    runs = [started("bulk"), started(), None, started(duration=5)]
    results = build(runs).finish()
    wanted = [run for run in runs if run]
    assert [result["execution_id"] for result in results] == [run["execution_id"] for run in wanted]
    assert {result["outcome"] for result in results} == {"success"}


def test_each_sync_is_requested_once_for_its_name(build, started, emulator):
    runs = [started(name="One"), started("bulk", name="Two")]
    assert [result["sync_name"] for result in build(runs).finish()] == ["One", "Two"]
    of_model_sync, of_bulk_sync = (f"/api/syncs/{runs[0]['sync_id']}", f"/api/bulk/syncs/{runs[1]['sync_id']}")
    paths = [request.path for request in emulator.requests]
    assert (paths.count(of_model_sync), paths.count(of_bulk_sync)) == (1, 1)


def test_another_sync_that_failed_after_a_deferral_has_its_own_name(started, task_instance, emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
    runs = [started(name="One"), started(name="Two", outcome="failed")]
    first = task_instance(PolytomicWaitForSyncsSensor(task_id="wait", runs=runs, deferrable=True))
    with pytest.raises(Deferred) as deferred:
        first.execute()
    task = task_instance(PolytomicWaitForSyncsSensor(task_id="wait", runs=runs, deferrable=True))
    task.xcoms.update(first.xcoms)
    event = asyncio.run(first_event(deferred.value.trigger))
    with pytest.raises(PolytomicRunFailed):
        task.task.resume_execution("execute_complete", {"event": event}, task.context)
    assert task.xcoms["polytomic_sync_settings"]["name"] == "Two"


def test_an_empty_list_needs_no_wait(build):
    assert build([]).finish() == []


def test_failed_executions_are_in_a_table_and_all_results_in_xcom(build, started):
    good, bad = started(), started(outcome="failed", errors=["no such\nfield"])
    task = build([good, bad])
    with pytest.raises(PolytomicRunFailed) as failed:
        task.finish()
    headline, header, *rows, next_steps, _, _ = str(failed.value).splitlines()
    assert next_steps == "  Next:"
    assert headline == "1 of 2 executions did not succeed:"
    assert header.split() == ["sync", "execution", "status", "records", "errors", "message"]
    assert [row.split(None, 4)[:4] for row in rows] == [["model", bad["sync_id"], bad["execution_id"], "failed"]]
    assert rows[0].endswith("no such\\nfield")
    assert [result["outcome"] for result in task.xcoms["return_value"]] == ["success", "failed"]


def test_more_record_errors_than_max_errors_fail_the_task(build, started):
    runs = [started(counts={"total": 5, "error": 3})]
    assert build(runs).finish()[0]["counts"]["error"] == 3
    with pytest.raises(PolytomicRunFailed):
        build(runs, max_errors=2).finish()


def test_a_partial_success_fails_the_task_unless_fail_on_partial_is_false(build, started):
    runs = [started("bulk", schemas=[{"id": "a"}, {"id": "b", "outcome": "failed"}])]
    assert build(runs, fail_on_partial=False).finish()[0]["outcome"] == "partial"
    with pytest.raises(PolytomicRunFailed):
        build(runs).finish()


def test_an_unknown_execution_is_refused_after_the_others_have_ended(build, started):
    good = started()
    task = build([good, {**started(), "execution_id": "00000000-0000-0000-0000-000000000000"}])
    with pytest.raises(PolytomicRequestRefused, match="unknown"):
        task.finish()
    assert [result["execution_id"] for result in task.xcoms["return_value"]] == [good["execution_id"]]


def test_executions_that_exceed_the_timeout_are_in_a_table(build, started):
    good, late = started(), started(duration=NEVER)
    task = build([good, late], timeout=60, mode="poke")
    with pytest.raises(AirflowSensorTimeout, match="1 of 2 executions did not end") as failed:
        task.finish()
    assert late["execution_id"] in str(failed.value)
    assert good["execution_id"] not in str(failed.value)
    assert [result["execution_id"] for result in task.xcoms["return_value"]] == [good["execution_id"]]


def test_a_skip_at_the_timeout_pushes_the_results_of_the_ended_executions(build, started):
    good, late = started(), started(duration=NEVER)
    task = build([good, late], timeout=60, soft_fail=True)
    with pytest.raises(AirflowSkipException):
        task.finish()
    assert [result["execution_id"] for result in task.xcoms["return_value"]] == [good["execution_id"]]


def test_soft_fail_skips_after_a_failure(build, started):
    with pytest.raises(AirflowSkipException):
        build([started(outcome="failed")], soft_fail=True).finish()


def test_failed_polls_change_nothing(build, started, emulator):
    runs = [started(), started()]
    emulator.fault("status", status=503, method="GET", count=6)
    assert {result["outcome"] for result in build(runs).finish()} == {"success"}


def test_a_long_table_is_cut(build, started):
    with pytest.raises(PolytomicRunFailed) as failed:
        build([started(outcome="failed") for _ in range(27)]).finish()
    assert len(str(failed.value).splitlines()) < 30
    assert "\n  and 5 more\n" in str(failed.value)


@pytest.mark.parametrize(
    "runs", [[{"kind": "model"}], [{"kind": "x", "sync_id": "a", "execution_id": "b"}], ["a"], 7, None]
)
@pytest.mark.parametrize("soft_fail", [False, True])
def test_invalid_runs_are_refused(build, runs, soft_fail):
    with pytest.raises(AirflowSkipException if soft_fail else PolytomicRequestRefused):
        build(runs, soft_fail=soft_fail).execute()


def test_a_connection_that_cannot_be_used_is_refused(build, started, monkeypatch):
    task = build([started()])
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps({"conn_type": "polytomic"}))
    with pytest.raises(PolytomicRequestRefused, match="no API key"):
        task.finish()


async def test_the_trigger_reports_a_connection_that_cannot_be_used(emulator, wait_for_event, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps({"conn_type": "polytomic"}))
    run = {"kind": "model", "sync_id": "s", "execution_id": "e"}
    event = await wait_for_event(PolytomicManyExecutionsTrigger(runs=[run], try_number=2))
    assert (event["status"], event["try_number"]) == ("refused", 2)
    assert "no API key" in event["message"]


def test_all_status_requests_use_one_client(build, started, emulator, monkeypatch):
    made = []
    init = PolytomicClient.__init__
    monkeypatch.setattr(PolytomicClient, "__init__", lambda *args, **more: (made.append(1), init(*args, **more))[1])
    sensor = build([started(), started()])
    sensor.task.deferrable = False
    sensor.finish()
    assert len(made) == 1
    assert len(emulator.requests) > 2


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        "x",
        {"status": "ended"},
        {"status": "ended", "executions": []},
        {"status": "success", "executions": [None]},
    ],
)
def test_an_unexpected_event_fails_the_task(build, started, event):
    with pytest.raises(PolytomicTaskError, match="Unexpected trigger event"):
        build([started()]).resume(event)


def test_a_failed_deferral_counts_only_for_its_own_attempt(task_instance, started, deferred, emulator):
    """Airflow 3.0 resumes a retry like the attempt before it."""
    task = task_instance(PolytomicWaitForSyncsSensor(task_id="wait", runs=[started()], deferrable=True, retries=1))
    failed = (task.task.resume_execution, "__fail__", {"error": "Trigger failure"}, task.context)
    with pytest.raises(deferred):
        task.execute()
    with pytest.raises(Exception, match="Trigger failure"):
        task._call(*failed)
    task.retry()
    with pytest.raises(deferred):
        task._call(*failed)


def test_an_event_of_an_earlier_attempt_starts_over(build, started, deferred, deferrable):
    task = build([started()])
    event = {"status": "deadline", "executions": [None], "try_number": 1}
    task.retry()
    if deferrable:
        with pytest.raises(deferred):
            task.resume(event)
    else:
        assert [result["outcome"] for result in task.resume(event)] == ["success"]


def test_the_executions_that_were_waited_for_are_judged_although_runs_have_changed(task_instance, started, emulator):
    waited_for, another = started(), started(outcome="failed", duration=0)
    task = task_instance(PolytomicWaitForSyncsSensor(task_id="wait", runs=[waited_for], deferrable=True))
    with pytest.raises(Deferred) as deferral:
        task.execute()
    event = asyncio.run(first_event(deferral.value.trigger))
    task.task.runs = [another]
    [result] = task.resume(event)
    assert (result["execution_id"], result["outcome"]) == (waited_for["execution_id"], "success")


def test_a_429_ends_the_poke(task_instance, started, emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
    runs = [started(), started()]
    task = task_instance(PolytomicWaitForSyncsSensor(task_id="wait", runs=runs))
    emulator.fault("status", status=429, headers={"Retry-After": "10"}, path="/**/executions/*")
    assert task.task.poke(task.context) is False
    assert len([one for one in emulator.requests if "/executions/" in one.path and one.method == "GET"]) == 1
