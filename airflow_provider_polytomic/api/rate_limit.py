"""Keeping within a number of requests a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_polytomic.api.errors import PolytomicRateLimitError, PolytomicTransportError
from airflow_provider_polytomic.api.flow import Flow, FlowStep, Pause, wrap_steps

T = TypeVar("T")

MINUTE = 60.0

COOLDOWN = 10.0
"""Seconds after a 429 that names none, in which calls that nobody misses are left out."""

MAX_COOLDOWN = 3600.0


class RateLimiter:
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

    def rate_limited(self, error: PolytomicRateLimitError, now: float) -> None:
        """Note that Polytomic wants fewer requests."""
        asked = COOLDOWN if error.retry_after is None else error.retry_after
        self._peace_until = max(self._peace_until, now + min(asked, MAX_COOLDOWN))

    def has_room(self, now: float) -> bool:
        """Tell whether a call that nobody misses may be sent: half of what may go at once is left to the others."""
        return now >= max(self._used_until - self._ahead / 2, self._peace_until)


def rate_limited(protocol: Flow[T], pace: RateLimiter, clock: Callable[[], float]) -> Flow[T]:
    """Run ``protocol`` with a pause before each of its calls that would come too early."""

    def do(step: FlowStep) -> Flow[Any]:
        if isinstance(step, Pause):
            return (yield step)
        now = clock()
        if step.best_effort and not pace.has_room(now):
            raise PolytomicTransportError(
                "left out in favor of other requests", method=step.method, path=step.path, sent=False
            )
        wait = pace.reserve(now)
        if wait > 0:
            yield Pause(wait)
        try:
            return (yield step)
        except PolytomicRateLimitError as error:
            pace.rate_limited(error, clock())
            raise

    return wrap_steps(protocol, do)
