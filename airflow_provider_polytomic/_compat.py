"""Every name and ability that differs between Airflow 2.11 and 3.3, and nothing else.

Names are imported one by one, since each of the five minor versions has another set of them; abilities are asked of
what is there, never of a version number.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import (
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        Connection,
        Context,
        PokeReturnValue,
    )
    from airflow.sdk.configuration import conf
    from airflow.sdk.definitions.asset import Asset, AssetRef
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )

    EMITTED_OUTLETS = (Asset, AssetRef)
else:
    try:
        from airflow.sdk.definitions.asset import Asset, AssetRef

        EMITTED_OUTLETS = (Asset, AssetRef)
    except ImportError:
        from airflow.datasets import Dataset as Asset

        EMITTED_OUTLETS = (Asset,)
    try:
        from airflow.sdk import BaseOperator, BaseSensorOperator, PokeReturnValue
    except ImportError:
        from airflow.models.baseoperator import BaseOperator
        from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
    try:
        from airflow.sdk import BaseHook, BaseOperatorLink
    except ImportError:
        from airflow.hooks.base import BaseHook
        from airflow.models.baseoperatorlink import BaseOperatorLink
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
    "Asset",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "EMITTED_OUTLETS",
    "StateStore",
    "PokeReturnValue",
    "Undecided",
    "WatcherStore",
    "can_start_from_trigger",
    "conf",
    "depend_on",
    "event_trigger_base",
    "find_connection",
    "has_asset_watchers",
    "has_xcom_args",
    "push_xcom_in_trigger",
    "trigger_has_on_kill",
    "xcom_in_trigger",
    "xcom_of_deferred",
    "xcoms_of_end",
    "xcom_value",
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


def event_trigger_base() -> type[Any]:
    """Return what the trigger of an ``AssetWatcher`` derives from; on Airflow 2, which has none, a plain trigger."""
    from airflow.triggers import base

    found: type[Any] = getattr(base, "BaseEventTrigger", base.BaseTrigger)
    return found


def has_asset_watchers() -> bool:
    """Tell whether DAGs can wait for events from outside (Airflow 3.0 and later)."""
    return event_trigger_base().__name__ == "BaseEventTrigger"


class WatcherStore:
    """What a watcher keeps with the assets that it watches (Airflow 3.3 and later).

    A trigger that several assets share keeps the same with each of them.

    :param accessors: what the triggerer gives the trigger; None where it gives nothing
    :param key: names what is kept among all that is kept with an asset
    """

    def __init__(self, accessors: Any, key: str) -> None:
        self._stores = _single_stores(accessors)
        self._key = key

    def __bool__(self) -> bool:
        return bool(self._stores)

    async def get(self) -> Any:
        """Return what was kept, or None."""
        for store in self._stores:
            value = await store.aget(self._key)
            if value is not None:
                return value
        return None

    async def set(self, value: Any) -> None:
        """Keep ``value``."""
        for store in self._stores:
            await store.aset(self._key, value)


def _single_stores(accessors: Any) -> list[Any]:
    by_asset = [getattr(accessors, name, {}) for name in ("_by_name", "_by_uri")]
    several = [store for stores in by_asset for store in stores.values()]
    return several if len(several) > 1 else [] if accessors is None else [accessors]


def can_start_from_trigger() -> bool:
    """Tell whether a task may begin in the triggerer, with its templates rendered (Airflow 3.3 and later)."""
    from airflow.triggers.base import BaseTrigger

    return trigger_has_on_kill() and hasattr(BaseTrigger, "render_template_fields")


def xcom_value(ti_key: Any, key: str) -> Any:
    """Return what XCom ``key`` of a task instance holds, in a worker, or in the webserver of Airflow 2; or None."""
    try:
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:
        from airflow.models.xcom import XCom  # type: ignore[no-redef]
    return XCom.get_value(key=key, ti_key=ti_key)


def has_xcom_args(value: Any) -> bool:
    """Tell whether a value is, or holds, the output of another task."""
    try:
        from airflow.sdk.definitions.xcom_arg import XComArg
    except ImportError:
        from airflow.models.xcom_arg import XComArg
    return any(True for _ in XComArg.iter_xcom_references(value))


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
        from airflow.sdk.execution_time.comms import GetTaskStates
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
    return await xcom_in_trigger(ti, key) if state == "deferred" else None


async def xcom_in_trigger(task_instance: Any, key: str) -> Any:
    """Return what XCom ``key`` of a task instance holds; for triggers, on Airflow 3."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetXCom
    from airflow.sdk.execution_time.xcom import XCom

    ti = task_instance
    held: Any = await task_runner.SUPERVISOR_COMMS.asend(
        GetXCom(key=key, dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=ti.map_index)
    )
    return XCom.deserialize_value(held)


async def push_xcom_in_trigger(task_instance: Any, key: str, value: Any) -> None:
    """Write XCom ``key`` of a task instance; for triggers, on Airflow 3."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import SetXCom
    from airflow.sdk.execution_time.xcom import XCom

    ti = task_instance
    place = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
    stored = XCom.serialize_value(value, key=key, **place)
    await task_runner.SUPERVISOR_COMMS.asend(SetXCom(key=key, value=stored, **place))


async def xcoms_of_end(task_instance: Any, result: Any) -> dict[str, Any] | None:
    """Return the XComs that an event which ends the task must carry so that ``result`` is its result.

    Airflow 3 stores what such an event carries as text, so there it is written beforehand.
    """
    if task_instance is None or not _has_supervisor():
        return {"return_value": result}
    await push_xcom_in_trigger(task_instance, "return_value", result)
    return None


def _has_supervisor() -> bool:
    try:
        import airflow.sdk.execution_time.comms  # noqa: F401
    except ImportError:
        return False
    return True


def _xcom_of_deferred_by_database(task_instance: Any, key: str) -> Any:
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XCom
    from airflow.utils.session import create_session

    ti = task_instance
    same = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
    with create_session() as session:
        state = session.query(TaskInstance.state).filter_by(**same).scalar()
        return XCom.get_one(key=key, session=session, **same) if state == "deferred" else None
