"""Following a console log whose order, cursor and levels are not documented."""

from __future__ import annotations

import logging
from itertools import product
from typing import Any

import pytest

from airflow_provider_polytomic.api import PolytomicClient, PolytomicServerError
from airflow_provider_polytomic.api.flow import Pause
from airflow_provider_polytomic.api.models.executions import ConsoleLine
from airflow_provider_polytomic.executions import (
    ConsoleLogReader,
    DeadlinePassed,
    ExecutionRef,
    follow_console_log,
    wait_for_end,
    wait_with_console_log,
)
from airflow_provider_polytomic.executions.console import CONSOLE_POLL_INTERVAL, in_one_line, in_order, newest_first

READINGS = list(product(("oldest_first", "newest_first"), ("repeat", "absent", "null"), ("info", "LOG")))


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def client(emulator):
    with PolytomicClient(emulator.api_key, base_url=emulator.url, sleep=emulator.clock.advance) as client:
        yield client


@pytest.fixture(params=["model", "bulk"])
def run(emulator, request) -> ExecutionRef:
    emulator.clock.freeze()
    if request.param == "bulk":
        sync = emulator.add_bulk_sync(schemas=[{"id": "contact", "duration": 40}], log_every=3)
    else:
        sync = emulator.add_model_sync(duration=40, log_every=3)
    return ExecutionRef(request.param, sync.id, emulator.start(sync.id).id)


def messages(shown: list[str]) -> list[str]:
    return [line.split(": ", 1)[1] for line in shown if not line.startswith("::")]


@pytest.mark.parametrize(("order", "end", "level"), READINGS)
def test_each_line_is_shown_once_oldest_first(emulator, client, run, shown, order, end, level):
    for name, value in (("console_order", order), ("console_end", end), ("console_level", level)):
        emulator.set_switch(name, value)
    waiting = wait_for_end(run, poll_interval=15, pause_first=True, clock=emulator.clock)
    execution = client.run(wait_with_console_log(waiting, ConsoleLogReader(run, shown.append)))
    assert execution.status == "completed"
    messages_shown = messages(shown)
    assert messages_shown[:2] == ["Execution created.", "Execution started."]
    assert messages_shown[-1] == "Execution ended: completed."
    assert [one for one in messages_shown if "part" in one] == [f"Working, part {number}." for number in range(1, 14)]
    assert len(messages_shown) == len(set(messages_shown))


def test_the_lines_of_a_poll_are_a_group(client, run, shown):
    client.run(ConsoleLogReader(run, shown.append).fetch())
    assert shown[0] == "::group::Polytomic console log, 1 new lines"
    assert shown[-1] == "::endgroup::"


def test_the_console_log_does_not_delay_polls(emulator, client, run):
    def polls(run: ExecutionRef, waiting: Any) -> list[float]:
        began = emulator.clock()
        client.run(waiting)
        return [one.at - began for one in emulator.requests if one.path.endswith(run.execution_id)]

    def wait(run: ExecutionRef) -> Any:
        return wait_for_end(run, poll_interval=25, pause_first=True, clock=emulator.clock)

    alone = polls(run, wait(run))
    again = ExecutionRef(run.kind, run.sync_id, emulator.start(run.sync_id).id)
    beside = polls(again, wait_with_console_log(wait(again), ConsoleLogReader(again, print), emulator.clock))
    assert alone == pytest.approx([25, 50])
    assert beside == pytest.approx(alone)


def test_the_time_of_a_request_is_taken_off_the_pause(run):
    def waiting():
        yield Pause(8)
        return "ended"

    now = iter([0.0, 6.0])
    steps = wait_with_console_log(waiting(), ConsoleLogReader(run, print), clock=lambda: next(now))
    assert "consolelog" in next(steps).path
    assert steps.throw(PolytomicServerError(500, method="GET", path="/")) == Pause(2.0)


def test_failed_requests_are_not_logged_and_become_rarer(emulator, client, run, shown, caplog):
    emulator.fault("status", status=500, count=None, path="/**/consolelog")
    waiting = wait_for_end(run, poll_interval=10, pause_first=True, clock=emulator.clock)
    with caplog.at_level(logging.INFO):
        assert client.run(wait_with_console_log(waiting, ConsoleLogReader(run, shown.append))).status == "completed"
    assert shown == []
    assert "consolelog" not in caplog.text
    assert len([one for one in emulator.requests if one.path.endswith("consolelog")]) == 3


def test_the_error_of_the_wait_is_raised(emulator, client, run, shown):
    waiting = wait_for_end(
        run, poll_interval=10, deadline=emulator.clock() + 20, pause_first=True, clock=emulator.clock
    )
    with pytest.raises(DeadlinePassed):
        client.run(wait_with_console_log(waiting, ConsoleLogReader(run, shown.append), emulator.clock))
    assert "Working, part 6." in messages(shown)


def test_the_request_has_a_short_timeout(run):
    call = next(ConsoleLogReader(run, print).fetch())
    assert call.timeout <= 5
    assert not call.repeatable


def test_following_pauses_between_polls(run):
    steps = follow_console_log(ConsoleLogReader(run, print))
    assert "consolelog" in next(steps).path
    assert steps.throw(PolytomicServerError(500, method="GET", path="/")) == Pause(CONSOLE_POLL_INTERVAL)
    assert next(steps) == Pause(CONSOLE_POLL_INTERVAL)


def test_many_new_lines_may_lack_earlier_ones(emulator, client, shown):
    sync = emulator.add_model_sync(duration=10**6)
    console = ConsoleLogReader(ExecutionRef("model", sync.id, emulator.start(sync.id).id), shown.append)
    client.run(console.fetch())
    emulator.clock.advance(500)
    client.run(console.fetch())
    assert any("may be missing" in line for line in shown)


def test_a_line_is_one_line_and_has_no_secret():
    line = ConsoleLine(level="error", message="::endgroup::\npassword=hunter2 at https://x.test/a?sig=hunter2\nkey-1")
    assert in_one_line(line, "key-1") == "error: ::endgroup::\\npassword=*** at https://x.test/a?***\\n***"
    assert in_one_line(ConsoleLine()) == "line:"
    forged = in_one_line(ConsoleLine(level="info\n::error::\x1b[31m" + "x" * 500, message="a\x1b[2Jb\u2028c"))
    assert forged.startswith("info\\n::error::")
    assert len(forged) < 40
    assert forged.isprintable()


def test_lines_without_times_keep_their_order():
    lines = [ConsoleLine(message=text) for text in "abc"]
    assert in_order(lines, False) == lines
    assert in_order(lines, True) == lines[::-1]
    assert not newest_first(lines)
