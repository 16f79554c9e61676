"""Starting exactly one execution, whatever dies in between.

The start carries an Idempotency-Key that is made of what the task instance is, so that the same attempt to start, made
again by another process, is answered with the execution that the first one started. Key number *n* stands for the
execution after *n* unsuccessful ones; walking the keys from 0 finds everything that this task instance has started
since it was last cleared, and where to go on.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any, Literal

from airflow_provider_polytomic.api.errors import (
    PolytomicAPIError,
    PolytomicConflictError,
    PolytomicError,
    PolytomicNotFoundError,
)
from airflow_provider_polytomic.api.protocol import Pause, Protocol, send
from airflow_provider_polytomic.api.retry import is_passing
from airflow_provider_polytomic.runs.execution import Execution
from airflow_provider_polytomic.runs.kinds import kind_of
from airflow_provider_polytomic.runs.outcome import Outcome
from airflow_provider_polytomic.runs.run import Run

log = logging.getLogger(__name__)

CONFLICT_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between repetitions of a start answered 409, while the same start may still be in flight."""

MOST_RECORDED_CONFLICTS = 5
"""Keys answered 409 although nothing runs, after which the 409 is taken to mean something else."""

IfRunning = Literal["wait", "join", "fail", "skip"]


class Role(Enum):
    """What an execution is to the task that looked for one."""

    OURS = "ours"
    JOINED = "joined"
    IN_THE_WAY = "in the way"


@dataclass(frozen=True)
class Found:
    """The execution to wait for, and why.

    :param role: ours to cancel; somebody else's, joined; or one that must end before ours can start
    :param earlier: our unsuccessful executions before it, oldest first
    :param adopted: it existed before this attempt asked
    """

    execution: Execution
    role: Role
    earlier: tuple[Execution, ...] = ()
    adopted: bool = True


class AlreadyRunning(Exception):
    """An execution that is not ours runs, and the policy is not to wait for it."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        super().__init__(f"execution {execution.id} is {execution.status}")


@dataclass(frozen=True)
class Order:
    """What is to be started, by whom, and under which policy.

    :param kind: ``model`` or ``bulk``
    :param identity: what makes the task instance the one it is: DAG, run, task and map index
    :param generation: how often it has been cleared; a clear always runs again
    :param attempts_before: attempts of this generation before this one; what they started may still be there
    :param parameters: the start's body, given our unsuccessful executions so far
    :param if_running: what to do about an execution that is not ours: wait for its end, join it, or give up
    :param succeeded: whether an ended execution is a success to this task
    :param remembered: the execution that this generation started, where that was kept
    """

    kind: str
    sync_id: str
    identity: tuple[str, str, str, int]
    generation: int = 0
    attempts_before: int = 0
    parameters: Callable[[Sequence[Execution]], Mapping[str, Any]] = lambda earlier: {}
    if_running: IfRunning = "wait"
    succeeded: Callable[[Execution], bool] = lambda execution: execution.outcome is Outcome.SUCCESS
    remembered: str | None = None

    def key(self, number: int) -> str:
        """Return the Idempotency-Key for the execution after ``number`` unsuccessful ones."""
        facts = [*self.identity, self.kind, self.sync_id, self.generation, number]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


@dataclass(frozen=True)
class _Glance:
    """The executions that a sync's status shows."""

    executions: tuple[Execution, ...]

    @property
    def running(self) -> Execution | None:
        return next((execution for execution in self.executions if not execution.outcome.final), None)

    def predates(self, execution: Execution) -> bool:
        """Tell whether the execution existed when this was seen; all times are the server's own."""
        if any(known.id == execution.id for known in self.executions):
            return True
        times = [known.created_at for known in self.executions if known.created_at]
        return bool(times and execution.created_at and execution.created_at < max(times))


def start_once(order: Order, on_started: Callable[[Run], None]) -> Protocol[Found]:
    """Start an execution, unless this task instance has already started the one it needs.

    It may be run again at any time, by any process: it then finds what was started before. Where another execution must
    end first, that one is returned with :attr:`Role.IN_THE_WAY`, to be waited for before this is run again.

    :param on_started: told of an execution as soon as it is known to be ours, so that it can be canceled and found
    :raises AlreadyRunning: if an execution that is not ours runs and the order says to fail or skip
    :raises PolytomicError: if Polytomic refuses, or gave no usable answer
    """
    if order.remembered:
        remembered = yield from _recall(order, order.remembered)
        if remembered:
            on_started(Run(order.kind, order.sync_id, remembered.id))
            return Found(remembered, Role.IN_THE_WAY if remembered.canceling else Role.OURS)

    before = yield from _glance(order)
    if before.running and not order.attempts_before:
        return _not_ours(order, before.running)

    earlier: list[Execution] = []
    refusals = conflicts = 0
    for key in map(order.key, count()):
        try:
            run = yield from _start_under(order, key, earlier)
        except PolytomicConflictError as error:
            running = (yield from _glance(order)).running
            if running:
                return _not_ours(order, running)
            conflicts += 1
            if conflicts > MOST_RECORDED_CONFLICTS + order.attempts_before:
                raise
            log.info("%s; nothing runs, so the answer is a recorded one: going on to the next key", error)
            continue
        except PolytomicAPIError as error:
            refusals += 1
            if refusals > order.attempts_before + is_passing(error):
                raise
            appeared = (yield from _glance(order)).running
            if appeared and not before.predates(appeared):
                log.warning("%s; yet execution %s has appeared: waiting for it, never canceling it", error, appeared.id)
                return Found(appeared, Role.JOINED, tuple(earlier))
            log.warning("%s; the answer may be a recorded one: going on to the next key", error)
            continue
        on_started(run)
        execution = yield from _look_at_started(run)
        if not before.predates(execution):
            return Found(execution, Role.OURS, tuple(earlier), adopted=False)
        if execution.canceling:
            return Found(execution, Role.IN_THE_WAY)
        if not execution.outcome.final or order.succeeded(execution):
            return Found(execution, Role.OURS, tuple(earlier))
        log.info("%s was started by an earlier attempt and is %s", run, execution.status)
        earlier.append(execution)
    raise AssertionError("there is always another key")


def _recall(order: Order, execution_id: str) -> Protocol[Execution | None]:
    try:
        execution = yield from Run(order.kind, order.sync_id, execution_id).look()
    except PolytomicNotFoundError:
        return None
    return execution if not execution.outcome.final or order.succeeded(execution) else None


def _glance(order: Order) -> Protocol[_Glance]:
    kind = kind_of(order.kind)
    status = yield from send(kind.status(order.sync_id))
    told = (status.current_execution, status.last_execution)
    return _Glance(tuple(kind.read(order.sync_id, one) for one in told if one))


def _not_ours(order: Order, running: Execution) -> Found:
    if order.if_running in ("fail", "skip"):
        raise AlreadyRunning(running)
    if order.if_running == "join" and not running.canceling:
        return Found(running, Role.JOINED)
    return Found(running, Role.IN_THE_WAY)


def _start_under(order: Order, key: str, earlier: Sequence[Execution]) -> Protocol[Run]:
    call = kind_of(order.kind).start(order.sync_id, key, order.parameters(earlier))
    for pause in CONFLICT_PAUSES:
        try:
            started = yield from send(call)
        except PolytomicConflictError:
            yield Pause(pause)
        else:
            return Run(order.kind, order.sync_id, started.id)
    started = yield from send(call)
    return Run(order.kind, order.sync_id, started.id)


def _look_at_started(run: Run) -> Protocol[Execution]:
    try:
        return (yield from run.look())
    except PolytomicError as error:
        log.warning("%s has been started, and could not be looked at yet: %s", run, error)
        return Execution(run.kind, run.sync_id, run.execution_id, "created", Outcome.RUNNING)
