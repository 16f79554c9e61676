"""Stores of values for the later processes of a task instance, and of values with an asset."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat.task_instances import keys_of

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

STATE_STORE_KEY = "polytomic_execution"


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
        entries = session.query(Log.extra).filter_by(event=key, **keys_of(task_instance))
        extra = entries.order_by(Log.id.desc()).limit(1).scalar()
    return json.loads(extra) if extra else None


def _write_audit_log(task_instance: Any, key: str, value: dict[str, Any]) -> None:
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Log(key, task_instance, extra=json.dumps(value)))


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
