"""One execution that is watched, and those who wait for it."""

from __future__ import annotations

import asyncio
from copy import copy

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.runs.awaited import Completion
from airflow_provider_polytomic.runs.ends import Ended
from airflow_provider_polytomic.runs.run import Run
from airflow_provider_polytomic.runs.wait import News

NEVER = float("inf")
BEFORE = float("-inf")

SLOWEST = 8.0
"""How many intervals lie at most between two looks where the absence of an event is trusted."""


class Listener:
    """One who waits: the watcher leaves it the news, and it judges and logs them in its own task.

    :param every: seconds within which it wants to know of the end
    :param deadline: when it gives up, by the watcher's clock
    """

    __slots__ = ("_news", "_wake", "deadline", "every")

    def __init__(self, every: float, deadline: float) -> None:
        self.every = every
        self.deadline = deadline
        self._news: tuple[News | Exception, ...] = ()
        self._wake: asyncio.Future[None] | None = None

    def tell(self, news: News | Exception) -> None:
        """Leave it a piece of news."""
        self._news += (news,)
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    async def hear(self) -> News:
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


class Watch:
    """One execution, asked for on behalf of all who wait for it; all times are by the watcher's clock.

    :param began: since when the execution is known to run
    """

    __slots__ = (
        "asking", "awaited", "batched", "began", "due", "every", "hinted_at", "in_batches", "listeners", "looked_at",
        "ran_at",
    )  # fmt: skip

    def __init__(self, awaited: Run | Completion, began: float) -> None:
        self.awaited = awaited
        self.batched = isinstance(awaited, Run) and awaited.kind == "bulk"
        self.began = began
        self.every = NEVER
        self.due = NEVER
        self.looked_at = self.ran_at = self.hinted_at = BEFORE
        self.in_batches = 0
        self.asking = False
        self.listeners: list[Listener] = []

    @property
    def hinted(self) -> bool:
        """Tell whether an event has told of an end since it was last looked at."""
        return self.hinted_at > self.looked_at

    def concerned_by(self, ended: Ended) -> bool:
        """Tell whether this end may be the awaited one, given that it is of the same sync."""
        return isinstance(self.awaited, Completion) or self.awaited.execution_id == ended.execution_id

    def expired(self, now: float) -> bool:
        """Tell whether somebody's time has passed since it was last looked at."""
        return any(self.looked_at < listener.deadline <= now for listener in self.listeners)

    @property
    def next_deadline(self) -> float:
        """The first deadline since it was last looked at; infinity where there is none."""
        later = (listener.deadline for listener in self.listeners if listener.deadline > self.looked_at)
        return min(later, default=NEVER)

    def tell(self, news: News | Exception) -> None:
        """Leave all who wait a piece of news; each gets an error of its own, since raising one changes it."""
        for listener in self.listeners:
            listener.tell(copy(news) if isinstance(news, Exception) else news)

    def next_look(self, trusting: bool) -> float:
        """Return when to look again: an interval after the last look, or at the first deadline since.

        :param trusting: the absence of an event is news, so that one that has run for long is looked at less often
        """
        if self.hinted:
            return self.looked_at
        interval = self.every
        if trusting and not self.batched and self.hinted_at == BEFORE:
            interval = min(max(interval, self.looked_at - self.began), SLOWEST * interval)
        return min(self.looked_at + interval, self.next_deadline)
