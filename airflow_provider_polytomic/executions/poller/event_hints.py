"""When Polytomic's events are asked for ends, and how far they are trusted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.executions.event_feed import Ended, Feed
from airflow_provider_polytomic.executions.poller.polled_execution import NEVER

T = TypeVar("T")
log = logging.getLogger(__name__)

FEED_INTERVAL = 8.0
"""Seconds between two readings of the events, where they pay."""

FEED_SHARE = 0.1
"""How much of what asking for each execution by itself costs the events may cost besides."""

FIRST_PAUSE = 10.0
REFUSAL_PAUSE = 300.0
"""Seconds without events after a failure, doubled for each further one up to this; after a refusal at once."""

STALE = 900.0
"""Seconds unread after which beginning anew takes less reading than going on."""

GRACE = 60.0
"""Seconds within which the event of an end that was found without it must be listed."""


def feed_interval(looks: float, waits: int, requests: int = 1) -> float:
    """Return the seconds between two readings of the events; infinity where they do not pay.

    They pay where they take at most :data:`FEED_SHARE` of the requests that plain polling takes, and still come at
    least twice as often as the look that they are to forestall. At a poll interval of 30 seconds that is from 20 waits
    on; from 38 waits on they are read every 8 seconds.

    :param looks: how many looks a second plain polling takes
    :param waits: how many executions are waited for
    :param requests: how many requests one reading takes
    """
    if not waits:
        return NEVER
    interval = max(FEED_INTERVAL, requests / (FEED_SHARE * looks))
    return interval if interval <= waits / looks / 2 else NEVER


class EventHints:
    """Reads the events, and keeps account of whether ends are found that they did not tell of.

    :param may_trust: whether the absence of an event may be taken for news at all
    :param awaited: tells whether somebody waits for this end
    :param wall: seconds since the epoch
    """

    def __init__(self, may_trust: bool, target: Callable[[Ended], object], wall: Callable[[], float]) -> None:
        self._may_trust = may_trust
        self._awaited = target
        self._wall = wall
        self._feed: Feed | None = None
        self._reading = False
        self._left_at = 0.0
        self._looks = 0.0
        self._waits = 0
        self._next_at = NEVER
        self._failures = 0
        self._good_since: float | None = None
        self._unannounced: dict[str, float] = {}

    @property
    def next_at(self) -> float:
        """When the events are to be read next; infinity for never."""
        return self._next_at if self._reading else NEVER

    @property
    def trusted(self) -> bool:
        """Tell whether an execution without an event may be taken to run on."""
        return self._may_trust and self._good_since is not None

    def adapt(self, looks: float, waits: int, now: float) -> None:
        """Decide anew how often to read them; see :func:`feed_interval`."""
        self._looks, self._waits = looks, waits
        reading, self._reading = self._reading, feed_interval(looks, waits) != NEVER
        if reading and not self._reading:
            self._left_at, self._good_since = now, None
        elif self._reading and self._feed is None:
            self._feed, self._next_at = self._new_feed(), now
        elif self._reading and not reading and now - self._left_at > STALE:
            self._feed = self._new_feed()

    def fresh(self, now: float) -> Flow[list[Ended]]:
        """Return the ends that have not been told yet.

        :raises PolytomicError: if they cannot be had; :meth:`failed` notes what follows from it
        """
        assert self._feed is not None
        self._next_at = NEVER
        counted = Counted(self._feed.fresh())
        ends = yield from counted.run()
        self._failures = 0
        for ended in ends:
            self._unannounced.pop(ended.execution_id, None)
        self._check_trust(now)
        catching_up = self._good_since is None
        interval = feed_interval(self._looks, self._waits, 1 if catching_up else counted.requests)
        self._next_at = now + min(interval, REFUSAL_PAUSE)
        if interval == NEVER:
            self._good_since = None
        elif catching_up:
            self._good_since = now
        return ends

    def failed(self, error: PolytomicError, now: float) -> None:
        """Note that the events cannot be had for now; each execution is asked for as if there were none."""
        pause = FIRST_PAUSE * 2.0 ** min(self._failures, 16) if is_transient(error) else REFUSAL_PAUSE
        self._next_at = now + min(pause, REFUSAL_PAUSE)
        self._good_since = None
        if not self._failures:
            log.warning("Polytomic's events cannot be had, which does waits no harm: %s", error)
        self._failures += 1

    def found(self, execution_id: str, seen_running_at: float, now: float) -> None:
        """Note an end that was found without an event.

        :param seen_running_at: when it had certainly not ended yet
        """
        if self.trusted and self._good_since is not None and seen_running_at >= self._good_since:
            self._unannounced[execution_id] = now

    def _check_trust(self, now: float) -> None:
        if any(now - found_at > GRACE for found_at in self._unannounced.values()):
            self._may_trust = False
            self._unannounced.clear()
            log.warning("An execution has ended without an event: ends are no longer left to Polytomic's events")

    def _new_feed(self) -> Feed:
        return Feed(wanted=self._wanted, clock=self._wall, overlap=timedelta(seconds=GRACE))

    def _wanted(self, ended: Ended) -> bool:
        return ended.execution_id in self._unannounced or bool(self._awaited(ended))


class Counted(Generic[T]):
    """A protocol whose requests are counted."""

    def __init__(self, protocol: Flow[T]) -> None:
        self._protocol = protocol
        self.requests = 0

    def run(self) -> Flow[T]:
        """Run it to its result."""
        try:
            step = next(self._protocol)
            while True:
                self.requests += 1
                try:
                    answer = yield step
                except PolytomicError as error:
                    step = self._protocol.throw(error)
                else:
                    step = self._protocol.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            self._protocol.close()
