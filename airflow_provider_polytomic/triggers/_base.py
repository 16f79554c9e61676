"""Base of the triggers that wait for executions, and what they prepare once per event loop."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from threading import Event
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_polytomic._task.events import EventStatus, ExecutionEvent
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

log = logging.getLogger(__name__)

MIN_DEFERRAL = 8.0
"""Seconds before a trigger sends its event. Airflow's executor reports the end of the worker that deferred about 5
seconds late, and the scheduler takes the report for a crash if the task has been resumed by then."""

EPOCH = "1970-01-01T00:00:00+00:00"

CONNECTION_LOOKUP_INTERVAL = 10.0
"""Seconds for which triggers share one lookup of a connection. After a restart the triggerer starts all its triggers
at once, and each request to Airflow takes tens of milliseconds."""

HEAVY_MODULE = "airflow_provider_polytomic.executions.poller"


def wait_failure(reason: str) -> str:
    """Return the message of a wait that an unexpected exception has ended."""
    return (
        f"The wait has failed: {reason}.\n  Next:\n    - report this with the log of the trigger\n"
        "    - retry the task, which continues to wait for the same execution"
    )


def serialize(trigger: BaseTrigger) -> tuple[str, dict[str, Any]]:
    """Return the class path and the parameters of a trigger whose attributes have the names of its parameters."""
    path = f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    values = {name: getattr(trigger, name) for name in signature(type(trigger)).parameters}
    return path, storable(values, "the parameters of the trigger")


class BaseWaitTrigger(BaseTrigger):
    """Wait, and send one event; each parameter of the constructor is an attribute of the same name."""

    polytomic_conn_id: str
    organization_id: str | None
    try_number: int | None
    _config: ConnectionConfig | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters."""
        return serialize(self)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and send the event."""
        yield TriggerEvent((await self._wait_and_settle()).serialize())  # type: ignore[no-untyped-call]

    @abstractmethod
    async def _wait(self) -> ExecutionEvent:
        """Wait, and return the event."""

    async def _wait_and_settle(self) -> ExecutionEvent:
        """Wait, and return an event that Airflow can store.

        No exception leaves a trigger: Airflow sends its message to another process, and up to Airflow 3.2 one that
        cannot be encoded ends the triggerer with all waits.
        """
        began = time.monotonic()
        try:
            await preload()
            event = await self._wait()
            storable(event.serialize(), "the event of the trigger")
        except Exception as error:
            event = self._failure(error)
        if self.task_instance is not None:
            await asyncio.sleep(max(0.0, began + MIN_DEFERRAL - time.monotonic()))
        return event

    def _event(self, status: EventStatus, **values: Any) -> ExecutionEvent:
        return ExecutionEvent(status, **{"try_number": self.try_number, **values})

    def _failure(self, error: Exception) -> ExecutionEvent:
        """Return the event of a wait that an exception has ended."""
        from airflow_provider_polytomic.api.decoding import clean_text
        from airflow_provider_polytomic.api.redaction import one_line, redact

        if isinstance(error, PolytomicTaskError):
            refused = isinstance(error, PolytomicRequestRefused)
            message = clean_text(str(error))
            return self._event(EventStatus.REFUSED if refused else EventStatus.UNAVAILABLE, message=message)
        reason = one_line(redact(f"{type(error).__name__}: {error}"))
        log.error("The wait has failed: %s\n%s", reason, "".join(traceback.format_tb(error.__traceback__)))
        return self._event(EventStatus.UNAVAILABLE, message=wait_failure(reason))

    async def _get_config(self) -> ConnectionConfig:
        """Return the settings of the connection, which is looked up once."""
        if self._config is None:
            self._config = await find_connection_config(self.polytomic_conn_id, self.organization_id)
        return self._config

    @property
    def _hook(self) -> PolytomicHook:
        return PolytomicHook(self.polytomic_conn_id, self.organization_id)


@dataclass
class _Lookup:
    began: float
    config: asyncio.Future[ConnectionConfig]

    def is_usable(self, now: float) -> bool:
        """Return whether it is in progress, or has succeeded just now."""
        if not self.config.done():
            return True
        failed = self.config.cancelled() or self.config.exception() is not None
        return not failed and now - self.began < CONNECTION_LOOKUP_INTERVAL


_lookups: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str | None], _Lookup]] = WeakKeyDictionary()


async def find_connection_config(conn_id: str, organization_id: str | None = None) -> ConnectionConfig:
    """Return the settings of a connection; triggers that start together share one lookup.

    The lookup is shielded, because Airflow 3.0 and 3.1 do not survive one that is canceled.

    :param organization_id: organization in place of the connection's login; default None
    :raises PolytomicRequestRefused: if the connection cannot be used
    """
    loop = asyncio.get_running_loop()
    lookups = _lookups.setdefault(loop, {})
    lookup = lookups.get((conn_id, organization_id))
    if lookup is None or not lookup.is_usable(loop.time()):
        request = asyncio.ensure_future(PolytomicHook(conn_id, organization_id).aconfig())
        lookup = lookups[conn_id, organization_id] = _Lookup(loop.time(), request)
    return await asyncio.shield(lookup.config)


_preloaded = Event()
_preloading: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}


async def preload() -> None:
    """Import httpx and pydantic in a thread, once: they would block the event loop for a quarter of a second.

    All triggers of an event loop wait for one import, since threads that import the same module block each other.
    """
    if _preloaded.is_set():
        return
    loop = asyncio.get_running_loop()
    if loop not in _preloading:
        _preloading[loop] = loop.create_task(asyncio.to_thread(_preload))
        _preloading[loop].add_done_callback(lambda done: _preloading.pop(loop))
    await asyncio.shield(_preloading[loop])


def _preload() -> None:
    from airflow_provider_polytomic.hooks._metrics import open_stats

    import_module(HEAVY_MODULE)
    open_stats()
    _preloaded.set()
