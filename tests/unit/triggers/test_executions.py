"""The trigger that deferred_task for one execution."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from airflow_provider_polytomic._compat import trigger_has_on_kill
from airflow_provider_polytomic._task.kill_guard import GUARD_TIMEOUT, WaitingAttempt
from airflow_provider_polytomic.triggers import _base, executions
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

NEVER = float("inf")
KWARGS = {
    "kind": "model",
    "sync_id": "s",
    "sync_name": "Contacts",
    "execution_id": "e",
    "polytomic_conn_id": "other",
    "organization_id": "organization",
    "poll_interval": 7.5,
    "deadline": 1.5,
    "cancel_on_kill": True,
    "ownership": "owned",
    "try_number": 2,
    "latest_end": 3.5,
    "previous_schema_results": [{"schema": "contact"}],
    "completed_after": None,
    "schema": None,
    "console_log": True,
    "end_from_trigger": True,
    "push_result": False,
}


@pytest.fixture(params=["model", "bulk", "schema"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def started(emulator: Any, kind: str) -> Any:
    """Return a function that plans and starts an execution, and returns its trigger."""

    def start(plan: dict[str, Any] | None = None, **kwargs: Any) -> PolytomicExecutionTrigger:
        plan = {"duration": 60, **(plan or {})}
        if kind == "model":
            sync = emulator.add_model_sync(**plan)
        else:
            schemas = [{"id": "contact", "outcome": plan.get("outcome", "completed")}]
            sync = emulator.add_bulk_sync(**{"schemas": schemas, **plan})
        execution = emulator.start(sync.id)
        kwargs = {"execution_id": execution.id, "poll_interval": 5.0, **kwargs}
        if kind == "schema":
            kwargs["schema"] = "contact"
        kind_of_sync = "model" if kind == "model" else "bulk"
        return PolytomicExecutionTrigger(kind=kind_of_sync, sync_id=sync.id, **kwargs)

    return start


class TestSerialization:
    def test_it_can_be_rebuilt_from_json(self):
        path, kwargs = json.loads(json.dumps(PolytomicExecutionTrigger(**KWARGS).serialize()))
        module, _, name = path.rpartition(".")
        rebuilt = getattr(import_module(module), name)(**kwargs)
        assert kwargs == KWARGS
        assert rebuilt.serialize() == (path, kwargs)

    def test_only_the_execution_is_required(self):
        trigger = PolytomicExecutionTrigger(kind="model", sync_id="s", execution_id="e")
        assert trigger.poll_interval == 30
        assert (trigger.polytomic_conn_id, trigger.cancel_on_kill) == ("polytomic_default", False)

    def test_parameters_are_keyword_only(self):
        with pytest.raises(TypeError):
            PolytomicExecutionTrigger("model", "s", "e")

    def test_no_secret_is_serialized(self, emulator, started):
        assert emulator.api_key not in json.dumps(started().serialize())


@pytest.mark.usefixtures("no_waiting")
class TestEvents:
    async def test_the_event_of_an_end_has_the_result(self, emulator, started, wait_for_event):
        trigger = started(ownership="owned", try_number=3, latest_end=9.5, previous_schema_results=[{"schema": "a"}])
        event = await wait_for_event(trigger)
        assert event.pop("execution")["execution_id"] == trigger.execution_id
        assert event == {
            "status": "ended",
            "sync_id": trigger.sync_id,
            "execution_id": trigger.execution_id,
            "message": "",
            "executions": None,
            "runs": None,
            "ownership": "owned",
            "try_number": 3,
            "latest_end": 9.5,
            "previous_schema_results": [{"schema": "a"}],
        }

    async def test_an_unsuccessful_end_is_an_end_too(self, started, wait_for_event):
        event = await wait_for_event(started({"outcome": "failed"}))
        assert (event["status"], event["execution"]["outcome"]) == ("ended", "failed")

    async def test_the_first_poll_comes_after_a_pause(self, emulator, started, wait_for_event):
        before = emulator.clock()
        await wait_for_event(started({"duration": 0}, poll_interval=20))
        assert emulator.requests[0].at >= before + 20

    async def test_the_event_of_a_deadline_has_no_result(self, started, wait_for_event):
        event = await wait_for_event(started({"duration": NEVER}, deadline=1.0))
        assert (event["status"], event["execution"]) == ("deadline", None)

    async def test_an_owned_execution_is_canceled_at_the_deadline(self, emulator, started, wait_for_event):
        trigger = started({"duration": NEVER}, deadline=1.0, cancel_on_kill=True, ownership="owned")
        event = await wait_for_event(trigger)
        assert (event["status"], event["execution"]["outcome"]) == ("deadline", "canceled")
        assert emulator.execution(trigger.execution_id).cancel_requests == 1

    async def test_a_cancellation_refused_at_the_deadline_is_left_to_the_task(
        self, emulator, started, wait_for_event, logged
    ):
        emulator.fault("status", status=403, method="POST", count=None)
        event = await wait_for_event(started({"duration": NEVER}, deadline=1.0, cancel_on_kill=True))
        assert (event["status"], event["execution"]) == ("deadline", None)
        assert "Could not cancel" in logged()

    async def test_the_status_is_requested_before_the_deadline_applies(self, started, wait_for_event):
        assert (await wait_for_event(started({"duration": 0}, deadline=1.0)))["status"] == "ended"

    @pytest.mark.parametrize("status", [401, 403, 404, 422])
    async def test_the_event_of_a_refusal_has_the_message_with_the_next_step(
        self, emulator, started, wait_for_event, status
    ):
        emulator.fault("status", status=status, count=None)
        trigger = started()
        event = await wait_for_event(trigger)
        assert (event["status"], event["execution"]) == ("refused", None)
        assert all(each in event["message"] for each in (trigger.sync_id, str(status), "Next: "))

    async def test_a_connection_that_cannot_be_used_is_a_refusal(self, started, wait_for_event, monkeypatch):
        trigger = started()
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps({"conn_type": "polytomic"}))
        event = await wait_for_event(trigger)
        assert event["status"] == "refused"
        assert "no API key" in event["message"]

    async def test_failed_polls_change_nothing(self, emulator, started, wait_for_event, caplog):
        emulator.fault("status", status=503, count=3)
        emulator.fault("reset", count=1)
        emulator.fault("malformed", malformed="html", count=1)
        with caplog.at_level("INFO"):
            assert (await wait_for_event(started()))["status"] == "ended"
        assert "last status unknown" in caplog.text

    async def test_a_poll_is_one_request(self, emulator, started, wait_for_event):
        emulator.fault("status", status=503, count=2)
        await wait_for_event(started({"duration": 1}))
        assert len(emulator.requests) == 3

    @pytest.mark.parametrize("zone", ["+00:00", ""])
    async def test_without_an_execution_id_it_waits_for_the_next_end(self, emulator, started, wait_for_event, zone):
        since = datetime.fromtimestamp(emulator.clock(), timezone.utc).isoformat().replace("+00:00", zone)
        trigger = started(execution_id=None, completed_after=since)
        event = await wait_for_event(trigger)
        assert event["execution"]["execution_id"] == emulator.executions(trigger.sync_id)[0].id

    async def test_an_invalid_completed_after_is_refused(self, started, wait_for_event):
        assert (await wait_for_event(started(execution_id=None, completed_after="soon")))["status"] == "refused"


@pytest.mark.parametrize(("deferred_task", "expected"), [(False, []), (True, [8.0])])
async def test_the_event_for_a_deferred_task_is_not_sent_too_early(
    emulator, started, monkeypatch, wait_for_event, deferred_task, expected
):
    """Outside a triggerer, as in ``dag.test()``, no executor reports late."""
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    trigger = started({"duration": 0}, poll_interval=2.0, deadline=1.0)
    trigger.task_instance = MagicMock() if deferred_task else None
    monkeypatch.setattr(_base, "MIN_DEFERRAL", 8.0)
    monkeypatch.setattr(_base, "asyncio", _with_sleep(pause))
    monkeypatch.setattr(_base, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    await wait_for_event(trigger)
    assert paused == expected


def _with_sleep(pause: Any) -> Any:
    class Asyncio:
        sleep = staticmethod(pause)

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

    return Asyncio()


async def until(condition: Callable[[], Any]) -> None:
    """Run the event loop until a condition is true; fail after 20 seconds."""

    async def poll() -> None:
        while not condition():
            await asyncio.sleep(0)

    await asyncio.wait_for(poll(), 20)


class TestKill:
    """A trigger that is canceled, on versions of Airflow with and without ``on_kill``."""

    @pytest.fixture(autouse=True)
    def _no_min_deferral(self, monkeypatch):
        monkeypatch.setattr(_base, "MIN_DEFERRAL", 0.0)

    @pytest.fixture
    def started(self, started):
        def start(*arguments: Any, **kwargs: Any) -> PolytomicExecutionTrigger:
            trigger = started(*arguments, **kwargs)
            trigger.task_instance = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=3)
            return trigger

        return start

    @pytest.fixture
    def killed(self, monkeypatch):
        """Return a function that sets the decision of the kill guard and returns its calls."""

        def decide(decision: bool) -> list[Any]:
            calls: list[Any] = []

            async def was_killed(*arguments: Any) -> bool:
                calls.append(arguments)
                return decision

            monkeypatch.setattr(executions, "was_killed_in_trigger", was_killed)
            return calls

        return decide

    @staticmethod
    async def cancel_while_waiting(emulator: Any, trigger: PolytomicExecutionTrigger) -> None:
        waiting = asyncio.ensure_future(trigger.run().__anext__())
        await until(lambda: emulator.requests)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    def cancels(self, emulator: Any) -> int:
        return len([one for one in emulator.requests if one.path.endswith("/cancel")])

    @pytest.mark.parametrize(("on_kill", "canceled"), [(False, 1), (True, 0)])
    async def test_a_cancelled_run_cancels_only_where_there_is_no_on_kill(
        self, emulator, started, killed, monkeypatch, on_kill, canceled
    ):
        killed(True)
        monkeypatch.setattr(executions, "trigger_has_on_kill", lambda: on_kill)
        trigger = started({"duration": NEVER}, cancel_on_kill=True, poll_interval=0.01)
        await self.cancel_while_waiting(emulator, trigger)
        assert self.cancels(emulator) == canceled
        if on_kill:
            await trigger.on_kill()
            assert self.cancels(emulator) == 1

    async def test_on_kill_calls_the_guard_with_its_execution(self, emulator, started, killed):
        calls = killed(True)
        trigger = started({"duration": NEVER}, cancel_on_kill=True, try_number=2)
        await trigger.on_kill()
        assert calls == [(WaitingAttempt("dag", "run", "task", 3, 2, trigger.execution_id), GUARD_TIMEOUT)]
        assert emulator.execution(trigger.execution_id).cancel_requests == 1

    async def test_if_nobody_killed_the_task_nothing_is_canceled(self, emulator, started, killed, monkeypatch):
        killed(False)
        monkeypatch.setattr(executions, "trigger_has_on_kill", lambda: False)
        trigger = started({"duration": NEVER}, cancel_on_kill=True, poll_interval=0.01)
        await self.cancel_while_waiting(emulator, trigger)
        await trigger.on_kill()
        assert self.cancels(emulator) == 0

    async def test_without_cancel_on_kill_the_guard_is_not_called(self, emulator, started, killed):
        calls = killed(True)
        trigger = started({"duration": NEVER}, cancel_on_kill=False)
        await trigger.on_kill()
        assert (calls, self.cancels(emulator)) == ([], 0)

    async def test_outside_a_triggerer_nothing_is_canceled(self, emulator, started, killed):
        calls = killed(True)
        trigger = started({"duration": NEVER}, cancel_on_kill=True)
        trigger.task_instance = None
        await trigger.on_kill()
        assert (calls, self.cancels(emulator)) == ([], 0)

    async def test_without_an_execution_id_nothing_is_canceled(self, emulator, started, killed):
        calls = killed(True)
        await started({"duration": NEVER}, cancel_on_kill=True, execution_id=None).on_kill()
        assert (calls, self.cancels(emulator)) == ([], 0)

    async def test_after_the_end_nothing_is_canceled(self, emulator, started, killed):
        calls = killed(True)
        trigger = started({"duration": 0}, cancel_on_kill=True, poll_interval=0.01)
        events = trigger.run()
        await events.__anext__()
        await trigger.on_kill()
        with pytest.raises(asyncio.CancelledError):
            await events.athrow(asyncio.CancelledError())
        assert (calls, self.cancels(emulator)) == ([], 0)

    async def test_a_refused_cancellation_is_logged_and_raises_nothing(self, emulator, started, killed, logged):
        killed(True)
        emulator.fault("status", status=403, count=None)
        await started({"duration": NEVER}, cancel_on_kill=True).on_kill()
        assert "Could not cancel" in logged()

    async def test_the_cancellation_is_requested_again_without_a_response(self, emulator, started, killed):
        killed(True)
        emulator.fault("reset", method="POST")
        await started({"duration": NEVER}, cancel_on_kill=True).on_kill()
        assert self.cancels(emulator) == 2

    @pytest.mark.usefixtures("no_waiting")
    @pytest.mark.parametrize(("on_kill_timeout", "canceled"), [(30, True), (0, False)])
    async def test_the_cancellation_is_requested_again_for_as_long_as_on_kill_may_take(
        self, emulator, started, killed, monkeypatch, logged, on_kill_timeout, canceled
    ):
        killed(True)
        monkeypatch.setenv("AIRFLOW__TRIGGERER__ON_KILL_TIMEOUT", str(on_kill_timeout))
        emulator.fault("status", status=503, count=15, method="POST", path="/**/cancel")
        trigger = started({"duration": NEVER}, cancel_on_kill=True)
        await trigger.on_kill()
        assert bool(emulator.execution(trigger.execution_id).cancel_requests) is canceled
        assert ("Requested cancellation" in (text := logged())) is canceled
        assert ("Could not cancel" in text) is not canceled

    async def test_another_cancellation_of_the_trigger_does_not_interrupt_it(self, emulator, started, monkeypatch):
        """The triggerer may cancel a trigger rebuilt during its cancellation."""
        calls = asyncio.Event()
        answer = asyncio.Event()

        async def was_killed(*arguments: Any) -> bool:
            calls.set()
            await answer.wait()
            return True

        monkeypatch.setattr(executions, "was_killed_in_trigger", was_killed)
        trigger = started({"duration": NEVER}, cancel_on_kill=True)
        killing = asyncio.ensure_future(trigger.on_kill())
        await calls.wait()
        killing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killing
        answer.set()
        await until(lambda: emulator.execution(trigger.execution_id).cancel_requests)

    def test_trigger_has_on_kill_agrees_with_airflow(self):
        from airflow.triggers.base import BaseTrigger

        assert trigger_has_on_kill() is hasattr(BaseTrigger, "on_kill")
