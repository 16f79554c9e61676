"""The ends of executions, each of them once, however the list of events is ordered, delayed or repeated.

A feed remembers how far it has come by the times that Polytomic writes, not by the clock of this machine, and looks
back a little each time it asks, since an event may be listed later than it is dated. What it has given already, it
knows by the execution: an execution ends once, also where several events tell of it.
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

__all__ = ["Ended", "EventReader", "Feed", "Window"]

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=5)
"""How much later than newer events an event may be listed and still be found."""

SKEW = timedelta(minutes=15)
"""How far Polytomic's clock may lie off this machine's, which alone tells a new feed where to begin, and whether an
event is dated in the future."""

RETENTION = timedelta(hours=48)
"""How long Polytomic keeps events."""

STRETCH = timedelta(hours=2)
"""How much is read at once by a feed that lies far behind."""

MOST_SEEN = 500
"""Executions that a feed remembers; where more end within the overlap, it looks back less far."""


class Feed:
    """Gives each end of an execution that events tell of once, the oldest first.

    >>> feed = Feed()
    >>> for ended in client.run(feed.fresh()):
    ...     print(ended.sync_name, ended.event)

    An event that is listed more than ``overlap`` after newer ones is missed. Where ``completed`` is sent beside
    ``completed_with_errors``, the latter is given; if it is listed only later, it is not given any more.

    :param cursor: where to go on, from :attr:`cursor`; default: from ``lookback`` on
    :param wanted: which ends are given, and remembered as given; default: all
    :param lookback: seconds before now at which a feed without cursor begins
    :param overlap: how much later than newer events an event may be listed and still be found
    :param clock: seconds since the epoch on this machine
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
        self._since = self._begin - SKEW
        self._asked: datetime | None = None
        self._seen: dict[str, datetime] = {}
        if cursor is not None:
            self._restore(cursor)

    @property
    def cursor(self) -> dict[str, Any]:
        """Where to go on, as JSON of bounded size: a moment, and the executions whose ends after it were given."""
        return {
            "since": self._since.isoformat(),
            "begin": _text(self._begin),
            "asked": _text(self._asked),
            "seen": {execution_id: at.isoformat() for execution_id, at in self._seen.items()},
        }

    @property
    def stretch(self) -> tuple[datetime, datetime | None]:
        """What a window must show to be of use: all from a moment on, to another, or to the present if that is near."""
        far = self._now() - self._since > 2 * STRETCH
        return self._since, self._since + STRETCH if far else None

    def fresh(self) -> Flow[list[Ended]]:
        """List the ends that have not been given before.

        :raises PolytomicError: if a request fails; what there is to give is given the next time
        """
        given: list[Ended] = []
        while True:
            try:
                window = yield from self._reader.window(*self.stretch)
            except PolytomicError:
                if given:
                    return given
                raise
            given += self.take(window)
            if window.until is None:
                return given

    def take(self, window: Window) -> list[Ended]:
        """Return what is new to this feed in a window, which may be one that many feeds share.

        :param window: it is left aside if it begins after :attr:`stretch` does
        """
        if window.since > self._since:
            return []
        self._mind_the_gap()
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
        """Go on, but never back: before ``since``, nothing is remembered.

        An event that is dated in the future does not tell how far the list has come.
        """
        if window.until is None:
            self._begin = None
        now, newest = self._now(), window.newest
        if newest and newest > now + SKEW:
            newest = now - SKEW
        reached = [moment - self._overlap for moment in (newest, window.until) if moment]
        surplus = sorted(self._seen.values())[:-MOST_SEEN]
        self._since = max([self._since, *reached, *surplus])
        self._seen = {execution_id: at for execution_id, at in self._seen.items() if at > self._since}

    def _mind_the_gap(self) -> None:
        now = self._now()
        if self._asked and now - self._asked > RETENTION:
            log.warning(
                "Polytomic's events were last read at %s, and it keeps them for %d hours: ends before %s may be missed",
                self._asked.isoformat(timespec="seconds"),
                RETENTION.total_seconds() // 3600,
                (now - RETENTION).isoformat(timespec="seconds"),
            )
        self._asked = now

    def _restore(self, cursor: Mapping[str, Any]) -> None:
        try:
            since, begin, asked = _moment(cursor["since"]), _moment(cursor["begin"]), _moment(cursor["asked"])
            seen = {str(one): datetime.fromisoformat(at) for one, at in cursor["seen"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            since = None
        if since is None or since > self._now() + SKEW:
            log.warning("The place in Polytomic's events that was kept cannot be read: going on from now")
            return
        self._since, self._begin, self._asked, self._seen = since, begin, asked, seen

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), timezone.utc)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
