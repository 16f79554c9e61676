"""Keeping within a number of requests a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

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

    def reserve(self, now: float) -> float:
        """Give a request its turn, and return how many seconds that is from now.

        :param now: seconds by a clock that only ever grows
        """
        turn = max(now, self._used_until - self._ahead)
        self._used_until = max(self._used_until, turn) + self._gap
        return turn - now

    def throttled(self, error: PolytomicRateLimitError, now: float) -> None:
        """Note that Polytomic wants fewer requests."""
        asked = PEACE if error.retry_after is None else error.retry_after
        self._peace_until = max(self._peace_until, now + min(asked, LONGEST_PEACE))

    def has_room(self, now: float) -> bool:
        """Tell whether a call that nobody misses may be sent: half of what may go at once is left to the others."""
        return now >= max(self._used_until - self._ahead / 2, self._peace_until)


def paced(protocol: Protocol[T], pace: Pace, clock: Callable[[], float]) -> Protocol[T]:
    """Run ``protocol`` with a pause before each of its calls that would come too early."""

    def do(step: Step) -> Protocol[Any]:
        if isinstance(step, Pause):
            return (yield step)
        now = clock()
        if step.spare and not pace.has_room(now):
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
