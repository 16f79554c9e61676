"""Waiting for many executions at the price of a few.

All that is waited for over one connection is asked for by one task: bulk syncs many at a time, model syncs one by one,
and both at once when an event tells of their end. A wait only listens, so that it costs next to nothing; it judges and
logs what it hears in its own task, and can be canceled without anybody else taking notice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Any

from airflow_provider_polytomic.api.clients import MAX_CONNECTIONS, AsyncPolytomicClient
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.errors import PolytomicAuthError, PolytomicError, PolytomicRateLimitError
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.api.sharing import RefCounted, shared_client
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.poller.batch import Batch
from airflow_provider_polytomic.executions.poller.circuit_breaker import CircuitBreaker
from airflow_provider_polytomic.executions.poller.event_hints import EventHints
from airflow_provider_polytomic.executions.poller.polled_execution import BEFORE, NEVER, PolledExecution, Subscription
from airflow_provider_polytomic.executions.poller.schedule import PollSchedule
from airflow_provider_polytomic.executions.progress import ProgressLogger
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince
from airflow_provider_polytomic.executions.wait import HOPELESS, PollResult, WaitState

log = logging.getLogger(__name__)

SHORTEST_INTERVAL = 0.01

MOST_IN_BATCHES = 60
"""Looks in a row that a run may be shown by batches alone, which never tell of an end themselves."""

TRIES_PER_INTERVAL = 8
"""How often Polytomic is tried within the shortest interval while it gives no answer: all waits share one such try."""


async def rest(stirred: asyncio.Event, seconds: float | None) -> None:
    """Let seconds pass, or fewer if something stirs; None: as long as nothing does."""
    alarm = None if seconds is None else asyncio.get_running_loop().call_later(seconds, stirred.set)
    try:
        await stirred.wait()
    finally:
        if alarm:
            alarm.cancel()
    stirred.clear()


def failure(mistake: BaseException) -> RuntimeError:
    """Build what those hear whose wait ends by a mistake; it can be copied, whatever the mistake is."""
    return RuntimeError(f"waiting has failed: {mistake!r}")


class ExecutionPoller:
    """Waits for the ends of executions, for all who ask on one event loop over one connection.

    Use :data:`shared_poller`: its first user begins it, and its last one ends it.

    :param lend: lends the client
    :param clock: seconds that only ever grow; default: the event loop's
    :param wall: seconds since the epoch
    :param rest: how a pause is spent
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        lend: Callable[[ClientConfig], AbstractAsyncContextManager[AsyncPolytomicClient]] = shared_client,
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] = time.time,
        rest: Callable[[asyncio.Event, float | None], Awaitable[None]] = rest,
    ) -> None:
        self._config = config
        self._lend = lend
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._wall = wall
        self._rest = rest
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._watches = PollSchedule()
        self._missed: dict[PolledExecution, None] = {}
        self._batch = Batch()
        self._health = CircuitBreaker()
        self._hints = EventHints(config.trust_events, self._watches.concerned_by, wall)
        self._warned = False

    # ---- those who wait

    async def wait_for_end(
        self, target: ExecutionRef | CompletedSince, *, poll_interval: float, deadline: float | None = None
    ) -> Execution:
        """Wait for an end, as :func:`~airflow_provider_polytomic.executions.wait.wait_for_end` does; it has just been asked.

        :param target: the execution; or the latest that has ended since a moment, as soon as there is one
        :param poll_interval: seconds; the longest time that an end goes unnoticed while Polytomic answers
        :param deadline: when to give up, in seconds since the epoch; the status is asked before it is applied
        :raises DeadlinePassed: if it has not ended by then
        :raises PolytomicError: 400, 401, 403, 404 or 422, which no waiting mends
        """
        latest = NEVER if deadline is None else self._clock() + deadline - self._wall()
        listener = Subscription(max(poll_interval, SHORTEST_INTERVAL), latest)
        vigil = WaitState(target, latest, self._clock, ProgressLogger(target, self._wall))
        watch = self._watches.join(target, listener, self._clock())
        try:
            self._adapt()
            if self._task is None or self._task.done():
                self._task = Context().run(self._loop.create_task, self._run())
            self._stirred.set()
            while True:
                ended = vigil.take(await listener.receive())
                if ended:
                    return ended
        finally:
            self._watches.leave(watch, listener)
            if watch not in self._watches:
                self._missed.pop(watch, None)
            self._adapt()

    async def aclose(self) -> None:
        """End the task, and what it has asked."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _adapt(self) -> None:
        """Decide anew what pays, now that there are more or fewer waits."""
        trusted = self._hints.trusted
        self._hints.adapt(self._watches.looks, len(self._watches), self._clock())
        self._hasten_unless_trusted(trusted)
        limit, needed = self._config.max_requests_per_minute, self._needed * 60
        if limit and needed > limit and not self._warned:
            self._warned = True
            log.warning(
                "%d waits need about %.0f requests a minute, and the connection allows %d: ends are noticed later than "
                "their poll intervals promise", len(self._watches), needed, limit,
            )  # fmt: skip

    @property
    def _needed(self) -> float:
        """Requests a second that looking at everything in time takes."""
        return self._watches.requests(self._batch.size)

    # ---- the task

    async def _run(self) -> None:
        try:
            async with self._lend(self._config) as self._client:
                try:
                    while True:
                        if self._begin(self._clock()):
                            await asyncio.sleep(0)
                        else:
                            await self._rest(self._stirred, self._until_next(self._clock()))
                finally:
                    for task in self._asking:
                        task.cancel()
                    await asyncio.gather(*self._asking, return_exceptions=True)
        except Exception as error:
            self._give_up(error)

    def _begin(self, now: float) -> bool:
        """Begin what is due next, and tell whether there was anything."""
        if self._health.open:
            return self._begin_while_closed(now)
        if len(self._asking) >= MAX_CONNECTIONS:
            return False
        if self._hints.next_at <= now:
            self._ask(self._ask_events(now))
            return True
        together = self._watches.bulk_is_next
        watch = self._watches.pop(now)
        if watch is None:
            return False
        others = self._others_for_a_batch(watch, now) if together else []
        self._ask(self._look_at_all([watch, *others]) if others else self._look(watch), watch, *others)
        return True

    def _others_for_a_batch(self, first: PolledExecution, now: float) -> list[PolledExecution]:
        """Take those that would be due next anyway."""
        others: list[PolledExecution] = []
        while self._batch.usable(now) and len(others) + 1 < self._batch.size:
            watch = self._watches.pop_bulk(now + first.poll_interval)
            if watch is None:
                break
            others.append(watch)
        return others

    def _begin_while_closed(self, now: float) -> bool:
        """Let one look try whether there is an answer again; the others pass, and those who wait hear why."""
        may_try = not self._asking and now >= self._health.retry_at
        watch = self._watches.pop(NEVER if may_try else now)
        if watch is None:
            return False
        if may_try or (not self._asking and watch.expired(now) and not self._health.rate_limited):
            self._ask(self._look(watch), watch)
        else:
            self._pass_over(watch, now)
        return True

    def _pass_over(self, watch: PolledExecution, now: float) -> None:
        """Leave a look out; where somebody's time is up, only for as long as nobody has asked since."""
        self._missed.setdefault(watch)
        if watch.expired(now) and not watch.expired(self._health.failed_at):
            self._watches.put(watch, max(self._health.retry_at, now + 1) if self._health.rate_limited else now + 1)
        elif self._health.rate_limited and not watch.expired(now):
            self._watches.put(watch, min(now + watch.poll_interval, watch.next_deadline))
        else:
            assert self._health.error is not None
            self._looked(watch, self._health.error, now)

    def _until_next(self, now: float) -> float | None:
        """Return the seconds until something is due; None: until something happens."""
        if self._health.open:
            may_try = self._watches and not self._asking
            next_at = min(self._watches.next_at, self._health.retry_at if may_try else NEVER)
        elif len(self._asking) >= MAX_CONNECTIONS:
            return None
        else:
            next_at = min(self._watches.next_at, self._hints.next_at)
        return None if next_at == NEVER else max(0.0, next_at - now)

    # ---- requests

    def _ask(self, request: Coroutine[Any, Any, None], *watches: PolledExecution) -> None:
        for watch in watches:
            watch.asking = True
        task = self._loop.create_task(request)
        self._asking.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._stirred.set()
        if not task.cancelled() and (error := task.exception()):
            self._give_up(error)

    async def _look(self, watch: PolledExecution) -> None:
        """Ask for one execution."""
        began = self._clock()
        news: PollResult
        try:
            news = await self._client.run(watch.target.fetch(without_retries=True))
        except PolytomicError as error:
            news = error
            self._note_failure(error, began)
        except Exception as error:
            log.error("An execution cannot be asked for: its wait ends", exc_info=error)
            watch.publish(failure(error))
            self._drop(watch)
            return
        else:
            self._note_answer(began)
            self._batch.others_answered(self._clock())
            watch.in_batches = 0
        finally:
            watch.asking = False
        self._looked(watch, news, began)

    async def _look_at_all(self, watches: list[PolledExecution]) -> None:
        """Ask for many bulk runs at once, and one by one for those that this does not show running."""
        began = self._clock()
        running: Mapping[Any, Execution] = {}
        runs = [watch.target for watch in watches if isinstance(watch.target, ExecutionRef)]
        try:
            running = await self._client.run(self._batch.running(runs))
        except PolytomicError as error:
            self._note_failure(error, began)
            self._batch.failed(error, len(watches), self._clock())
        else:
            self._note_answer(began)
        finally:
            for watch in watches:
                watch.asking = False
        for watch in watches:
            execution = running.get(watch.target)
            if execution and watch.in_batches < MOST_IN_BATCHES:
                watch.in_batches += 1
                self._looked(watch, execution, began)
            else:
                self._watches.put(watch, began, singly=True)

    async def _ask_events(self, now: float) -> None:
        """Look at once at what the events say has ended."""
        trusted = self._hints.trusted
        try:
            ends = await self._client.run(self._hints.fresh(now))
        except PolytomicError as error:
            ends = []
            self._hints.failed(error, self._clock())
            if isinstance(error, PolytomicRateLimitError):
                self._note_failure(error, now)
        for watch in [watch for ended in ends for watch in self._watches.concerned_by(ended)]:
            watch.hinted_at = self._clock()
            if not watch.asking:
                self._watches.put(watch, watch.hinted_at, singly=True)
        self._hasten_unless_trusted(trusted)

    # ---- what follows from the answers

    def _looked(self, watch: PolledExecution, news: PollResult, began: float) -> None:
        """Tell those who wait, and decide when to look again.

        :param began: when the look began
        """
        expired = watch.expired(began)
        watch.looked_at = max(watch.looked_at, began)
        if isinstance(news, PolytomicAuthError):
            self._end_all(news)
            return
        if expired or not isinstance(news, PolytomicRateLimitError):
            watch.publish(news)
        if isinstance(news, HOPELESS) or (isinstance(news, Execution) and news.outcome.final):
            self._ended(watch, news, began)
            return
        if not isinstance(news, PolytomicError):
            self._missed.pop(watch, None)
            watch.ran_at = began
        elif watch in self._watches:
            self._missed.setdefault(watch)
        if isinstance(news, Execution) and news.created_at:
            watch.began = min(watch.began, began - self._wall() + news.created_at.timestamp())
        self._watches.put(watch, watch.next_look(self._hints.trusted), singly=watch.hinted)

    def _ended(self, watch: PolledExecution, news: PollResult, now: float) -> None:
        if isinstance(news, Execution) and watch.hinted_at == BEFORE:
            self._hints.found(news.id, watch.ran_at, now)
        self._drop(watch)

    def _drop(self, watch: PolledExecution) -> None:
        self._missed.pop(watch, None)
        self._watches.drop(watch)

    def _note_answer(self, began: float) -> None:
        if self._health.answered(self._clock(), began):
            self._watches.spread(self._missed, self._clock(), self._try_interval)

    def _note_failure(self, error: PolytomicError, began: float) -> None:
        """Note what it says about Polytomic: a refusal of what was asked for is an answer, too."""
        if is_transient(error):
            self._health.failed(error, self._clock(), self._try_interval)
        else:
            self._note_answer(began)

    @property
    def _try_interval(self) -> float:
        """Seconds between two tries while there are no answers: never more requests than the waits need."""
        shortest = self._watches.shortest
        return min(shortest, max(shortest / TRIES_PER_INTERVAL, 1.0 / self._needed)) if self._watches else NEVER

    def _hasten_unless_trusted(self, before: bool) -> None:
        """Where events are trusted no more, look within an interval from now at what was left to them."""
        if before and not self._hints.trusted:
            left = [watch for watch in self._watches if watch.due > watch.looked_at + watch.poll_interval]
            self._watches.spread(left, self._clock(), only_sooner=True)

    def _end_all(self, error: Exception) -> None:
        for watch in self._watches:
            watch.publish(error)
            self._watches.drop(watch)
        self._missed.clear()

    def _give_up(self, error: BaseException) -> None:
        """End all waits after a mistake in here: better than to leave them waiting for nothing."""
        log.error("Waiting for executions has failed", exc_info=error)
        self._end_all(failure(error))


shared_poller: RefCounted[ExecutionPoller] = RefCounted(ExecutionPoller, ExecutionPoller.aclose)
"""The watcher for these settings on this event loop."""
