"""Whether a failed request is sent again, and after how long."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import (
    PolytomicAPIError,
    PolytomicError,
    PolytomicResponseError,
    PolytomicTransportError,
)
from airflow_provider_polytomic.api.flow import Flow, FlowStep, Pause, wrap_steps

T = TypeVar("T")
log = logging.getLogger(__name__)

TRANSIENT_STATUSES = frozenset({408, 425, 429})


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long one call is tried.

    :param max_retries: requests after the first one
    :param first_wait: seconds; upper bound of the first wait, doubled for each further one
    :param longest_wait: seconds; upper bound of any wait, also of one that ``Retry-After`` asks for
    :param budget: seconds; no retry is begun that would start later than this after the first request
    """

    max_retries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    budget: float = 180.0

    def wait(
        self, call: Call[Any], attempt: int, error: PolytomicError, draw: Callable[[], float] = random.random
    ) -> float | None:
        """Return the seconds to wait before sending ``call`` again, or None if it must not be sent again.

        Waits grow exponentially with full jitter, so that many clients that failed together do not return together.

        :param attempt: requests sent so far, from 1
        :param draw: a number from 0 to 1
        """
        if not call.repeatable or attempt > self.max_retries or not may_repeat(call, error):
            return None
        asked = error.retry_after if isinstance(error, PolytomicAPIError) else None
        grown: float = self.first_wait * 2.0 ** min(attempt - 1, 32)
        return min(self.longest_wait, asked if asked is not None else draw() * grown)


def is_transient(error: PolytomicError) -> bool:
    """Tell whether the same request may well succeed later: no usable answer, 408, 425, 429 or 5xx."""
    if isinstance(error, PolytomicAPIError):
        return error.status_code in TRANSIENT_STATUSES or error.status_code >= 500
    if isinstance(error, PolytomicResponseError):
        return error.transient
    return isinstance(error, PolytomicTransportError)


def may_repeat(call: Call[Any], error: PolytomicError) -> bool:
    """Tell whether sending ``call`` again is useful, and cannot do twice what should be done once."""
    if isinstance(error, PolytomicTransportError) and not error.sent:
        return True
    return is_transient(error) and (call.read_only or call.idempotent)


def read_retry_after(value: str | None, now: Callable[[], datetime] | None = None) -> float | None:
    """Read a ``Retry-After`` header, seconds or an HTTP date, as seconds from now; None if it says nothing usable."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - (now() if now else datetime.now(timezone.utc))).total_seconds()
    return max(0.0, seconds) if seconds == seconds and seconds != float("inf") else None


def retrying(protocol: Flow[T], policy: RetryPolicy, clock: Callable[[], float]) -> Flow[T]:
    """Run ``protocol`` with each of its calls sent as often as ``policy`` allows.

    :param clock: seconds that only ever grow; measures the budget of a call
    """

    def do(step: FlowStep) -> Flow[Any]:
        if isinstance(step, Pause):
            return (yield step)
        return (yield from _send_until_answered(step, policy, clock))

    return wrap_steps(protocol, do)


def _send_until_answered(call: Call[Any], policy: RetryPolicy, clock: Callable[[], float]) -> Flow[Any]:
    began, attempt = clock(), 1
    while True:
        try:
            return (yield call)
        except PolytomicError as error:
            wait = policy.wait(call, attempt, error)
            if wait is None or clock() - began + wait > policy.budget:
                raise
            status = error.status_code if isinstance(error, PolytomicAPIError) else type(error).__name__
            log.warning(
                "%s %s: %s, attempt %d of %d, again in %.1f s",
                call.method, call.path, status, attempt, policy.max_retries + 1, wait,
            )  # fmt: skip
        yield Pause(wait)
        attempt += 1
