"""The guard that decides whether the task that waits for an execution was killed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic import _compat
from airflow_provider_polytomic._compat import (
    StoredTaskInstance,
    TaskStateUnknown,
    stored_task_instance_in_trigger,
    stored_task_instance_in_worker,
)
from airflow_provider_polytomic._compat.task_instances import keys_of
from airflow_provider_polytomic._task import kill_guard
from airflow_provider_polytomic._task.kill_guard import WaitingAttempt, is_in_supervisor_request

TASK = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1)
ATTEMPT = WaitingAttempt.of(TASK, 1, "e")
OWNED = {"execution_id": "e", "ownership": "owned", "try_number": 1}
ADOPTED = {**OWNED, "try_number": 2}
ANOTHER = {**OWNED, "execution_id": "another", "try_number": 2}
JOINED = {**ADOPTED, "ownership": "joined"}
BLOCKING = {**ADOPTED, "ownership": "blocking"}

Answer = Callable[[Any], None]

PLACES = ("worker", "trigger")


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Return a function that sets the stored task instance, or the error of the request for it."""

    def answer(value: Any) -> None:
        def ask(task_instance: Any, key: str) -> Any:
            assert (task_instance, key) == (ATTEMPT, "polytomic_execution")
            if isinstance(value, BaseException):
                raise value
            return value

        async def ask_in_trigger(task_instance: Any, key: str) -> Any:
            return ask(task_instance, key)

        monkeypatch.setattr(kill_guard, "stored_task_instance_in_worker", ask)
        monkeypatch.setattr(kill_guard, "stored_task_instance_in_trigger", ask_in_trigger)

    return answer


async def was_killed(place: str, timeout: float = 5.0) -> bool:
    if place == "worker":
        return kill_guard.was_killed_in_worker(ATTEMPT, timeout)
    return await kill_guard.was_killed_in_trigger(ATTEMPT, timeout)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed", "removed", "restarting"])
async def test_a_task_that_is_over_or_restarts_was_killed(stored, place, state):
    stored(StoredTaskInstance(True, state))
    assert await was_killed(place)


@pytest.mark.parametrize("place", PLACES)
async def test_a_task_of_a_deleted_dag_run_was_killed(stored, place):
    stored(StoredTaskInstance(exists=False))
    assert await was_killed(place)


@pytest.mark.parametrize(
    ("state", "xcom"),
    [
        ("running", OWNED),
        ("running", ADOPTED),
        ("deferred", ADOPTED),
        ("running", None),
        ("up_for_retry", None),
        ("scheduled", None),
        ("queued", None),
        (None, None),
    ],
    ids=["stop", "adopted", "adopted and deferred", "next began", "retry", "scheduled", "queued", "reset"],
)
async def test_a_worker_leaves_the_execution_to_this_attempt_or_the_next(stored, logged, state, xcom):
    stored(StoredTaskInstance(True, state, xcom))
    assert not await was_killed("worker")
    assert "The execution goes on: e" in logged()


@pytest.mark.parametrize(
    ("state", "xcom"),
    [("deferred", OWNED), ("deferred", ADOPTED), ("running", ADOPTED), ("up_for_retry", None)],
    ids=["stop", "adopted", "adopted in a worker", "retry"],
)
async def test_a_trigger_leaves_the_execution_to_this_attempt_or_the_next(stored, logged, state, xcom):
    stored(StoredTaskInstance(True, state, xcom))
    assert not await was_killed("trigger")
    assert "The execution goes on: e" in logged()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("state", ["running", "deferred"])
@pytest.mark.parametrize("xcom", [ANOTHER, JOINED, BLOCKING, {}, "e"])
async def test_a_task_that_waits_for_something_else_was_cleared(stored, place, state, xcom):
    stored(StoredTaskInstance(True, state, xcom))
    assert await was_killed(place)


@pytest.mark.parametrize("state", ["running", "queued", "scheduled", None])
@pytest.mark.parametrize("xcom", [None, OWNED], ids=["none", "left over"])
async def test_a_task_that_is_no_longer_deferred_was_cleared(stored, state, xcom):
    """Airflow 3.0 does not delete the XCom of the attempt before."""
    stored(StoredTaskInstance(True, state, xcom if state == "running" else None))
    assert await was_killed("trigger")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("error", [TaskStateUnknown("the triggerer is shutting down"), ConnectionError("away")])
async def test_an_undecided_case_leaves_the_execution_running_and_is_logged(stored, logged, place, error):
    stored(error)
    assert not await was_killed(place)
    assert "The execution goes on: e" in (text := logged())
    assert str(error) in text


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("state", ["running", "deferred"])
@pytest.mark.parametrize("ownership", ["blocking", "joined", "owned"])
async def test_an_xcom_of_this_attempt_about_another_execution_decides_nothing(stored, logged, place, state, ownership):
    """The push of the XCom of this execution has failed, and the task waits in its worker."""
    stored(StoredTaskInstance(True, state, {**ANOTHER, "ownership": ownership, "try_number": ATTEMPT.try_number}))
    if (place, state) == ("trigger", "running"):
        assert await was_killed(place)
        return
    assert not await was_killed(place)
    assert "The execution goes on: e" in logged()


async def test_without_an_answer_in_time_a_trigger_leaves_the_execution_running(monkeypatch, caplog):
    requests = asyncio.Event()
    answered = asyncio.Event()

    async def ask(task_instance: Any, key: str) -> None:
        await requests.wait()
        answered.set()

    monkeypatch.setattr(kill_guard, "stored_task_instance_in_trigger", ask)
    assert not await was_killed("trigger", timeout=0.0)
    assert "no answer" in caplog.text
    requests.set()
    await answered.wait()


async def test_without_an_answer_in_time_a_worker_leaves_the_execution_running(monkeypatch, logged):
    never = threading.Event()
    monkeypatch.setattr(kill_guard, "stored_task_instance_in_worker", lambda *arguments: never.wait())
    try:
        assert not await was_killed("worker", timeout=0.0)
    finally:
        never.set()
    assert "The execution goes on: e" in logged()


class TestRequest:
    """The request for the task instance, over the channel of a triggerer or a worker of Airflow 3."""

    @pytest.fixture
    def channel(self, monkeypatch):
        comms = pytest.importorskip("airflow.sdk.execution_time.comms", reason="Airflow 2 asks the database")
        from airflow.sdk.execution_time import task_runner

        class Channel:
            def __init__(self) -> None:
                self.states: dict[str, Any] = {}
                self.value: Any = None
                self.requests: list[Any] = []

            def send(self, request: Any) -> Any:
                self.requests.append(request)
                if isinstance(request, comms.GetTaskStates):
                    return comms.TaskStatesResult(task_states=self.states)
                assert isinstance(request, comms.GetXCom)
                return comms.XComResult(key=request.key, value=self.value)

            async def asend(self, request: Any) -> Any:
                return self.send(request)

        channel = Channel()
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel, raising=False)
        return channel

    @pytest.fixture(params=PLACES)
    def ask(self, request):
        async def ask(task_instance: Any) -> StoredTaskInstance:
            if request.param == "trigger":
                return await stored_task_instance_in_trigger(task_instance, "key")
            return await asyncio.to_thread(stored_task_instance_in_worker, task_instance, "key")

        return ask

    @pytest.mark.parametrize("state", ["deferred", "running"])
    async def test_the_state_and_the_xcom_of_a_waiting_task_are_requested(self, channel, ask, state):
        channel.states, channel.value = {"run": {"task": state}}, OWNED
        assert await ask(TASK) == StoredTaskInstance(True, state, OWNED)
        assert [type(one).__name__ for one in channel.requests] == ["GetTaskStates", "GetXCom"]

    async def test_a_waiting_task_without_an_xcom_has_none(self, channel, ask):
        channel.states = {"run": {"task": "running"}}
        assert await ask(TASK) == StoredTaskInstance(True, "running")

    async def test_a_mapped_task_is_found_by_its_map_index(self, channel, ask):
        channel.states, channel.value = {"run": {"task_3": "deferred"}}, OWNED
        mapped = SimpleNamespace(**{**vars(TASK), "map_index": 3})
        assert await ask(mapped) == StoredTaskInstance(True, "deferred", OWNED)
        assert {one.map_index for one in channel.requests} == {3}

    @pytest.mark.parametrize("state", ["failed", "success", "scheduled", None])
    async def test_the_xcom_of_a_task_that_does_not_wait_is_not_requested(self, channel, ask, state):
        channel.states, channel.value = {"run": {"task": state}}, OWNED
        assert await ask(TASK) == StoredTaskInstance(True, state)

    async def test_a_deleted_task_does_not_exist(self, channel, ask):
        assert await ask(TASK) == StoredTaskInstance(exists=False)

    async def test_nothing_is_requested_while_the_triggerer_shuts_down(self, channel):
        channel._reader_task = SimpleNamespace(done=lambda: True)
        with pytest.raises(TaskStateUnknown, match="shutting down"):
            await stored_task_instance_in_trigger(TASK, "key")
        assert channel.requests == []

    def test_a_signal_during_a_request_is_recognized(self, monkeypatch):
        comms = pytest.importorskip("airflow.sdk.execution_time.comms", reason="Airflow 2 has no supervisor")
        interrupted = []

        class Interrupted(comms.CommsDecoder):  # type: ignore[name-defined,misc]
            def _read_frame(self, maxfds: int | None = None) -> Any:
                interrupted.append(is_in_supervisor_request())
                raise EOFError

        decoder = Interrupted(socket=SimpleNamespace(sendall=lambda data: None))
        with pytest.raises(EOFError):
            decoder.send(comms.GetXCom(key="key", **keys_of(TASK)))
        assert interrupted == [True]
        assert not is_in_supervisor_request()


class TestDatabase:
    """The query for the task instance, on Airflow 2."""

    @pytest.fixture
    def ask(self, monkeypatch):
        taskinstance = pytest.importorskip("airflow.models.taskinstance")
        if not hasattr(taskinstance, "_run_raw_task"):
            pytest.skip("Airflow 3 asks its API")
        from airflow.models.xcom import XCom

        def ask(row: Any) -> StoredTaskInstance:
            class Session:
                def query(self, *columns: Any) -> Session:
                    return self

                def filter_by(self, **keys: Any) -> Session:
                    assert keys == vars(TASK)
                    return self

                def first(self) -> Any:
                    return row

            monkeypatch.setattr("airflow.utils.session.create_session", lambda: contextlib.nullcontext(Session()))
            monkeypatch.setattr(XCom, "get_one", lambda **keys: OWNED)
            return stored_task_instance_in_worker(TASK, "key")

        return ask

    @pytest.mark.parametrize("state", ["deferred", "running"])
    def test_the_xcom_of_a_waiting_task_is_read(self, ask, state):
        assert ask(SimpleNamespace(state=state)) == StoredTaskInstance(True, state, OWNED)

    @pytest.mark.parametrize("state", ["failed", "queued", None])
    def test_the_xcom_of_a_task_that_does_not_wait_is_not_read(self, ask, state):
        assert ask(SimpleNamespace(state=state)) == StoredTaskInstance(True, state)

    def test_a_deleted_task_does_not_exist(self, ask):
        assert ask(None) == StoredTaskInstance(exists=False)


async def test_a_connection_is_found_from_an_event_loop(emulator):
    found = await _compat.find_connection("polytomic_default")
    assert found.password == emulator.api_key
