"""Syncs that Polytomic starts by a schedule of its own, too."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from tests.support.sync_kinds import Kind

pytestmark = pytest.mark.usefixtures("no_waiting")

LINE = "also has a schedule of its own in Polytomic: hourly"


@pytest.fixture
def scheduled(kind):
    """Return a function that adds a sync with a schedule."""

    def add(frequency="hourly", active=True, **more):
        sync_id = kind.add(duration=10, active=active)
        attributes = next(one for one in kind.emulator.syncs if one.id == sync_id).attributes
        attributes["schedule" if kind.name == "model" else "default_schedule"] = {"frequency": frequency, **more}
        return sync_id

    return add


@pytest.mark.parametrize(("if_running", "level"), [("wait", "WARNING"), ("fail", "WARNING"), ("join", "INFO")])
def test_the_schedule_is_logged_once(kind, task_instance, scheduled, logged, if_running, level):
    sync_id = scheduled()
    task_instance(kind.start(sync_id, if_running=if_running)).finish()
    text = logged()
    assert text.count(LINE) == text.count(": owned, ") >= 1
    assert all(level in line.upper() for line in text.splitlines() if LINE in line)
    gets = [one for one in kind.emulator.requests if one.method == "GET" and one.path.endswith(f"syncs/{sync_id}")]
    assert len(gets) == 1, "no further request"


def test_a_manual_schedule_is_not_logged(kind, task_instance, scheduled, logged):
    task_instance(kind.start(scheduled("manual"), fail_if_scheduled=True)).finish()
    assert "schedule of its own" not in logged()


def test_an_option_makes_it_an_error_before_anything_is_started(kind, task_instance, scheduled):
    sync_id = scheduled("runafter", run_after={"sync_ids": ["other"]})
    with pytest.raises(PolytomicRequestRefused, match=r"was not started: it has a schedule .*\(runafter\)"):
        task_instance(kind.start(sync_id, fail_if_scheduled=True)).finish()
    assert kind.starts == []


def test_a_retry_does_not_leave_its_execution_because_the_sync_has_been_scheduled_meanwhile(
    kind, task_instance, scheduled, deferred
):
    sync_id = scheduled("manual")
    lost = task_instance(kind.start(sync_id, fail_if_scheduled=True, deferrable=True))
    with pytest.raises(deferred):
        lost.execute()
    attributes = next(one for one in kind.emulator.syncs if one.id == sync_id).attributes
    attributes["schedule" if kind.name == "model" else "default_schedule"] = {"frequency": "hourly"}
    assert lost.retry().finish()["outcome"] == "success"
    assert len(kind.emulator.executions(sync_id)) == 1


def test_with_the_option_the_sync_is_requested_once(kind, task_instance, scheduled):
    sync_id = scheduled("manual")
    task_instance(kind.start(sync_id, fail_if_scheduled=True)).finish()
    gets = [one for one in kind.emulator.requests if one.method == "GET" and one.path.endswith(f"syncs/{sync_id}")]
    assert len(gets) == 1


def test_the_schedule_of_an_inactive_bulk_sync_does_not_run(emulator, task_instance, logged):
    kind = Kind("bulk", emulator)
    sync_id = kind.add(duration=10, active=False)
    emulator.syncs[0].attributes["default_schedule"] = {"frequency": "hourly"}
    task_instance(kind.start(sync_id, fail_if_scheduled=True)).finish()
    assert "schedule of its own" not in logged()
