"""Exponential back-off: the delay before each further attempt."""

from __future__ import annotations

from dataclasses import dataclass

MAX_EXPONENT = 64
"""Bounds the power, which overflows a float after some hundred attempts; every maximum is reached long before."""


@dataclass(frozen=True)
class Backoff:
    """Compute delays that grow by a factor from one attempt to the next, up to a maximum.

    :param first: Seconds before the first further attempt.
    :param maximum: Upper bound of each delay, in seconds.
    :param factor: Ratio of one delay to the one before; default 2.
    """

    first: float
    maximum: float
    factor: float = 2.0

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait before a further attempt.

        :param attempt: Number of further attempts made before; 0 gives ``first``.
        """
        return min(self.maximum, self.first * self.factor ** min(attempt, MAX_EXPONENT))
