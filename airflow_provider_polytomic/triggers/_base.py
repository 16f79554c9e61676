"""What all waits in the triggerer have in common."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_polytomic.triggers._lookup import find_connection_config
from airflow_provider_polytomic.triggers._preload import ready

if TYPE_CHECKING:
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

SETTLING = 8.0
"""Seconds that a deferred task is left alone. Airflow's executor reports the end of the worker that deferred
about 5 seconds late, and the scheduler takes that report for the end of a task that was resumed in the meantime."""

EPOCH = "1970-01-01T00:00:00+00:00"
"""From when on an end counts, where a trigger is told no moment."""


class WaitingTrigger(BaseTrigger):
    """Wait, and hand back one event."""

    options: tuple[str, ...]
    """The names of the parameters, each of which is kept as an attribute."""

    polytomic_conn_id: str
    _config: ConnectionConfig | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the trigger is built from again, in the triggerer."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in self.options}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until there is something to tell: an end, that the time is up, or that Polytomic refuses."""
        yield TriggerEvent(await self._wait_and_settle())  # type: ignore[no-untyped-call]

    @abstractmethod
    async def _wait(self) -> dict[str, Any]:
        """Return the event."""

    async def _wait_and_settle(self) -> dict[str, Any]:
        began = time.monotonic()
        await ready()
        event = await self._wait()
        if self.task_instance is not None:
            await asyncio.sleep(max(0.0, began + SETTLING - time.monotonic()))
        return event

    async def _find_config(self) -> ConnectionConfig:
        """Look the connection up once."""
        if self._config is None:
            self._config = await find_connection_config(self.polytomic_conn_id)
        return self._config
