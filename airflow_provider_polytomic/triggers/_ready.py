"""What a triggerer imports when it first waits."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module

WATCHER = "airflow_provider_polytomic.runs.watcher"


async def ready() -> None:
    """Import in a thread what waiting needs: httpx and pydantic would stop the event loop for a quarter of a second."""
    if WATCHER not in sys.modules:
        await asyncio.to_thread(import_module, WATCHER)
