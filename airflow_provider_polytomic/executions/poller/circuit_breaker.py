"""Stop the requests of all waits while Polytomic does not respond or limits requests."""

from __future__ import annotations

import logging

from airflow_provider_polytomic.api.errors import PolytomicError, PolytomicRateLimitError
from airflow_provider_polytomic.api.retry import Backoff
from airflow_provider_polytomic.metrics import CIRCUIT_BREAKERS_OPEN, NO_METER, THROTTLED_SECONDS, Meter

log = logging.getLogger(__name__)

FAILURES_TO_OPEN = 5
"""Failed requests in a row that open the circuit breaker."""

BREAKER_BACKOFF = Backoff(first=1.0, maximum=60.0)
"""Pauses between two trial requests. Its bounds also hold for the pause that a 429 asks for."""

RATE_LIMIT_RESET = 120.0
"""Seconds without a 429 after which the next one counts as the first."""


class CircuitBreaker:
    """Open when requests fail, and close when one gets a response.

    A 429 opens it at once: for as long as it asks, or longer each time. Other failures open it after a few in a row.
    While it is open, a single trial request may be sent from :attr:`retry_at` on.

    :param meter: records how many circuit breakers are open, and the seconds for which they pause after a 429
    """

    def __init__(self, meter: Meter = NO_METER) -> None:
        self._meter = meter
        self.open = False
        self.retry_at = 0.0
        self.error: PolytomicError | None = None
        self.failed_at = float("-inf")
        self._opened_at = 0.0
        self._failures = 0
        self._trials = 0
        self._limits = 0
        self.limited_at = float("-inf")

    @property
    def rate_limited(self) -> bool:
        """Return whether a 429 opened the circuit breaker."""
        return isinstance(self.error, PolytomicRateLimitError)

    def close(self) -> None:
        """Count it as open no longer: nothing is requested any more."""
        if self.open:
            self.open = False
            self._meter.record(CIRCUIT_BREAKERS_OPEN, -1)

    def answered(self, now: float, began: float) -> bool:
        """Record a response; return True if it closes the circuit breaker.

        :param began: time of the request: one that was in flight when a 429 came does not end the pause
        """
        if self.rate_limited and began <= self.limited_at:
            return False
        self._failures = self._trials = 0
        closes, self.open, self.error = self.open, False, None
        if closes:
            self._meter.record(CIRCUIT_BREAKERS_OPEN, -1)
            log.info("Resuming all waits: Polytomic answers again after %.0f s", now - self._opened_at)
        return closes

    def failed(self, error: PolytomicError, now: float, max_pause: float) -> None:
        """Record a failed request.

        :param max_pause: maximum of seconds between two trial requests after failures other than 429
        """
        self.failed_at = now
        if isinstance(error, PolytomicRateLimitError):
            self._limit(error, now)
            return
        self._failures += 1
        pausing = self.open and now < self.retry_at
        if pausing and self.rate_limited:
            return
        if self.open or self._failures >= FAILURES_TO_OPEN:
            self._open(error, now)
            if not pausing:
                self.retry_at = now + min(BREAKER_BACKOFF.delay(self._trials), max_pause)
                self._trials += 1

    def _limit(self, error: PolytomicRateLimitError, now: float) -> None:
        if self.open and now < self.retry_at:
            return
        self._limits = 1 if now - self.limited_at > RATE_LIMIT_RESET else self._limits + 1
        self.limited_at = now
        pause = BREAKER_BACKOFF.delay(self._limits - 1) if error.retry_after is None else error.retry_after
        self._open(error, now)
        self.retry_at = now + min(max(pause, BREAKER_BACKOFF.first), BREAKER_BACKOFF.maximum)
        self._meter.record(THROTTLED_SECONDS, self.retry_at - now)
        if not self._limits & (self._limits - 1):
            log.warning(
                "Pausing all waits of this connection for %.0f s: Polytomic limits requests (%d in succession)",
                self.retry_at - now, self._limits,
            )  # fmt: skip

    def _open(self, error: PolytomicError, now: float) -> None:
        if not self.open:
            self._opened_at = now
            self._meter.record(CIRCUIT_BREAKERS_OPEN)
        if not isinstance(error, PolytomicRateLimitError) and (self.rate_limited or not self.open):
            log.warning("Pausing all waits of this connection until Polytomic answers: %s", error)
        self.open, self.error = True, error
