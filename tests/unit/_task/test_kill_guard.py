"""The guard that decides whether a person has ended the task of a trigger."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic import _compat
from airflow_provider_polytomic._compat import TaskStateUnknown, xcom_if_deferred
from airflow_provider_polytomic._task import kill_guard

OWNED = {"execution_id": "e", "ownership": "owned", "try_number": 1}
TASK = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1)


@pytest.fixture
def xcom(monkeypatch):
    """Return a function that sets the XCom of the deferred task instance, or the error of the request for it."""

    def set_xcom(value: Any) -> None:
        async def ask(task_instance: Any, key: str) -> Any:
            assert (task_instance, key) == (TASK, "polytomic_execution")
            if isinstance(value, BaseException):
                raise value
            return value

        monkeypatch.setattr(kill_guard, "xcom_if_deferred", ask)

    return set_xcom


@pytest.mark.parametrize(
    ("xcom_value", "killed"),
    [
        (OWNED, False),
        ({**OWNED, "try_number": 2}, False),
        ({**OWNED, "execution_id": "another"}, True),
        ({**OWNED, "ownership": "joined"}, True),
        ({**OWNED, "ownership": "blocking"}, True),
        (None, True),
        ({}, True),
        ("e", True),
    ],
    ids=["owned", "adopted", "another", "joined", "blocking", "not deferred", "empty", "something else"],
)
async def test_it_was_killed_unless_it_still_waits_for_this_execution(xcom, xcom_value, killed):
    xcom(xcom_value)
    assert await kill_guard.was_killed(TASK, "e", timeout=5.0) is killed


@pytest.mark.parametrize("error", [TaskStateUnknown("the triggerer is shutting down"), ConnectionError("away")])
async def test_an_undecided_case_leaves_the_execution_running_and_is_logged(xcom, caplog, error):
    xcom(error)
    assert not await kill_guard.was_killed(TASK, "e", timeout=5.0)
    assert "leaving execution e running" in caplog.text
    assert str(error) in caplog.text


async def test_without_a_response_in_time_the_execution_is_left_running_and_the_request_ends(monkeypatch, caplog):
    requests = asyncio.Event()
    answered = asyncio.Event()

    async def ask(task_instance: Any, key: str) -> None:
        await requests.wait()
        answered.set()

    monkeypatch.setattr(kill_guard, "xcom_if_deferred", ask)
    assert not await kill_guard.was_killed(TASK, "e", timeout=0.0)
    assert "no answer" in caplog.text
    requests.set()
    await answered.wait()


async def test_a_trigger_without_a_task_instance_was_not_killed(xcom):
    xcom(AssertionError("a request was sent"))
    assert not await kill_guard.was_killed(None, "e", timeout=5.0)


class TestRequest:
    """The request for the XCom, over the triggerer's channel of Airflow 3."""

    @pytest.fixture
    def channel(self, monkeypatch):
        comms = pytest.importorskip("airflow.sdk.execution_time.comms", reason="Airflow 2 asks the database")
        from airflow.sdk.execution_time import task_runner

        class Channel:
            def __init__(self) -> None:
                self.states: dict[str, Any] = {}
                self.value: Any = None
                self.requests: list[Any] = []

            async def asend(self, request: Any) -> Any:
                self.requests.append(request)
                if isinstance(request, comms.GetTaskStates):
                    return comms.TaskStatesResult(task_states=self.states)
                assert isinstance(request, comms.GetXCom)
                return comms.XComResult(key=request.key, value=self.value)

        channel = Channel()
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel, raising=False)
        return channel

    async def test_the_xcom_of_a_deferred_task_is_requested(self, channel):
        channel.states, channel.value = {"run": {"task": "deferred"}}, OWNED
        assert await xcom_if_deferred(TASK, "key") == OWNED
        assert [type(one).__name__ for one in channel.requests] == ["GetTaskStates", "GetXCom"]

    async def test_the_xcom_of_a_mapped_task_is_that_of_its_map_index(self, channel):
        channel.states, channel.value = {"run": {"task_3": "deferred"}}, OWNED
        mapped = SimpleNamespace(**{**vars(TASK), "map_index": 3})
        assert await xcom_if_deferred(mapped, "key") == OWNED
        assert {one.map_index for one in channel.requests} == {3}

    @pytest.mark.parametrize("state", ["failed", "success", "scheduled", "running", None])
    async def test_a_task_that_is_not_deferred_has_no_xcom(self, channel, state):
        channel.states, channel.value = {"run": {"task": state}}, OWNED
        assert await xcom_if_deferred(TASK, "key") is None

    async def test_a_deleted_task_has_no_xcom(self, channel):
        assert await xcom_if_deferred(TASK, "key") is None

    async def test_nothing_is_requested_while_the_triggerer_shuts_down(self, channel):
        channel._reader_task = SimpleNamespace(done=lambda: True)
        with pytest.raises(TaskStateUnknown, match="shutting down"):
            await xcom_if_deferred(TASK, "key")
        assert channel.requests == []


async def test_a_connection_is_found_from_an_event_loop(emulator):
    found = await _compat.find_connection("polytomic_default")
    assert found.password == emulator.api_key
