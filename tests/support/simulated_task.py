"""Simulate a task instance: attempts, retries, clears and resumed waits, each a process that may die.

Airflow's facts about the attempt, its XComs and its task state store are stand-ins; what the task makes of them is the
code of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from airflow_provider_polytomic._compat import StoredTaskInstance, TaskStateUnknown
from airflow_provider_polytomic._compat.task_instances import WAITING_STATES
from airflow_provider_polytomic._task import kill_guard
from airflow_provider_polytomic._task.kill_guard import WaitingAttempt
from airflow_provider_polytomic._task.state import (
    EXECUTION_XCOM_KEY,
    RESULT_XCOM_KEY,
    SYNC_STORE_KEY,
    Attempt,
    TaskExecutionState,
)
from airflow_provider_polytomic._task.sync_task import SyncTask
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.executions import (
    DeadlinePassed,
    Execution,
    ExecutionRef,
    IfRunning,
    Ownership,
    StartRequest,
    StartResult,
    cancel,
    cancel_and_confirm,
    start_once,
    wait_for_end,
)
from airflow_provider_polytomic.executions.outcome import Outcome
from airflow_provider_polytomic.results import SyncKindName
from tests.support.polling import poll_for_end
from tests.support.simulated_api import (
    NO_CONNECTION,
    SYNC,
    SYNC_NAME,
    AirflowConnection,
    Process,
    SimulatedApi,
    SimulatedExecution,
    Stop,
)
from tests.support.task_instances import StateStore, TaskInstance

POLL = 30.0
MAX_KEYS = 20

WAYS: dict[str, Callable[..., Flow[Execution]]] = {
    "worker": partial(wait_for_end, pause_first=True),
    "poller": poll_for_end,
}
"""Flows that an attempt waits with: in a worker, or deferred."""


@dataclass(frozen=True)
class Sender:
    """An attempt as the sender of requests.

    :param generation: number of clears before it
    :param number: number of attempts before it, over all generations
    """

    generation: int
    number: int


@dataclass(frozen=True)
class OwningProcess:
    """A process that has an execution to cancel if its task is killed.

    :param waiting_state: state of the task while it waits
    :param process: the process; None before its first step
    """

    attempt: WaitingAttempt
    waiting_state: str
    process: Process | None


class NamedSync(SyncTask):
    """The sync of a task, by its id or by its name.

    :param kind: kind of the sync
    """

    def __init__(self, kind: SyncKindName, *, by_name: bool) -> None:
        self.kind = kind
        self.sync_id, self.sync_name = (None, SYNC_NAME) if by_name else (SYNC, None)

    @property
    def _hook(self) -> Any:
        return SimpleNamespace(polytomic_conn_id="polytomic_default", organization_id=None)


@dataclass
class Task:
    """One task instance, and what it did.

    :param by_name: whether it has the name of the sync instead of its id
    :param keeps_names: whether the sync of a name is kept for the next attempts, as on all Airflows but 3.0 to 3.2
    :param remembers: whether it has a task state store, as in Airflow 3.3
    :param timeout: seconds of waiting, then the execution is canceled
    :param way: one of :data:`WAYS` to wait
    :param retries: ``retries`` in the DAG file
    :param counts_clears: whether each clear of a task changes the ``clear_number`` of the DAG run, as in Airflow 3.2
    :param connection: Airflow connection that each process reads; None for one that never changes
    :param generation: number of clears
    :param attempts_before: number of attempts since the last clear, before the present one
    :param attempt: number of attempts that have begun, over all generations
    :param known: id of the execution that the present attempt has found in the task state store
    :param owned: ids of the executions that ``start_once`` called owned
    :param due: ids of the executions that may be canceled: the task was ended or cleared, or the timeout has passed
    :param starts: the attempt that started each owned execution
    :param key_text: generation of the present attempt in its keys
    :param ended_as: state of the task after a person has ended or cleared it
    """

    api: SimulatedApi
    if_running: IfRunning = "wait"
    by_name: bool = False
    keeps_names: bool = True
    remembers: bool = False
    timeout: float | None = None
    way: str = "worker"
    retries: int = 100
    counts_clears: bool = True
    connection: AirflowConnection | None = None
    generation: int = 0
    attempts_before: int = 0
    attempt: int = 0
    known: str | None = None
    owned: list[str] = field(default_factory=list)
    due: set[str] = field(default_factory=set)
    starts: list[tuple[int, SimulatedExecution]] = field(default_factory=list)
    found: StartResult | None = None
    owning: OwningProcess | None = None
    process: Process | None = None
    ended_as: str | None = ""
    deferred: bool = False
    key_text: str = ""

    def __post_init__(self) -> None:
        self.api.on_start = self._count
        self.ti = TaskInstance(SimpleNamespace(task_id="task", retries=self.retries, do_xcom_push=True))
        self.store = StateStore(None if self.remembers else {SYNC_STORE_KEY} if self.keeps_names else set())
        self.ti.context["task_state_store"] = self.store
        self._keys: dict[str, list[str]] = {}

    def _count(self, execution: SimulatedExecution) -> None:
        if execution.key:
            self.starts.append((self.attempt, execution))

    # ---- the keys

    def keys(self) -> list[str]:
        """Return the keys that the present attempt may use."""
        return self._keys_of(self.request(TaskExecutionState(self.ti.context)))

    def _keys_of(self, request: StartRequest) -> list[str]:
        generation = str(request.generation)
        if generation not in self._keys:
            self._keys[generation] = [request.key(number) for number in range(MAX_KEYS)]
        return self._keys[generation]

    def number(self, key: str) -> int:
        """Return the number of a key among those of its generation."""
        return self.keys_beside(key).index(key)

    def keys_beside(self, key: str) -> list[str]:
        """Return the keys of the same generation."""
        return next(keys for keys in self._keys.values() if key in keys)

    def owned_executions(self, generation: int | None = None) -> list[SimulatedExecution]:
        """Return the executions that were started since the last clear, as the server knows them."""
        generation = self.generation if generation is None else generation
        return [one for one in self.api.executions if one.sender and one.sender.generation == generation]

    def request(self, state: TaskExecutionState) -> StartRequest:
        """Build the request as the operator does."""
        attempt = state.attempt
        self.known = state.get_started().get("execution_id")
        return StartRequest(
            kind=self.api.kind,
            sync_id=SYNC,
            identity=attempt.identity,
            generation=attempt.generation,
            attempts_before=attempt.previous_attempts,
            parameters=_parameters,
            if_running=self.if_running,
            known_execution_id=self.known,
            answer_timeout=float("inf") if self.timeout is None else self.timeout,
        )

    def needs(self, follower: str) -> int:
        """Return the number of executions that the next process must start if no other party's execution runs."""
        if follower in ("resume", "clear"):
            return int(follower == "clear")
        owned_executions = self.owned_executions()
        if any(one.status in ("running", "queued", "completed") for one in owned_executions):
            return 0
        attempts = self.attempts_before + 1 + (follower == "retry")
        return int(len(owned_executions) < attempts)

    # ---- an attempt

    def work(self) -> Flow[StartResult]:
        """Start, wait, and cancel after the timeout, as the operator does."""
        self.found = None
        state, sync = TaskExecutionState(self.ti.context), NamedSync(self.api.kind, by_name=self.by_name)
        yield from self._cancel_orphan(state)
        yield from sync._resolve_sync(self.ti.context)
        request = replace(self.request(state), sync_id=sync._sync_id)
        self._keys_of(request)
        while True:
            found = yield from start_once(request, partial(self._own, state))
            if found.ownership is not Ownership.OWNED:
                self.owning = None
            if found.ownership is not Ownership.BLOCKING:
                break
            yield from self._wait(state, found)
            if self.way == "poller":
                request = replace(request, known_execution_id=state.get_started().get("execution_id"))
        self.found = found
        return (yield from self.go_on())

    def go_on(self) -> Flow[StartResult]:
        """Wait for the execution that was found, as a deferred attempt does."""
        found, state = self.found, TaskExecutionState(self.ti.context)
        assert found
        if found.ownership is Ownership.OWNED and self.owning is None:
            self._set_owning(found.execution.id)
        if not found.execution.outcome.final:
            try:
                execution = yield from self._wait(state, found, self.timeout)
            except DeadlinePassed:
                if found.ownership is Ownership.OWNED:
                    self.due.add(found.execution.id)
                    yield from cancel_and_confirm(_ref(self, found.execution.id), timeout=60.0, clock=self._clock)
                raise
            found = replace(found, execution=execution)
        self.owning = None
        if found.execution.outcome is Outcome.SUCCESS:
            state.release()
            self.ti.xcom_push(RESULT_XCOM_KEY, {})
        return found

    def _wait(self, state: TaskExecutionState, found: StartResult, timeout: float | None = None) -> Flow[Execution]:
        deadline = None if timeout is None else self.api.now + timeout
        ref = _ref(self, found.execution.id)
        self.deferred = self.way == "poller" and state.set_awaited(ref.sync_id, ref.execution_id, found.ownership)
        if self.owning:
            self.owning = replace(self.owning, waiting_state="deferred" if self.deferred else "running")
        way = WAYS["poller" if self.deferred else "worker"]
        try:
            return (yield from way(ref, poll_interval=POLL, deadline=deadline, clock=self._clock))
        finally:
            self.deferred = False

    def _cancel_orphan(self, state: TaskExecutionState) -> Flow[None]:
        """After a clear, cancel the execution that the task was waiting for."""
        saved = state.begin_generation()
        if not saved:
            return
        orphan = _ref(self, saved["execution_id"])
        try:
            last_seen = yield from orphan.fetch()
            if not last_seen.outcome.final:
                yield from cancel(orphan, timeout=60.0, clock=self._clock)
        except PolytomicError:
            return

    def _own(self, state: TaskExecutionState, ref: ExecutionRef) -> None:
        self.owned.append(ref.execution_id)
        self._set_owning(ref.execution_id)
        state.save_started(ref.sync_id, ref.execution_id)
        state.set_awaited(ref.sync_id, ref.execution_id, Ownership.OWNED)

    def _set_owning(self, execution_id: str) -> None:
        attempt = WaitingAttempt.of(self.ti, self.ti.try_number, execution_id)
        self.owning = OwningProcess(attempt, "running", self.process)

    def _clock(self) -> float:
        return self.api.now

    # ---- Airflow

    @property
    def state(self) -> str | None:
        """The state of the task instance that Airflow answers."""
        if self.ended_as != "":
            return self.ended_as
        if self.process is None or not self.process.ended:
            return "deferred" if self.deferred else "running"
        return "success" if self.is_success else "up_for_retry"

    @property
    def is_success(self) -> bool:
        result = self.process.result if self.process else None
        return isinstance(result, StartResult) and result.execution.outcome is Outcome.SUCCESS

    def begin(self, stop: Stop | None = None) -> Process:
        """Begin the attempt; if it has begun before, run the same try again."""
        self.attempt += 1
        return self._run(self.work(), stop)

    def resume(self, stop: Stop | None = None) -> Process | None:
        """Resume the wait; return None if there was none."""
        return self._run(self.go_on(), stop) if self.found else None

    def retry(self, stop: Stop | None = None) -> Process:
        self.attempts_before += 1
        self.ti.retry()
        return self.begin(stop)

    def clear(self, stop: Stop | None = None, *, in_finished_run: bool = False) -> Process:
        """Clear a task that is deferred or has ended; its trigger cancels the execution.

        :param in_finished_run: whether the DAG run was over
        """
        self.kill(None)
        self.generation += 1
        self.attempts_before = 0
        self.ti.clear(in_finished_run=in_finished_run, counted=self.counts_clears)
        return self.begin(stop)

    def restart(self, stop: Stop | None = None) -> Process:
        """Clear a task that runs in a worker. Airflow gives the next attempt the facts of a retry."""
        self.kill("restarting")
        if self.counts_clears:
            self.ti.clear_others()
        self.ti.retry()
        self.attempts_before += 1
        if self.now.generation != self.key_text:
            self.generation, self.attempts_before = self.generation + 1, 0
        return self.begin(stop)

    @property
    def keeps_sync(self) -> bool:
        """Whether the present attempt, or one since the last clear, has kept the sync of the name."""
        return self.store.values.get(SYNC_STORE_KEY, {}).get("generation") == self.now.generation

    @property
    def now(self) -> Attempt:
        """The present attempt, as it sees itself."""
        return TaskExecutionState(self.ti.context).attempt

    def kill(self, state: str | None, *, acted: bool = False, answers: bool = True) -> None:
        """Let a person end or clear the task.

        :param state: state of the task then
        """
        self.due |= {one.id for one in self.owned_executions()}
        self.ended_as = state
        self.end_process(acted=acted, answers=answers)

    def end_process(self, *, acted: bool = False, answers: bool = True) -> None:
        """End the process as Airflow does, also without a person.

        :param acted: whether the process still gets the answer to its last request, and asks Airflow only then
        :param answers: whether Airflow answers the request of the process
        """
        if self.process is None or self.process.ended:
            return
        had = self.owning
        self.signal(had, answers=answers)
        if acted and isinstance(self.process.waiting, Call):
            self.process.step()
            if self.owning is not had:
                self.due |= {one.id for one in self.owned_executions()} if self.ended_as != "" else set()
                self.signal(self.owning, answers=answers)
        if not self.process.ended:
            self.process.die(acted=False)

    def signal(self, owning: OwningProcess | None, *, answers: bool = True) -> None:
        """End a process, which cancels its execution if the task was killed."""
        if owning is None:
            return

        def stored() -> StoredTaskInstance:
            if not answers:
                raise TaskStateUnknown("no answer")
            xcom = self.ti.xcoms.get(EXECUTION_XCOM_KEY) if self.state in WAITING_STATES else None
            return StoredTaskInstance(True, self.state, xcom)

        if kill_guard._was_killed(owning.attempt, stored, owning.waiting_state):
            ref = _ref(self, owning.attempt.execution_id)
            config = owning.process.config if owning.process else NO_CONNECTION
            Process(self.api, cancel(ref, timeout=2.0, clock=self._clock), config=config).run()

    def _run(self, flow: Flow[StartResult], stop: Stop | None) -> Process:
        self.api.sender = Sender(self.generation, self.attempt)
        self.ended_as, self.owning, self.process = "", None, None
        self.key_text = self.now.generation
        self.process = Process(self.api, flow, stop, self.connection)
        if self.owning:
            self.owning = replace(self.owning, process=self.process)
        return self.process


def _ref(task: Task, execution_id: str) -> ExecutionRef:
    return ExecutionRef(task.api.kind, SYNC, execution_id)


def _parameters(previous_executions: Sequence[Execution]) -> dict[str, bool]:
    return {"test": bool(previous_executions)}
