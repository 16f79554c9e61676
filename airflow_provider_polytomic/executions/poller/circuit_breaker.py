"""Whether Polytomic can be asked at the moment, judged by how it has answered."""

from __future__ import annotations

import logging

from airflow_provider_polytomic.api.errors import PolytomicError, PolytomicRateLimitError

log = logging.getLogger(__name__)

FAILURES_TO_CLOSE = 5
"""Requests in a row without a usable answer after which only a single one at a time tries whether there is one."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds between two tries; also the most of what a 429 asks for that is granted."""

CALM = 120.0
"""Seconds without a 429 after which the next one counts as the first."""


class CircuitBreaker:
    """Closes while nothing is to be asked, and opens when an answer comes.

    A 429 closes it at once, for as long as it asks or longer each time; no usable answers close it after a few. While
    it is closed, a single request may try from :attr:`retry_at` on.
    """

    def __init__(self) -> None:
        self.open = False
        self.retry_at = 0.0
        self.error: PolytomicError | None = None
        self.failed_at = float("-inf")
        self._closed_at = 0.0
        self._failures = 0
        self._tries = 0
        self._throttles = 0
        self._throttled_at = float("-inf")

    @property
    def rate_limited(self) -> bool:
        """Tell whether it was Polytomic's wish to be left alone."""
        return isinstance(self.error, PolytomicRateLimitError)

    def answered(self, now: float, began: float) -> bool:
        """Note a usable answer, and tell whether it opens what was closed.

        :param began: when it was asked for; what was in flight when a 429 came does not end the pause
        """
        if self.rate_limited and began <= self._throttled_at:
            return False
        self._failures = self._tries = 0
        opens, self.open, self.error = self.open, False, None
        if opens:
            log.info("Polytomic answers again after %.0f s", now - self._closed_at)
        return opens

    def failed(self, error: PolytomicError, now: float, longest: float) -> None:
        """Note that there was no usable answer.

        :param longest: seconds; the most between two tries
        """
        self.failed_at = now
        if isinstance(error, PolytomicRateLimitError):
            self._throttle(error, now)
            return
        self._failures += 1
        pausing = self.open and now < self.retry_at
        if pausing and self.rate_limited:
            return
        if self.open or self._failures >= FAILURES_TO_CLOSE:
            self._close(error, now)
            if not pausing:
                self.retry_at = now + min(FIRST_PAUSE * 2.0 ** min(self._tries, 16), longest, LONGEST_PAUSE)
                self._tries += 1

    def _throttle(self, error: PolytomicRateLimitError, now: float) -> None:
        if self.open and now < self.retry_at:
            return
        self._throttles = 1 if now - self._throttled_at > CALM else self._throttles + 1
        self._throttled_at = now
        asked = (
            error.retry_after if error.retry_after is not None else FIRST_PAUSE * 2.0 ** min(self._throttles - 1, 16)
        )
        self._close(error, now)
        self.retry_at = now + min(max(asked, FIRST_PAUSE), LONGEST_PAUSE)
        if not self._throttles & (self._throttles - 1):
            log.warning(
                "Polytomic asks for fewer requests: all waits of this connection pause for %.0f s (%d in succession)",
                self.retry_at - now, self._throttles,
            )  # fmt: skip

    def _close(self, error: PolytomicError, now: float) -> None:
        if not self.open:
            self._closed_at = now
        if not isinstance(error, PolytomicRateLimitError) and (self.rate_limited or not self.open):
            log.warning("Polytomic does not answer; waits go on when it does: %s", error)
        self.open, self.error = True, error
