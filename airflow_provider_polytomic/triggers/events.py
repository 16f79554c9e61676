"""Trigger that starts DAGs when syncs end, including those that run on Polytomic's own schedule."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Hashable, Iterable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_polytomic._compat import WatcherStore, event_trigger_base, has_asset_watchers
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.values import choice
from airflow_provider_polytomic.durations import InvalidParameterError, duration
from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.triggers._base import preload, serialize
from airflow_provider_polytomic.triggers._shared_event_poll import EventPoll, SharedEventPoll, shared_event_poll

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger
    from airflow.triggers.shared_stream import SharedStreamProducer

    from airflow_provider_polytomic.executions.event_feed import Ended
    from airflow_provider_polytomic.results import SyncKindName
else:
    BaseEventTrigger = event_trigger_base()

log = logging.getLogger(__name__)

EVENTS = ("completed", "completed_with_errors", "failed", "canceled")

LOOKBACK = 300.0
"""Seconds before its start from which a trigger reports ends if Airflow stores no cursor: it reports what ended while
the triggerer was restarted, and reports again what ended shortly before."""

CURSOR_SAVE_INTERVAL = 600.0
"""Seconds after which the cursor is saved although no execution has ended."""

CURSOR_RETRY_DELAY = 10.0
"""Seconds between two attempts to read the cursor."""


class PolytomicEventTrigger(BaseEventTrigger):
    """Send an event for each execution that ends, whoever started it (``AssetWatcher``, Airflow 3.0 and later).

    The payload is in the ``extra`` of the asset event under ``payload``. It has ``event``, ``event_id``, ``kind``,
    ``sync_id``, ``sync_name``, ``execution_id``, ``created_at``, ``counts``, ``errors`` and ``url``. On Airflow 3.3
    and later the triggers of an organization with the same ``poll_interval`` share one request per interval and
    continue at their cursor after a restart. On earlier versions each polls by itself and begins five minutes before
    its start.

    :param sync_ids: Ids of the syncs (iterable of str); default None: every sync of the organization.
    :param kind: Kind of the syncs (str), ``"model"`` or ``"bulk"``; default None: both.
    :param events: Events (iterable of str) out of ``completed``, ``completed_with_errors``, ``failed`` and
        ``canceled``; default ``("completed",)``.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``.
    :param poll_interval: Seconds (float or timedelta) between two polls; default 15.
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection.
    :raises ValueError: if a parameter is invalid
    :raises PolytomicTaskError: on Airflow 2, which has no asset watchers

    .. code-block:: python

        trigger = PolytomicEventTrigger(sync_ids=["248df4b7-aa70-47b8-a036-33ac447e668d"])
        contacts = Asset("contacts", watchers=[AssetWatcher(name="polytomic", trigger=trigger)])

    .. seealso::
        How-to: ``docs/events.md``. API: ``GET /api/events``
    """

    def __init__(
        self,
        sync_ids: Iterable[str] | str | None = None,
        kind: SyncKindName | None = None,
        events: Iterable[str] | str = ("completed",),
        polytomic_conn_id: str = "polytomic_default",
        poll_interval: float | timedelta = 15,
        organization_id: str | None = None,
    ) -> None:
        if not has_asset_watchers():
            raise PolytomicTaskError(
                "PolytomicEventTrigger needs asset watchers (Airflow 3.0 and later). Next: wait with "
                "PolytomicFreshnessSensor on Airflow 2"
            )
        super().__init__()  # type: ignore[no-untyped-call]
        self.sync_ids = None if sync_ids is None else _sync_ids(sync_ids)
        self.kind: SyncKindName | None = choice(kind, "kind", None, "model", "bulk")
        self.events = _events(events)
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = None if organization_id is None else str(organization_id)
        self.poll_interval = duration(poll_interval, "poll_interval")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters; Airflow runs equal triggers once."""
        return serialize(self)

    def shared_stream_key(self) -> Hashable:
        """Return the key of the poll that this trigger shares."""
        return ("polytomic events", *self._poll_key)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Create the producer of the shared poll, for the triggerer."""
        from airflow_provider_polytomic.triggers._shared_stream import EventPollProducer

        return EventPollProducer(cls(**kwargs)._poll_key)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[EventPoll]:
        """Poll, if the triggerer does not share streams."""
        async for poll in shared_event_poll(*cls(**kwargs)._poll_key).polls():
            yield poll
            await poll.run_stored_callbacks()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[EventPoll]) -> AsyncIterator[TriggerEvent]:
        """Send the events of this trigger, each ended execution once."""
        await preload()
        from airflow_provider_polytomic.executions.event_feed import Feed

        shared = shared_event_poll(*self._poll_key)
        store = WatcherStore(getattr(self, "asset_state_store", None), self._store_key())
        feed = Feed(await _read_cursor(store), wanted=self._matches, lookback=0.0 if store else LOOKBACK)
        cursor = _CursorWriter(store)
        with shared.subscribed(feed):
            async for poll in shared_stream:
                new = feed.take(poll.window)
                payloads = await asyncio.gather(*(self._storable_payload(ended, poll, shared) for ended in new))
                for payload in filter(None, payloads):
                    yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
                if cursor.is_due(bool(new)):
                    poll.on_stored(partial(cursor.write, feed.cursor))

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll by itself, on Airflow before 3.3."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    def _matches(self, ended: Ended) -> bool:
        return (
            ended.event in self.events
            and self.kind in (None, ended.kind)
            and (self.sync_ids is None or ended.sync_id in self.sync_ids)
        )

    async def _storable_payload(self, ended: Ended, poll: EventPoll, shared: SharedEventPoll) -> dict[str, Any] | None:
        """Return the payload of an event; None for one that cannot be sent, so that the others are."""
        try:
            return storable(await self._payload(ended, poll, shared), "the payload of an event")
        except Exception as error:
            log.error("Skipped an ended execution whose event cannot be sent: %s", type(error).__name__)
            return None

    async def _payload(self, ended: Ended, poll: EventPoll, shared: SharedEventPoll) -> dict[str, Any]:
        return {
            "event": ended.event,
            "event_id": ended.event_id,
            "kind": ended.kind,
            "sync_id": ended.sync_id,
            "sync_name": ended.sync_name,
            "execution_id": ended.execution_id,
            "created_at": ended.created_at.isoformat(),
            **await shared.details(ended, poll),
        }

    @property
    def _poll_key(self) -> tuple[str, str | None, float]:
        return self.polytomic_conn_id, self.organization_id, self.poll_interval

    def _store_key(self) -> str:
        """Return the key of this trigger's cursor among those of the same asset."""
        parameters = json.dumps([self.sync_ids, self.kind, self.events, self.polytomic_conn_id, self.organization_id])
        return f"polytomic_events_{hashlib.sha256(parameters.encode()).hexdigest()[:16]}"


def _sync_ids(value: Iterable[str] | str) -> list[str]:
    if sync_ids := _texts(value):
        return sync_ids
    raise InvalidParameterError("sync_ids is empty; omit it for every sync")


def _events(value: Iterable[str] | str) -> list[str]:
    events = _texts(value)
    if events and set(events) <= set(EVENTS):
        return events
    raise InvalidParameterError(f"events must be some of {', '.join(EVENTS)}, not {value!r}")


def _texts(value: Iterable[str] | str) -> list[str]:
    return [value] if isinstance(value, str) else sorted({str(one) for one in value})


async def _read_cursor(store: WatcherStore) -> dict[str, Any] | None:
    """Read the cursor until it succeeds: without it, events would be lost."""
    failed = False
    while True:
        try:
            cursor = await store.get()
        except Exception as error:
            if not failed:
                log.warning("Could not read the cursor of Polytomic's events; retrying: %s", error)
            failed = True
        else:
            return cursor if isinstance(cursor, dict) else None
        await asyncio.sleep(CURSOR_RETRY_DELAY)


class _CursorWriter:
    """Save the cursor of a trigger after each ended execution, and from time to time."""

    def __init__(self, store: WatcherStore) -> None:
        self._store = store
        self._saved_at: float | None = None
        self._pending = False
        self._warned = False

    def is_due(self, has_new: bool) -> bool:
        """Return whether to save the cursor.

        :param has_new: whether an execution has ended since the last call
        """
        self._pending = self._pending or has_new
        return self._pending or self._saved_at is None or time.monotonic() - self._saved_at > CURSOR_SAVE_INTERVAL

    async def write(self, cursor: dict[str, Any]) -> None:
        """Save the cursor; a failure is logged once, and the next ended execution tries again."""
        try:
            await self._store.set(storable(cursor, "the cursor"))
        except Exception as error:
            if not self._warned:
                log.warning("Could not save the cursor of Polytomic's events: %s", error)
            self._warned = True
        else:
            self._saved_at, self._pending, self._warned = time.monotonic(), False, False
