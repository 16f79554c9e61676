"""Starting DAGs when syncs end, also those that run on Polytomic's own schedule."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Hashable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_polytomic._compat import WatcherStore, event_trigger_base, has_asset_watchers
from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.triggers._preload import ready
from airflow_provider_polytomic.triggers._shared_event_poll import Poll, SharedEventPoll, shared_event_poll

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger
    from airflow.triggers.shared_stream import SharedStreamProducer

    from airflow_provider_polytomic.executions.event_feed import Ended
else:
    BaseEventTrigger = event_trigger_base()

log = logging.getLogger(__name__)

EVENTS = ("completed", "completed_with_errors", "failed", "canceled")

LOOKBACK = 300.0
"""Seconds before its start from which on a watcher tells of ends, where Airflow keeps nothing for it: what happens
while the triggerer is restarted is told of, and what happened shortly before is told of again."""

KEEP_EVERY = 600.0
"""Seconds after which a watcher keeps how far it has come though nothing has ended."""

STORE_PAUSE = 10.0


class PolytomicEventTrigger(BaseEventTrigger):
    """Tell of executions that end, whoever or whatever started them: ``GET /api/events``.

    For ``AssetWatcher``, on Airflow 3.0 and later. The payload of its events, in the consuming DAG the ``extra`` of the
    asset event under ``payload``, has ``event``, ``event_id``, ``kind``, ``sync_id``, ``sync_name``, ``execution_id``,
    ``created_at``, ``counts`` and ``url``. On Airflow 3.3 and later, all watchers of a connection with the same
    ``poll_interval`` make one request an interval, and a watcher goes on where it was when the triggerer ended; before,
    each polls by itself and begins five minutes before its start.

    :param sync_ids: ids of the syncs; default: every sync of the organization
    :param kind: ``model`` or ``bulk``; default: both
    :param events: ``completed``, ``completed_with_errors``, ``failed`` and ``canceled``, or some of them
    :param polytomic_conn_id: id of the Airflow connection
    :param poll_interval: seconds between two polls; default 15
    :raises ValueError: if a parameter has another value
    :raises PolytomicTaskError: on Airflow 2, which has no watchers
    """

    def __init__(
        self,
        sync_ids: Iterable[str] | str | None = None,
        kind: str | None = None,
        events: Iterable[str] | str = ("completed",),
        polytomic_conn_id: str = "polytomic_default",
        poll_interval: float = 15,
    ) -> None:
        if not has_asset_watchers():
            raise PolytomicTaskError(
                "PolytomicEventTrigger is for AssetWatcher, which Airflow has from 3.0 on. Next: on Airflow 2, wait "
                "with PolytomicFreshnessSensor"
            )
        super().__init__()  # type: ignore[no-untyped-call]
        self.sync_ids = None if sync_ids is None else sorted(_texts(sync_ids))
        self.kind = kind
        self.events = sorted(_texts(events))
        self.polytomic_conn_id = polytomic_conn_id
        self.poll_interval = float(poll_interval)
        if self.sync_ids == []:
            raise ValueError("sync_ids is empty: leave it out for every sync")
        if kind not in (None, "model", "bulk"):
            raise ValueError(f"kind is 'model' or 'bulk', not {kind!r}")
        if not self.events or not set(self.events) <= set(EVENTS):
            raise ValueError(f"events are some of {', '.join(EVENTS)}, not {events!r}")
        if not self.poll_interval > 0:
            raise ValueError(f"poll_interval is a number of seconds above 0, not {poll_interval!r}")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the trigger is built from again; equal watchers return the same, and Airflow runs one of them."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "sync_ids": self.sync_ids,
                "kind": self.kind,
                "events": self.events,
                "polytomic_conn_id": self.polytomic_conn_id,
                "poll_interval": self.poll_interval,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Name the poll that this watcher shares with others."""
        return ("polytomic events", self.polytomic_conn_id, self.poll_interval)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Build what polls for all watchers that share a poll, for the triggerer."""
        from airflow_provider_polytomic.triggers._shared_stream import PollProducer

        return PollProducer(kwargs["polytomic_conn_id"], kwargs["poll_interval"])

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Poll]:
        """Poll for ever, where the triggerer does not do so for all."""
        async for poll in shared_event_poll(kwargs["polytomic_conn_id"], kwargs["poll_interval"]).polls():
            yield poll
            await poll.stored()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Poll]) -> AsyncIterator[TriggerEvent]:
        """Turn what the polls bring into the events of this watcher, each end once."""
        await ready()
        from airflow_provider_polytomic.executions.event_feed import Feed

        hub = shared_event_poll(self.polytomic_conn_id, self.poll_interval)
        store = WatcherStore(getattr(self, "asset_state_store", None), self._store_key())
        feed = Feed(await self._kept(store), wanted=self._wants, lookback=0.0 if store else LOOKBACK)
        keeper = _Keeper(store)
        with hub.joined(feed):
            async for poll in shared_stream:
                fresh = feed.take(poll.window)
                payloads = await asyncio.gather(*(self._payload(ended, poll, hub) for ended in fresh))
                for payload in payloads:
                    yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
                if keeper.is_due(bool(fresh)):
                    poll.afterwards(partial(keeper.keep, feed.cursor))

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll by itself, on Airflow before 3.3."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    def _wants(self, ended: Ended) -> bool:
        return (
            ended.event in self.events
            and self.kind in (None, ended.kind)
            and (self.sync_ids is None or ended.sync_id in self.sync_ids)
        )

    async def _payload(self, ended: Ended, poll: Poll, hub: SharedEventPoll) -> dict[str, Any]:
        return {
            "event": ended.event,
            "event_id": ended.event_id,
            "kind": ended.kind,
            "sync_id": ended.sync_id,
            "sync_name": ended.sync_name,
            "execution_id": ended.execution_id,
            "created_at": ended.created_at.isoformat(),
            **await hub.about(ended, poll),
        }

    def _store_key(self) -> str:
        """Name what is kept of this watcher among others of the same asset; how often it polls does not matter."""
        told = json.dumps([self.sync_ids, self.kind, self.events, self.polytomic_conn_id])
        return f"polytomic_events_{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    async def _kept(self, store: WatcherStore) -> dict[str, Any] | None:
        """Return where to go on; to begin anew only because Airflow does not answer would lose events."""
        failures = 0
        while True:
            try:
                kept = await store.get()
            except Exception as error:
                failures += 1
                if failures == 1:
                    log.warning("Where to go on in Polytomic's events cannot be read, trying again: %s", error)
            else:
                return kept if isinstance(kept, dict) else None
            await asyncio.sleep(STORE_PAUSE)


def _texts(value: Iterable[str] | str) -> set[str]:
    return {value} if isinstance(value, str) else {str(one) for one in value}


class _Keeper:
    """Keeps how far a watcher has come."""

    def __init__(self, store: WatcherStore) -> None:
        self._store = store
        self._kept_at: float | None = None
        self._told = False
        self._warned = False

    def is_due(self, told: bool) -> bool:
        """Tell whether it is time to keep it.

        :param told: whether an end has been told of
        """
        self._told = self._told or told
        return self._told or self._kept_at is None or time.monotonic() - self._kept_at > KEEP_EVERY

    async def keep(self, cursor: dict[str, Any]) -> None:
        """Keep the cursor; the next end is another occasion if that fails."""
        try:
            await self._store.set(cursor)
        except Exception as error:
            if not self._warned:
                log.warning("Where to go on in Polytomic's events cannot be kept: %s", error)
            self._warned = True
        else:
            self._kept_at, self._told, self._warned = time.monotonic(), False, False
