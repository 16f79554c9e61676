"""The names and abilities that differ between Airflow 2.11 and 3.3.

Each of the five minor versions has a different set of names, so each name has its own import. Abilities are detected
from attributes, never from version numbers.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat.stores import LastingStore, PokeStore, StateStore, WatcherStore
from airflow_provider_polytomic._compat.task_instances import (
    StoredTaskInstance,
    TaskStateUnknown,
    end_event_xcoms,
    first_poke_date,
    push_xcom_in_trigger,
    stored_task_instance_in_trigger,
    stored_task_instance_in_worker,
    xcom_in_trigger,
    xcom_value,
)

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


def core_timetable(timetable: Any) -> Any:
    """Return a timetable that can compute its schedule points; up to Airflow 3.1, the timetable itself can."""
    try:
        from airflow.serialization.encoders import coerce_to_core_timetable
    except ImportError:
        return timetable
    return timetable and coerce_to_core_timetable(timetable)
