"""Stand-ins for what runs an event trigger: the triggerer, and the asset state store of Airflow 3.3."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from importlib import import_module

from airflow_provider_polytomic.triggers import _shared_event_poll
from airflow_provider_polytomic.triggers.events import PolytomicEventTrigger

PAYLOAD = ["event", "event_id", "kind", "sync_id", "sync_name", "execution_id", "created_at"]
PAYLOAD += ["counts", "errors", "url"]
"""Fields of the payload of an event."""


class AssetStateStore:
    """A stand-in for the asset state store of Airflow 3.3."""

    def __init__(self):
        self.values, self.written, self.fails = {}, 0, False

    async def aget(self, key, default=None):
        if self.fails:
            raise RuntimeError("the database is unavailable")
        return self.values.get(key, default)

    async def aset(self, key, value):
        if self.fails:
            raise RuntimeError("the database is unavailable")
        self.values[key] = json.loads(json.dumps(value))
        self.written += 1


class EventTriggerRunner:
    """Runs an event trigger like a triggerer of its own.

    :param stores: whether Airflow stores the events of the trigger
    """

    def __init__(self, store=None, stores=True, **kwargs):
        self.store, self.stores = store, stores
        self.kwargs = {"poll_interval": 0.01, **kwargs}
        self.payloads, self.polled = [], 0

    async def __aenter__(self):
        self._task = asyncio.ensure_future(self._run())
        await self.until(lambda: self.polled)
        return self

    async def __aexit__(self, *error):
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self):
        trigger = rebuild(PolytomicEventTrigger(**self.kwargs))
        trigger.asset_state_store = self.store
        async for event in trigger.filter_shared_stream(self._polled(trigger)):
            self.payloads.append(json.loads(json.dumps(event.payload)))

    async def _polled(self, trigger):
        async with aclosing(_shared_event_poll.shared_event_poll(*trigger._poll_key).polls()) as polls:
            async for poll in polls:
                yield poll
                self.polled += 1
                if self.stores:
                    await poll.run_stored_callbacks()

    async def until(self, condition):
        while not condition():
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)

    async def wait_for_events(self, count=1):
        await self.until(lambda: len(self.payloads) >= count)
        await self.polls(2)
        assert len(self.payloads) == count
        return self.payloads

    async def polls(self, count):
        wanted = self.polled + count
        await self.until(lambda: self.polled >= wanted)


def rebuild(trigger):
    """Build a trigger from its serialized form, as the triggerer does."""
    classpath, kwargs = json.loads(json.dumps(trigger.serialize()))
    module, _, name = classpath.rpartition(".")
    return getattr(import_module(module), name)(**kwargs)
