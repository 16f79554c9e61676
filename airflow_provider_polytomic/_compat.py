"""The names and abilities that differ between Airflow 2.11 and 3.3.

Each of the five minor versions has a different set of names, so each name has its own import. Abilities are detected
from attributes, never from version numbers.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context

try:
    from airflow.sdk.definitions.asset import Asset, AssetAlias, AssetRef
    from airflow.sdk.definitions.xcom_arg import XComArg

    EMITTED_OUTLETS = (Asset, AssetRef)
except ImportError:
    if not TYPE_CHECKING:
        from airflow.datasets import Dataset as Asset
        from airflow.datasets import DatasetAlias as AssetAlias
        from airflow.models.xcom_arg import XComArg

        EMITTED_OUTLETS = (Asset,)
try:
    from airflow.sdk import BaseOperator, BaseSensorOperator, PokeReturnValue
except ImportError:
    if not TYPE_CHECKING:
        from airflow.models.baseoperator import BaseOperator
        from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
try:
    from airflow.sdk import BaseHook, BaseOperatorLink
except ImportError:
    if not TYPE_CHECKING:
        from airflow.hooks.base import BaseHook
        from airflow.models.baseoperatorlink import BaseOperatorLink
try:
    from airflow.sdk.configuration import conf
except ImportError:
    if not TYPE_CHECKING:
        from airflow.configuration import conf
try:
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
    )
except ImportError:
    if not TYPE_CHECKING:
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
        )

log = logging.getLogger(__name__)

STATE_STORE_KEY = "polytomic_execution"

__all__ = [
    "EMITTED_OUTLETS", "AirflowException", "AirflowFailException", "AirflowSensorTimeout", "AirflowSkipException",
    "AirflowTaskTimeout", "Asset", "AssetAlias", "BaseHook", "BaseOperator", "BaseOperatorLink", "BaseSensorOperator",
    "LastingStore", "PokeReturnValue", "PokeStore", "StateStore", "StoredTaskInstance", "TaskStateUnknown",
    "WatcherStore", "add_alias_event", "airflow_stats", "can_start_from_trigger", "conf", "core_timetable",
    "current_context", "end_event_xcoms", "event_trigger_base", "find_connection", "first_poke_date",
    "has_asset_watchers", "has_xcom_args", "mask_secret", "push_xcom_in_trigger", "set_upstream_from",
    "stored_task_instance_in_trigger", "stored_task_instance_in_worker", "trigger_has_on_kill", "xcom_in_trigger",
    "xcom_value",
]  # fmt: skip


async def find_connection(conn_id: str) -> Connection:
    """Get a connection without blocking the event loop.

    Before Airflow 3.3.2, which added ``aextra_dejson``, ``aget_connection`` masks secrets with a blocking call that can
    deadlock. There, the blocking method runs in a thread of asgiref, which can call back to the triggerer's loop.
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


def airflow_stats() -> Any:
    """Return Airflow's ``Stats``, initialized.

    From Airflow 3.2 on, each component initializes it when it starts, but not every one that of the Task SDK: the
    import of ``airflow.sdk.serde``, which any component may do, makes up for it.
    """
    try:
        from airflow.sdk.observability.stats import Stats
    except ImportError:
        from airflow.stats import Stats

        return Stats
    import airflow.sdk.serde  # noqa: F401

    return Stats


class StateStore:
    """Store what a task instance has started, for its next attempts; a no-op before Airflow 3.3.

    The next attempt finds the execution by its idempotency key too, so an error of the store is only logged.
    """

    def __init__(self, context: Context, key: str = STATE_STORE_KEY) -> None:
        self._store = context.get("task_state_store")
        self._key = key

    def get(self) -> dict[str, Any] | None:
        """Return the stored value, or None."""
        value = self._try("get", self._key)
        return value if isinstance(value, dict) else None

    def set(self, value: dict[str, Any]) -> None:
        """Store a value."""
        self._try("set", self._key, value)

    def _try(self, method: str, *arguments: Any) -> Any:
        if self._store is None:
            return None
        try:
            return getattr(self._store, method)(*arguments)
        except Exception as error:
            log.warning("The task state store failed to %s: %s", method, error)
            return None


class LastingStore:
    """Store a value for the later processes of a task instance: its next pokes and its next attempts.

    Airflow deletes the XComs of a task instance before each of them. From Airflow 3.3 on, the value is in the task
    state store; on Airflow 2, in the audit log, to which a worker of Airflow 3 cannot write. 3.0 to 3.2 store nothing.
    """

    def __init__(self, context: Context, key: str = STATE_STORE_KEY) -> None:
        self._ti: Any = context["ti"]
        self._key = key
        self._store = StateStore(context, key) if context.get("task_state_store") is not None else None

    def get(self) -> dict[str, Any] | None:
        """Return the stored value, or None."""
        value = self._store.get() if self._store else self._try(_read_audit_log, self._ti, self._key)
        return value if isinstance(value, dict) else None

    def set(self, value: dict[str, Any]) -> None:
        """Store a value."""
        if self._store:
            self._store.set(value)
        else:
            self._try(_write_audit_log, self._ti, self._key, value)

    def _try(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if find_spec("airflow.sdk"):
            return None
        try:
            return function(*arguments)
        except Exception as error:
            log.warning("The audit log failed to %s: %s", function.__name__.lstrip("_"), error)
            return None


class PokeStore(LastingStore):
    """Store a value from one poke of a rescheduled sensor to the next, which runs in another process."""

    def get(self) -> dict[str, Any] | None:
        """Return what a poke of this attempt has stored, or None."""
        value = super().get() or {}
        return value if value.get("try_number") == self._ti.try_number else None

    def set(self, value: dict[str, Any]) -> None:
        """Store a value."""
        super().set({**value, "try_number": self._ti.try_number})


def _read_audit_log(task_instance: Any, key: str) -> Any:
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        entries = session.query(Log.extra).filter_by(event=key, **_keys(task_instance))
        extra = entries.order_by(Log.id.desc()).limit(1).scalar()
    return json.loads(extra) if extra else None


def _write_audit_log(task_instance: Any, key: str, value: dict[str, Any]) -> None:
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Log(key, task_instance, extra=json.dumps(value)))


def first_poke_date(context: Context) -> Any:
    """Return when the first poke of a rescheduled sensor began (datetime); None in that poke."""
    ti: Any = context["ti"]
    if find_spec("airflow.sdk"):
        return ti.get_first_reschedule_date(context)
    from airflow.sensors.base import _orig_start_date  # type: ignore[import-not-found]

    return _orig_start_date(**_keys(ti), try_number=ti.max_tries - (ti.task.retries or 0) + 1)


def trigger_has_on_kill() -> bool:
    """Return whether the triggerer calls ``on_kill`` of a trigger (Airflow 3.3 and later)."""
    from airflow.triggers.base import BaseTrigger

    return hasattr(BaseTrigger, "on_kill")


def event_trigger_base() -> type[Any]:
    """Return the base class of triggers for an ``AssetWatcher``; on Airflow 2, which has none, ``BaseTrigger``."""
    from airflow.triggers import base

    found: type[Any] = getattr(base, "BaseEventTrigger", base.BaseTrigger)
    return found


def has_asset_watchers() -> bool:
    """Return whether Airflow has ``AssetWatcher`` (Airflow 3.0 and later)."""
    return event_trigger_base().__name__ == "BaseEventTrigger"


class WatcherStore:
    """Store a value with each asset that a trigger watches (Airflow 3.3 and later).

    :param accessors: the accessors that the triggerer gives the trigger, or None
    :param key: key of the value among all that is stored with an asset
    """

    def __init__(self, accessors: Any, key: str) -> None:
        stores_by_asset = [getattr(accessors, name, {}) for name in ("_by_name", "_by_uri")]
        several = [store for stores in stores_by_asset for store in stores.values()]
        self._stores: list[Any] = several if len(several) > 1 else [] if accessors is None else [accessors]
        self._key = key

    def __bool__(self) -> bool:
        return bool(self._stores)

    async def get(self) -> Any:
        """Return the stored value, or None."""
        for store in self._stores:
            value = await store.aget(self._key)
            if value is not None:
                return value
        return None

    async def set(self, value: Any) -> None:
        """Store a value."""
        for store in self._stores:
            await store.aset(self._key, value)


class _HashableDict(dict[str, Any]):
    """Let Airflow 2 collect the values of an extra in a set."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))


def add_alias_event(context: Context, alias: AssetAlias, asset: Asset, extra: dict[str, Any]) -> None:
    """Emit an event of an asset through an alias that is an outlet of the task."""
    if find_spec("airflow.sdk") is None:
        extra = {name: _HashableDict(each) if isinstance(each, dict) else each for name, each in extra.items()}
    context["outlet_events"][alias].add(asset, extra=extra)


def can_start_from_trigger() -> bool:
    """Return whether a task can start in the triggerer with rendered templates (Airflow 3.3 and later)."""
    from airflow.triggers.base import BaseTrigger

    return trigger_has_on_kill() and hasattr(BaseTrigger, "render_template_fields")


def xcom_value(ti_key: Any, key: str) -> Any:
    """Return an XCom of a task instance, or None; for workers and Airflow 2's webserver."""
    try:
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:
        from airflow.models.xcom import XCom  # type: ignore[no-redef]
    return XCom.get_value(key=key, ti_key=ti_key)


def has_xcom_args(value: Any) -> bool:
    """Return whether a value is or contains the output of another task, or is an argument of a mapped task group."""
    return hasattr(value, "iter_references") or any(True for _ in XComArg.iter_xcom_references(value))


def current_context() -> Context | None:
    """Return the context of the task that runs in this process, or None."""
    try:
        from airflow.sdk import get_current_context
    except ImportError:
        if not TYPE_CHECKING:
            from airflow.operators.python import get_current_context
    try:
        return get_current_context()
    except (RuntimeError, AirflowException):
        return None


def mask_secret(secret: str) -> None:
    """Let Airflow mask a text in logs and rendered fields."""
    try:
        from airflow.sdk.log import mask_secret
    except ImportError:
        if not TYPE_CHECKING:
            from airflow.utils.log.secrets_masker import mask_secret
    mask_secret(secret)


def set_upstream_from(operator: BaseOperator, value: Any) -> None:
    """Set the tasks whose outputs a value contains upstream of an operator, as for a template field."""
    XComArg.apply_upstream_relationship(operator, value)


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


WAITING_STATES = ("deferred", "running")


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
    return StoredTaskInstance(True, states[0], XCom.deserialize_value(await send(GetXCom(key=key, **_keys(ti)))))


def core_timetable(timetable: Any) -> Any:
    """Return a timetable that tells its schedule points, which a timetable of a DAG file does up to Airflow 3.1."""
    try:
        from airflow.serialization.encoders import coerce_to_core_timetable
    except ImportError:
        return timetable
    return timetable and coerce_to_core_timetable(timetable)


def _keys(task_instance: Any) -> dict[str, Any]:
    return {name: getattr(task_instance, name) for name in ("dag_id", "run_id", "task_id", "map_index")}


async def xcom_in_trigger(task_instance: Any, key: str) -> Any:
    """Return an XCom of a task instance; for triggers on Airflow 3."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetXCom
    from airflow.sdk.execution_time.xcom import XCom

    xcom: Any = await task_runner.SUPERVISOR_COMMS.asend(GetXCom(key=key, **_keys(task_instance)))
    return XCom.deserialize_value(xcom)


async def push_xcom_in_trigger(task_instance: Any, key: str, value: Any) -> None:
    """Push an XCom of a task instance; for triggers on Airflow 3."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import SetXCom
    from airflow.sdk.execution_time.xcom import XCom

    keys = _keys(task_instance)
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

    keys = _keys(task_instance)
    with create_session() as session:
        row = session.query(TaskInstance.state).filter_by(**keys).first()
        if row is None:
            return StoredTaskInstance(exists=False)
        xcom = XCom.get_one(key=key, session=session, **keys) if row.state in WAITING_STATES else None
        return StoredTaskInstance(True, row.state, xcom)
