"""Every name and ability that differs between Airflow 2.11 and 3.3, and nothing else.

Names are imported one by one, since each of the five minor versions has another set of them; abilities are asked of
what is there, never of a version number.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator, Connection, Context, PokeReturnValue
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )
else:
    try:
        from airflow.sdk import BaseOperator, BaseSensorOperator, PokeReturnValue
    except ImportError:
        from airflow.models.baseoperator import BaseOperator
        from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
    try:
        from airflow.sdk import BaseHook
    except ImportError:
        from airflow.hooks.base import BaseHook
    try:
        from airflow.sdk.configuration import conf
    except ImportError:
        from airflow.configuration import conf
    try:
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
        )
    except ImportError:
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
        )

log = logging.getLogger(__name__)

STATE_STORE_KEY = "polytomic_execution"

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseHook",
    "BaseOperator",
    "BaseSensorOperator",
    "StateStore",
    "PokeReturnValue",
    "Undecided",
    "conf",
    "depend_on",
    "find_connection",
    "xcom_of_deferred",
    "trigger_has_on_kill",
]


async def find_connection(conn_id: str) -> Connection:
    """Look a connection up from an event loop.

    Before Airflow 3.3.2, which brought ``aextra_dejson``, the asynchronous look-up masks secrets with a blocking call
    that can dead-lock; there the blocking look-up runs in a thread. It must be asgiref's thread, whose calls find their
    way back to the triggerer's own loop.
    """
    try:
        from airflow.sdk import Connection
    except ImportError:
        pass
    else:
        if hasattr(Connection, "aextra_dejson"):
            found: Connection = await BaseHook.aget_connection(conn_id)
            return found
    from asgiref.sync import sync_to_async

    return await sync_to_async(BaseHook.get_connection)(conn_id)


class StateStore:
    """The execution that a task instance started, kept across its attempts; on Airflow before 3.3 nothing is kept.

    It only spares the next attempt from relying on what Polytomic remembers of a key, so that it fails is logged and
    changes nothing.
    """

    def __init__(self, context: Context) -> None:
        self._store = context.get("task_state_store")

    def get(self) -> dict[str, Any] | None:
        """Return what was kept, or None."""
        value = self._try("get", STATE_STORE_KEY)
        return value if isinstance(value, dict) else None

    def set(self, value: dict[str, Any]) -> None:
        """Keep ``value``."""
        self._try("set", STATE_STORE_KEY, value)

    def delete(self) -> None:
        """Keep nothing any longer."""
        self._try("delete", STATE_STORE_KEY)

    def _try(self, method: str, *arguments: Any) -> Any:
        if self._store is None:
            return None
        try:
            return getattr(self._store, method)(*arguments)
        except Exception as error:
            log.warning("The task state store failed to %s: %s", method, error)
            return None


def trigger_has_on_kill() -> bool:
    """Tell whether the triggerer tells a trigger that a person has ended its task (Airflow 3.3 and later)."""
    from airflow.triggers.base import BaseTrigger

    return hasattr(BaseTrigger, "on_kill")


def depend_on(operator: BaseOperator, value: Any) -> None:
    """Make an operator run after those whose results stand in ``value``, as for a template field."""
    try:
        from airflow.sdk.definitions.xcom_arg import XComArg
    except ImportError:
        from airflow.models.xcom_arg import XComArg
    XComArg.apply_upstream_relationship(operator, value)


class Undecided(Exception):
    """It cannot be said what the task instance does."""


async def xcom_of_deferred(task_instance: Any, key: str) -> Any:
    """Return what XCom ``key`` of a task instance holds, or None if the task instance is not deferred.

    For triggers: asks over the triggerer's own channel, without a thread, which a triggerer on its way down could not
    serve.

    :raises Undecided: if the triggerer is on its way down
    """
    try:
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import GetTaskStates, GetXCom
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:
        from asgiref.sync import sync_to_async

        return await sync_to_async(_xcom_of_deferred_by_database)(task_instance, key)
    comms = task_runner.SUPERVISOR_COMMS
    reader = getattr(comms, "_reader_task", None)
    if reader is not None and reader.done():
        raise Undecided("the triggerer is shutting down")
    ti = task_instance
    answer: Any = await comms.asend(
        GetTaskStates(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index)
    )
    state = next(iter(answer.task_states.get(ti.run_id, {}).values()), None)
    if state != "deferred":
        return None
    held = await comms.asend(
        GetXCom(key=key, dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=ti.map_index)
    )
    return XCom.deserialize_value(held)


def _xcom_of_deferred_by_database(task_instance: Any, key: str) -> Any:
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XCom
    from airflow.utils.session import create_session

    ti = task_instance
    same = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
    with create_session() as session:
        state = session.query(TaskInstance.state).filter_by(**same).scalar()
        return XCom.get_one(key=key, session=session, **same) if state == "deferred" else None
