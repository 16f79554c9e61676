"""Start exactly one execution, even if processes die.

Each start carries an Idempotency-Key that is derived from the task instance. If another process repeats the start, the
API answers with the execution that the first one started. Key *n* stands for the execution after *n* unsuccessful ones,
so trying the keys from 0 on finds everything that this task instance has started since it was last cleared, and then
the first unused key.

The dangerous step is to go on from a key under which the API refused the start. If the API did not record the refusal,
a later attempt finds that key unused and starts a second execution beside the one under the next key. A refusal
therefore counts as recorded only if it is repeated after a status request that does not explain it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from airflow_provider_polytomic.api import errors
from airflow_provider_polytomic.api.call import idempotency_key
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.metering import Measurement
from airflow_provider_polytomic.api.retry import Backoff
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef, sync_kind
from airflow_provider_polytomic.executions.measurements import measure_end
from airflow_provider_polytomic.executions.outcome import Outcome
from airflow_provider_polytomic.metrics import EXECUTIONS_ADOPTED, EXECUTIONS_STARTED
from airflow_provider_polytomic.results import Ownership, SyncKindName

log = logging.getLogger(__name__)

CONFLICT_BACKOFF = Backoff(first=0.5, maximum=16.0)
"""Pauses between repetitions of a start answered 409, while the same start may still be in flight."""

MIN_CONFLICTS = 3
"""Repetitions after which a 409 that nothing explains counts as recorded, if no start can be in flight."""

MIN_CONFLICTS_OF_RETRY = 6
"""The same if the start of an earlier attempt may be in flight."""

MIN_CONFLICTS_WHILE_RUNNING = 4
"""Repetitions after which a retry waits for the running execution, which may be that of an earlier attempt."""

MIN_CONFLICTS_BEFORE_DECISION = 10
"""Repetitions after which a retry fails, skips or joins because of the running execution."""

MIN_CONFLICTS_IN_FLIGHT = 24
"""Repetitions, over about five minutes, after which this attempt's own start without a response is not in flight."""

MAX_START_REPETITIONS = 30
"""Repetitions of a start under one key, after which the last refusal is raised."""

MAX_RECORDED_CONFLICTS = 5
"""Keys answered 409 although nothing runs, after which the 409 is raised."""

IfRunning = Literal["wait", "join", "fail", "skip"]


@dataclass(frozen=True)
class StartResult:
    """The execution to wait for.

    :param execution: the execution
    :param ownership: ``OWNED`` if the task instance started it, and may cancel it; ``JOINED`` if another party did;
        ``BLOCKING`` if it must end before the task instance can start its own
    :param previous_executions: unsuccessful executions that the task instance started before it, oldest first
    :param adopted: whether it existed before this attempt
    """

    execution: Execution
    ownership: Ownership
    previous_executions: tuple[Execution, ...] = ()
    adopted: bool = True


class AlreadyRunning(Exception):
    """Another party's execution is running, and ``if_running`` says to fail or to skip."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        super().__init__(f"execution {execution.id} is {execution.status}")


def _is_unsuccessful(execution: Execution) -> Flow[bool]:
    yield from ()
    return execution.outcome is not Outcome.SUCCESS


@dataclass(frozen=True)
class StartRequest:
    """Describe what to start, for which task instance and under which policy.

    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param identity: DAG id, run id, task id and map index of the task instance
    :param generation: number or text that changes with each clear of the task instance; default 0
    :param attempts_before: number of attempts since the last clear, or more if that is not known; their executions may
        still exist; default 0
    :param parameters: function that returns the body of the start, given the previous unsuccessful executions
    :param if_running: what to do while another party's execution runs: ``wait`` for its end, ``join`` it, ``fail`` or
        ``skip``; default ``wait``
    :param is_followed: flow that tells whether a later attempt starts another execution after an ended one; default:
        unless that one is a success
    :param known_execution_id: id of the execution that this generation started, where it was saved
    :param answer_timeout: seconds to repeat a start that gets no response; default: until it cannot be in flight
    :param organization_id: organization that the sync belongs to, if the API key does not determine it
    """

    kind: SyncKindName
    sync_id: str
    identity: tuple[str, str, str, int]
    generation: int | str = 0
    attempts_before: int = 0
    parameters: Callable[[Sequence[Execution]], Mapping[str, Any]] = lambda previous_executions: {}
    if_running: IfRunning = "wait"
    is_followed: Callable[[Execution], Flow[bool]] = _is_unsuccessful
    known_execution_id: str | None = None
    answer_timeout: float = float("inf")
    organization_id: str | None = None

    def key(self, number: int) -> str:
        """Return the Idempotency-Key of the execution after ``number`` unsuccessful ones."""
        facts = (*self.identity, self.kind, self.sync_id, self.generation, number, self.organization_id)
        return idempotency_key(*facts)


@dataclass(frozen=True)
class SyncSnapshot:
    """Executions of a sync at one moment.

    :param running: the current execution; the last execution does not count, whatever its status
    :param executions: the current and the last execution and, if requested, the history
    """

    running: Execution | None
    executions: tuple[Execution, ...]

    def find(self, execution_id: str) -> Execution | None:
        return next((execution for execution in self.executions if execution.id == execution_id), None)

    def predates(self, execution: Execution) -> bool:
        """Return whether the execution existed at the time of the snapshot, by the server's clock."""
        if self.find(execution.id):
            return True
        times = [known.created_at for known in self.executions if known.created_at]
        return bool(times and execution.created_at and execution.created_at < max(times))


def start_once(
    request: StartRequest, on_started: Callable[[ExecutionRef], None] = lambda ref: None
) -> Flow[StartResult]:
    """Start an execution, unless the task instance has already started the one it needs.

    Any process may call this again at any time, and finds what was started before. An attempt starts one execution at
    most, so if there is one more unsuccessful execution than there were attempts before, it is the result of this
    attempt. If another execution must end first, that one is returned with :attr:`Ownership.BLOCKING`: wait for its end
    and call this again.

    :param request: what to start
    :param on_started: called with an execution as soon as it is known to be owned, for example to save its id
    :raises AlreadyRunning: if another party's execution runs and ``if_running`` is ``fail`` or ``skip``
    :raises PolytomicError: if Polytomic refuses the start, or gives no usable response
    """
    if request.known_execution_id:
        known = yield from _recall(request, request.known_execution_id)
        if known:
            on_started(ExecutionRef(request.kind, request.sync_id, known.id))
            if known.canceling:
                return StartResult(known, Ownership.BLOCKING)
            return (yield from _owned(known))

    before = yield from _snapshot(request, with_history=bool(request.attempts_before))
    if before.running and not request.attempts_before:
        return _apply_policy(request, before.running)

    previous_executions: list[Execution] = []
    refusals = conflicts = 0
    for key in map(request.key, count()):
        answer = yield from _start_under(
            request, key, previous_executions, before, may_skip=refusals <= request.attempts_before
        )
        if isinstance(answer, StartResult):
            return answer
        if isinstance(answer, errors.PolytomicConflictError):
            conflicts += 1
            if conflicts > MAX_RECORDED_CONFLICTS + request.attempts_before:
                raise answer
            continue
        if isinstance(answer, errors.PolytomicAPIError):
            refusals += 1
            continue
        on_started(answer)
        execution = yield from _fetch_started(answer, before)
        if not before.predates(execution):
            return (yield from _owned(execution, previous_executions, adopted=False))
        if execution.canceling:
            return StartResult(execution, Ownership.BLOCKING)
        if len(previous_executions) == request.attempts_before or not (yield from _is_followed(request, execution)):
            return (yield from _owned(execution, previous_executions))
        log.info("Found an unsuccessful execution of an earlier attempt: %s is %s", answer, execution.status)
        previous_executions.append(execution)
    raise AssertionError("unreachable")


def _owned(
    execution: Execution, previous_executions: Sequence[Execution] = (), *, adopted: bool = True
) -> Flow[StartResult]:
    """Return an execution that the task instance has started, and measure it."""
    yield Measurement(EXECUTIONS_ADOPTED if adopted else EXECUTIONS_STARTED, tags={"kind": execution.kind})
    if execution.outcome.final:
        yield from measure_end(ExecutionRef(execution.kind, execution.sync_id, execution.id), execution)
    return StartResult(execution, Ownership.OWNED, tuple(previous_executions), adopted)


def _recall(request: StartRequest, execution_id: str) -> Flow[Execution | None]:
    """Return the saved execution; None if it is gone, or if this attempt needs another one."""
    try:
        execution = yield from ExecutionRef(request.kind, request.sync_id, execution_id).fetch()
    except errors.PolytomicNotFoundError:
        return None
    return None if request.attempts_before and (yield from _is_followed(request, execution)) else execution


def _is_followed(request: StartRequest, execution: Execution) -> Flow[bool]:
    """Return whether a later attempt starts another execution after this one."""
    return execution.outcome.final and (yield from request.is_followed(execution))


def _snapshot(request: StartRequest, *, with_history: bool = False) -> Flow[SyncSnapshot]:
    """Request the executions of the sync.

    :param with_history: request the history, too, which is needed if earlier attempts may have started something: the
        status shows two executions at most, and its last one may lag behind, so that an old failure would be mistaken
        for that of a fresh start
    """
    kind = sync_kind(request.kind)
    status = yield from send(kind.api.get_status(request.sync_id))
    shown = [kind.read(request.sync_id, one) for one in (status.current_execution, status.last_execution) if one]
    running = shown[0] if status.current_execution and not shown[0].outcome.final else None
    if with_history:
        history = yield from send(kind.api.list_executions(request.sync_id))
        shown += [kind.read(request.sync_id, row) for row in history]
    return SyncSnapshot(running, tuple(shown))


def _apply_policy(request: StartRequest, running: Execution) -> StartResult:
    """Apply ``if_running``. Always wait for an execution that is being canceled: a clear may have canceled it."""
    if running.canceling:
        return StartResult(running, Ownership.BLOCKING)
    if request.if_running in ("fail", "skip"):
        raise AlreadyRunning(running)
    return StartResult(running, Ownership.JOINED if request.if_running == "join" else Ownership.BLOCKING)


def _start_under(
    request: StartRequest, key: str, previous_executions: Sequence[Execution], before: SyncSnapshot, *, may_skip: bool
) -> Flow[ExecutionRef | StartResult | errors.PolytomicAPIError]:
    """Start an execution under one key.

    :param may_skip: whether a refusal other than 409 may count as recorded
    :return: the execution that was started; the execution to wait for instead; or the refusal recorded under the key
    """
    parameters = request.parameters(previous_executions)
    call = sync_kind(request.kind).api.start(request.sync_id, idempotency_key=key, **parameters)
    refusal: errors.PolytomicAPIError | None = None
    last: SyncSnapshot | None = None
    may_be_in_flight, waited = False, 0.0
    for number in count():
        try:
            started = yield from send(call)
            return ExecutionRef(request.kind, request.sync_id, started.id)
        except errors.PolytomicAPIError as error:
            conflict = isinstance(error, errors.PolytomicConflictError)
            # On a first attempt, any other failure than a 500 comes from in front of the application, or would be the
            # same under every key. A proxy's answer is recorded under no key.
            may_be_recorded = may_skip and not error.foreign and (request.attempts_before or error.status_code == 500)
            if number == MAX_START_REPETITIONS or not (conflict or may_be_recorded):
                raise
            repeated = refusal is not None and refusal.status_code == error.status_code
            refusal = error
            may_be_in_flight |= error.follows_no_response
            if may_be_in_flight and waited >= request.answer_timeout:
                raise
        now = yield from _snapshot(request)
        if conflict:
            attempts_unknown = request.attempts_before - len(previous_executions)
            if number >= _min_conflicts(request, attempts_unknown, before, now, may_be_in_flight):
                if now.running:
                    return _apply_policy(request, now.running)
                if repeated and now == last:
                    break
            yield Pause(CONFLICT_BACKOFF.delay(number))
            waited += CONFLICT_BACKOFF.delay(number)
        else:
            appeared = next((one for one in now.executions if not before.predates(one)), None)
            if appeared and refusal.status_code >= 500:
                log.warning("Joining execution %s, which appeared although the start failed: %s", appeared.id, refusal)
                return StartResult(appeared, Ownership.JOINED, tuple(previous_executions))
            if repeated:
                break
        last = now
    log.warning("Trying the next Idempotency-Key, since Polytomic seems to have recorded a refusal: %s", refusal)
    assert refusal is not None
    return refusal


def _min_conflicts(
    request: StartRequest, attempts_unknown: int, before: SyncSnapshot, now: SyncSnapshot, may_be_in_flight: bool
) -> int:
    """Return the repetitions after which a 409 is not due to an own start in flight.

    :param attempts_unknown: number of earlier attempts whose executions were not found: each starts one at most, so if
        all were found, none of their starts is in flight
    :param may_be_in_flight: whether this attempt has sent the start without a response
    """
    if may_be_in_flight and not (now.running and before.predates(now.running)):
        return MIN_CONFLICTS_IN_FLIGHT
    if attempts_unknown <= 0:
        return 0 if now.running else MIN_CONFLICTS
    if not now.running:
        return MIN_CONFLICTS_OF_RETRY
    return MIN_CONFLICTS_WHILE_RUNNING if request.if_running == "wait" else MIN_CONFLICTS_BEFORE_DECISION


def _fetch_started(ref: ExecutionRef, before: SyncSnapshot) -> Flow[Execution]:
    try:
        return (yield from ref.fetch())
    except errors.PolytomicError as error:
        log.warning("Could not request the status of %s, which was started: %s", ref, error)
        unknown = Execution.unknown(ref.kind, ref.sync_id, ref.execution_id)
        return before.find(ref.execution_id) or unknown
