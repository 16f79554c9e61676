"""Schedule the polls of all executions that are waited for over one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from copy import copy
from heapq import heapify, heappop, heappush
from itertools import count

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.executions.events import Ended
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince
from airflow_provider_polytomic.executions.wait import PROGRESS_INTERVAL, PollResult

NEVER = float("inf")
LONG_AGO = float("-inf")

MIN_POLL_INTERVAL = 0.01

MAX_TRUSTED_INTERVALS = 8.0
"""Poll intervals between two polls, at most, while events are trusted."""

MAX_EARLY_SHARE = 0.02
"""Share of a poll interval by which a poll may be sent before its time, together with another one."""


TRIALS_PER_INTERVAL = 8
"""Trial requests within the shortest poll interval, while the circuit breaker is open."""

MAX_PROGRESS_LINES = 2.0
"""Lines per second about unchanged statuses, of all waits together. For each line of a trigger, Airflow's supervisor
queries the database for all its triggers."""

BURST_PAUSE = 3600.0
"""Seconds after a 429 in which polls go out one by one."""


async def wait_for_wakeup(wakeup: asyncio.Event, seconds: float | None) -> None:
    """Wait until the event is set or the seconds have passed; None for no limit."""
    timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, wakeup.set)
    try:
        await wakeup.wait()
    finally:
        if timer:
            timer.cancel()
    wakeup.clear()


def poller_error(error: BaseException) -> RuntimeError:
    """Return the error of waits that end since the poller failed; unlike ``error``, it can always be copied."""
    return RuntimeError(f"waiting has failed: {error!r}")


class Subscription:
    """The subscription of one wait, which receives the poll results and evaluates and logs them in its own task.

    :param poll_interval: maximum of seconds between an end and the poll that finds it
    :param deadline: end of the wait, by the poller's clock
    :param schema: the schema of the execution whose end is waited for; None for the whole execution
    """

    __slots__ = ("_results", "_wakeup", "deadline", "poll_interval", "schema")

    def __init__(self, poll_interval: float, deadline: float, schema: str | None = None) -> None:
        self.poll_interval = max(poll_interval, MIN_POLL_INTERVAL)
        self.deadline = deadline
        self.schema = schema
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
        """Return whether an event announced an end since the last poll."""
        return self.hinted_at > self.polled_at

    def matches(self, ended: Ended) -> bool:
        """Return whether an end of the same sync may be the end that is waited for."""
        return isinstance(self.target, CompletedSince) or self.target.execution_id == ended.execution_id

    def is_shown_running(self, execution: Execution) -> bool:
        """Return whether a batch shows that no subscription has ended: it shows each schema, and none has ended."""
        return all(each.schema is None or execution.is_syncing(each.schema) for each in self.subscriptions)

    def expired(self, now: float) -> bool:
        """Return whether a deadline has passed since the last poll."""
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
        announced = all(each.schema is None for each in self.subscriptions)  # Events do not announce a schema's end.
        if trusting and announced and not self.batched and self.hinted_at == LONG_AGO:
            interval = min(max(interval, self.polled_at - self.running_since), MAX_TRUSTED_INTERVALS * interval)
        return min(self.polled_at + interval, self.next_deadline)


class TimerQueue:
    """Queue executions by the time at which each is due, in logarithmic time."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, PolledExecution]] = []
        self._numbers: dict[PolledExecution, int] = {}
        self._count = count()

    def put(self, polled: PolledExecution, due: float) -> None:
        """Make the execution due at a time, instead of at any other."""
        number = self._numbers[polled] = next(self._count)
        heappush(self._heap, (due, number, polled))
        if len(self._heap) > 2 * len(self._numbers) + 8:
            self._heap = [entry for entry in self._heap if self._numbers.get(entry[2]) == entry[1]]
            heapify(self._heap)

    def discard(self, polled: PolledExecution) -> None:
        """Remove the execution, if it is in the queue."""
        self._numbers.pop(polled, None)

    @property
    def next_at(self) -> float:
        """The time at which the next execution is due; infinity if there is none."""
        while self._heap and self._numbers.get(self._heap[0][2]) != self._heap[0][1]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER

    def pop_early(self, burst_due: float) -> PolledExecution | None:
        """Remove and return the next execution if it may be polled together with one that is due at a time."""
        if self.next_at == NEVER:
            return None
        polled = self._heap[0][2]
        early = polled.due <= burst_due + MAX_EARLY_SHARE * polled.poll_interval and polled.due < polled.next_deadline
        return self.pop() if early else None

    def pop(self, until: float = NEVER) -> PolledExecution | None:
        """Remove and return the next execution that is due by then; None if there is none."""
        if self.next_at > until or not self._numbers:
            return None
        polled = heappop(self._heap)[2]
        del self._numbers[polled]
        return polled


class PollSchedule:
    """Hold the executions that are polled. Those of bulk syncs have a queue of their own, since batches poll them."""

    def __init__(self) -> None:
        self._all: dict[ExecutionRef | CompletedSince, PolledExecution] = {}
        self._of_sync: dict[tuple[str, str], set[PolledExecution]] = {}
        self._single = TimerQueue()
        self._bulk = TimerQueue()
        self._waits = 0
        self.polls_per_second = 0.0
        self._bulk_polls = 0.0
        self._burst_due = LONG_AGO

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[PolledExecution]:
        return iter(list(self._all.values()))

    def __contains__(self, polled: object) -> bool:
        return isinstance(polled, PolledExecution) and self._all.get(polled.target) is polled

    def requests_per_second(self, batch_size: int) -> float:
        """Return the number of requests per second that these polls take with batches of a size."""
        return self.polls_per_second - self._bulk_polls + self._bulk_polls / batch_size

    @property
    def progress_interval(self) -> float:
        """The seconds between two log lines of a wait about an unchanged status."""
        return max(PROGRESS_INTERVAL, self._waits / MAX_PROGRESS_LINES)

    def trial_interval(self, batch_size: int) -> float:
        """Return the seconds between two trial requests: together they are not more than the waits need."""
        shortest = min((polled.poll_interval for polled in self._all.values()), default=NEVER)
        if shortest == NEVER:
            return NEVER
        return min(shortest, max(shortest / TRIALS_PER_INTERVAL, 1.0 / self.requests_per_second(batch_size)))

    def subscribe(
        self, target: ExecutionRef | CompletedSince, subscription: Subscription, now: float
    ) -> PolledExecution:
        """Poll an execution for one more subscription; spread the first polls of those that come together."""
        polled = self._all.get(target)
        if polled is None:
            polled = self._all[target] = PolledExecution(target, now)
            self._of_sync.setdefault((target.kind, target.sync_id), set()).add(polled)
        polled.subscriptions.append(subscription)
        self._waits += 1
        self._update_interval(polled)
        if not polled.polling:
            # Multiples of the golden ratio, modulo 1, fall into the largest gaps between those before.
            place = 0.618034 * (len(self._all) - 1) % 1.0
            self.put(polled, min(polled.due, now + polled.poll_interval * (1.0 - place), subscription.deadline))
        return polled

    def unsubscribe(self, polled: PolledExecution, subscription: Subscription) -> None:
        """Remove a subscription and, with the last one, the execution."""
        polled.subscriptions.remove(subscription)
        self._waits -= 1
        if not polled.subscriptions:
            self.remove(polled)
        elif polled in self:
            self._update_interval(polled)

    def remove(self, polled: PolledExecution) -> None:
        """Stop polling an execution; its subscriptions still receive what was published."""
        if polled not in self:
            return
        del self._all[polled.target]
        sync = polled.target.kind, polled.target.sync_id
        self._of_sync[sync].discard(polled)
        if not self._of_sync[sync]:
            del self._of_sync[sync]
        self._single.discard(polled)
        self._bulk.discard(polled)
        self._count(polled, -1.0)

    def put(self, polled: PolledExecution, due: float, *, singly: bool = False) -> None:
        """Set the time of the next poll, unless the execution was removed.

        :param singly: poll it by itself, even if it belongs to a bulk sync
        """
        if polled not in self:
            return
        polled.due = due
        queue, other = (self._bulk, self._single) if polled.batched and not singly else (self._single, self._bulk)
        other.discard(polled)
        queue.put(polled, due)

    def spread(
        self, executions: Iterable[PolledExecution], now: float, elapsed: float = 0.0, *, only_sooner: bool = False
    ) -> None:
        """Spread the next polls of these executions over their intervals, but not beyond their deadlines.

        :param elapsed: seconds of the intervals that have passed
        :param only_sooner: leave the executions that are due before as they are
        """
        idle = [polled for polled in executions if not polled.polling]
        for place, polled in enumerate(idle, 1):
            share = 0.0 if polled.expired(now) else place / len(idle)
            due = min(now + share * max(0.0, polled.poll_interval - elapsed), polled.next_deadline)
            if due < polled.due or not only_sooner:
                self.put(polled, due)

    def pop(self, until: float = NEVER) -> PolledExecution | None:
        """Remove the next execution that is due by then from its queue, and return it."""
        return (self._bulk if self.bulk_is_next else self._single).pop(until)

    def pop_due(self, now: float, limited_at: float) -> PolledExecution | None:
        """Do as :meth:`pop` does, or remove and return an execution that may be polled together with the one before.

        Polls that go out together take less time: a single one finds none of its code in the caches of the processor.

        :param limited_at: time of the last 429
        """
        polled = self.pop(now)
        if polled and polled.due > self._burst_due + MAX_EARLY_SHARE * polled.poll_interval:
            self._burst_due = polled.due
        return polled or (self._single.pop_early(self._burst_due) if now - limited_at > BURST_PAUSE else None)

    def pop_bulk(self, until: float, limit: int) -> list[PolledExecution]:
        """Do as :meth:`pop` does with several executions that a batch may poll."""
        popped: list[PolledExecution] = []
        while len(popped) < limit and (polled := self._bulk.pop(until)):
            popped.append(polled)
        return popped

    @property
    def bulk_is_next(self) -> bool:
        """Return whether a batch may poll the next execution that is due."""
        return self._bulk.next_at < self._single.next_at

    @property
    def next_at(self) -> float:
        """The time of the next poll; infinity if there is none."""
        return min(self._single.next_at, self._bulk.next_at)

    def matching(self, ended: Ended) -> list[PolledExecution]:
        """Return the executions whose end this may be."""
        of_sync = self._of_sync.get((ended.kind, ended.sync_id), ())
        return [polled for polled in of_sync if polled.matches(ended)]

    def _update_interval(self, polled: PolledExecution) -> None:
        """Set the poll interval to the shortest of the subscriptions."""
        self._count(polled, -1.0)
        polled.poll_interval = min(each.poll_interval for each in polled.subscriptions)
        self._count(polled, 1.0)

    def _count(self, polled: PolledExecution, sign: float) -> None:
        self.polls_per_second += sign / polled.poll_interval
        if polled.batched:
            self._bulk_polls += sign / polled.poll_interval
