"""Starting in the triggerer: what the note of the last attempt makes of the next one."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic._compat import AirflowSkipException, can_start_from_trigger
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunFailed,
    PolytomicRunTimeout,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.triggers import starts
from airflow_provider_polytomic.triggers.guard import EXECUTION_XCOM_KEY
from airflow_provider_polytomic.triggers.starts import PolytomicStartTrigger

NEVER = float("inf")


class Attempts:
    """The attempts of one task instance that begins in the triggerer; XCom outlives them."""

    def __init__(self, emulator: Any, monkeypatch: pytest.MonkeyPatch, first_event: Any) -> None:
        self.emulator, self.first_event = emulator, first_event
        self.xcoms: dict[str, Any] = {}
        self.try_number = 1
        self.options: dict[str, Any] = {}
        self.sync = emulator.add_model_sync(duration=10)
        monkeypatch.setattr(starts, "xcom_in_trigger", self._read)
        monkeypatch.setattr(starts, "push_xcom_in_trigger", self._write)

    async def _read(self, ti: Any, key: str) -> Any:
        return self.xcoms.get(key)

    async def _write(self, ti: Any, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    @property
    def note(self) -> dict[str, Any]:
        return self.xcoms[EXECUTION_XCOM_KEY]

    @property
    def statuses(self) -> list[str]:
        return [execution.status for execution in self.emulator.executions(self.sync.id)]

    def trigger(self) -> PolytomicStartTrigger:
        trigger = PolytomicStartTrigger(
            kind="model", sync_id=self.sync.id, resync=False, test=False, identities=None, source_identities=None,
            poll_interval=5.0, **self.options,
        )  # fmt: skip
        trigger.task_instance = SimpleNamespace(
            dag_id="dag", run_id="run", task_id="task", map_index=-1, try_number=self.try_number
        )
        return trigger

    def run(self) -> Any:
        """Run the trigger to its event."""
        return asyncio.run(self.first_event(self.trigger()))

    def begin(self) -> None:
        """Run the trigger until it waits, and lose it there."""

        async def begin() -> None:
            trigger = self.trigger()
            await trigger._begin()

        asyncio.run(begin())

    def again(self, **news: Any) -> None:
        """Go on to the next attempt.

        :param news: what the worker of this one has added to the note
        """
        self.note.update(news)
        self.try_number += 1


@pytest.fixture
def attempts(emulator: Any, no_waiting: None, monkeypatch: pytest.MonkeyPatch, wait_for_event: Any) -> Attempts:
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
    return Attempts(emulator, monkeypatch, wait_for_event)


class TestStarting:
    def test_one_execution_is_started_and_waited_for(self, attempts):
        event = attempts.run()
        assert (event["status"], event["role"], event["try_number"]) == ("ended", "ours", 1)
        assert attempts.statuses == ["completed"]
        assert attempts.note["execution_id"] == event["execution_id"]

    def test_a_trigger_begun_again_goes_on_with_its_execution(self, attempts):
        attempts.begin()
        assert attempts.run()["status"] == "ended"
        assert attempts.statuses == ["completed"]

    @pytest.mark.parametrize("if_running", ["wait", "join", "fail", "skip"])
    def test_a_trigger_lost_before_it_knew_its_execution_finds_it(self, attempts, if_running):
        attempts.options = {"if_running": if_running}
        attempts.begin()
        attempts.note.update(execution_id=None, role="about to start")
        event = attempts.run()
        assert (event["status"], event["role"]) == ("ended", "ours")
        assert attempts.statuses == ["completed"]

    def test_the_failure_of_its_own_execution_is_its_result(self, attempts, emulator):
        attempts.begin()
        attempts.note.update(execution_id=None, role="about to start")
        emulator.finish(emulator.executions(attempts.sync.id)[0].id, "failed")
        assert attempts.run()["execution"]["outcome"] == "failed"
        assert attempts.statuses == ["failed"]

    def test_another_execution_is_waited_for_first(self, attempts, emulator):
        emulator.start(attempts.sync.id)
        event = attempts.run()
        assert attempts.statuses == ["completed", "completed"]
        assert event["execution_id"] == emulator.executions(attempts.sync.id)[1].id

    def test_the_time_counts_from_the_start_of_the_execution(self, attempts, emulator):
        attempts.sync = emulator.add_model_sync(duration=NEVER)
        attempts.options = {"timeout": 30.0, "cancel_on_kill": False}
        assert attempts.run()["status"] == "deadline"


class TestNextAttempt:
    def test_a_retry_that_was_announced_goes_on_with_what_runs(self, attempts):
        attempts.begin()
        attempts.again(retry=True)
        assert attempts.run()["role"] == "ours"
        assert attempts.statuses == ["completed"]

    def test_after_a_clear_what_runs_is_canceled_and_another_is_started(self, attempts):
        attempts.begin()
        attempts.again()
        assert attempts.run()["execution"]["outcome"] == "success"
        assert attempts.statuses == ["canceled", "completed"]

    def test_after_a_clear_what_runs_is_waited_for_where_it_must_not_be_canceled(self, attempts):
        attempts.options = {"cancel_on_kill": False}
        attempts.begin()
        attempts.again()
        attempts.run()
        assert attempts.statuses == ["completed", "completed"]

    @pytest.mark.parametrize("pushed", [True, False])
    def test_after_a_success_that_was_judged_the_sync_runs_again(self, attempts, pushed):
        event = attempts.run()
        attempts.again(retry=False, result_follows=pushed)
        if pushed:
            attempts.xcoms["return_value"] = event["execution"]
        attempts.run()
        assert attempts.statuses == ["completed", "completed"]

    def test_a_success_whose_worker_was_lost_before_its_end_is_not_run_again(self, attempts):
        first = attempts.run()
        attempts.again(retry=False, result_follows=True)
        assert attempts.run()["execution_id"] == first["execution_id"]
        assert attempts.statuses == ["completed"]

    @pytest.mark.parametrize("retry", [True, False])
    def test_after_a_failure_that_was_judged_the_sync_runs_again(self, attempts, emulator, retry):
        attempts.sync = emulator.add_model_sync(
            next_executions=[{"duration": 10, "outcome": "failed"}, {"duration": 10}]
        )
        attempts.run()
        attempts.again(retry=retry)
        assert attempts.run()["execution"]["outcome"] == "success"
        assert attempts.statuses == ["failed", "completed"]

    def test_a_result_that_nobody_has_judged_is_not_lost(self, attempts):
        first = attempts.run()
        attempts.again()
        assert attempts.run()["execution_id"] == first["execution_id"]
        assert attempts.statuses == ["completed"]

    def test_the_generation_after_a_clear_has_retries_of_its_own(self, attempts):
        attempts.run()
        attempts.again(retry=False)
        assert attempts.note["generation"] == 0
        attempts.begin()
        assert attempts.note["generation"] == 1
        attempts.again(retry=True)
        attempts.run()
        assert attempts.statuses == ["completed", "completed"]


@pytest.mark.skipif(not can_start_from_trigger(), reason="without on_kill the trigger itself sees to a kill")
class TestKill:
    @pytest.fixture(autouse=True)
    def killed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def was_killed(*arguments: Any) -> bool:
            return True

        monkeypatch.setattr("airflow_provider_polytomic.triggers.executions.was_killed", was_killed)

    async def test_where_airflow_ends_the_wait_nothing_is_started_afterwards(self, attempts, emulator):
        attempts.sync = emulator.add_model_sync(duration=NEVER)
        other = emulator.start(attempts.sync.id)
        trigger = attempts.trigger()
        waiting = asyncio.ensure_future(anext(trigger.run()))
        while trigger.role != "in the way" or trigger._starting:
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        emulator.finish(other.id)
        await asyncio.wait({trigger._beginning})
        assert trigger._beginning.cancelled()
        assert len(emulator.executions(attempts.sync.id)) == 1

    async def cancel_during_the_start(self, trigger: PolytomicStartTrigger, role: str) -> None:
        """Cancel the wait as soon as it is written down what the execution is, while the start is not over yet."""
        original, known = trigger._note, asyncio.Event()

        async def note(order: Any, execution_id: Any, noted: str) -> None:
            await original(order, execution_id, noted)
            if noted == role:
                known.set()
                await asyncio.sleep(0.05)

        trigger._note = note  # type: ignore[method-assign]
        waiting = asyncio.ensure_future(anext(trigger.run()))
        await known.wait()
        waiting.cancel()
        await asyncio.wait({waiting})

    async def test_where_airflow_ends_the_wait_during_the_start_what_was_started_is_canceled(self, attempts, emulator):
        trigger = attempts.trigger()
        await self.cancel_during_the_start(trigger, "ours")
        assert emulator.executions(attempts.sync.id)[0].cancel_requests == 1
        await trigger.on_kill()
        assert emulator.executions(attempts.sync.id)[0].cancel_requests == 1

    async def test_an_execution_that_was_joined_is_left_alone(self, attempts, emulator):
        attempts.options = {"if_running": "join"}
        attempts.sync = emulator.add_model_sync(duration=NEVER)
        emulator.start(attempts.sync.id)
        trigger = attempts.trigger()
        await self.cancel_during_the_start(trigger, "joined")
        await trigger._settle_kill(5)
        assert emulator.executions(attempts.sync.id)[0].cancel_requests == 0


class TestSerialization:
    def test_everything_it_was_made_of_survives_json(self):
        facts = {
            "kind": "bulk", "polytomic_conn_id": "c", "poll_interval": 2.0, "timeout": 9.0, "if_running": "join",
            "cancel_on_kill": False, "max_errors": 3, "fail_on_partial": False, "bulk_sync_id": "s",
            "schemas": ["contact"], "resync_mode": None, "fetch_mode": "full", "test": False,
            "retry_failed_schemas": True,
        }  # fmt: skip
        path, told = json.loads(json.dumps(PolytomicStartTrigger(**facts).serialize()))
        assert path == "airflow_provider_polytomic.triggers.starts.PolytomicStartTrigger"
        assert {name: told[name] for name in facts} == facts


class TestOperator:
    @pytest.mark.skipif(not can_start_from_trigger(), reason="needs a triggerer that renders templates")
    @pytest.mark.parametrize(
        "operator",
        [
            lambda **more: PolytomicStartSyncOperator(task_id="t", sync_id="{{ x }}", **more),
            lambda **more: PolytomicStartBulkSyncOperator(task_id="t", bulk_sync_id="{{ x }}", **more),
        ],
        ids=["model", "bulk"],
    )
    def test_its_trigger_can_be_built_and_has_its_template_fields(self, operator):
        task = operator(start_from_trigger=True)
        trigger = PolytomicStartTrigger(**task.start_trigger_args.trigger_kwargs)
        assert [getattr(trigger, name) for name in task.template_fields if name.endswith("sync_id")] == ["{{ x }}"]
        assert all(hasattr(trigger, name) for name in task.template_fields)
        with pytest.raises(ValueError, match="wait_for_completion"):
            operator(start_from_trigger=True, wait_for_completion=False)

    @pytest.mark.skipif(can_start_from_trigger(), reason="this triggerer renders templates")
    def test_it_is_refused_where_airflow_cannot_do_it(self):
        with pytest.raises(ValueError, match=r"Airflow 3\.3"):
            PolytomicStartSyncOperator(task_id="t", sync_id="s", start_from_trigger=True)

    @pytest.mark.parametrize(("if_running", "raised"), [("fail", PolytomicRunFailed), ("skip", AirflowSkipException)])
    def test_another_execution_is_told_to_the_worker(self, attempts, emulator, task_instance, if_running, raised):
        emulator.start(attempts.sync.id)
        attempts.options = {"if_running": if_running}
        event = attempts.run()
        task = PolytomicStartSyncOperator(task_id="t", sync_id=attempts.sync.id, if_running=if_running)
        with pytest.raises(raised, match="is running already"):
            task_instance(task).resume(event)

    @pytest.mark.parametrize(("status", "raised"), [(403, PolytomicRequestRefused), (503, PolytomicUnavailable)])
    def test_a_start_that_fails_is_told_to_the_worker(self, attempts, emulator, task_instance, status, raised):
        emulator.fault("status", status=status, method="POST", path="/**/executions", count=100)
        event = attempts.run()
        with pytest.raises(raised, match="could not be started"):
            task_instance(PolytomicStartSyncOperator(task_id="t", sync_id=attempts.sync.id)).resume(event)


class TestLedger:
    """What the worker that ends an attempt says to the next one."""

    @pytest.fixture
    def task(self, attempts: Attempts, emulator: Any, task_instance: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        operator = PolytomicStartSyncOperator(task_id="task", sync_id=attempts.sync.id, retries=1, cancel_on_kill=False)
        operator.start_from_trigger = True
        ti = task_instance(operator)
        ti.xcoms = attempts.xcoms
        return ti

    @pytest.mark.parametrize(("outcome", "retry"), [("completed", False), ("failed", True)])
    def test_only_a_failure_may_be_retried(self, attempts, emulator, task, outcome, retry):
        attempts.begin()
        emulator.finish(emulator.executions(attempts.sync.id)[0].id, outcome)
        event = attempts.run()
        if retry:
            with pytest.raises(PolytomicRunFailed):
                task.resume(event)
        else:
            task.resume(event)
        assert (attempts.note["retry"], attempts.note["result_follows"]) == (retry, not retry)

    def test_the_last_attempt_is_followed_by_none(self, attempts, emulator, task):
        task.max_tries = 0
        attempts.begin()
        emulator.finish(emulator.executions(attempts.sync.id)[0].id, "failed")
        with pytest.raises(PolytomicRunFailed):
            task.resume(attempts.run())
        assert attempts.note["retry"] is False

    def test_a_timeout_that_leaves_the_execution_running_is_followed_by_a_retry_that_goes_on(self, attempts, task):
        attempts.begin()
        event = {"status": "deadline", "execution_id": attempts.note["execution_id"], "role": "ours", "try_number": 1}
        with pytest.raises(PolytomicRunTimeout):
            task.resume(event)
        assert attempts.note["retry"] is True

    def test_a_deferral_that_failed_before_any_note_starts_nothing_in_a_worker(self, attempts, emulator, task):
        operator = task.task
        with pytest.raises(Exception, match="Trigger"):
            operator.resume_execution("__fail__", {"error": "Trigger failure"}, task.context)
        assert emulator.executions(attempts.sync.id) == []


@pytest.mark.skipif(not can_start_from_trigger(), reason="needs a triggerer that renders templates")
@pytest.mark.parametrize("fields", ["sync_id", "identities"])
def test_the_output_of_another_task_is_refused(fields):
    from airflow.sdk import DAG

    with DAG("d"):
        other = PolytomicStartSyncOperator(task_id="other", sync_id="s")
        given = {"sync_id": "s", fields: other.output if fields == "sync_id" else [other.output]}
        with pytest.raises(ValueError, match=f"output of another task as {fields}"):
            PolytomicStartSyncOperator(task_id="t", start_from_trigger=True, **given)
