"""What a triggerer imports when it first waits."""

from __future__ import annotations

import asyncio
from importlib import import_module
from threading import Event

WATCHER = "airflow_provider_polytomic.executions.poller.poller"

_imported = Event()
_importing: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}


async def ready() -> None:
    """Import in a thread what waiting needs: httpx and pydantic would stop the event loop for a quarter of a second.

    All on one event loop wait for one import: many threads would only wait for each other.
    """
    if _imported.is_set():
        return
    loop = asyncio.get_running_loop()
    if loop not in _importing:
        _importing[loop] = loop.create_task(asyncio.to_thread(_import))
        _importing[loop].add_done_callback(lambda done: _importing.pop(loop))
    await asyncio.shield(_importing[loop])


def _import() -> None:
    import_module(WATCHER)
    _imported.set()
