"""Find the schedule point before a DAG run's own, which is the default of ``completed_after`` and ``since``.

For the DAG run of 02:00 of a daily DAG, that is 02:00 of the day before. On Airflow 2 it is the start of the data
interval. On Airflow 3 the data interval has no width by default, so the timetable computes it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_polytomic._compat import core_timetable
from airflow_provider_polytomic._task.values import as_datetime

log = logging.getLogger(__name__)

RUNS_BY_HAND = ("manual", "operator_triggered", "asset_materialization")
"""Types of DAG runs whose logical date need not be a schedule point."""


def previous_schedule_point(context: Mapping[str, Any]) -> datetime:
    """Return the schedule point before the DAG run's own; if there is none, the start of the DAG run.

    :param context: context of a task or of a trigger
    """
    return _before(context) or as_datetime(context["dag_run"].start_date, "the start of the DAG run")


def _before(context: Mapping[str, Any]) -> datetime | None:
    dag_run, dag = context["dag_run"], context.get("dag")
    start, end = (_optional(context.get(f"data_interval_{name}")) for name in ("start", "end"))
    by_hand = _is_by_hand(dag_run)
    if start and end and start < end and not by_hand:
        return start
    own = _optional(context.get("logical_date") or getattr(dag_run, "run_after", None))
    timetable = core_timetable(getattr(dag, "timetable", None))
    if own is None or timetable is None:
        return None
    delta = getattr(timetable, "_delta", None)
    if by_hand and delta is not None:
        return _previous_dag_run(context, scheduled=True) or _aligned(
            own, _optional(getattr(dag, "start_date", None)), delta
        )
    point = _previous_point(timetable, own)
    if point is None and getattr(timetable, "periodic", True):
        point = _previous_dag_run(context)
    return point


def _previous_point(timetable: Any, moment: datetime) -> datetime | None:
    """Return the last schedule point before a moment; None if the timetable cannot compute it."""
    import pendulum

    inner = getattr(timetable, "_timetables", None) or [getattr(timetable, "timetable", None)]
    points = [_previous_point(each, moment) for each in inner if each is not None]
    points += [_optional(date) for date in getattr(timetable, "event_dates", ())]
    if hasattr(timetable, "_get_prev"):
        # A point in the hour that clocks skip in spring is moved, and then precedes itself.
        for before in (moment, moment - timedelta(hours=1)):
            points.append(_optional(timetable._get_prev(pendulum.instance(before))))
    return max((point for point in points if point and point < moment), default=None)


def _aligned(moment: datetime, start: datetime | None, delta: Any) -> datetime:
    """Return the last point before a moment of a schedule that repeats after ``delta`` from the start date on."""
    if start is None or start >= moment or not isinstance(delta, timedelta):
        point: datetime = moment - delta
        return point
    periods = (moment.timestamp() - start.timestamp()) / delta.total_seconds()
    return start + (math.ceil(periods) - 1) * delta


def _is_by_hand(dag_run: Any) -> bool:
    run_type = getattr(dag_run, "run_type", "scheduled")
    return getattr(run_type, "value", run_type) in RUNS_BY_HAND


def _previous_dag_run(context: Mapping[str, Any], *, scheduled: bool = False) -> datetime | None:
    """Return the schedule point of the previous DAG run; None if there is none, or it cannot be requested.

    :param scheduled: whether a run by hand does not count
    """
    try:
        previous = context["ti"].get_previous_dagrun()
    except Exception as error:
        log.debug("Could not get the previous DAG run: %s", type(error).__name__)
        return None
    if scheduled and _is_by_hand(previous):
        return None
    return _optional(getattr(previous, "run_after", None) or getattr(previous, "data_interval_end", None))


def _optional(value: Any) -> datetime | None:
    return as_datetime(value, "a time of the DAG run") if value else None
