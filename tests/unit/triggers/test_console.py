"""The console log in the triggerer, which never delays the wait."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger


@pytest.fixture
def trigger(emulator):
    sync = emulator.add_model_sync(duration=40, log_every=3)
    return PolytomicExecutionTrigger(
        kind="model", sync_id=sync.id, execution_id=emulator.start(sync.id).id, poll_interval=15, console_log=True
    )


def console_requests(emulator):
    return [one for one in emulator.requests if one.path.endswith("consolelog")]


@pytest.mark.usefixtures("no_waiting")
async def test_each_line_is_logged_once(trigger, wait_for_event, logged):
    assert (await wait_for_event(trigger))["execution"]["outcome"] == "success"
    text = logged()
    for line in ("Execution created.", "Working, part 7.", "Execution ended: completed."):
        assert text.count(f"info: {line}") == text.count("info: Execution created.") > 0, line


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 500}, {"kind": "reset"}, {"kind": "malformed", "malformed": "html"}]
)
async def test_a_failed_console_request_does_not_affect_the_wait(emulator, trigger, wait_for_event, fault):
    emulator.fault(**fault, count=None, path="/**/consolelog")
    assert (await wait_for_event(trigger))["execution"]["outcome"] == "success"
    assert console_requests(emulator)


@pytest.mark.usefixtures("no_waiting")
async def test_the_deadline_applies_with_the_console_log(trigger, wait_for_event, logged):
    trigger.deadline = 0
    assert (await wait_for_event(trigger))["status"] == "deadline"
    assert "Execution created." in logged()


async def test_canceling_the_trigger_stops_the_requests(emulator, trigger):
    trigger.poll_interval = 600
    running = asyncio.ensure_future(first_event(trigger))
    while not console_requests(emulator):
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(console_requests(emulator)) == 1
    assert len(asyncio.all_tasks()) == 1


async def first_event(trigger):
    async for event in trigger.run():
        return event


@pytest.mark.usefixtures("no_waiting")
async def test_without_console_log_there_is_no_request(emulator, trigger, wait_for_event):
    trigger.console_log = False
    await wait_for_event(trigger)
    assert console_requests(emulator) == []
