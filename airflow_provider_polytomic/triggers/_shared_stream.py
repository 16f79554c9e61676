"""The stream that the triggerer of Airflow 3.3 and later drives for all watchers of one connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_provider_polytomic.triggers._shared_event_poll import Poll, shared_event_poll


class PollProducer(SharedStreamProducer):
    """Polls, and learns from the triggerer when the events of a poll are in Airflow's database.

    :param conn_id: id of the Airflow connection
    :param poll_interval: seconds between two polls
    """

    def __init__(self, conn_id: str, poll_interval: float) -> None:
        self._key = (conn_id, poll_interval)

    async def open_stream(self) -> AsyncIterator[tuple[Poll, Poll]]:
        """Poll for ever."""
        async for poll in shared_event_poll(*self._key).polls():
            yield poll, poll

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Let the watchers keep how far they have come, unless one of them could not hand its events over."""
        for item in batch:
            if item.outcome.is_clean:
                await item.broker_payload.stored()
