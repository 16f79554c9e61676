"""One execution that is watched, and those who wait for it."""

from __future__ import annotations

import asyncio
from copy import copy

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.executions.events import Ended
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince
from airflow_provider_polytomic.executions.wait import PollResult

NEVER = float("inf")
BEFORE = float("-inf")

SLOWEST = 8.0
"""How many intervals lie at most between two looks where the absence of an event is trusted."""


class Subscription:
    """One who waits: the watcher leaves it the news, and it judges and logs them in its own task.

    :param poll_interval: seconds within which it wants to know of the end
    :param deadline: when it gives up, by the watcher's clock
    """

    __slots__ = ("_news", "_wake", "deadline", "poll_interval")

    def __init__(self, poll_interval: float, deadline: float) -> None:
        self.poll_interval = poll_interval
        self.deadline = deadline
        self._news: tuple[PollResult | Exception, ...] = ()
        self._wake: asyncio.Future[None] | None = None

    def publish(self, news: PollResult | Exception) -> None:
        """Leave it a piece of news."""
        self._news += (news,)
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    async def receive(self) -> PollResult:
        """Wait for the next piece of news.

        :raises Exception: if it is that the watcher has failed
        """
        if not self._news:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
            self._wake = None
        news, self._news = self._news[0], self._news[1:]
        if isinstance(news, Exception) and not isinstance(news, PolytomicError):
            raise news
        return news


class PolledExecution:
    """One execution, asked for on behalf of all who wait for it; all times are by the watcher's clock.

    :param began: since when the execution is known to run
    """

    __slots__ = (
        "asking", "target", "batched", "began", "due", "poll_interval", "hinted_at", "in_batches", "listeners", "looked_at",
        "ran_at",
    )  # fmt: skip

    def __init__(self, target: ExecutionRef | CompletedSince, began: float) -> None:
        self.target = target
        self.batched = isinstance(target, ExecutionRef) and target.kind == "bulk"
        self.began = began
        self.poll_interval = NEVER
        self.due = NEVER
        self.looked_at = self.ran_at = self.hinted_at = BEFORE
        self.in_batches = 0
        self.asking = False
        self.listeners: list[Subscription] = []

    @property
    def hinted(self) -> bool:
        """Tell whether an event has told of an end since it was last looked at."""
        return self.hinted_at > self.looked_at

    def concerned_by(self, ended: Ended) -> bool:
        """Tell whether this end may be the awaited one, given that it is of the same sync."""
        return isinstance(self.target, CompletedSince) or self.target.execution_id == ended.execution_id

    def expired(self, now: float) -> bool:
        """Tell whether somebody's time has passed since it was last looked at."""
        return any(self.looked_at < listener.deadline <= now for listener in self.listeners)

    @property
    def next_deadline(self) -> float:
        """The first deadline since it was last looked at; infinity where there is none."""
        later = (listener.deadline for listener in self.listeners if listener.deadline > self.looked_at)
        return min(later, default=NEVER)

    def publish(self, news: PollResult | Exception) -> None:
        """Leave all who wait a piece of news; each gets an error of its own, since raising one changes it."""
        for listener in self.listeners:
            listener.publish(copy(news) if isinstance(news, Exception) else news)

    def next_look(self, trusting: bool) -> float:
        """Return when to look again: an interval after the last look, or at the first deadline since.

        :param trusting: the absence of an event is news, so that one that has run for long is looked at less often
        """
        if self.hinted:
            return self.looked_at
        interval = self.poll_interval
        if trusting and not self.batched and self.hinted_at == BEFORE:
            interval = min(max(interval, self.looked_at - self.began), SLOWEST * interval)
        return min(self.looked_at + interval, self.next_deadline)
