"""Keep the syncs of each connection in the API server while somebody views them.

There is one cache for each connection and process. All viewers share its requests. It sends none while there is no
viewer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, TypeVar

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic.api import PolytomicError
from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.api.sharing import shared_client
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.hooks._connection import ConnectionConfig, connection_config, next_step
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.ui.recent import RecentResults
from airflow_provider_polytomic.ui.refresh import Refresher, RequestBudget
from airflow_provider_polytomic.ui.rows import SyncKey, SyncTable, Viewed

log = logging.getLogger(__name__)
T = TypeVar("T")

REQUESTS_PER_MINUTE = 60
MIN_REQUESTS_PER_MINUTE = 10
REFRESH_INTERVAL = 5.0
LOOK_TIMEOUT = 30.0
"""Seconds after a request of the page in which somebody counts as looking."""

FAILED_REFRESH_PAUSE = 15.0
SYNC_DETAILS_TIMEOUT = 5.0
"""Seconds for which the details of a sync are for everybody who opens its row."""


@dataclass(eq=False)
class Problem(Exception):
    """Describe why the page shows nothing new.

    :param reason: what is wrong
    :param advice: what to do about it
    """

    reason: str
    advice: str

    def to_json(self) -> dict[str, str]:
        """Return the problem for the page."""
        return {"reason": self.reason, "advice": self.advice}


class ConnectionCache:
    """Keep the syncs of one connection.

    :param conn_id: id of the Airflow connection
    :param clock: function that returns monotonic seconds
    """

    def __init__(self, conn_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.table = SyncTable()
        self.problem: Problem | None = None
        self._conn_id = conn_id
        self._clock = clock
        self._viewed = Viewed(LOOK_TIMEOUT)
        self._budget = RequestBudget(requests_per_minute(), clock)
        self._looked_at = float("-inf")
        self._wake = asyncio.Event()
        self._refreshing: asyncio.Task[None] | None = None
        self._refresher: Refresher | None = None
        self._details: RecentResults[SyncKey, Any] = RecentResults(SYNC_DETAILS_TIMEOUT, clock)

    @property
    def is_loading(self) -> bool:
        """Return whether some syncs are not listed yet."""
        return self.problem is None and (self._refresher is None or self._refresher.is_listing)

    def look(self, keys: Iterable[SyncKey]) -> None:
        """Record a viewer, and begin to refresh if there was none before.

        :param keys: the rows on the screen
        """
        self._looked_at = self._clock()
        seen = list(keys)
        if any(key not in self._viewed for key in seen):
            self._wake.set()
        self._viewed.look(seen, self._looked_at)
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh_while_looked_at())

    async def details(self, key: SyncKey, flow: Callable[[ConnectionConfig], Flow[T]]) -> T:
        """Return the details of a sync, shared by all who request them at the same time.

        :param flow: function that returns the flow that reads them, given the settings of the connection
        :raises Problem: if the connection cannot be used, or Polytomic refuses a request or does not respond
        """
        details: T = await self._details.get(key, partial(self._run, flow))
        return details

    async def _run(self, flow: Callable[[ConnectionConfig], Flow[T]]) -> T:
        """Run a flow.

        :param flow: function that returns the flow, given the settings of the connection
        :raises Problem: if the connection cannot be used, or Polytomic refuses a request or does not respond
        """
        config = await read_config(self._conn_id)
        try:
            async with shared_client(config) as client:
                return await client.run(flow(config))
        except PolytomicError as error:
            raise _problem_of(error, config) from None

    async def _refresh_while_looked_at(self) -> None:
        while self._clock() - self._looked_at <= LOOK_TIMEOUT:
            try:
                await self._refresh_until_failure()
                return
            except Problem as problem:
                self.problem = problem
            except Exception as error:
                log.exception("Could not refresh the page of the Airflow connection %r", self._conn_id)
                self.problem = Problem(
                    f"The page failed with an unexpected {type(error).__name__}.",
                    "Report it to the maintainers of the provider, with the log of the API server.",
                )
            await self._wait(FAILED_REFRESH_PAUSE)

    async def _refresh_until_failure(self) -> None:
        config = await read_config(self._conn_id)
        if self._refresher is None or self._refresher.config != config:
            self._refresher = Refresher(self.table, self._viewed, self._budget, config, self._clock)
        async with shared_client(config) as client:
            while self._clock() - self._looked_at <= LOOK_TIMEOUT:
                try:
                    await client.run(self._refresher.refresh())
                except PolytomicError as error:
                    raise _problem_of(error, config) from None
                self.problem = None
                self.table.note_late(datetime.now(timezone.utc))
                await self._wait(REFRESH_INTERVAL)

    async def _wait(self, seconds: float) -> None:
        """Wait until somebody sees other rows, or for some seconds."""
        self._wake.clear()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)


def requests_per_minute() -> int:
    """Return how many requests a process may send in a minute: its share of those of all API server processes."""
    workers: int = conf.getint("api", "workers", fallback=1)
    return max(MIN_REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE // max(1, workers))


async def read_config(conn_id: str) -> ConnectionConfig:
    """Read an Airflow connection.

    :raises Problem: if there is none of this id, or it cannot be used
    """
    try:
        connection: Any = await asyncio.to_thread(partial(PolytomicHook.get_connection, conn_id))
    except Exception as error:  # Their messages may have a part of a secret.
        raise Problem(
            f"The Airflow connection {conn_id!r} cannot be read ({type(error).__name__}).",
            "Create it under Admin, Connections, or set ui_connections in section [polytomic] of Airflow's "
            "configuration to the ids of your Polytomic connections.",
        ) from None
    try:
        return connection_config(connection, conn_id)
    except PolytomicRequestRefused as error:
        raise Problem(str(error), "Correct the connection under Admin, Connections.") from None


def _problem_of(error: PolytomicError, config: ConnectionConfig) -> Problem:
    return Problem(one_line(redact(str(error)), 1000), next_step(error, config))
