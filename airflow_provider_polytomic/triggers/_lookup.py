"""The Airflow connection, looked up once for all triggers that begin at about the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

FRESH = 10.0
"""Seconds for which others may use what one has found. After a restart the triggerer begins all its triggers, and each
question to Airflow takes it tens of milliseconds."""


@dataclass
class _Lookup:
    began: float
    found: asyncio.Future[ConnectionConfig]

    def serves(self, now: float) -> bool:
        """Tell whether it is under way, or has just found something."""
        if not self.found.done():
            return True
        failed = self.found.cancelled() or self.found.exception() is not None
        return not failed and now - self.began < FRESH


_lookups: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Lookup]] = WeakKeyDictionary()


async def find_connection_config(conn_id: str) -> ConnectionConfig:
    """Return what the connection says; shielded, since Airflow 3.0 and 3.1 do not survive a look-up cut short.

    :raises PolytomicRequestRefused: if it cannot be used as it is
    """
    loop = asyncio.get_running_loop()
    lookups = _lookups.setdefault(loop, {})
    lookup = lookups.get(conn_id)
    if lookup is None or not lookup.serves(loop.time()):
        lookup = lookups[conn_id] = _Lookup(loop.time(), asyncio.ensure_future(PolytomicHook(conn_id).aconfig()))
    return await asyncio.shield(lookup.found)
