"""What all watchers of one connection share: the poll of Polytomic's events, and what is asked about single ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow_provider_polytomic._compat import AirflowException
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.executions.event_feed import Ended, Feed, Window
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

log = logging.getLogger(__name__)

LONGEST_PAUSE = 300.0
"""Seconds between two polls while Polytomic does not answer."""

REFUSED_PAUSE = 60.0
"""Seconds before the next poll after one that was refused: only a person mends that."""

CATCH_UP_PAUSE = 1.0
"""Seconds between two polls for a watcher that lies far behind."""

PATIENCE = 20.0
"""Seconds that the ends of one poll may be held up for what is asked about them."""

AT_ONCE = 5
"""Executions that are asked about at once, so that waits over the same connection have their turn."""

LONGEST_ASKED = 3600.0
"""Seconds; the most of what Polytomic asks to wait that is granted."""

MOST_KNOWN = 500


class Poll:
    """What one poll brought, for all watchers.

    :param config: of the connection that it was read with
    """

    def __init__(self, window: Window, config: ConnectionConfig) -> None:
        self.window = window
        self.config = config
        self.patience_ends = time.monotonic() + PATIENCE
        self._afterwards: list[Callable[[], Awaitable[None]]] = []

    def afterwards(self, do: Callable[[], Awaitable[None]]) -> None:
        """Have something done once Airflow has stored the events that came of this poll."""
        self._afterwards.append(do)

    async def stored(self) -> None:
        """Do what was left for afterwards."""
        while self._afterwards:
            await self._afterwards.pop(0)()


class SharedEventPoll:
    """The meeting place of the watchers of one connection on one event loop.

    :param conn_id: id of the Airflow connection
    :param poll_interval: seconds between two polls
    """

    def __init__(self, conn_id: str, poll_interval: float) -> None:
        self.conn_id = conn_id
        self._interval = poll_interval
        self._feeds: list[Feed] = []
        self._joined = asyncio.Event()
        self._known: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)

    @contextmanager
    def joined(self, feed: Feed) -> Iterator[None]:
        """Let every poll begin early enough for this feed, too."""
        self._feeds.append(feed)
        self._joined.set()
        try:
            yield
        finally:
            self._feeds.remove(feed)
            if not self._feeds:
                self._joined.clear()

    async def polls(self) -> AsyncIterator[Poll]:
        """Poll for ever; what goes wrong is logged once, and the next poll that succeeds catches up."""
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions.event_feed import EventReader

        reader, trouble = EventReader(), _Trouble(self.conn_id, self._interval)
        while True:
            try:
                config = await PolytomicHook(self.conn_id).aconfig()
                async with shared_client(config) as client:
                    while True:
                        await self._joined.wait()
                        earliest = min((feed.period for feed in self._feeds), key=itemgetter(0))
                        window = await client.run(reader.window(*earliest))
                        trouble.is_over()
                        yield Poll(window, config)
                        await asyncio.sleep(min(self._interval, CATCH_UP_PAUSE) if window.until else self._interval)
            except Exception as error:
                pause = trouble.is_met(error)
            await asyncio.sleep(pause)

    async def about(self, ended: Ended, poll: Poll) -> dict[str, Any]:
        """Return ``counts`` and ``url`` of an execution; what cannot be had in time is as the event tells it.

        An execution is asked for once, whatever the number of watchers.
        """
        left = poll.patience_ends - time.monotonic()
        asked = self._known.get(ended.execution_id)
        if asked is None and left > 0:
            asked = self._known[ended.execution_id] = asyncio.ensure_future(self._look_up(ended, poll))
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
        if asked is not None:
            await asyncio.wait({asked}, timeout=max(0.0, left))
            if asked.done():
                return asked.result()
        return {"counts": ended.counts, "url": None}

    async def _look_up(self, ended: Ended, poll: Poll) -> dict[str, Any]:
        async with self._turn:
            if time.monotonic() < poll.patience_ends:
                return await _look_up(ended, poll)
        return {"counts": ended.counts, "url": None}


async def _look_up(ended: Ended, poll: Poll) -> dict[str, Any]:
    from airflow_provider_polytomic.api import PolytomicError, shared_client
    from airflow_provider_polytomic.api.retry import is_transient
    from airflow_provider_polytomic.executions import ExecutionRef
    from airflow_provider_polytomic.links.url import sync_url

    run = ExecutionRef(ended.kind, ended.sync_id, ended.execution_id)
    counts, url = ended.counts, None
    try:
        template = poll.config.link_template_of(ended.kind)
        async with shared_client(poll.config) as client:
            if template:
                url = await client.run(sync_url(template, poll.config, ended.kind, ended.sync_id, ended.execution_id))
            counts = (await client.run(run.fetch(without_retries=True))).counts
    except Exception as error:
        log.warning("The counts of %s are not known beyond its event: %s", run, error)
        if isinstance(error, PolytomicError) and is_transient(error):
            poll.patience_ends = 0.0
    return {"counts": counts, "url": url}


class _Trouble:
    """How long to wait after polls that failed, and what the log says of them."""

    def __init__(self, conn_id: str, interval: float) -> None:
        self._conn_id = conn_id
        self._interval = interval
        self._failures = 0
        self._told: set[type[Exception]] = set()

    def is_met(self, error: Exception) -> float:
        """Note a failed poll and return the seconds until the next."""
        from airflow_provider_polytomic.api import PolytomicAPIError, PolytomicError
        from airflow_provider_polytomic.api.retry import is_transient

        self._failures += 1
        expected = isinstance(error, (PolytomicError, AirflowException))
        transient = isinstance(error, PolytomicError) and is_transient(error)
        kind = PolytomicError if transient else type(error)
        if kind not in self._told:
            self._told.add(kind)
            log.warning(
                "Polytomic's events cannot be read with the Airflow connection %r, trying again less and less often: "
                "%s: %s",
                self._conn_id, type(error).__name__, error, exc_info=not expected,
            )  # fmt: skip
        first = self._interval if transient else max(self._interval, REFUSED_PAUSE)
        asked = error.retry_after if isinstance(error, PolytomicAPIError) else None
        grown = min(first * 2.0 ** min(self._failures - 1, 16), max(first, LONGEST_PAUSE))
        return max(grown, min(asked or 0.0, LONGEST_ASKED))

    def is_over(self) -> None:
        """Note a poll that succeeded."""
        if self._failures:
            log.info("Polytomic's events can be read again after %d failed polls: catching up", self._failures)
        self._failures = 0
        self._told.clear()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, float], SharedEventPoll]] = WeakKeyDictionary()


def shared_event_poll(conn_id: str, poll_interval: float) -> SharedEventPoll:
    """Return the hub of a connection on the running event loop."""
    hubs = _hubs.setdefault(asyncio.get_running_loop(), {})
    return hubs.setdefault((conn_id, poll_interval), SharedEventPoll(conn_id, poll_interval))
