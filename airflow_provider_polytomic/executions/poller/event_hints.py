"""Poll Polytomic's events for hints at ended executions, as often as it pays, and decide whether to trust them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, FlowStep, wrap_steps
from airflow_provider_polytomic.api.retry import Backoff, is_transient
from airflow_provider_polytomic.executions.event_feed import Ended, Feed
from airflow_provider_polytomic.executions.poller.schedule import NEVER

log = logging.getLogger(__name__)

EVENTS_INTERVAL = 8.0
"""Seconds between two polls of the events, where they pay."""

MAX_EVENTS_SHARE = 0.1
"""Requests for events, as a share of those that polling each execution takes."""

EVENTS_BACKOFF = Backoff(first=10.0, maximum=300.0)
"""Pauses after failures; the maximum also holds after a refusal, and between any two polls."""

STALE_AFTER = 900.0
"""Seconds without a poll after which a new feed takes fewer requests than going on with the old one."""

EVENT_DELAY = 60.0
"""Seconds after which the event of an ended execution must be listed."""


def events_interval(polls: float, waits: int, requests: int = 1) -> float:
    """Return the seconds between two polls of the events; infinity where they do not pay.

    They pay where they take at most :data:`MAX_EVENTS_SHARE` of the requests for executions, and come at least twice as
    often as the poll that they are to forestall. With a poll interval of 30 seconds, that is the case from 20 waits on;
    from 38 waits on, events are polled every 8 seconds.

    :param polls: polls of executions per second
    :param waits: number of executions that are waited for
    :param requests: requests that one poll of the events takes
    """
    if not waits:
        return NEVER
    interval = max(EVENTS_INTERVAL, requests / (MAX_EVENTS_SHARE * polls))
    return interval if interval <= waits / polls / 2 else NEVER


class EventHints:
    """Poll the events, and check whether they announce all ends.

    :param may_trust: whether an execution without an event may be taken to be running
    :param matching: function that returns what waits for an end
    :param wall_clock: function that returns the seconds since the epoch
    """

    def __init__(self, may_trust: bool, matching: Callable[[Ended], object], wall_clock: Callable[[], float]) -> None:
        self._may_trust = may_trust
        self._matching = matching
        self._wall_clock = wall_clock
        self._feed: Feed | None = None
        self._enabled = False
        self._disabled_at = 0.0
        self._polls = 0.0
        self._waits = 0
        self._next_at = NEVER
        self._failures = 0
        self._complete_since: float | None = None
        self._without_event: dict[str, float] = {}

    @property
    def next_at(self) -> float:
        """The time of the next poll; infinity for none."""
        return self._next_at if self._enabled else NEVER

    @property
    def trusted(self) -> bool:
        """Return whether an execution without an event may be taken to be running."""
        return self._may_trust and self._complete_since is not None

    def adapt(self, polls: float, waits: int, now: float) -> None:
        """Decide anew whether polling the events pays; see :func:`events_interval`."""
        self._polls, self._waits = polls, waits
        was_enabled, self._enabled = self._enabled, events_interval(polls, waits) != NEVER
        if was_enabled and not self._enabled:
            self._disabled_at, self._complete_since = now, None
        elif self._enabled and self._feed is None:
            self._feed, self._next_at = self._new_feed(), now
        elif self._enabled and not was_enabled and now - self._disabled_at > STALE_AFTER:
            self._feed = self._new_feed()

    def poll(self, now: float) -> Flow[list[Ended]]:
        """Return the ends since the last poll.

        :raises PolytomicError: if a request fails; then call :meth:`failed`
        """
        assert self._feed is not None
        self._next_at = NEVER
        requests = 0

        def count(step: FlowStep) -> Flow[Any]:
            nonlocal requests
            requests += 1
            return (yield step)

        ends = yield from wrap_steps(self._feed.fresh(), count)
        self._failures = 0
        for ended in ends:
            self._without_event.pop(ended.execution_id, None)
        if any(now - found_at > EVENT_DELAY for found_at in self._without_event.values()):
            self._may_trust = False
            self._without_event.clear()
            log.warning("Ignoring trust_events: an execution ended without an event")
        catching_up = self._complete_since is None
        interval = events_interval(self._polls, self._waits, 1 if catching_up else requests)
        self._next_at = now + min(interval, EVENTS_BACKOFF.maximum)
        if interval == NEVER:
            self._complete_since = None
        elif catching_up:
            self._complete_since = now
        return ends

    def failed(self, error: PolytomicError, now: float) -> None:
        """Record a failed poll. Until the next one that succeeds, all executions are polled at their intervals."""
        pause = EVENTS_BACKOFF.delay(self._failures) if is_transient(error) else EVENTS_BACKOFF.maximum
        self._next_at = now + pause
        self._complete_since = None
        if not self._failures:
            log.warning("Polling each execution by itself: Polytomic's events could not be read: %s", error)
        self._failures += 1

    def ended_without_event(self, execution_id: str, seen_running_at: float, now: float) -> None:
        """Record an end that a poll found before an event announced it.

        :param seen_running_at: time of the last poll that showed the execution running
        """
        if self.trusted and self._complete_since is not None and seen_running_at >= self._complete_since:
            self._without_event[execution_id] = now

    def _new_feed(self) -> Feed:
        def wanted(ended: Ended) -> bool:
            return ended.execution_id in self._without_event or bool(self._matching(ended))

        return Feed(wanted=wanted, clock=self._wall_clock, overlap=timedelta(seconds=EVENT_DELAY))
