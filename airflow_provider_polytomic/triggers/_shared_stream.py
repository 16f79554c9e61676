"""The shared stream of Airflow 3.3 and later: the triggerer polls once for all event triggers of a connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_provider_polytomic.triggers._shared_event_poll import EventPoll, shared_event_poll


class EventPollProducer(SharedStreamProducer):
    """Produce polls, and run the callbacks of each poll when Airflow has stored its events."""

    def __init__(self, key: tuple[str, str | None, float]) -> None:
        self._key = key

    async def open_stream(self) -> AsyncIterator[tuple[EventPoll, EventPoll]]:
        """Yield each poll as the item and as its own token."""
        async for poll in shared_event_poll(*self._key).polls():
            yield poll, poll

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Let the triggers save their cursors, unless one of them failed to send its events."""
        for item in batch:
            if item.outcome.is_clean:
                await item.broker_payload.run_stored_callbacks()
