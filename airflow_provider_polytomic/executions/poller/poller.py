"""Poll many executions over one connection in one task: the theory of operation.

A wait subscribes to a :class:`PolledExecution`, which all waits for the same execution or for its schemas share. The
poller's task polls it and publishes each :data:`PollResult` to its subscriptions. A wait evaluates and logs the results
in its own task, so it needs few resources and can be canceled without effect on the others.

A polled execution is in one of these states:

* *scheduled*: it is in one queue of the :class:`PollSchedule`, with a time at which it is ``due``: in the bulk queue if
  a :class:`Batch` may poll it, else in the single queue
* *polling*: a request for it is in flight; it is in no queue
* *removed*: it has ended, was refused, or has no subscription left; it is in no queue, and never comes back

When its time comes, it is polled. Bulk syncs that are due soon are polled in the same request, and polls of model syncs
that are due soon go out together. While it runs or the request fails, the next poll is one poll interval later, or at
the first deadline of a subscription. It is polled at once, by itself, if a batch does not certainly show it and the
awaited schemas running or an event announces its end. An error in the poller or a 401 removes all executions.

The :class:`CircuitBreaker` stops all polls while requests fail, except for one trial request at a time. Executions
whose time comes meanwhile are *skipped*: they stay scheduled, and after the next answer their polls are spread over
their intervals, so that no burst follows an outage.

Invariants:

* Only a response about the execution itself ends a wait. Neither a batch nor an event does.
* While Polytomic responds, an execution is polled within the shortest poll interval of its subscriptions, unless events
  are trusted: then the interval grows with its age, up to eightfold.
* A deadline passes only after a poll that was sent at or after it, or that could not be answered.
* While the circuit breaker is open, no request begins beside another and, except for a passed deadline, none before
  ``retry_at``. For a rate limit there is no exception.
* An error of one request ends its own wait at most, except for a 401 and errors in the poller itself. An unexpected
  exception in the evaluation of a response is an error of its request.
* No request outlives the task.
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
from airflow_provider_polytomic.api.errors import (
    PolytomicAuthError,
    PolytomicError,
    PolytomicRateLimitError,
    PolytomicResponseError,
)
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.api.sharing import RefCounted, shared_client
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.measurements import record_end
from airflow_provider_polytomic.executions.poller.batch import Batch
from airflow_provider_polytomic.executions.poller.circuit_breaker import CircuitBreaker
from airflow_provider_polytomic.executions.poller.event_hints import EventHints
from airflow_provider_polytomic.executions.poller.schedule import (
    LONG_AGO,
    NEVER,
    PolledExecution,
    PollSchedule,
    Subscription,
    poller_error,
    wait_for_wakeup,
)
from airflow_provider_polytomic.executions.targets import CompletedSince
from airflow_provider_polytomic.executions.wait import FINAL_ERRORS, PollResult, WaitState, expecting_any_answer
from airflow_provider_polytomic.metrics import WAITS

log = logging.getLogger(__name__)

MAX_BATCH_POLLS = 60
"""Polls of an execution in a row by batches alone, which never show its end."""


class ExecutionPoller:
    """Wait for the ends of executions, for all waits on one event loop over one connection.

    Use :data:`shared_poller`, which builds it for the first user and closes it after the last.

    :param config: settings of the connection
    :param acquire_client: function that returns an async context manager of the client
    :param clock: function that returns seconds that never decrease; default: the time of the event loop
    :param wall_clock: function that returns the seconds since the epoch
    :param wait: function that waits for an event or for seconds to pass
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        acquire_client: Callable[[ClientConfig], AbstractAsyncContextManager[AsyncPolytomicClient]] = shared_client,
        clock: Callable[[], float] | None = None,
        wall_clock: Callable[[], float] = time.time,
        wait: Callable[[asyncio.Event, float | None], Awaitable[None]] = wait_for_wakeup,
    ) -> None:
        self._config = config
        self._acquire_client = acquire_client
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._wall_clock = wall_clock
        self._wait = wait
        self._wakeup = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._schedule = PollSchedule()
        self._skipped: dict[PolledExecution, None] = {}
        self._batch = Batch()
        self._breaker = CircuitBreaker(config.meter)
        self._hints = EventHints(config.trust_events, self._schedule.matching, wall_clock)
        self._warned = False

    # ---- subscriptions

    async def wait_for_end(
        self,
        target: ExecutionRef | CompletedSince,
        *,
        poll_interval: float,
        deadline: float | None = None,
        schema: str | None = None,
    ) -> Execution:
        """Wait for the end of an execution whose status has just been requested, and return it.

        :param target: the execution; or the latest one that completed since a moment, as soon as there is one
        :param poll_interval: maximum of seconds between the end and the poll that finds it, while Polytomic responds
        :param deadline: end of the wait in seconds since the epoch; the last poll is sent then; default: none
        :param schema: id of the schema to wait for, which the returned execution is about; default: all
        :raises DeadlinePassed: if it has not ended by then
        :raises PolytomicError: if Polytomic refuses a poll (400, 401, 403, 404 or 422), or its responses are unreadable
        """
        latest = NEVER if deadline is None else self._clock() + deadline - self._wall_clock()
        subscription = Subscription(poll_interval, latest, schema)
        state = WaitState(target, subscription.poll_interval, latest, self._clock, self._wall_clock, schema)
        polled = self._schedule.subscribe(target, subscription, self._clock())
        self._config.meter.record(WAITS)
        try:
            self._adapt()
            if self._task is None or self._task.done():
                self._task = Context().run(self._loop.create_task, self._run())
            self._wakeup.set()
            while True:
                if ended := state.update(await subscription.receive(), self._schedule.progress_interval):
                    record_end(self._config.meter, target, ended, self._wall_clock())
                    return ended
        finally:
            self._config.meter.record(WAITS, -1)
            self._schedule.unsubscribe(polled, subscription)
            if polled not in self._schedule:
                self._skipped.pop(polled, None)
            self._adapt()

    async def aclose(self) -> None:
        """End the task and its requests."""
        self._breaker.close()
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _adapt(self) -> None:
        """Adapt to a changed number of waits."""
        trusted = self._hints.trusted
        self._hints.adapt(self._schedule.polls_per_second, len(self._schedule), self._clock())
        self._poll_sooner_unless_trusted(trusted)
        limit, needed = self._config.max_requests_per_minute, self._needed * 60
        if limit and needed > limit and not self._warned:
            self._warned = True
            log.warning(
                "Polling less often than the poll intervals require: %d waits need about %.0f requests a minute, and "
                "the connection allows %d", len(self._schedule), needed, limit,
            )  # fmt: skip

    @property
    def _needed(self) -> float:
        """The number of requests per second that polling everything in time takes."""
        return self._schedule.requests_per_second(self._batch.size)

    # ---- the task

    async def _run(self) -> None:
        try:
            async with self._acquire_client(self._config) as self._client:
                try:
                    while True:
                        if self._begin(self._clock()):
                            await asyncio.sleep(0)
                        else:
                            await self._wait(self._wakeup, self._until_next(self._clock()))
                finally:
                    for task in self._requests:
                        task.cancel()
                    await asyncio.gather(*self._requests, return_exceptions=True)
        except Exception as error:
            self._fail(error)

    def _begin(self, now: float) -> bool:
        """Begin the next request that is due; return False if there is none."""
        if self._breaker.open:
            return self._begin_while_open(now)
        if len(self._requests) >= MAX_CONNECTIONS:
            return False
        if self._hints.next_at <= now:
            self._request(self._poll_events(now))
            return True
        may_batch = self._schedule.bulk_is_next
        if (polled := self._schedule.pop_due(now, self._breaker.limited_at)) is None:
            return False
        others: list[PolledExecution] = []
        if may_batch and self._batch.usable(now):
            others = self._schedule.pop_bulk(now + polled.poll_interval, self._batch.size - 1)
        self._request(self._poll_batch([polled, *others]) if others else self._poll(polled), polled, *others)
        return True

    def _begin_while_open(self, now: float) -> bool:
        """Send a trial request, or skip the execution that is due; return False if there is none."""
        may_try = not self._requests and now >= self._breaker.retry_at
        polled = self._schedule.pop(NEVER if may_try else now)
        if polled is None:
            return False
        if may_try or (not self._requests and polled.expired(now) and not self._breaker.rate_limited):
            self._request(self._poll(polled), polled)
        else:
            self._skip(polled, now)
        return True

    def _skip(self, polled: PolledExecution, now: float) -> None:
        """Skip a poll; after a deadline, only until another request has been tried since."""
        self._skipped.setdefault(polled)
        if polled.expired(now) and not polled.expired(self._breaker.failed_at):
            self._schedule.put(polled, max(self._breaker.retry_at, now + 1) if self._breaker.rate_limited else now + 1)
        elif self._breaker.rate_limited and not polled.expired(now):
            self._schedule.put(polled, min(now + polled.poll_interval, polled.next_deadline))
        else:
            assert self._breaker.error is not None
            self._polled(polled, self._breaker.error, now)

    def _until_next(self, now: float) -> float | None:
        """Return the seconds until something is due; None if nothing is."""
        if self._breaker.open:
            may_try = self._schedule and not self._requests
            next_at = min(self._schedule.next_at, self._breaker.retry_at if may_try else NEVER)
        elif len(self._requests) >= MAX_CONNECTIONS:
            return None
        else:
            next_at = min(self._schedule.next_at, self._hints.next_at)
        return None if next_at == NEVER else max(0.0, next_at - now)

    # ---- requests

    def _request(self, request: Coroutine[Any, Any, None], *executions: PolledExecution) -> None:
        for polled in executions:
            polled.polling = True
        task = self._loop.create_task(request)
        self._requests.add(task)
        task.add_done_callback(self._request_done)

    def _request_done(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        self._wakeup.set()
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)

    async def _poll(self, polled: PolledExecution) -> None:
        """Poll one execution."""
        began = self._clock()
        result: PollResult
        try:
            result = await self._client.run(polled.target.fetch(without_retries=True))
        except PolytomicError as error:
            result = error
            self._record_failure(error, began)
        except Exception as error:
            log.error("Ending the wait for an execution that cannot be polled", exc_info=error)
            polled.publish(poller_error(error))
            self._remove(polled)
            return
        else:
            self._record_answer(began)
            self._batch.single_answered(self._clock())
            polled.batch_polls = 0
        finally:
            polled.polling = False
        self._polled(polled, result, began)

    async def _poll_batch(self, executions: list[PolledExecution]) -> None:
        """Poll executions of bulk syncs at once, and then singly those that are not shown running."""
        began = self._clock()
        running: Mapping[Any, Execution] = {}
        refs = [polled.target for polled in executions if isinstance(polled.target, ExecutionRef)]
        try:
            running = await self._client.run(expecting_any_answer(self._batch.running(refs)))
        except PolytomicError as error:
            self._record_failure(error, began)
            self._batch.failed(error, len(executions), self._clock())
        else:
            self._record_answer(began)
        finally:
            for polled in executions:
                polled.polling = False
        for polled in executions:
            execution = running.get(polled.target)
            if execution and polled.batch_polls < MAX_BATCH_POLLS and polled.is_shown_running(execution):
                polled.batch_polls += 1
                self._polled(polled, execution, began)
            else:
                self._schedule.put(polled, began, singly=True)

    async def _poll_events(self, now: float) -> None:
        """Poll the events, and make the executions due whose end they announce."""
        trusted = self._hints.trusted
        try:
            ends = await self._client.run(expecting_any_answer(self._hints.poll(now)))
        except PolytomicError as error:
            ends = []
            self._hints.failed(error, self._clock())
            if isinstance(error, PolytomicRateLimitError):
                self._record_failure(error, now)
        for polled in [polled for ended in ends for polled in self._schedule.matching(ended)]:
            polled.hinted_at = self._clock()
            if not polled.polling:
                self._schedule.put(polled, polled.hinted_at, singly=True)
        self._poll_sooner_unless_trusted(trusted)

    # ---- results

    def _polled(self, polled: PolledExecution, result: PollResult, began: float) -> None:
        """Publish the result of a poll that began at a time, and schedule the next one."""
        expired = polled.expired(began)
        polled.polled_at = max(polled.polled_at, began)
        if isinstance(result, PolytomicAuthError):
            self._end_all(result)
            return
        if expired or not isinstance(result, PolytomicRateLimitError):
            polled.publish(result)
        ended = isinstance(result, Execution) and result.outcome.final
        if isinstance(result, Execution) and ended and polled.hinted_at == LONG_AGO:
            self._hints.ended_without_event(result.id, polled.seen_running_at, began)
        if ended or isinstance(result, FINAL_ERRORS):
            self._remove(polled)
            return
        if not isinstance(result, PolytomicError):
            self._skipped.pop(polled, None)
            polled.seen_running_at = began
        elif polled in self._schedule:
            self._skipped.setdefault(polled)
        if isinstance(result, Execution) and result.created_at:
            created_at = began - self._wall_clock() + result.created_at.timestamp()
            polled.running_since = min(polled.running_since, created_at)
        self._schedule.put(polled, polled.next_poll(self._hints.trusted), singly=polled.hinted)

    def _remove(self, polled: PolledExecution) -> None:
        self._skipped.pop(polled, None)
        self._schedule.remove(polled)

    def _record_answer(self, began: float) -> None:
        if self._breaker.answered(self._clock(), began):
            self._schedule.spread(self._skipped, self._clock(), self._schedule.trial_interval(self._batch.size))

    def _record_failure(self, error: PolytomicError, began: float) -> None:
        """Record a failed request; a refusal is a response, too, and so is JSON of an unknown shape."""
        is_json = isinstance(error, PolytomicResponseError) and error.is_json
        if is_transient(error) and not is_json:
            self._breaker.failed(error, self._clock(), self._schedule.trial_interval(self._batch.size))
        else:
            self._record_answer(began)

    def _poll_sooner_unless_trusted(self, was_trusted: bool) -> None:
        """If events are no longer trusted, poll the executions that were left to them within an interval from now."""
        if was_trusted and not self._hints.trusted:
            late = [polled for polled in self._schedule if polled.due > polled.polled_at + polled.poll_interval]
            self._schedule.spread(late, self._clock(), only_sooner=True)

    def _end_all(self, error: Exception) -> None:
        for polled in self._schedule:
            polled.publish(error)
            self._schedule.remove(polled)
        self._skipped.clear()

    def _fail(self, error: BaseException) -> None:
        """End all waits after an error in the poller, which would otherwise last forever."""
        log.error("Ending all waits of this connection: the poller failed", exc_info=error)
        self._end_all(poller_error(error))


shared_poller: RefCounted[ExecutionPoller] = RefCounted(ExecutionPoller, ExecutionPoller.aclose)
"""The poller of a connection on the running event loop."""
