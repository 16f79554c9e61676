"""The state of a task instance and its XComs as Airflow has stored them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

WAITING_STATES = ("deferred", "running")


def keys_of(task_instance: Any) -> dict[str, Any]:
    """Return what identifies a task instance to Airflow, as keyword arguments."""
    return {name: getattr(task_instance, name) for name in ("dag_id", "run_id", "task_id", "map_index")}


def xcom_value(ti_key: Any, key: str) -> Any:
    """Return an XCom of a task instance, or None; for workers and Airflow 2's webserver."""
    try:
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:
        from airflow.models.xcom import XCom  # type: ignore[no-redef]
    return XCom.get_value(key=key, ti_key=ti_key)


class TaskStateUnknown(Exception):
    """The state of the task instance cannot be determined."""


@dataclass(frozen=True)
class StoredTaskInstance:
    """A task instance as Airflow has stored it.

    :param exists: False after its DAG run was deleted
    :param state: state of the task instance
    :param xcom: one of its XComs, None if it has none; only for a task instance that runs or is deferred
    """

    exists: bool
    state: str | None = None
    xcom: Any = None


async def stored_task_instance_in_trigger(task_instance: Any, key: str) -> StoredTaskInstance:
    """Return a task instance and one of its XComs as stored; for triggers.

    On Airflow 3 this uses the triggerer's channel without a thread, since a triggerer that shuts down runs no threads.

    :raises TaskStateUnknown: if the triggerer shuts down
    """
    if find_spec("airflow.sdk") is None:
        from asgiref.sync import sync_to_async

        return await sync_to_async(_stored_task_instance_from_database)(task_instance, key)
    from airflow.sdk.execution_time import task_runner

    comms: Any = task_runner.SUPERVISOR_COMMS
    reader = getattr(comms, "_reader_task", None)
    if reader is not None and reader.done():
        raise TaskStateUnknown("the triggerer is shutting down")
    return await _stored_task_instance(task_instance, key, comms.asend)


def stored_task_instance_in_worker(task_instance: Any, key: str) -> StoredTaskInstance:
    """Return a task instance and one of its XComs as stored; for a thread of a worker without an event loop."""
    if find_spec("airflow.sdk") is None:
        return _stored_task_instance_from_database(task_instance, key)
    from airflow.sdk.execution_time import task_runner

    async def send(request: Any) -> Any:
        return task_runner.SUPERVISOR_COMMS.send(request)

    return asyncio.run(_stored_task_instance(task_instance, key, send))


async def _stored_task_instance(
    task_instance: Any, key: str, send: Callable[[Any], Awaitable[Any]]
) -> StoredTaskInstance:
    from airflow.sdk.execution_time.comms import GetTaskStates, GetXCom
    from airflow.sdk.execution_time.xcom import XCom

    ti = task_instance
    response = await send(
        GetTaskStates(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index)
    )
    states = list(response.task_states.get(ti.run_id, {}).values())
    if not states:
        return StoredTaskInstance(exists=False)
    if states[0] not in WAITING_STATES:
        return StoredTaskInstance(True, states[0])
    return StoredTaskInstance(True, states[0], XCom.deserialize_value(await send(GetXCom(key=key, **keys_of(ti)))))


async def xcom_in_trigger(task_instance: Any, key: str) -> Any:
    """Return an XCom of a task instance; for triggers on Airflow 3."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetXCom
    from airflow.sdk.execution_time.xcom import XCom

    xcom: Any = await task_runner.SUPERVISOR_COMMS.asend(GetXCom(key=key, **keys_of(task_instance)))
    return XCom.deserialize_value(xcom)


async def push_xcom_in_trigger(task_instance: Any, key: str, value: Any) -> None:
    """Push an XCom of a task instance; for triggers on Airflow 3."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import SetXCom
    from airflow.sdk.execution_time.xcom import XCom

    keys = keys_of(task_instance)
    stored = XCom.serialize_value(value, key=key, **keys)
    await task_runner.SUPERVISOR_COMMS.asend(SetXCom(key=key, value=stored, **keys))


async def end_event_xcoms(task_instance: Any, result: Any) -> dict[str, Any] | None:
    """Return the ``xcoms`` of an event that ends the task, so that the task's result is ``result``.

    Airflow 3 would store them as text, so there the result is pushed here instead.
    """
    if task_instance is None or find_spec("airflow.sdk") is None:
        return {"return_value": result}
    await push_xcom_in_trigger(task_instance, "return_value", result)
    return None


def _stored_task_instance_from_database(task_instance: Any, key: str) -> StoredTaskInstance:
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XCom
    from airflow.utils.session import create_session

    keys = keys_of(task_instance)
    with create_session() as session:
        row = session.query(TaskInstance.state).filter_by(**keys).first()
        if row is None:
            return StoredTaskInstance(exists=False)
        xcom = XCom.get_one(key=key, session=session, **keys) if row.state in WAITING_STATES else None
        return StoredTaskInstance(True, row.state, xcom)


def first_poke_date(context: Context) -> Any:
    """Return when the first poke of a rescheduled sensor began (datetime); None in that poke."""
    ti: Any = context["ti"]
    if find_spec("airflow.sdk"):
        return ti.get_first_reschedule_date(context)
    from airflow.sensors.base import _orig_start_date  # type: ignore[import-not-found]

    return _orig_start_date(**keys_of(ti), try_number=ti.max_tries - (ti.task.retries or 0) + 1)
