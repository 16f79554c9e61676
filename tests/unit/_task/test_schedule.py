"""The default of ``completed_after``: the schedule point before a DAG run's own."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pendulum
import pytest

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow.models.dag import DAG
from airflow.timetables.base import TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable

from airflow_provider_polytomic._compat import core_timetable
from airflow_provider_polytomic._task.schedule import previous_schedule_point

PAGE = Path(__file__).parents[3] / "docs" / "sensors.md"
ROW = re.compile(r"^\| `(.*)` \| (scheduled for|by hand at) (.*) \| (.*) \|$", re.MULTILINE)


def at(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc)


def run_of(schedule, moment, *, by_hand, previous=None):
    """Return the context of a DAG run as the timetable of this Airflow makes it."""
    dag = DAG(dag_id="dag", schedule=schedule, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=True)
    timetable = core_timetable(dag.timetable)
    if by_hand:
        interval, own = timetable.infer_manual_data_interval(run_after=pendulum.instance(moment)), moment
    else:
        restriction = TimeRestriction(pendulum.instance(moment - timedelta(days=20)), None, True)
        run, last = None, None
        while run is None or run.run_after < moment:
            run = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
            last = run.data_interval
        assert run.run_after == moment
        interval, own = run.data_interval, run.logical_date
    run_type = "manual" if by_hand else "scheduled"
    dag_run = SimpleNamespace(run_type=run_type, run_after=moment, start_date=moment)
    times = {"data_interval_start": interval.start, "data_interval_end": interval.end, "logical_date": own}
    ti = SimpleNamespace(get_previous_dagrun=lambda: previous)
    return {"dag": dag, "dag_run": dag_run, "ti": ti, **times}


@pytest.mark.parametrize(("schedule", "kind", "moment", "expected"), ROW.findall(PAGE.read_text()))
def test_a_sensor_counts_from_the_time_in_the_documentation(schedule, kind, moment, expected):
    context = run_of(eval(schedule), at(moment), by_hand=kind == "by hand at")
    assert previous_schedule_point(context) == at(expected)


def test_the_documentation_has_examples():
    assert len(ROW.findall(PAGE.read_text())) >= 9


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_run_by_hand_of_a_timedelta_counts_from_the_previous_scheduled_run(by_hand):
    previous = SimpleNamespace(run_type="manual" if by_hand else "scheduled", run_after=at("2026-03-02 13:00"))
    context = run_of(timedelta(hours=6), at("2026-03-02 14:30"), by_hand=True, previous=previous)
    assert previous_schedule_point(context) == at("2026-03-02 12:00" if by_hand else "2026-03-02 13:00")


def test_a_run_in_the_hour_that_clocks_skip_counts_from_the_day_before():
    schedule = CronTriggerTimetable("30 2 * * *", timezone="Europe/Berlin")
    context = run_of(schedule, at("2026-03-29 01:30"), by_hand=False)
    assert previous_schedule_point(context) == at("2026-03-28 01:30")


class OwnTimetable:
    """A timetable that does not tell its schedule points."""

    periodic = True


@pytest.mark.parametrize("previous", [None, "2026-03-01 03:07"])
def test_a_timetable_of_ones_own_counts_from_the_previous_run(monkeypatch, previous):
    monkeypatch.setattr("airflow_provider_polytomic._task.schedule.core_timetable", lambda timetable: OwnTimetable())
    found = previous and SimpleNamespace(run_type="scheduled", run_after=at(previous))
    context = run_of(None, at("2026-03-02 02:00"), by_hand=True, previous=found)
    assert previous_schedule_point(context) == at(previous or "2026-03-02 02:00")


def test_a_previous_run_that_airflow_does_not_tell_is_none(monkeypatch):
    def fail():
        raise RuntimeError("the API server is down")

    monkeypatch.setattr("airflow_provider_polytomic._task.schedule.core_timetable", lambda timetable: OwnTimetable())
    context = run_of(None, at("2026-03-02 02:00"), by_hand=True)
    context["ti"].get_previous_dagrun = fail
    assert previous_schedule_point(context) == at("2026-03-02 02:00")


def test_a_run_without_a_logical_date_counts_from_the_schedule_point_before_it():
    context = run_of("0 2 * * *", at("2026-03-02 14:30"), by_hand=True)
    for name in ("logical_date", "data_interval_start", "data_interval_end"):
        del context[name]
    assert previous_schedule_point(context) == at("2026-03-02 02:00")
