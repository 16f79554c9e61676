"""One execution that is polled, and the waits that subscribe to it."""

from __future__ import annotations

import asyncio
from copy import copy

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.executions.events import Ended
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince
from airflow_provider_polytomic.executions.wait import PollResult

NEVER = float("inf")
LONG_AGO = float("-inf")

MAX_TRUSTED_INTERVALS = 8.0
"""Poll intervals between two polls, at most, while events are trusted."""


class Subscription:
    """The subscription of one wait, which receives the poll results and evaluates and logs them in its own task.

    :param poll_interval: maximum of seconds between an end and the poll that finds it
    :param deadline: end of the wait, by the poller's clock
    """

    __slots__ = ("_results", "_wakeup", "deadline", "poll_interval")

    def __init__(self, poll_interval: float, deadline: float) -> None:
        self.poll_interval = poll_interval
        self.deadline = deadline
        self._results: tuple[PollResult | Exception, ...] = ()
        self._wakeup: asyncio.Future[None] | None = None

    def publish(self, result: PollResult | Exception) -> None:
        """Add a poll result, or an error that ends the wait."""
        self._results += (result,)
        if self._wakeup and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def receive(self) -> PollResult:
        """Wait for the next poll result and return it.

        :raises Exception: if the poller failed
        """
        if not self._results:
            self._wakeup = asyncio.get_running_loop().create_future()
            await self._wakeup
            self._wakeup = None
        result, self._results = self._results[0], self._results[1:]
        if isinstance(result, Exception) and not isinstance(result, PolytomicError):
            raise result
        return result


class PolledExecution:
    """One execution that is polled for all of its subscriptions. All times are by the poller's clock.

    :param target: execution to poll
    :param running_since: time from which on the execution is known to run
    """

    __slots__ = (
        "batch_polls", "batched", "due", "hinted_at", "poll_interval", "polled_at", "polling", "running_since",
        "seen_running_at", "subscriptions", "target",
    )  # fmt: skip

    def __init__(self, target: ExecutionRef | CompletedSince, running_since: float) -> None:
        self.target = target
        self.batched = isinstance(target, ExecutionRef) and target.kind == "bulk"
        self.running_since = running_since
        self.poll_interval = NEVER
        self.due = NEVER
        self.polled_at = self.seen_running_at = self.hinted_at = LONG_AGO
        self.batch_polls = 0
        self.polling = False
        self.subscriptions: list[Subscription] = []

    @property
    def hinted(self) -> bool:
        """Tell whether an event announced an end since the last poll."""
        return self.hinted_at > self.polled_at

    def matches(self, ended: Ended) -> bool:
        """Tell whether an end of the same sync may be the end that is waited for."""
        return isinstance(self.target, CompletedSince) or self.target.execution_id == ended.execution_id

    def expired(self, now: float) -> bool:
        """Tell whether a deadline has passed since the last poll."""
        return any(self.polled_at < each.deadline <= now for each in self.subscriptions)

    @property
    def next_deadline(self) -> float:
        """The first deadline after the last poll; infinity if there is none."""
        return min((each.deadline for each in self.subscriptions if each.deadline > self.polled_at), default=NEVER)

    def publish(self, result: PollResult | Exception) -> None:
        """Publish a result to all subscriptions. Each gets an error of its own, since raising an error changes it."""
        for subscription in self.subscriptions:
            subscription.publish(copy(result) if isinstance(result, Exception) else result)

    def next_poll(self, trusting: bool) -> float:
        """Return the time of the next poll: an interval after the last one, or the first deadline since.

        :param trusting: poll an execution without an event less often the longer it runs
        """
        if self.hinted:
            return self.polled_at
        interval = self.poll_interval
        if trusting and not self.batched and self.hinted_at == LONG_AGO:
            interval = min(max(interval, self.polled_at - self.running_since), MAX_TRUSTED_INTERVALS * interval)
        return min(self.polled_at + interval, self.next_deadline)
