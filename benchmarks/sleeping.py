"""Trigger that only sleeps: the cost of Airflow's triggerer without a provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from benchmarks.systems import SECONDS_PER_WEEK


class SleepingTrigger(BaseTrigger):
    """Sleep for a week."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and no parameters."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep, and send no event."""
        await asyncio.sleep(SECONDS_PER_WEEK)
        return
        yield
