"""Responses that are not Polytomic's, and keys that are rotated while a task waits: in a worker and deferred."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from airflow_provider_polytomic.api import clients
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicUnavailable
from airflow_provider_polytomic.hooks import _lookup
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger
from tests.support.task_instances import first_event

NEVER = float("inf")
REFUSALS = [400, 401, 403, 404, 410, 422]
BODIES: dict[str, dict[str, Any]] = {
    "HTML": {"html": True},
    "empty": {"body": ""},
    "JSON of a gateway": {"body": {"error": "no route"}},
}


@pytest.fixture
def connect(emulator, monkeypatch):
    """Return a function that writes the Airflow connection with a key."""

    def write(key: str) -> None:
        fields = {"conn_type": "polytomic", "host": emulator.url, "password": key, "extra": {"max_retries": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(fields))

    return write


@pytest.mark.usefixtures("no_waiting")
class TestForeignResponses:
    @pytest.mark.parametrize("status", REFUSALS)
    @pytest.mark.parametrize("body", BODIES)
    def test_none_ends_a_wait(self, kind, task_instance, deferrable, status, body):
        sync_id = kind.add(duration=60)
        fault = {"method": "GET", "path": "/**/executions/*", "skip": 1, "count": 4}
        kind.emulator.fault("status", status=status, **BODIES[body], **fault)
        assert task_instance(kind.start(sync_id, deferrable=deferrable)).finish()["outcome"] == "success"
        assert len(kind.emulator.executions(sync_id)) == 1

    @pytest.mark.parametrize("status", REFUSALS)
    def test_none_ends_a_sensor(self, kind, task_instance, deferrable, status, monkeypatch):
        monkeypatch.setattr("time.sleep", kind.emulator.clock.advance)
        sync_id = kind.add(duration=60)
        kind.emulator.start(sync_id)
        kind.emulator.fault("status", status=status, html=True, count=9, skip=1)
        assert task_instance(kind.sensor(sync_id, deferrable=deferrable)).finish()["outcome"] == "success"

    @pytest.mark.parametrize("status", [*REFUSALS, 409, 500])
    def test_a_start_is_sent_again_under_the_same_key(self, kind, task_instance, status):
        sync_id = kind.add(duration=60)
        kind.emulator.fault("status", status=status, html=True, method="POST", count=2)
        assert task_instance(kind.start(sync_id)).finish()["outcome"] == "success"
        assert len({start.idempotency_key for start in kind.starts}) == 1
        assert len(kind.emulator.executions(sync_id)) == 1

    def test_a_retry_sends_a_start_that_only_a_proxy_refused_under_the_same_key(self, kind, task_instance, connect):
        connect(kind.emulator.api_key)
        sync_id = kind.add(duration=60)
        fault = kind.emulator.fault("status", status=404, html=True, method="POST", count=None)
        task = task_instance(kind.start(sync_id))
        for _ in range(3):
            with pytest.raises(PolytomicUnavailable, match="not an answer of Polytomic's API"):
                task.execute()
            task.retry()
        fault.count = 0
        assert task.finish()["outcome"] == "success"
        assert len({start.idempotency_key for start in kind.starts}) == 1

    @pytest.mark.parametrize("status", [*REFUSALS, 409])
    @pytest.mark.parametrize("body", BODIES)
    def test_a_cancellation_is_repeated(self, kind, task_instance, status, body):
        sync_id = kind.add(duration=NEVER)
        execution = kind.emulator.start(sync_id)
        kind.emulator.fault("status", status=status, **BODIES[body], method="POST", count=2)
        task_instance(kind.cancel(sync_id, poll_interval=5)).execute()
        assert len(kind.cancels) == 3
        assert kind.emulator.execution(execution.id).status == "canceled"

    def test_outside_a_wait_one_says_that_it_is_not_of_polytomic(self, kind, task_instance, connect):
        connect(kind.emulator.api_key)
        kind.emulator.fault("status", status=404, html=True, count=None)
        with pytest.raises(PolytomicUnavailable, match="HTML page, not an answer of Polytomic's API; .* any proxy"):
            task_instance(kind.cancel(kind.add())).execute()


@pytest.mark.usefixtures("no_waiting")
class TestRotatedKey:
    @pytest.fixture(autouse=True)
    def rotation(self, emulator, connect, monkeypatch):
        """Let the connection have the old key until it is read again."""
        reads: list[str] = []
        original = PolytomicHook.get_connection

        def get_connection(hook: PolytomicHook, conn_id: str) -> Any:
            reads.append(conn_id)
            connect("the-old-key" if len(reads) == 1 else emulator.api_key)
            return original(conn_id)

        async def find_connection(conn_id: str) -> Any:
            return get_connection(PolytomicHook(conn_id), conn_id)

        monkeypatch.setattr(PolytomicHook, "get_connection", get_connection)
        monkeypatch.setattr(_lookup, "find_connection", find_connection)
        return reads

    def test_a_task_goes_on(self, kind, task_instance, deferrable):
        assert task_instance(kind.start(kind.add(duration=60), deferrable=deferrable)).finish()["outcome"] == "success"
        assert len(kind.starts) == 1

    def test_all_waits_go_on_after_one_look_up(self, kind, rotation):
        ids = [kind.add(duration=60) for _ in range(50)]
        runs = [(sync_id, kind.emulator.start(sync_id).id) for sync_id in ids]

        async def wait_for_all() -> list[Any]:
            triggers = [
                PolytomicExecutionTrigger(kind=kind.name, sync_id=sync_id, execution_id=execution_id, poll_interval=5)
                for sync_id, execution_id in runs
            ]
            return await asyncio.gather(*map(first_event, triggers))

        events = asyncio.run(wait_for_all())
        assert {event["status"] for event in events} == {"ended"}
        assert len(rotation) == 2, "one look-up for all triggers, and one after the 401"


@pytest.mark.usefixtures("no_waiting")
def test_a_key_that_stays_refused_ends_the_wait(kind, task_instance, deferrable, connect):
    sync_id = kind.add(duration=NEVER)
    kind.emulator.fault("status", status=401, method="GET", path="/**/executions/*", skip=1, count=None)
    with pytest.raises(PolytomicRequestRefused, match="401"):
        task_instance(kind.start(sync_id, deferrable=deferrable)).finish()


class TestRetryAfter:
    def test_no_request_is_sent_before_in_a_worker(self, kind, task_instance, monkeypatch):
        """The clock of the client is that of the emulator, which only pauses advance."""
        clock = kind.emulator.clock
        monkeypatch.setattr(time, "monotonic", clock)
        monkeypatch.setitem(clients.PolytomicClient.__init__.__kwdefaults__, "clock", clock)
        operator = kind.start(kind.add(duration=30), poll_interval=1)
        monkeypatch.setattr(operator, "_sleep", clock.advance)
        kind.emulator.fault(
            "status", status=429, headers={"Retry-After": "10"}, method="GET", path="/**/executions/*", skip=1
        )
        assert task_instance(operator).finish()["outcome"] == "success"
        times = [request.at for request in kind.emulator.requests]
        limited = next(request.at for request in kind.emulator.requests if request.status == 429)
        assert min(at for at in times if at > limited) >= limited + 10
