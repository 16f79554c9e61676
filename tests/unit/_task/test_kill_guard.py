"""Whether a trigger was ended by a person: every case."""

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
    """Decide what is found in XCom of the deferred task instance."""

    def hold(value: Any) -> None:
        async def ask(task_instance: Any, key: str) -> Any:
            assert (task_instance, key) == (TASK, "polytomic_execution")
            if isinstance(value, BaseException):
                raise value
            return value

        monkeypatch.setattr(kill_guard, "xcom_if_deferred", ask)

    return hold


@pytest.mark.parametrize(
    ("held", "killed"),
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
async def test_it_was_killed_unless_it_still_waits_for_this_execution(xcom, held, killed):
    xcom(held)
    assert await kill_guard.was_killed(TASK, "e", timeout=5.0) is killed


@pytest.mark.parametrize("error", [TaskStateUnknown("the triggerer is shutting down"), ConnectionError("away")])
async def test_what_cannot_be_decided_leaves_the_execution_alone_and_says_so(xcom, caplog, error):
    xcom(error)
    assert not await kill_guard.was_killed(TASK, "e", timeout=5.0)
    assert "execution e is left running" in caplog.text
    assert str(error) in caplog.text


async def test_no_answer_in_time_leaves_the_execution_alone_and_lets_the_question_end(monkeypatch, caplog):
    asked = asyncio.Event()
    answered = asyncio.Event()

    async def ask(task_instance: Any, key: str) -> None:
        await asked.wait()
        answered.set()

    monkeypatch.setattr(kill_guard, "xcom_if_deferred", ask)
    assert not await kill_guard.was_killed(TASK, "e", timeout=0.0)
    assert "no answer" in caplog.text
    asked.set()
    await answered.wait()


async def test_a_trigger_without_a_task_instance_was_not_killed(xcom):
    xcom(AssertionError("nobody is to be asked"))
    assert not await kill_guard.was_killed(None, "e", timeout=5.0)


class TestQuestion:
    """The question itself, over the triggerer's channel of Airflow 3."""

    @pytest.fixture
    def channel(self, monkeypatch):
        comms = pytest.importorskip("airflow.sdk.execution_time.comms", reason="Airflow 2 asks the database")
        from airflow.sdk.execution_time import task_runner

        class Channel:
            def __init__(self) -> None:
                self.states: dict[str, Any] = {}
                self.value: Any = None
                self.asked: list[Any] = []

            async def asend(self, question: Any) -> Any:
                self.asked.append(question)
                if isinstance(question, comms.GetTaskStates):
                    return comms.TaskStatesResult(task_states=self.states)
                assert isinstance(question, comms.GetXCom)
                return comms.XComResult(key=question.key, value=self.value)

        channel = Channel()
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel, raising=False)
        return channel

    async def test_a_deferred_task_is_asked_for_its_xcom(self, channel):
        channel.states, channel.value = {"run": {"task": "deferred"}}, OWNED
        assert await xcom_if_deferred(TASK, "key") == OWNED
        assert [type(one).__name__ for one in channel.asked] == ["GetTaskStates", "GetXCom"]

    async def test_a_mapped_task_is_told_from_its_siblings(self, channel):
        channel.states, channel.value = {"run": {"task_3": "deferred"}}, OWNED
        mapped = SimpleNamespace(**{**vars(TASK), "map_index": 3})
        assert await xcom_if_deferred(mapped, "key") == OWNED
        assert {one.map_index for one in channel.asked} == {3}

    @pytest.mark.parametrize("state", ["failed", "success", "scheduled", "running", None])
    async def test_a_task_that_is_not_deferred_holds_nothing(self, channel, state):
        channel.states, channel.value = {"run": {"task": state}}, OWNED
        assert await xcom_if_deferred(TASK, "key") is None

    async def test_a_task_that_is_gone_holds_nothing(self, channel):
        assert await xcom_if_deferred(TASK, "key") is None

    async def test_a_triggerer_on_its_way_down_is_asked_nothing(self, channel):
        channel._reader_task = SimpleNamespace(done=lambda: True)
        with pytest.raises(TaskStateUnknown, match="shutting down"):
            await xcom_if_deferred(TASK, "key")
        assert channel.asked == []


async def test_a_connection_is_found_from_an_event_loop(emulator):
    found = await _compat.find_connection("polytomic_default")
    assert found.password == emulator.api_key
