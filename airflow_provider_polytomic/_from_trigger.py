"""Tasks that begin in the triggerer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import can_start_from_trigger, has_xcom_args

if TYPE_CHECKING:
    from airflow.triggers.base import StartTriggerArgs


def beginning(trigger: str, facts: Mapping[str, Any], timeout: timedelta | None = None) -> StartTriggerArgs:
    """Return how the triggerer begins a task.

    :param trigger: path of the trigger's class, below ``triggers``
    :param facts: what it is built from; those that are template fields of the task are rendered by the triggerer
    :param timeout: after which Airflow ends the deferral
    :raises ValueError: if this Airflow cannot do so, or not with these facts
    """
    if not can_start_from_trigger():
        raise ValueError("start_from_trigger needs Airflow 3.3 or later: a triggerer that renders templates")
    outputs = [name for name, value in facts.items() if has_xcom_args(value)]
    if outputs:
        raise ValueError(
            f"start_from_trigger excludes the output of another task as {' and '.join(outputs)}: the triggerer does "
            "not resolve it. Give it as {{ ti.xcom_pull(task_ids='…', map_indexes=-1) }}, or use deferrable=True"
        )
    from airflow.triggers.base import StartTriggerArgs

    return StartTriggerArgs(
        trigger_cls=f"airflow_provider_polytomic.triggers.{trigger}",
        trigger_kwargs=dict(facts),
        next_method="execute_complete",
        timeout=timeout,
    )
