"""All that is watched over one connection: by what, when each is due, and how much asking that takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow_provider_polytomic.executions.events import Ended
from airflow_provider_polytomic.executions.poller.polled_execution import NEVER, PolledExecution, Subscription
from airflow_provider_polytomic.executions.poller.timer_queue import TimerQueue
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince

SPREAD = 0.618034
"""The golden section: multiples of it fall into the gaps between those before, however many there are."""


class PollSchedule:
    """What is watched. Bulk runs are due apart from the others, since they are asked for together."""

    def __init__(self) -> None:
        self._all: dict[ExecutionRef | CompletedSince, PolledExecution] = {}
        self._of_sync: dict[tuple[str, str], set[PolledExecution]] = {}
        self._single: TimerQueue[PolledExecution] = TimerQueue()
        self._bulk: TimerQueue[PolledExecution] = TimerQueue()
        self._looks = 0.0
        self._bulk_looks = 0.0

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[PolledExecution]:
        return iter(list(self._all.values()))

    def __contains__(self, watch: object) -> bool:
        return isinstance(watch, PolledExecution) and self._all.get(watch.target) is watch

    @property
    def looks(self) -> float:
        """How many looks a second are needed where each is a request."""
        return self._looks

    def requests(self, batch_size: int) -> float:
        """Return how many requests a second are needed where so many bulk runs are asked for in one."""
        return self._looks - self._bulk_looks + self._bulk_looks / batch_size

    @property
    def shortest(self) -> float:
        """The shortest interval; infinity where nothing is watched."""
        return min((watch.poll_interval for watch in self._all.values()), default=NEVER)

    def join(self, target: ExecutionRef | CompletedSince, listener: Subscription, now: float) -> PolledExecution:
        """Watch for one more who waits; first looks are spread, so that those who come together are not asked so."""
        watch = self._all.get(target)
        if watch is None:
            watch = self._all[target] = PolledExecution(target, now)
            self._of_sync.setdefault((target.kind, target.sync_id), set()).add(watch)
        watch.listeners.append(listener)
        self._adjust(watch)
        if not watch.asking:
            place = SPREAD * (len(self._all) - 1) % 1.0
            self.put(watch, min(watch.due, now + watch.poll_interval * (1.0 - place), listener.deadline))
        return watch

    def leave(self, watch: PolledExecution, listener: Subscription) -> None:
        """Watch for one fewer."""
        watch.listeners.remove(listener)
        if not watch.listeners:
            self.drop(watch)
        elif watch in self:
            self._adjust(watch)

    def drop(self, watch: PolledExecution) -> None:
        """Watch it no more, if it still is; those who wait hear what they have been told."""
        if watch not in self:
            return
        del self._all[watch.target]
        sync = watch.target.kind, watch.target.sync_id
        self._of_sync[sync].discard(watch)
        if not self._of_sync[sync]:
            del self._of_sync[sync]
        self._single.discard(watch)
        self._bulk.discard(watch)
        self._count(watch, -1.0)

    def put(self, watch: PolledExecution, due: float, *, singly: bool = False) -> None:
        """Look at it then, if it is still watched.

        :param singly: ask for it by itself, also where it is a bulk run
        """
        if watch not in self:
            return
        watch.due = due
        chosen, other = (self._bulk, self._single) if watch.batched and not singly else (self._single, self._bulk)
        other.discard(watch)
        chosen.put(watch, due)

    def spread(
        self, watches: Iterable[PolledExecution], now: float, gone: float = 0.0, *, only_sooner: bool = False
    ) -> None:
        """Look at all of these within their intervals, one after the other, or when a deadline comes before.

        :param gone: seconds of the intervals that have passed already
        :param only_sooner: leave what is due before that as it is
        """
        waiting = [watch for watch in watches if not watch.asking]
        for place, watch in enumerate(waiting, 1):
            share = 0.0 if watch.expired(now) else place / len(waiting)
            due = min(now + share * max(0.0, watch.poll_interval - gone), watch.next_deadline)
            if due < watch.due or not only_sooner:
                self.put(watch, due)

    def pop(self, until: float = NEVER) -> PolledExecution | None:
        """Take the next that is due by then."""
        return (self._bulk if self.bulk_is_next else self._single).pop(until)

    def pop_bulk(self, until: float = NEVER) -> PolledExecution | None:
        """Take the next bulk run that is due by then."""
        return self._bulk.pop(until)

    @property
    def bulk_is_next(self) -> bool:
        """Tell whether the next that is due may be asked for together with others."""
        return self._bulk.next_at < self._single.next_at

    @property
    def next_at(self) -> float:
        """When the next is due; infinity where none is."""
        return min(self._single.next_at, self._bulk.next_at)

    def concerned_by(self, ended: Ended) -> list[PolledExecution]:
        """Return those whose end this may be."""
        of_sync = self._of_sync.get((ended.kind, ended.sync_id), ())
        return [watch for watch in of_sync if watch.concerned_by(ended)]

    def _adjust(self, watch: PolledExecution) -> None:
        """Look at it as often as the one wants who wants to know soonest."""
        self._count(watch, -1.0)
        watch.poll_interval = min(listener.poll_interval for listener in watch.listeners)
        self._count(watch, 1.0)

    def _count(self, watch: PolledExecution, sign: float) -> None:
        self._looks += sign / watch.poll_interval
        if watch.batched:
            self._bulk_looks += sign / watch.poll_interval
