"""Simulate a task instance: attempts, retries, clears and resumed waits, each a process that may die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

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
from tests.support.polling import poll_for_end
from tests.support.simulated_api import SYNC, Process, SimulatedApi, SimulatedExecution, Stop

POLL = 30.0
MAX_KEYS = 20

WAYS: dict[str, Callable[..., Flow[Execution]]] = {
    "worker": partial(wait_for_end, pause_first=True),
    "poller": poll_for_end,
}
"""Flows that an attempt waits with: in a worker, or deferred."""


@dataclass
class Task:
    """One task instance, and what it did.

    :param remembers: whether the id of an execution outlives an attempt, as in Airflow 3.3
    :param surplus: number of attempts that a retry assumes too many, as after an edit of ``retries``
    :param timeout: seconds of waiting, then the execution is canceled
    :param way: one of :data:`WAYS` to wait
    :param attempt: number of attempts that have begun, over all generations
    :param owned: ids of the executions that ``start_once`` called owned
    :param starts: the attempt that started each owned execution
    """

    api: SimulatedApi
    if_running: IfRunning = "wait"
    remembers: bool = False
    surplus: int = 0
    timeout: float | None = None
    way: str = "worker"
    generation: int = 0
    attempts_before: int = 0
    attempt: int = 0
    memory: tuple[str, int] | None = None
    owned: list[str] = field(default_factory=list)
    starts: list[tuple[int, SimulatedExecution]] = field(default_factory=list)
    found: StartResult | None = None
    _keys: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.api.on_start = self._count

    def _count(self, execution: SimulatedExecution) -> None:
        if execution.key:
            self.starts.append((self.attempt, execution))

    # ---- the keys, computed once more

    def keys(self, generation: int | None = None) -> list[str]:
        generation = self.generation if generation is None else generation
        if generation not in self._keys:
            request = self.request(generation)
            self._keys[generation] = [request.key(number) for number in range(MAX_KEYS)]
        return self._keys[generation]

    def owned_executions(self, generation: int | None = None) -> list[SimulatedExecution]:
        """Return the executions that were started since the last clear, as the server knows them."""
        return self.api.of(*self.keys(generation))

    def request(self, generation: int | None = None) -> StartRequest:
        generation = self.generation if generation is None else generation
        return StartRequest(
            kind=self.api.kind,
            sync_id=SYNC,
            identity=("dag", "run", "task", -1),
            generation=generation,
            attempts_before=self.attempts_before and self.attempts_before + self.surplus,
            parameters=_parameters,
            if_running=self.if_running,
            known_execution_id=self._remembered(generation),
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
        request = self.request()
        own = partial(self._own, request.generation)
        while True:
            found = yield from start_once(request, own)
            if found.ownership is not Ownership.BLOCKING:
                break
            yield from self._wait(found.execution)
            request = replace(request, known_execution_id=self._remembered(request.generation))
        self.found = found
        return (yield from self.go_on())

    def go_on(self) -> Flow[StartResult]:
        """Wait for the execution that was found, as a deferred attempt does."""
        found = self.found
        assert found
        if not found.execution.outcome.final:
            try:
                execution = yield from self._wait(found.execution, self.timeout)
            except DeadlinePassed:
                if found.ownership is Ownership.OWNED:
                    run = ExecutionRef(self.api.kind, SYNC, found.execution.id)
                    yield from cancel_and_confirm(run, timeout=60.0, clock=lambda: self.api.now)
                raise
            found = replace(found, execution=execution)
        self.memory = None
        return found

    def _wait(self, execution: Execution, timeout: float | None = None) -> Flow[Execution]:
        run = ExecutionRef(self.api.kind, SYNC, execution.id)
        deadline = None if timeout is None else self.api.now + timeout
        return (yield from WAYS[self.way](run, poll_interval=POLL, deadline=deadline, clock=lambda: self.api.now))

    def _own(self, generation: int, run: ExecutionRef) -> None:
        self.owned.append(run.execution_id)
        self.memory = (run.execution_id, generation)

    def _remembered(self, generation: int) -> str | None:
        return self.memory[0] if self.remembers and self.memory and self.memory[1] == generation else None

    # ---- Airflow

    def begin(self, stop: Stop | None = None) -> Process:
        """Begin the attempt; if it has begun before, run the same try again."""
        self.attempt += 1
        return Process(self.api, self.work(), stop)

    def retry(self, stop: Stop | None = None) -> Process:
        self.attempts_before += 1
        return self.begin(stop)

    def clear(self, stop: Stop | None = None) -> Process:
        """Clear the task instance and cancel its execution, as the operator and the kill guard do."""
        if self.found and self.found.ownership is Ownership.OWNED:
            run = ExecutionRef(self.api.kind, SYNC, self.found.execution.id)
            Process(self.api, cancel(run, timeout=2.0, clock=lambda: self.api.now)).run()
        self.generation += self.attempts_before + 1
        self.attempts_before = 0
        return self.begin(stop)

    def resume(self, stop: Stop | None = None) -> Process | None:
        """Resume the wait; return None if there was none."""
        return Process(self.api, self.go_on(), stop) if self.found else None


def _parameters(previous_executions: Sequence[Execution]) -> dict[str, bool]:
    return {"test": bool(previous_executions)}
