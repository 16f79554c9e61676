"""Follow the list of events, and give each end of an execution once, however events are ordered, delayed or repeated.

A feed keeps its position in the list by the times that Polytomic writes, not by the clock of this machine. Each time it
goes back a little, since an event may be listed later than its time. It recognizes the ends it has given by the
execution: an execution ends once, even if several events report it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.executions.events import Ended, EventReader, Window
from airflow_provider_polytomic.executions.execution import isoformat, parse_moment

__all__ = ["Ended", "EventReader", "Feed", "Window"]

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=5)
"""Time by which an event may be listed later than newer events, and still be found."""

MAX_CLOCK_SKEW = timedelta(minutes=15)
"""Difference of Polytomic's clock and this machine's, which only decides where a new feed begins and whether an event
lies in the future."""

EVENT_RETENTION = timedelta(hours=48)
"""Time for which Polytomic keeps events."""

MAX_WINDOW = timedelta(hours=2)
"""Length of a window for a feed that lies far behind."""

MAX_SEEN = 500
"""Executions that a feed remembers; where more end within the overlap, it goes back less far."""


class Feed:
    """Give each end of an execution once, the oldest first.

    .. code-block:: python

        feed = Feed()
        for ended in client.run(feed.fresh()):
            print(ended.sync_name, ended.event)

    An event that is listed more than ``overlap`` after newer ones is missed. Where Polytomic sends ``completed`` beside
    ``completed_with_errors``, the feed gives the latter, unless that is listed only after ``completed`` was given.

    :param cursor: :attr:`cursor` of an earlier feed, to go on where it was; default: begin ``lookback`` before now
    :param wanted: function that tells which ends to give and to remember as given; default: all
    :param lookback: seconds before now at which a feed without cursor begins; default 60
    :param overlap: how much later than newer events an event may be listed and still be found; default 5 minutes
    :param clock: function that returns the seconds since the epoch
    """

    def __init__(
        self,
        cursor: Mapping[str, Any] | None = None,
        *,
        wanted: Callable[[Ended], bool] = lambda ended: True,
        lookback: float = 60.0,
        overlap: timedelta = OVERLAP,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._wanted = wanted
        self._overlap = overlap
        self._clock = clock
        self._reader = EventReader()
        self._begin: datetime | None = self._now() - timedelta(seconds=lookback)
        self._since = self._begin - MAX_CLOCK_SKEW
        self._read_at: datetime | None = None
        self._seen: dict[str, datetime] = {}
        if cursor is not None:
            self._restore(cursor)

    @property
    def cursor(self) -> dict[str, Any]:
        """The position as JSON of bounded size: a moment, and the executions whose later ends were given."""
        return {
            "since": self._since.isoformat(),
            "begin": isoformat(self._begin),
            "read_at": isoformat(self._read_at),
            "seen": {execution_id: at.isoformat() for execution_id, at in self._seen.items()},
        }

    @property
    def period(self) -> tuple[datetime, datetime | None]:
        """The period that the next window must cover; its end is None for the present."""
        far = self._now() - self._since > 2 * MAX_WINDOW
        return self._since, self._since + MAX_WINDOW if far else None

    def fresh(self) -> Flow[list[Ended]]:
        """List the ends that were not given before.

        :raises PolytomicError: if a request fails; the next call gives what this one did not
        """
        given: list[Ended] = []
        while True:
            try:
                window = yield from self._reader.window(*self.period)
            except PolytomicError:
                if given:
                    return given
                raise
            given += self.take(window)
            if window.until is None:
                return given

    def take(self, window: Window) -> list[Ended]:
        """Return the ends in a window that were not given before.

        :param window: window that many feeds may share; ignored if it begins after :attr:`period`
        """
        if window.since > self._since:
            return []
        self._warn_of_gap()
        fresh = []
        for ended in window.ends:
            if ended.created_at <= self._since or ended.execution_id in self._seen or not self._wanted(ended):
                continue
            self._seen[ended.execution_id] = ended.created_at
            if self._begin is None or ended.created_at > self._begin:
                fresh.append(ended)
        self._move_to(window)
        return fresh

    def _move_to(self, window: Window) -> None:
        """Move the position forward, never back: nothing is remembered of the time before ``since``.

        An event with a time in the future does not count as the newest.
        """
        if window.until is None:
            self._begin = None
        now, newest = self._now(), window.newest
        if newest and newest > now + MAX_CLOCK_SKEW:
            newest = now - MAX_CLOCK_SKEW
        reached = [moment - self._overlap for moment in (newest, window.until) if moment]
        surplus = sorted(self._seen.values())[:-MAX_SEEN]
        self._since = max([self._since, *reached, *surplus])
        self._seen = {execution_id: at for execution_id, at in self._seen.items() if at > self._since}

    def _warn_of_gap(self) -> None:
        now = self._now()
        if self._read_at and now - self._read_at > EVENT_RETENTION:
            log.warning(
                "Ends before %s may be missed: Polytomic keeps events for %d hours, and they were last read at %s",
                (now - EVENT_RETENTION).isoformat(timespec="seconds"),
                EVENT_RETENTION.total_seconds() // 3600,
                self._read_at.isoformat(timespec="seconds"),
            )
        self._read_at = now

    def _restore(self, cursor: Mapping[str, Any]) -> None:
        try:
            since, begin, read_at = (parse_moment(cursor[name]) for name in ("since", "begin", "read_at"))
            seen = {str(one): datetime.fromisoformat(at) for one, at in cursor["seen"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            since = None
        if since is None or since > self._now() + MAX_CLOCK_SKEW:
            log.warning("Could not read the saved position in Polytomic's events; going on from now")
            return
        self._since, self._begin, self._read_at, self._seen = since, begin, read_at, seen

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), timezone.utc)
