"""Start, wait and cancel in random sequences: processes die, answers are lost, keys expire, other parties interfere.

The invariants are checked at the server. Each exception to them is one in which no client could do better, and has its
reason in :meth:`Sequences.excuse`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.executions import AlreadyRunning, IfRunning, Ownership, StartResult
from tests.support.simulated_api import (
    CONFLICT_PAUSES,
    KINDS,
    PROXY,
    Plan,
    Process,
    SimulatedApi,
    SimulatedExecution,
)
from tests.support.simulated_task import WAYS, Task

FAULTS = ("never", "lost", "flies", "garbled", "429", "500", "500 acted", "503", "403", *PROXY)
ENDS = ("completed", "failed", "canceled")

PLANS = st.builds(Plan, ends=st.sampled_from(ENDS), after=st.sampled_from([0.0, 3.0, 60.0, 1000.0]))


class Sequences(RuleBasedStateMachine):
    @initialize(
        api=st.builds(
            SimulatedApi,
            kind=st.sampled_from(KINDS),
            when_busy=st.sampled_from(["conflict", "conflict", "queue"]),
            records_conflicts=st.booleans(),
            records_failures=st.booleans(),
            nothing=st.sampled_from(["absent", "null"]),
            whole_seconds=st.booleans(),
            status_lags=st.sampled_from([0.0, 0.0, 20.0]),
            plans=st.lists(PLANS, max_size=6),
        ),
        policy=st.sampled_from(["wait", "wait", "join", "fail", "skip"]),
        remembers=st.booleans(),
        surplus=st.sampled_from([0, 0, 1, 3]),
        way=st.sampled_from(list(WAYS)),
    )
    def prepare(self, api: SimulatedApi, policy: IfRunning, remembers: bool, surplus: int, way: str) -> None:
        self.api = api
        self.task = Task(api, policy, remembers, surplus, way=way)
        api.on_start = self.count
        self.excused: set[int] = set()
        self.starts: dict[int, list[SimulatedExecution]] = {}
        self.acting = 0
        self.follower = "begin"
        self.broken = False
        self.begin("begin")

    # ---- counting

    def count(self, execution: SimulatedExecution) -> None:
        """Check an execution the moment it is started."""
        if execution.key is None:
            return
        generation, number = self.place(execution)
        for rival in self.task.owned_executions(generation):
            if rival.status in ("running", "queued", "completed"):
                excuse = self.excuse(execution, number, rival, self.place(rival)[1])
                assert excuse, f"{execution} while there is {rival}"
                self.excused.add(generation)
        if (
            not execution.answered
            or execution.in_flight_for >= sum(CONFLICT_PAUSES)
            or self.api.forgotten & set(self.task.keys(generation))
        ):
            self.excused.add(generation)
        if self.api.delivering is None and execution.answered:
            self.starts.setdefault(self.acting, []).append(execution)
            assert len(self.starts[self.acting]) == 1 or generation in self.excused, "a process started two"
        if generation == self.task.generation and generation not in self.excused:
            assert len(self.task.owned_executions()) <= self.task.attempts_before, "more executions than attempts"

    def excuse(self, execution: SimulatedExecution, number: int, rival: SimulatedExecution, rivals_number: int) -> str:
        """Return why no client could have known of the rival; "" if it could."""
        if not rival.answered:
            return "its key is answered 500, and nothing else shows who started it"
        if max(execution.in_flight_for, rival.in_flight_for) >= sum(CONFLICT_PAUSES):
            return "a start in flight for so long cannot be distinguished from a recorded 409"
        if self.task.remembers and self.task.memory == (rival.id, self.task.generation):
            return ""
        assert execution.key
        assert rival.key
        if {execution.key, rival.key} & self.api.forgotten:
            return "a key has expired, and nothing is remembered"
        if number < rivals_number and self.skippable(execution.key):
            return (
                "its key was refused over and over, as if that were recorded, and was not. To the next attempt this "
                "is the same as if the later key had never been used: whichever key it sends first, it starts one too "
                "many in one of the two cases"
            )
        return ""

    def skippable(self, key: str) -> bool:
        """Return whether a key met the same unrecorded refusal as often as only a recorded one should."""
        statuses = self.api.refused.get(key, [])
        return any(statuses.count(status) >= (2 if status == 403 else 4) for status in statuses if status != 409)

    def place(self, execution: SimulatedExecution) -> tuple[int, int]:
        for generation in range(self.task.generation + 1):
            keys = self.task.keys(generation)
            if execution.key in keys:
                return generation, keys.index(execution.key)
        raise AssertionError("a key that is not of this task")

    # ---- Airflow

    def begin(self, follower: str) -> None:
        self.acting += 1
        self.there = [one.id for one in self.api.executions if not one.live]
        self.existed = {one.id for one in self.api.executions}
        self.follower = follower
        begins = {"begin": "begin", "again": "begin", "retry": "retry", "clear": "clear", "resume": "resume"}
        began = getattr(self.task, begins[follower])()
        assert began
        self.process: Process = began

    @property
    def is_success(self) -> bool:
        return isinstance(self.process.result, StartResult) and self.process.result.execution.outcome.value == "success"

    @precondition(lambda self: self.process.ended and not self.is_success)
    @rule()
    def retry(self) -> None:
        self.begin("retry")

    @precondition(lambda self: self.process.died and not self.api.in_flight and not self.task.surplus)
    @rule()
    def again(self) -> None:
        """Run the same attempt once more; Airflow counts another attempt if a process dies with a start in flight."""
        self.begin("again")

    @precondition(lambda self: self.process.died and self.task.found)
    @rule()
    def resume(self) -> None:
        self.begin("resume")

    @rule(acted=st.booleans())
    def clear(self, acted: bool) -> None:
        if not self.process.ended:
            self.process.die(acted=acted)
        self.begin("clear")

    @precondition(lambda self: not self.process.ended)
    @rule(acted=st.booleans())
    def die(self, acted: bool) -> None:
        self.process.die(acted=acted)

    @precondition(lambda self: not self.process.ended)
    @rule(times=st.sampled_from([1, 1, 2, 3, 5, 20]))
    def step(self, times: int) -> None:
        for _ in range(times):
            if not self.process.ended:
                self.process.step()
        self.check()

    @precondition(lambda self: not self.process.ended)
    @rule(fault=st.sampled_from(FAULTS), times=st.sampled_from([1, 2, 4, 6]))
    def fail(self, fault: str, times: int) -> None:
        self.broken |= fault.startswith("5")
        for _ in range(times):
            if not self.process.ended:
                self.process.step(fault)
        self.check()

    @precondition(lambda self: not self.process.ended)
    @rule(fault=st.sampled_from(["429", "500", "503", "403", "html 404", "html 500"]), times=st.sampled_from([2, 4, 6]))
    def refuse_starts(self, fault: str, times: int) -> None:
        """Refuse the next starts, and nothing else, as a limit or a broken part of the application does."""
        self.broken |= fault.startswith("5")
        for _ in range(40):
            if self.process.ended or not times:
                break
            starting = getattr(self.process.waiting, "idempotency_key", None)
            self.process.step(fault if starting else "")
            times -= bool(starting)
        self.check()

    # ---- what happens without the task

    @rule(seconds=st.sampled_from([0.3, 10.0, 70.0, 400.0, 2000.0]))
    def wait(self, seconds: float) -> None:
        self.api.advance(seconds)

    @precondition(lambda self: self.api.keys)
    @rule()
    def keys_expire(self) -> None:
        self.api.advance(25 * 3600.0)

    @rule(plan=PLANS)
    def others_start(self, plan: Plan) -> None:
        self.api.others_start(plan)

    @precondition(lambda self: self.api.busy)
    @rule(status=st.sampled_from([*ENDS, "canceling"]))
    def end(self, status: str) -> None:
        one = next(one for one in self.api.executions if one.live)
        if status != "canceling":
            self.api.end(one, status)
        elif one.status != "canceling":
            one.status, one.canceled_at = status, self.api.now

    @precondition(lambda self: self.api.in_flight)
    @rule()
    def deliver(self) -> None:
        self.api.deliver(next(iter(self.api.in_flight)))

    # ---- invariants

    def check(self) -> None:
        """Check the result of a process that has ended."""
        process = self.process
        if process.error:
            assert isinstance(process.error, (AlreadyRunning, PolytomicError)), process.error
            if isinstance(process.error, AlreadyRunning):
                assert self.task.if_running in ("fail", "skip")
        if not isinstance(process.result, StartResult):
            return
        found = process.result
        truth = next(one for one in self.api.executions if one.id == found.execution.id)
        assert found.execution.outcome.final
        assert found.execution.status == truth.status
        if found.ownership is Ownership.OWNED:
            assert truth in self.task.owned_executions()
            if self.follower == "retry" and self.task.generation not in self.excused and truth.status != "completed":
                assert truth.id not in self.there, "the failure of an earlier attempt, taken for its own"
        elif self.task.if_running != "join" and self.follower != "resume":
            assert self.broken, "joined without a reason"
            assert truth.id not in self.existed or self.api.status_lags

    @invariant()
    def only_owned_executions_are_canceled(self) -> None:
        if not hasattr(self, "api"):
            return
        owned_executions = {one.id for one in self.api.executions if one.key}
        assert set(self.task.owned) <= owned_executions
        assert self.api.canceled_ids <= owned_executions

    def teardown(self) -> None:
        """Check that a last undisturbed retry starts what is needed, and nothing else."""
        if not hasattr(self, "api"):
            return
        for key in list(self.api.in_flight):
            self.api.deliver(key)
        if not self.process.ended:
            self.process.die(acted=True)
        for one in self.api.executions:
            if one.live and one not in self.task.owned_executions():
                self.api.end(one, "completed")
        self.api.advance(100.0)
        if self.is_success:
            return
        needs, had = self.task.needs("retry"), len(self.api.executions)
        self.begin("retry")
        self.process.run()
        self.check()
        if self.task.generation not in self.excused:
            started = len(self.api.executions) - had
            assert started == needs or (isinstance(self.process.error, PolytomicError) and not started)


TestSequences = Sequences.TestCase
TestSequences.settings = settings(
    max_examples=300,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
