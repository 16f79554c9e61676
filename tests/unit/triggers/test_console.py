"""The console log beside the wait in the triggerer: never in its way."""

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


def looks(emulator):
    return [one for one in emulator.requests if one.path.endswith("consolelog")]


@pytest.mark.usefixtures("no_waiting")
async def test_its_lines_are_in_the_log_of_the_trigger_each_once(trigger, wait_for_event, logged):
    assert (await wait_for_event(trigger))["execution"]["outcome"] == "success"
    text = logged()
    for line in ("Execution created.", "Working, part 7.", "Execution ended: completed."):
        assert text.count(f"info: {line}") == text.count("info: Execution created.") > 0, line


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 500}, {"kind": "reset"}, {"kind": "malformed", "malformed": "html"}]
)
async def test_the_wait_does_not_need_it(emulator, trigger, wait_for_event, fault):
    emulator.fault(**fault, count=None, path="/**/consolelog")
    assert (await wait_for_event(trigger))["execution"]["outcome"] == "success"
    assert looks(emulator)


@pytest.mark.usefixtures("no_waiting")
async def test_the_deadline_holds_with_it(trigger, wait_for_event, logged):
    trigger.deadline = 0
    assert (await wait_for_event(trigger))["status"] == "deadline"
    assert "Execution created." in logged()


async def test_a_trigger_that_is_ended_ends_it_too(emulator, trigger):
    trigger.poll_interval = 600
    running = asyncio.ensure_future(anext_of(trigger))
    while not looks(emulator):
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(looks(emulator)) == 1
    assert len(asyncio.all_tasks()) == 1


async def anext_of(trigger):
    async for event in trigger.run():
        return event


@pytest.mark.usefixtures("no_waiting")
async def test_without_the_option_nothing_is_asked(emulator, trigger, wait_for_event):
    trigger.console_log = False
    await wait_for_event(trigger)
    assert looks(emulator) == []
