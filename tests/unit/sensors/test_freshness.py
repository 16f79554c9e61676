"""The freshness sensor, in a worker and deferred."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest

from airflow_provider_polytomic._compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError
from airflow_provider_polytomic.executions import Freshness
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from airflow_provider_polytomic.triggers.freshness import PolytomicFreshnessTrigger

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture(params=["model", "bulk"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["poke", "deferrable"])
def deferrable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, emulator: Any) -> bool:
    monkeypatch.setattr("time.sleep", emulator.clock.advance)
    monkeypatch.setattr(Freshness, "__init__", with_clock(emulator.clock))
    return bool(request.param)


def with_clock(clock: Any) -> Any:
    made = Freshness.__init__

    def init(self: Freshness, *arguments: Any, **more: Any) -> None:
        made(self, *arguments, **{"clock": clock, **more})

    return init


class Sync:
    """A sync in the emulator, and sensors for it."""

    def __init__(self, emulator: Any, kind: str, task_instance: Any, deferrable: bool) -> None:
        self.emulator, self.kind, self.task_instance, self.deferrable = emulator, kind, task_instance, deferrable
        self.id = emulator.add_model_sync().id if kind == "model" else emulator.add_bulk_sync().id

    def run(self, seconds: float = 60, wait: float = 0, **plan: Any) -> Any:
        """Run an execution to its end, and let some time pass."""
        plan = {"duration": seconds, **plan}
        if self.kind == "bulk" and "schemas" not in plan:
            plan["schemas"] = [{"id": "contact", "duration": seconds}]
        self.emulator.plan(self.id, **plan)
        execution = self.emulator.start(self.id)
        self.emulator.clock.advance(seconds + wait)
        return execution

    def now(self, seconds: float = 0) -> datetime:
        return datetime.fromtimestamp(self.emulator.clock() + seconds, timezone.utc)

    def task(self, **options: Any) -> Any:
        context = {
            name: options.pop(name)
            for name in ("data_interval_start", "data_interval_end", "dag_run")
            if name in options
        }
        options = {"task_id": "fresh", "poke_interval": 5, "timeout": 600, "deferrable": self.deferrable, **options}
        return self.task_instance(PolytomicFreshnessSensor(sync_id=self.id, kind=self.kind, **options), **context)


@pytest.fixture
def sync(emulator: Any, kind: str, task_instance: Any, deferrable: bool) -> Sync:
    return Sync(emulator, kind, task_instance, deferrable)


def completed_at(sync: Sync, execution: Any) -> datetime:
    return datetime.fromisoformat(sync.emulator.execution(execution.id).completed_at.replace("Z", "+00:00"))


class TestFreshness:
    def test_the_end_of_an_execution_counts(self, sync):
        since = sync.now(30)
        execution = sync.run(60, wait=1000)
        assert sync.task(since=since).finish()["execution_id"] == execution.id

    @pytest.mark.parametrize(("microseconds", "fresh"), [(-1, True), (0, True), (1, False)])
    def test_since_is_inclusive(self, sync, microseconds, fresh):
        execution = sync.run(60, wait=10)
        since = completed_at(sync, execution) + timedelta(microseconds=microseconds)
        task = sync.task(since=since.isoformat(), timeout=0.1)
        if fresh:
            assert task.finish()["execution_id"] == execution.id
        else:
            with pytest.raises(AirflowSensorTimeout):
                task.finish()

    @pytest.mark.parametrize("age", [timedelta(minutes=30), 1800, 1800.0])
    def test_max_age_counts_from_the_end(self, sync, age):
        execution = sync.run(3600, wait=1700)
        result = sync.task(max_age=age).finish()
        assert (result["kind"], result["execution_id"], result["outcome"]) == (sync.kind, execution.id, "success")
        sync.emulator.clock.advance(200)
        with pytest.raises(AirflowSensorTimeout, match="completed in the last 1800 s"):
            sync.task(max_age=age, timeout=0.1).finish()

    @pytest.mark.parametrize("outcome", ["failed", "canceled"])
    def test_later_failures_do_not_matter(self, sync, outcome):
        since = sync.now()
        good = sync.run()
        sync.run(outcome=outcome)
        assert sync.task(since=since).finish()["execution_id"] == good.id

    @pytest.mark.parametrize("outcome", ["failed", "canceled", "interrupted"])
    def test_an_unsuccessful_execution_is_not_enough(self, sync, outcome):
        since = sync.now()
        sync.run(outcome=outcome)
        with pytest.raises(AirflowSensorTimeout):
            sync.task(since=since, timeout=0.1).finish()

    def test_the_latest_success_is_returned(self, sync):
        since = sync.now()
        sync.run()
        latest = sync.run()
        assert sync.task(since=since).finish()["execution_id"] == latest.id

    def test_all_pages_of_the_history_are_searched(self, sync):
        since = sync.now()
        sync.emulator.set_switch("page_size", 5)
        good = sync.run()
        for _ in range(12):
            sync.run(outcome="failed")
        assert sync.task(since=since).finish()["execution_id"] == good.id

    def test_pages_of_older_executions_are_not_requested(self, sync):
        sync.emulator.set_switch("page_size", 5)
        for _ in range(12):
            sync.run()
        with pytest.raises(AirflowSensorTimeout):
            sync.task(since=sync.now(1), timeout=0.1).finish()
        assert not [one for one in sync.emulator.requests if "page_token" in one.query]

    def test_a_running_execution_is_awaited(self, sync):
        since = sync.now(20)
        sync.run(10)
        sync.emulator.plan(sync.id, **({"duration": 60} if sync.kind == "model" else {}))
        running = sync.emulator.start(sync.id)
        assert sync.task(since=since).finish()["execution_id"] == running.id

    @pytest.mark.parametrize("interval", [True, False], ids=["data interval", "DAG run"])
    def test_since_is_the_start_of_the_data_interval_or_of_the_dag_run(self, sync, interval):
        class DagRun:
            start_date = sync.now(500)

        begin = sync.now(-500) if interval else None
        sync.run(100, wait=500)
        task = sync.task(data_interval_start=begin, data_interval_end=DagRun.start_date, dag_run=DagRun(), timeout=0.1)
        if interval:
            assert task.finish()["outcome"] == "success"
        else:
            with pytest.raises(AirflowSensorTimeout):
                task.finish()


def test_a_partial_success_is_not_fresh(emulator, task_instance):
    sync = Sync(emulator, "bulk", task_instance, False)
    schemas = [{"id": "a", "duration": 1}, {"id": "b", "duration": 1, "outcome": "failed"}]
    sync.run(1, wait=5, schemas=schemas, outcome="completed")
    task = sync.task(max_age=3600)
    assert task.task.poke(task.context) is False


class TestResult:
    def test_it_is_the_result_of_the_execution(self, sync):
        execution = sync.run()
        result = sync.task(max_age=3600).finish()
        assert list(result) == [
            "kind", "sync_id", "sync_name", "execution_id", "status", "outcome", "created_at", "started_at",
            "completed_at", "counts", "errors", "schemas", "url", "records_sent",
        ] + ["records_expected"] * (result["kind"] == "model")  # fmt: skip
        assert result["counts"]["total"] > 0
        assert sync.emulator.requests[-1].path.endswith(f"/executions/{execution.id}")

    def test_only_get_requests_are_sent(self, sync):
        sync.run()
        sync.task(max_age=3600).finish()
        assert {one.method for one in sync.emulator.requests} == {"GET"}


class TestFailures:
    @pytest.mark.parametrize("times", [1, 3])
    def test_failed_requests_change_nothing(self, sync, times):
        execution = sync.run()
        sync.emulator.fault("status", status=503, count=times * 7)
        assert sync.task(max_age=36000, timeout=6000).finish()["execution_id"] == execution.id

    @pytest.mark.parametrize("soft_fail", [False, True])
    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_a_refused_request_fails_the_task(self, sync, status, soft_fail):
        sync.emulator.fault("status", status=status, count=None)
        expected = AirflowSkipException if soft_fail else PolytomicRequestRefused
        with pytest.raises(expected, match="cannot be waited for"):
            sync.task(max_age=60, soft_fail=soft_fail).finish()

    def test_a_refused_request_in_the_triggerer_fails_the_task(self, emulator, task_instance, deferred, monkeypatch):
        sync = Sync(emulator, "model", task_instance, True)
        task = sync.task(max_age=60)
        with pytest.raises(deferred) as caught:
            task.execute()
        emulator.fault("status", status=403, count=None)
        event = asyncio.run(anext(caught.value.trigger.run())).payload
        with pytest.raises(PolytomicRequestRefused, match="403"):
            task.resume(event)

    @pytest.mark.parametrize("invalid", ["", "..", "None"])
    def test_an_invalid_id_is_refused(self, sync, invalid):
        sync.id = invalid
        with pytest.raises(PolytomicRequestRefused, match="sync_id is"):
            sync.task(max_age=60).execute()

    @pytest.mark.parametrize("invalid", ["yesterday", "", 7])
    def test_an_invalid_since_is_refused(self, sync, invalid):
        with pytest.raises(PolytomicRequestRefused, match="since is .*not a time"):
            sync.task(since=invalid).execute()

    @pytest.mark.parametrize(
        ("invalid", "message"),
        [
            ({"kind": "models"}, "kind must be"),
            ({"max_age": 5, "since": "2026-01-01"}, "exclude"),
        ],
    )
    def test_invalid_parameters_are_refused_when_the_dag_is_parsed(self, invalid, message):
        with pytest.raises(ValueError, match=message):
            PolytomicFreshnessSensor(task_id="fresh", sync_id="s", **invalid)


class TestDeferral:
    def test_its_trigger_can_be_rebuilt_from_json(self, emulator, task_instance, deferred):
        task = Sync(emulator, "bulk", task_instance, True).task(max_age=60)
        with pytest.raises(deferred) as caught:
            task.execute()
        path, kwargs = json.loads(json.dumps(caught.value.trigger.serialize()))
        module, _, name = path.rpartition(".")
        assert getattr(import_module(module), name)(**kwargs).serialize() == (path, kwargs)
        assert caught.value.timeout > timedelta(seconds=600)
        assert emulator.api_key not in json.dumps(kwargs)

    def test_an_event_of_an_earlier_attempt_starts_over(self, emulator, task_instance, deferred):
        sync = Sync(emulator, "model", task_instance, True)
        task = sync.task(max_age=3600)
        with pytest.raises(deferred) as caught:
            task.execute()
        execution = sync.run()
        with pytest.raises(AirflowSensorTimeout):
            task.resume({"status": "deadline", "try_number": 1})
        assert caught.value.trigger.try_number == 1
        assert task.retry().resume({"status": "deadline", "try_number": 1})["execution_id"] == execution.id

    def test_an_unexpected_event_fails_the_task(self, emulator, task_instance):
        with pytest.raises(PolytomicTaskError, match="Unexpected trigger event"):
            Sync(emulator, "model", task_instance, True).task(max_age=60).resume({"status": "success"})

    def test_without_since_and_max_age_any_success_is_enough(self, emulator, task_instance):
        sync = Sync(emulator, "model", task_instance, True)
        execution = sync.run(wait=10**7)
        event = asyncio.run(anext(PolytomicFreshnessTrigger(kind="model", sync_id=sync.id).run())).payload
        assert event["execution"]["execution_id"] == execution.id
