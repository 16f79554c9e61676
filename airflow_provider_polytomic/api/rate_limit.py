"""Keep the requests of a client within a number per minute, and honor ``Retry-After`` of a 429."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_polytomic.api.errors import PolytomicRateLimitError, PolytomicTransportError
from airflow_provider_polytomic.api.flow import Flow, FlowStep, Pause, Throttle, wrap_steps

T = TypeVar("T")

COOLDOWN = 10.0
"""Seconds after a 429 without ``Retry-After`` in which best-effort calls are dropped."""

MAX_COOLDOWN = 3600.0

MAX_BLOCKED = 60.0
"""Longest time in seconds for which all calls wait after a 429 with ``Retry-After``."""


class RateLimiter:
    """Compute when each request may be sent, so that no minute has more requests than allowed.

    A tenth of a minute's requests may be sent at once, and the others are spread evenly over the minute.

    :param per_minute: Requests in any minute; None for no limit.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._interval = self._burst = 0.0
        if per_minute:
            at_once = max(1, per_minute // 10)
            self._interval = 60.0 / (per_minute - at_once + 1)
            self._burst = (at_once - 1) * self._interval
        self._used_until = self._cooldown_until = self._blocked_until = float("-inf")

    def reserve(self, now: float) -> float:
        """Reserve the next free slot and return the seconds until it.

        :param now: Monotonic seconds.
        """
        slot = max(now, self._used_until - self._burst)
        self._used_until = max(self._used_until, slot) + self._interval
        return slot - now

    def cool_down(self, error: PolytomicRateLimitError, now: float) -> None:
        """Let all calls wait for as long as a 429 response asks for, and drop best-effort calls."""
        if error.retry_after is not None:
            self._blocked_until = max(self._blocked_until, now + min(error.retry_after, MAX_BLOCKED))
        seconds = COOLDOWN if error.retry_after is None else error.retry_after
        self._cooldown_until = max(self._cooldown_until, now + min(seconds, MAX_COOLDOWN))

    def blocked(self, now: float) -> float:
        """Return the seconds until the end of the pause that a 429 asked for."""
        return self._blocked_until - now

    def has_room(self, now: float) -> bool:
        """Return whether a best-effort call may be sent; half of the burst is reserved for the other calls."""
        return now >= max(self._used_until - self._burst / 2, self._cooldown_until)


def rate_limited(flow: Flow[T], limiter: RateLimiter, clock: Callable[[], float]) -> Flow[T]:
    """Run ``flow`` with a pause before each call that would exceed the limit, or that a 429 forbids.

    :param clock: Return monotonic seconds.
    """

    def handle(step: FlowStep) -> Flow[Any]:
        if isinstance(step, Pause):
            return (yield step)
        now = clock()
        if step.best_effort and not limiter.has_room(now):
            raise PolytomicTransportError(
                "dropped in favor of other requests", method=step.method, path=step.path, sent=False
            )
        wait = max(limiter.reserve(now), limiter.blocked(now))
        if wait > 0:
            yield Throttle(wait)
        try:
            return (yield step)
        except PolytomicRateLimitError as error:
            limiter.cool_down(error, clock())
            raise

    return wrap_steps(flow, handle)
