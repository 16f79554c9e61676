"""Starting exactly one execution, whatever dies in between.

The start carries an Idempotency-Key that is made of what the task instance is, so that the same attempt to start, made
again by another process, is answered with the execution that the first one started. Key number *n* stands for the
execution after *n* unsuccessful ones; walking the keys from 0 finds everything that this task instance has started
since it was last cleared, and where to go on.

Going on from key *n* without an execution under it is the one dangerous step: if the refusal was not recorded, a later
attempt finds key *n* fresh and starts again what already runs under *n + 1*. So a refusal counts as recorded only if it
comes again after the status has been asked and does not explain it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import count
from typing import Any, Literal

from airflow_provider_polytomic.api.call import idempotency_key
from airflow_provider_polytomic.api.errors import (
    PolytomicAPIError,
    PolytomicConflictError,
    PolytomicError,
    PolytomicNotFoundError,
)
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.executions.outcome import Outcome
from airflow_provider_polytomic.executions.ref import ExecutionRef

log = logging.getLogger(__name__)

CONFLICT_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between repetitions of a start answered 409, while the same start may still be in flight."""

BUSY_PATIENCE = 4
"""Repetitions after which a 409 is taken to be about the execution that runs: the start in flight may be its cause."""

MOST_REPETITIONS = 12
"""Starts under one key, after which an API that gives ever other answers is given up."""

MOST_RECORDED_CONFLICTS = 5
"""Keys answered 409 although nothing runs, after which the 409 is taken to mean something else."""

IfRunning = Literal["wait", "join", "fail", "skip"]


class Ownership(Enum):
    """What an execution is to the task that looked for one."""

    OWNED = "owned"
    JOINED = "joined"
    BLOCKING = "blocking"


@dataclass(frozen=True)
class StartResult:
    """The execution to wait for, and why.

    :param ownership: ours to cancel; somebody else's, joined; or one that must end before ours can start
    :param previous_executions: our unsuccessful executions before it, oldest first
    :param adopted: it existed before this attempt asked
    """

    execution: Execution
    ownership: Ownership
    previous_executions: tuple[Execution, ...] = ()
    adopted: bool = True


class AlreadyRunning(Exception):
    """An execution that is not ours runs, and the policy is not to wait for it."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        super().__init__(f"execution {execution.id} is {execution.status}")


@dataclass(frozen=True)
class StartRequest:
    """What is to be started, by whom, and under which policy.

    :param kind: ``model`` or ``bulk``
    :param identity: what makes the task instance the one it is: DAG, run, task and map index
    :param generation: attempts before it was last cleared; a clear always runs again
    :param attempts_before: attempts of this generation before this one; what they started may still be there
    :param resumed: this attempt may have sent its start already, by a process that is no more
    :param parameters: the start's body, given our unsuccessful executions so far
    :param if_running: what to do about an execution that is not ours: wait for its end, join it, or give up
    :param is_success: whether an ended execution is a success to this task
    :param known_execution_id: the execution that this generation started, where that was kept
    """

    kind: str
    sync_id: str
    identity: tuple[str, str, str, int]
    generation: int = 0
    attempts_before: int = 0
    resumed: bool = False
    parameters: Callable[[Sequence[Execution]], Mapping[str, Any]] = lambda previous_executions: {}
    if_running: IfRunning = "wait"
    is_success: Callable[[Execution], bool] = lambda execution: execution.outcome is Outcome.SUCCESS
    known_execution_id: str | None = None

    @property
    def stints_before(self) -> int:
        """How many processes may have sent a start of this generation before."""
        return self.attempts_before + self.resumed

    def key(self, number: int) -> str:
        """Return the Idempotency-Key for the execution after ``number`` unsuccessful ones."""
        return idempotency_key(*self.identity, self.kind, self.sync_id, self.generation, number)


@dataclass(frozen=True)
class SyncSnapshot:
    """What was to be seen of a sync's executions at one moment.

    :param running: the one that is current; what the last one is called does not matter, it must not block a start
    :param executions: it and those before it, as far as they were asked for
    """

    running: Execution | None
    executions: tuple[Execution, ...]

    def find(self, execution_id: str) -> Execution | None:
        return next((known for known in self.executions if known.id == execution_id), None)

    def predates(self, execution: Execution) -> bool:
        """Tell whether the execution existed when this was seen; all times are the server's own."""
        if self.find(execution.id):
            return True
        times = [known.created_at for known in self.executions if known.created_at]
        return bool(times and execution.created_at and execution.created_at < max(times))


def start_once(order: StartRequest, on_started: Callable[[ExecutionRef], None]) -> Flow[StartResult]:
    """Start an execution, unless this task instance has already started the one it needs.

    It may be run again at any time, by any process: it then finds what was started before. An attempt starts one at
    most, so one more unsuccessful execution than there were attempts is this one's own, and its result. Where another
    execution must end first, that one is returned with :attr:`Role.BLOCKING`, to be waited for before this is run
    again.

    :param on_started: told of an execution as soon as it is known to be ours, so that it can be canceled and found
    :raises AlreadyRunning: if an execution that is not ours runs and the order says to fail or skip
    :raises PolytomicError: if Polytomic refuses, or gave no usable answer
    """
    if order.known_execution_id:
        known_execution_id = yield from _recall(order, order.known_execution_id)
        if known_execution_id:
            on_started(ExecutionRef(order.kind, order.sync_id, known_execution_id.id))
            return StartResult(
                known_execution_id, Ownership.BLOCKING if known_execution_id.canceling else Ownership.OWNED
            )

    before = yield from _look_back(order)
    if before.running and not order.stints_before:
        return _not_ours(order, before.running)

    previous_executions: list[Execution] = []
    refusals = conflicts = 0
    for key in map(order.key, count()):
        answer = yield from _start_under(
            order, key, previous_executions, before, may_skip=refusals <= order.stints_before
        )
        if isinstance(answer, StartResult):
            return answer
        if isinstance(answer, PolytomicConflictError):
            conflicts += 1
            if conflicts > MOST_RECORDED_CONFLICTS + order.stints_before:
                raise answer
            continue
        if isinstance(answer, PolytomicAPIError):
            refusals += 1
            continue
        on_started(answer)
        execution = yield from _look_at_started(answer, before)
        if not before.predates(execution):
            return StartResult(execution, Ownership.OWNED, tuple(previous_executions), adopted=False)
        if execution.canceling:
            return StartResult(execution, Ownership.BLOCKING)
        if not execution.outcome.final or order.is_success(execution):
            return StartResult(execution, Ownership.OWNED, tuple(previous_executions))
        if len(previous_executions) == order.attempts_before:
            return StartResult(execution, Ownership.OWNED, tuple(previous_executions))
        log.info("%s was started by an earlier attempt and is %s", answer, execution.status)
        previous_executions.append(execution)
    raise AssertionError("there is always another key")


def _recall(order: StartRequest, execution_id: str) -> Flow[Execution | None]:
    try:
        execution = yield from ExecutionRef(order.kind, order.sync_id, execution_id).fetch()
    except PolytomicNotFoundError:
        return None
    needed = execution.outcome.final and not order.is_success(execution) and order.attempts_before
    return None if needed else execution


def _glance(order: StartRequest) -> Flow[SyncSnapshot]:
    kind = sync_kind(order.kind)
    status = yield from send(kind.status(order.sync_id))
    told = (status.current_execution, status.last_execution)
    running = kind.read(order.sync_id, told[0]) if told[0] else None
    return SyncSnapshot(
        running=running if running and not running.outcome.final else None,
        executions=tuple(kind.read(order.sync_id, one) for one in told if one),
    )


def _look_back(order: StartRequest) -> Flow[SyncSnapshot]:
    """See what there is before anything is started.

    Where earlier attempts may have started something, the history is asked too: the status shows two executions at
    most, and its last one may lag behind, so that an old failure would be taken for that of a fresh start.
    """
    status = yield from _glance(order)
    if not order.stints_before:
        return status
    kind = sync_kind(order.kind)
    history = yield from send(kind.executions(order.sync_id))
    return replace(status, executions=(*status.executions, *(kind.read(order.sync_id, one) for one in history.rows)))


def _not_ours(order: StartRequest, running: Execution) -> StartResult:
    """Apply the policy; one that is about to end is always waited for, since after a clear it is our own."""
    if running.canceling:
        return StartResult(running, Ownership.BLOCKING)
    if order.if_running in ("fail", "skip"):
        raise AlreadyRunning(running)
    return StartResult(running, Ownership.JOINED if order.if_running == "join" else Ownership.BLOCKING)


def _start_under(
    order: StartRequest, key: str, previous_executions: Sequence[Execution], before: SyncSnapshot, *, may_skip: bool
) -> Flow[ExecutionRef | StartResult | PolytomicAPIError]:
    """Start under one key.

    :param may_skip: False: a refusal other than 409 is final
    :return: what was started; what there is instead of it; or the refusal that is recorded under the key
    """
    call = sync_kind(order.kind).start(order.sync_id, key, order.parameters(previous_executions))
    refusal: PolytomicAPIError | None = None
    seen: SyncSnapshot | None = None
    for number in count():
        try:
            started = yield from send(call)
            return ExecutionRef(order.kind, order.sync_id, started.id)
        except PolytomicAPIError as error:
            conflict = isinstance(error, PolytomicConflictError)
            if number == MOST_REPETITIONS or not (conflict or (may_skip and _may_be_recorded(order, error))):
                raise
            again = refusal is not None and refusal.status_code == error.status_code
            refusal = error
        now = yield from _glance(order)
        if conflict:
            if now.running and number >= BUSY_PATIENCE:
                return _not_ours(order, now.running)
            if again and now == seen and number >= len(CONFLICT_PAUSES):
                break
            yield Pause(CONFLICT_PAUSES[min(number, len(CONFLICT_PAUSES) - 1)])
        else:
            appeared = next((one for one in now.executions if not before.predates(one)), None)
            if appeared and refusal.status_code >= 500:
                log.warning("%s; yet execution %s has appeared: it is waited for, never canceled", refusal, appeared.id)
                return StartResult(appeared, Ownership.JOINED, tuple(previous_executions))
            if again:
                break
        seen = now
    log.warning("%s; the answer is taken for a recorded one: going on to the next key", refusal)
    assert refusal is not None
    return refusal


def _may_be_recorded(order: StartRequest, error: PolytomicAPIError) -> bool:
    """Tell whether a refusal may be what an earlier request got; a first attempt can only have met its own 500.

    Any other failure of a first attempt comes from in front of the application, or would be the same under every key.
    """
    return bool(order.stints_before) or error.status_code == 500


def _look_at_started(run: ExecutionRef, before: SyncSnapshot) -> Flow[Execution]:
    try:
        return (yield from run.fetch())
    except PolytomicError as error:
        log.warning("%s has been started, and could not be looked at yet: %s", run, error)
        unknown = Execution.unknown(run.kind, run.sync_id, run.execution_id)
        return before.find(run.execution_id) or unknown
