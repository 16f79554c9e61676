"""Share results of requests to Polytomic or Airflow between equal requests of the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

MAX_RECENT_RESULTS = 100


class RecentResults(Generic[K, T]):
    """Keep results for some seconds; equal requests at the same time share one task.

    :param timeout: seconds from the first request for a result
    :param clock: function that returns monotonic seconds
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._tasks: dict[K, tuple[float, asyncio.Task[T]]] = {}

    async def get(self, key: K, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result for a key.

        :param read: coroutine function that reads it; its exception is kept like a result
        """
        now = self._clock()
        recent = [(each, entry) for each, entry in self._tasks.items() if now - entry[0] <= self._timeout]
        self._tasks = dict(recent[-MAX_RECENT_RESULTS:])
        if key not in self._tasks:
            self._tasks[key] = now, asyncio.create_task(read())
        return await asyncio.shield(self._tasks[key][1])
