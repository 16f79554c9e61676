"""Keeping within a number of requests a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import PolytomicRateLimitError, PolytomicTransportError
from airflow_provider_polytomic.api.protocol import Pause, Protocol, Step, around

T = TypeVar("T")

MINUTE = 60.0

PEACE = 10.0
"""Seconds after a 429 that names none, in which calls that nobody misses are left out."""

LONGEST_PEACE = 3600.0


class Pace:
    """Says when each request may be sent, so that no minute has more of them than allowed.

    A tenth of them may be sent at once; the others are spread, so that one who asks at random never waits for the
    next full minute.

    :param per_minute: requests in any minute; None for any number
    """

    def __init__(self, per_minute: int | None) -> None:
        self._gap = self._ahead = 0.0
        if per_minute:
            at_once = max(1, per_minute // 10)
            self._gap = MINUTE / (per_minute - at_once + 1)
            self._ahead = (at_once - 1) * self._gap
        self._used_until = self._peace_until = float("-inf")

    def wait(self, now: float) -> float:
        """Return how many seconds from now the next request has its turn.

        :param now: seconds by a clock that only ever grows
        """
        return max(0.0, self._used_until - self._ahead - now)

    def reserve(self, now: float) -> float:
        """Give a request its turn, and return how many seconds that is from now."""
        wait = self.wait(now)
        self._used_until = max(self._used_until, now + wait) + self._gap
        return wait

    def throttled(self, error: PolytomicRateLimitError, now: float) -> None:
        """Note that Polytomic wants fewer requests."""
        asked = PEACE if error.retry_after is None else error.retry_after
        self._peace_until = max(self._peace_until, now + min(asked, LONGEST_PEACE))

    def has_room(self, call: Call[Any], now: float) -> bool:
        """Tell whether a call is to be sent; one that nobody misses is only where no other had to wait for it."""
        if call.spare:
            return now >= max(self._used_until, self._peace_until)
        return call.timeout is None or self.wait(now) <= call.timeout


def paced(protocol: Protocol[T], pace: Pace, clock: Callable[[], float]) -> Protocol[T]:
    """Run ``protocol`` with a pause before each of its calls that would come too early."""

    def do(step: Step) -> Protocol[Any]:
        if isinstance(step, Pause):
            return (yield step)
        now = clock()
        if not pace.has_room(step, now):
            raise PolytomicTransportError(
                "left out in favor of other requests", method=step.method, path=step.path, sent=False
            )
        wait = pace.reserve(now)
        if wait > 0:
            yield Pause(wait)
        try:
            return (yield step)
        except PolytomicRateLimitError as error:
            pace.throttled(error, clock())
            raise

    return around(protocol, do)
