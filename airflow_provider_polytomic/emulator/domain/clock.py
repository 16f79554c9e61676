"""Clocks that a test can advance instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone


class Clock:
    """Return epoch seconds from ``source``, shifted by what was advanced or set.

    :param source: callable that returns epoch seconds; default ``time.time``.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._offset = 0.0

    def __call__(self) -> float:
        return self._source() + self._offset

    def advance(self, seconds: float) -> None:
        """Advance the clock by ``seconds``."""
        self._offset += seconds

    def set(self, at: float) -> None:
        """Set the clock to ``at``, in epoch seconds."""
        self._offset = at - self._source()

    def freeze(self) -> None:
        """Stop the clock; from now on it moves only when it is advanced or set."""
        now = self()
        self._source = lambda: now
        self._offset = 0.0


class ManualClock(Clock):
    """Stand still until advanced or set.

    :param start: epoch seconds; default 1,750,000,000.
    """

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        super().__init__(lambda: start)


def timestamp(at: float | None) -> str | None:
    """Format epoch seconds as the API does: RFC 3339, UTC, with a ``Z``."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, timezone.utc).isoformat().replace("+00:00", "Z")
