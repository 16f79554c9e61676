"""Decide if and when a failed request is sent again."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from airflow_provider_polytomic.api import errors
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.flow import Flow, FlowStep, Pause, Throttle, wrap_steps


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
        # A power of some hundred overflows a float; every maximum is reached long before.
        return min(self.maximum, self.first * self.factor ** min(attempt, 64))


T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """Limit the number and the duration of the retries of one call.

    :param max_retries: Requests after the first one; default 5.
    :param backoff: Upper bounds of the delays, the maximum also for ``Retry-After``; default 0.5 to 60 seconds.
    :param budget: Seconds after the first request in which a retry may begin; default 180.
    """

    max_retries: int = 5
    backoff: Backoff = Backoff(0.5, 60.0)
    budget: float = 180.0

    def delay(
        self, call: Call[Any], attempt: int, error: errors.PolytomicError, draw: Callable[[], float] = random.random
    ) -> float | None:
        """Return the seconds to wait before sending ``call`` again, or None if it must not be sent again.

        The delays have full jitter, so that clients that failed together do not retry together.

        :param attempt: Requests sent so far, from 1.
        :param draw: Return a number from 0 to 1.
        """
        if not call.repeatable or attempt > self.max_retries or not may_retry(call, error):
            return None
        retry_after = error.retry_after if isinstance(error, errors.PolytomicAPIError) else None
        if retry_after is not None:
            return min(self.backoff.maximum, retry_after)
        return draw() * self.backoff.delay(attempt - 1)


def is_transient(error: errors.PolytomicError) -> bool:
    """Return whether the same request may succeed later: after 408, 425, 429, 5xx or no usable response."""
    if isinstance(error, errors.PolytomicAPIError):
        return error.status_code in errors.TRANSIENT_STATUSES or error.status_code >= 500
    if isinstance(error, errors.PolytomicResponseError):
        return error.transient
    return isinstance(error, errors.PolytomicTransportError)


def may_be_in_progress(error: errors.PolytomicError) -> bool:
    """Return whether the server may still work on the request: no response, or one that a proxy may have sent."""
    if isinstance(error, errors.PolytomicTransportError):
        return error.sent
    if isinstance(error, errors.PolytomicAPIError):
        return error.status_code == 408 or error.status_code >= 500
    return True


def may_retry(call: Call[Any], error: errors.PolytomicError) -> bool:
    """Return whether a retry may succeed and cannot repeat an effect."""
    if isinstance(error, errors.PolytomicTransportError) and not error.sent:
        return True
    return is_transient(error) and (call.read_only or call.idempotent)


def read_retry_after(value: str | None, now: Callable[[], datetime] | None = None) -> float | None:
    """Parse a ``Retry-After`` header, seconds or an HTTP date, to seconds from now; None if it is not valid."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except (TypeError, ValueError, OverflowError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        seconds = (date - (now() if now else datetime.now(timezone.utc))).total_seconds()
    return max(0.0, seconds) if seconds == seconds and seconds != float("inf") else None


def retrying(flow: Flow[T], policy: RetryPolicy, clock: Callable[[], float]) -> Flow[T]:
    """Run ``flow`` with each of its calls retried as ``policy`` allows.

    :param clock: Return monotonic seconds, which measure the budget of a call.
    """

    def handle(step: FlowStep) -> Flow[Any]:
        if isinstance(step, Pause):
            return (yield step)
        began, attempt, unanswered = clock(), 1, False
        while True:
            try:
                return (yield step)
            except errors.PolytomicError as error:
                delay = policy.delay(step, attempt, error)
                if isinstance(error, errors.PolytomicAPIError):
                    error.follows_no_response = unanswered
                unanswered |= may_be_in_progress(error)
                if delay is None or clock() - began + delay > policy.budget:
                    raise
                pause = Throttle if isinstance(error, errors.PolytomicRateLimitError) else Pause
                problem = error.status_code if isinstance(error, errors.PolytomicAPIError) else type(error).__name__
                log.warning(
                    "Retrying %s %s in %.1f s after attempt %d of %d: %s",
                    step.method, step.path, delay, attempt, policy.max_retries + 1, problem,
                )  # fmt: skip
            yield pause(delay)
            attempt += 1

    return wrap_steps(flow, handle)
