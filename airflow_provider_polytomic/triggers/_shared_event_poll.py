"""Poll Polytomic's events once for all event triggers of a connection, and look up each ended execution once."""

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
from airflow_provider_polytomic._task.link import link_url
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.executions.event_feed import Ended, Feed, Window
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

log = logging.getLogger(__name__)

MAX_POLL_DELAY = 300.0
"""Seconds between two polls while Polytomic does not respond."""

REFUSED_POLL_DELAY = 60.0
"""Seconds before the next poll after a refused one, which only a person can correct."""

CATCH_UP_INTERVAL = 1.0
"""Seconds between two polls while a trigger is far behind."""

DETAILS_TIMEOUT = 20.0
"""Seconds that the events of one poll may be delayed by requests for their executions."""

MAX_CONCURRENT_DETAILS = 5
"""Concurrent requests for executions, so that other waits over the same connection are not delayed."""

MAX_RETRY_AFTER = 3600.0
"""Seconds of a ``Retry-After`` that are honored."""

MAX_CACHED_DETAILS = 500


class EventPoll:
    """The events of one poll, for all triggers, and the settings of the connection that they were read with."""

    def __init__(self, window: Window, config: ConnectionConfig) -> None:
        self.window = window
        self.config = config
        self.details_deadline = time.monotonic() + DETAILS_TIMEOUT
        self._callbacks: list[Callable[[], Awaitable[None]]] = []

    def on_stored(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Register a callback for the moment when Airflow has stored the events of this poll."""
        self._callbacks.append(callback)

    async def run_stored_callbacks(self) -> None:
        """Run the registered callbacks."""
        while self._callbacks:
            await self._callbacks.pop(0)()


class SharedEventPoll:
    """The poll that the event triggers of one connection and organization share on one event loop."""

    def __init__(self, conn_id: str, organization_id: str | None, poll_interval: float) -> None:
        self.conn_id = conn_id
        self.organization_id = organization_id
        self._poll_interval = poll_interval
        self._feeds: list[Feed] = []
        self._has_feeds = asyncio.Event()
        self._details: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_DETAILS)

    @contextmanager
    def subscribed(self, feed: Feed) -> Iterator[None]:
        """Let every poll begin early enough for this feed."""
        self._feeds.append(feed)
        self._has_feeds.set()
        try:
            yield
        finally:
            self._feeds.remove(feed)
            if not self._feeds:
                self._has_feeds.clear()

    async def polls(self) -> AsyncIterator[EventPoll]:
        """Poll until canceled; log a failure once, and catch up with the next successful poll."""
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions.event_feed import EventReader

        reader, failures = EventReader(), _PollFailures(self.conn_id, self._poll_interval)
        while True:
            try:
                config = await PolytomicHook(self.conn_id, self.organization_id).aconfig()
                async with shared_client(config) as client:
                    while True:
                        await self._has_feeds.wait()
                        earliest = min((feed.period for feed in self._feeds), key=itemgetter(0))
                        window = await client.run(reader.window(*earliest))
                        failures.reset()
                        yield EventPoll(window, config)
                        behind = window.until is not None
                        await asyncio.sleep(
                            min(self._poll_interval, CATCH_UP_INTERVAL) if behind else self._poll_interval
                        )
            except Exception as error:
                delay = failures.add(error)
            await asyncio.sleep(delay)

    async def details(self, ended: Ended, poll: EventPoll) -> dict[str, Any]:
        """Return ``counts`` and ``url`` of an execution; from the event alone if they are not available in time.

        Each execution is requested once, whatever the number of triggers.
        """
        left = poll.details_deadline - time.monotonic()
        request = self._details.get(ended.execution_id)
        if request is None and left > 0:
            request = self._details[ended.execution_id] = asyncio.ensure_future(self._request_details(ended, poll))
            if len(self._details) > MAX_CACHED_DETAILS:
                del self._details[next(iter(self._details))]
        if request is not None:
            await asyncio.wait({request}, timeout=max(0.0, left))
            if request.done():
                return request.result()
        from airflow_provider_polytomic.executions.events import event_errors

        return {"counts": ended.counts, "errors": event_errors([ended.error]), "url": None}

    async def _request_details(self, ended: Ended, poll: EventPoll) -> dict[str, Any]:
        from airflow_provider_polytomic.api import PolytomicError, shared_client
        from airflow_provider_polytomic.api.retry import is_transient
        from airflow_provider_polytomic.executions import ExecutionRef
        from airflow_provider_polytomic.executions.events import event_errors

        ref = ExecutionRef(ended.kind, ended.sync_id, ended.execution_id)
        counts, errors, url = ended.counts, event_errors([ended.error]), None
        async with self._slots:
            if time.monotonic() >= poll.details_deadline:
                return {"counts": counts, "errors": errors, "url": url}
            try:
                async with shared_client(poll.config) as client:
                    url = await client.run(link_url(client, ref))
                    execution = await client.run(ref.fetch(without_retries=True))
                    counts, errors = execution.counts, event_errors(execution.errors) or errors
            except Exception as error:
                log.warning("Using the counts of the event for %s: %s", ref, error)
                if isinstance(error, PolytomicError) and is_transient(error):
                    poll.details_deadline = 0.0
        return {"counts": counts, "errors": errors, "url": url}


class _PollFailures:
    """The failed polls in a row: the delay before the next poll, and the log."""

    def __init__(self, conn_id: str, poll_interval: float) -> None:
        self._conn_id = conn_id
        self._poll_interval = poll_interval
        self._count = 0
        self._logged: set[type[Exception]] = set()

    def add(self, error: Exception) -> float:
        """Add a failed poll, and return the seconds until the next one."""
        from airflow_provider_polytomic.api import PolytomicAPIError, PolytomicError
        from airflow_provider_polytomic.api.retry import Backoff, is_transient

        transient = isinstance(error, PolytomicError) and is_transient(error)
        category = PolytomicError if transient else type(error)
        if category not in self._logged:
            self._logged.add(category)
            expected = isinstance(error, (PolytomicError, AirflowException))
            log.warning(
                "Could not read Polytomic's events with the Airflow connection %r; will retry less often: %s: %s",
                self._conn_id, type(error).__name__, error, exc_info=not expected,
            )  # fmt: skip
        first = self._poll_interval if transient else max(self._poll_interval, REFUSED_POLL_DELAY)
        delay = Backoff(first, max(first, MAX_POLL_DELAY)).delay(self._count)
        self._count += 1
        retry_after = error.retry_after if isinstance(error, PolytomicAPIError) else None
        return max(delay, min(retry_after or 0.0, MAX_RETRY_AFTER))

    def reset(self) -> None:
        """Forget the failures after a successful poll."""
        if self._count:
            log.info("Reading Polytomic's events again. Failed polls: %d", self._count)
        self._count = 0
        self._logged.clear()


_polls: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str | None, float], SharedEventPoll]]
_polls = WeakKeyDictionary()


def shared_event_poll(conn_id: str, organization_id: str | None, poll_interval: float) -> SharedEventPoll:
    """Return the poll of a connection and an organization on the running event loop."""
    key = conn_id, organization_id, poll_interval
    return _polls.setdefault(asyncio.get_running_loop(), {}).setdefault(key, SharedEventPoll(*key))
