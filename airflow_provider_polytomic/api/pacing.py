"""Keeping within a number of requests a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_polytomic.api.protocol import Pause, Protocol, Step, around

T = TypeVar("T")

MINUTE = 60.0


class Pace:
    """Says when each request may be sent, so that no minute has more of them than allowed.

    A tenth of them may be sent at once; the others are spread, so that one who asks at random never waits for the
    next full minute.

    :param per_minute: requests in any minute
    """

    def __init__(self, per_minute: int) -> None:
        at_once = max(1, per_minute // 10)
        self._gap = MINUTE / (per_minute - at_once + 1)
        self._ahead = (at_once - 1) * self._gap
        self._used_until = float("-inf")

    def reserve(self, now: float) -> float:
        """Give a request its turn, and return how many seconds that is from now.

        :param now: seconds by a clock that only ever grows
        """
        turn = max(now, self._used_until - self._ahead)
        self._used_until = max(self._used_until, turn) + self._gap
        return turn - now


def paced(protocol: Protocol[T], pace: Pace, clock: Callable[[], float]) -> Protocol[T]:
    """Run ``protocol`` with a pause before each of its calls that would come too early."""

    def do(step: Step) -> Protocol[Any]:
        wait = 0.0 if isinstance(step, Pause) else pace.reserve(clock())
        if wait > 0:
            yield Pause(wait)
        return (yield step)

    return around(protocol, do)
