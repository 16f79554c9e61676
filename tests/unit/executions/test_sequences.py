"""Start, wait and cancel in random sequences, with the id of a sync or with its name: processes die or are ended, a
person ends or clears the task, ``retries`` is edited, syncs are renamed, answers are lost or come from a proxy, keys
expire and are rotated, what Airflow stores is lost, and other parties interfere.

The invariants are checked at the server. Each exception to them is one in which no client could do better, and has its
reason in :meth:`Sequences.excuse` or :meth:`Sequences.check_generation`.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from airflow_provider_polytomic._compat.stores import STATE_STORE_KEY
from airflow_provider_polytomic._task.state import EXECUTION_XCOM_KEY, RESULT_XCOM_KEY
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.executions import AlreadyRunning, IfRunning, Ownership, StartResult
from tests.support.simulated_api import (
    CONFLICT_PAUSES,
    KINDS,
    MAX_SECONDS_IN_FLIGHT,
    NAMES,
    PROXY,
    RENAMED,
    AirflowConnection,
    Plan,
    Process,
    SimulatedApi,
    SimulatedExecution,
)
from tests.support.simulated_task import WAYS, OwningProcess, Task

pytestmark = pytest.mark.usefixtures("no_log")

FAULTS = ("never", "lost", "flies", "garbled", "429", "500", "500 acted", "503", "401", "403")
ENDS = ("completed", "failed", "canceled")

PLANS = st.builds(Plan, ends=st.sampled_from(ENDS), after=st.sampled_from([0.0, 3.0, 60.0, 1000.0]))
AIRFLOWS = {
    "3.3": {"remembers": True, "counts_clears": True},
    "3.2": {"remembers": False, "counts_clears": True, "keeps_names": False},
    "2.11": {"remembers": False, "counts_clears": False},
}
RETRIES = st.sampled_from([0, 1, 2, 3, 6])
STEPS = st.sampled_from([0, 2, 4, 8, 20])
WRITES = ("store", EXECUTION_XCOM_KEY, RESULT_XCOM_KEY)


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
        by_name=st.booleans(),
        airflow=st.sampled_from(list(AIRFLOWS)),
        retries=RETRIES,
        way=st.sampled_from(list(WAYS)),
        broken=st.sampled_from([set(), set(), {EXECUTION_XCOM_KEY}]),
        steps=STEPS,
    )
    def prepare(
        self,
        api: SimulatedApi,
        policy: IfRunning,
        by_name: bool,
        airflow: str,
        retries: int,
        way: str,
        broken: set[str],
        steps: int,
    ) -> None:
        self.api = api
        self.connection = AirflowConnection()
        self.task = Task(
            api, policy, by_name, retries=retries, way=way, connection=self.connection, **AIRFLOWS[airflow]
        )
        api.on_start = self.count
        self.excused: set[int] = set()
        self.starts: dict[int, list[SimulatedExecution]] = {}
        self.cut_off: list[OwningProcess] = []
        self.generations: dict[int, str] = {}
        self.follower = "begin"
        self.broken = self.forgetful = False
        self.task.ti.broken_xcoms = broken
        self.begin("begin", steps)

    # ---- counting

    def count(self, execution: SimulatedExecution) -> None:
        """Check an execution the moment it is started."""
        if execution.key is None:
            return
        generation = execution.sender.generation
        for rival in self.task.owned_executions(generation):
            if rival.status in ("running", "queued", "completed"):
                assert self.excuse(execution, rival), f"{execution} while there is {rival}"
                self.excused.add(generation)
        if (
            not execution.answered
            or execution.in_flight_for >= sum(CONFLICT_PAUSES)
            or any(one.key in self.api.forgotten for one in self.task.owned_executions(generation))
            or self.api.forgotten & set(self.task.keys())
        ):
            self.excused.add(generation)
        if self.api.delivering is None and execution.answered:
            self.starts.setdefault(self.task.attempt, []).append(execution)
            assert len(self.starts[self.task.attempt]) == 1 or generation in self.excused, "a process started two"
        if generation == self.task.generation and generation not in self.excused:
            assert len(self.task.owned_executions()) <= self.task.attempts_before, "more executions than attempts"

    def excuse(self, execution: SimulatedExecution, rival: SimulatedExecution) -> str:
        """Return why no client could have known of the rival; "" if it could."""
        assert execution.key
        assert rival.key
        number, rivals_number = self.task.number(execution.key), self.task.number(rival.key)
        if not rival.answered:
            return "its key is answered 500, and nothing else shows who started it"
        for one in (execution, rival):
            is_own = one.sender == self.api.sender
            if one.in_flight_for >= (MAX_SECONDS_IN_FLIGHT if is_own else sum(CONFLICT_PAUSES)):
                return "a start in flight for so long cannot be distinguished from a recorded 409"
        if self.task.known == rival.id:
            return ""
        if {execution.key, rival.key} & self.api.forgotten:
            return "a key has expired, and nothing is remembered"
        if self.forgetful and execution.key not in self.task.keys_beside(rival.key):
            return "the task state store has failed, and without it the clear before looks like none, or like another"
        if number < rivals_number and self.skippable(execution.key):
            return (
                "its key was refused over and over, as if that were recorded, and was not. To the next attempt this "
                "is the same as if the later key had never been used: whichever key it sends first, it starts one too "
                "many in one of the two cases"
            )
        if number > rivals_number and self.skippable(rival.key, recorded=True):
            return (
                "the key of an execution that is not remembered was refused over and over by Polytomic itself, as only "
                "a key is under which a refusal is recorded"
            )
        return ""

    def skippable(self, key: str, *, recorded: bool = False) -> bool:
        """Return whether a key met the same unrecorded refusal as often as only a recorded one should."""
        statuses = (self.api.refused_later if recorded else self.api.refused).get(key, [])
        return any(statuses.count(status) >= (2 if status == 403 else 4) for status in statuses if status != 409)

    def check_generation(self, in_finished_run: bool) -> None:
        """Check that the keys change with a clear, and with nothing else."""
        generation, attempt = self.task.generation, self.task.now
        text = attempt.generation
        alike = [number for number, other in self.generations.items() if other == text and number < generation]
        if alike:
            assert not in_finished_run
            is_known = self.is_remembered and self.had_succeeded
            assert not is_known or self.forgetful, "a clear that is taken for a retry"
            self.excused.add(generation)
        if self.generations.setdefault(generation, text) != text:
            assert self.forgetful, "a retry that is taken for a clear"
            self.excused.add(generation)
        if attempt.previous_attempts < self.task.attempts_before:
            ti = self.task.ti
            assert not self.is_remembered or self.forgetful
            assert ti.context["dag_run"].clear_number
            assert ti.max_tries - ti.task.retries == ti.try_number - 1, "more attempts than the present one assumes"
            self.excused.add(generation)

    # ---- Airflow

    def begin(self, follower: str, steps: int = 0, *, in_finished_run: bool = False) -> None:
        self.there = [one.id for one in self.api.executions if not one.live]
        self.existed = {one.id for one in self.api.executions}
        self.follower = follower
        self.is_remembered, self.had_succeeded = STATE_STORE_KEY in self.task.store.values, self.task.is_success
        if follower == "clear":
            self.process = self.task.clear(in_finished_run=in_finished_run)
        else:
            begins = {"begin": "begin", "again": "begin", "retry": "retry", "restart": "restart", "resume": "resume"}
            self.process = getattr(self.task, begins[follower])()
        self.check_generation(in_finished_run)
        self.advance(steps)
        self.check()

    process: Process
    is_remembered = had_succeeded = False

    @property
    def may_retry(self) -> bool:
        ti = self.task.ti
        return self.task.state == "up_for_retry" and ti.try_number <= ti.max_tries

    @precondition(lambda self: self.may_retry)
    @rule(retries=st.one_of(st.none(), RETRIES), clears_others=st.booleans(), steps=STEPS)
    def retry(self, retries: int | None, clears_others: bool, steps: int) -> None:
        """Retry, after another task was cleared or the DAG file was deployed, too."""
        if retries is not None:
            self.task.ti.task.retries = retries
        if clears_others and self.task.counts_clears:
            self.task.ti.clear_others()
        self.begin("retry", steps)

    @precondition(lambda self: self.process.died and not self.api.in_flight and self.task.state == "up_for_retry")
    @rule()
    def again(self) -> None:
        """Run the same attempt once more; Airflow counts another attempt if a process dies with a start in flight."""
        self.begin("again")

    @precondition(lambda self: self.process.died and self.task.found and self.task.state == "up_for_retry")
    @rule()
    def resume(self) -> None:
        self.begin("resume")

    @rule(in_finished_run=st.booleans(), retries=st.one_of(st.none(), RETRIES), steps=STEPS)
    def clear(self, in_finished_run: bool, retries: int | None, steps: int) -> None:
        """Clear the task; while it runs in a worker, it restarts."""
        if retries is not None:
            self.task.ti.task.retries = retries
        self.api.names = NAMES
        if self.task.state == "running":
            self.begin("restart", steps)
        else:
            self.begin("clear", steps, in_finished_run=in_finished_run and self.process.ended)

    @precondition(lambda self: not self.process.ended)
    @rule(acted=st.booleans(), is_cut_off=st.booleans())
    def die(self, acted: bool, is_cut_off: bool) -> None:
        """Kill the process, or cut it off from Airflow, so that it gets its signal later."""
        owning = self.task.owning
        if is_cut_off and owning and owning.waiting_state == "running":
            self.cut_off.append(owning)
        self.process.die(acted=acted)

    @precondition(lambda self: not self.process.ended)
    @rule(acted=st.booleans(), answers=st.booleans())
    def drain(self, acted: bool, answers: bool) -> None:
        """Stop the worker or the triggerer without a person's wish to end the task."""
        self.task.end_process(acted=acted, answers=answers)
        self.check()

    @precondition(lambda self: not self.process.ended)
    @rule(state=st.sampled_from(["failed", "success"]), acted=st.booleans(), answers=st.booleans())
    def mark(self, state: str, acted: bool, answers: bool) -> None:
        owning = self.task.owning
        self.task.kill(state, acted=acted, answers=answers)
        if owning and answers and not self.connection.failures:
            execution = next(one for one in self.api.executions if one.id == owning.attempt.execution_id)
            assert execution.cancels or not execution.live, "not canceled although the task is over"

    @precondition(lambda self: self.cut_off)
    @rule()
    def end_cut_off(self) -> None:
        """Let a process that was cut off end, whatever the task does by now."""
        self.task.signal(self.cut_off.pop(0))

    @rule(broken=st.one_of(st.just(set()), st.sets(st.sampled_from(WRITES))), look_ups=st.sampled_from([0, 0, 1, 2]))
    def break_airflow(self, broken: set[str], look_ups: int) -> None:
        """Let what Airflow stores for the task fail from now on, or no longer, and the next look-ups of the connection.

        :param broken: what fails
        """
        self.task.store.broken = "store" in broken
        self.forgetful |= self.task.store.broken
        self.api.names = NAMES if self.forgetful else self.api.names
        self.task.ti.broken_xcoms = broken
        self.connection.failures = look_ups

    @precondition(lambda self: not self.process.ended)
    @rule(first=st.sampled_from(["connection", "connection", "Polytomic"]), steps=st.sampled_from([0, 1, 3]))
    def rotate_key(self, first: str, steps: int) -> None:
        """Rotate the API key in the Airflow connection and in Polytomic, with some steps in between."""
        key = "key-1" if self.api.api_key == "key-0" else "key-0"
        places = [self.connection, self.api]
        for place in places if first == "connection" else reversed(places):
            place.api_key = key
            self.advance(steps)
        self.check()

    @precondition(lambda self: not self.process.ended)
    @rule(times=st.sampled_from([1, 1, 2, 3, 5, 20]))
    def step(self, times: int) -> None:
        self.advance(times)
        self.check()

    @precondition(lambda self: not self.process.ended and not self.task.owning and not self.api.in_flight)
    @rule(seconds=st.sampled_from([5.0, 20.0, 100.0, 250.0]), shown=st.booleans())
    def start_late(self, seconds: float, shown: bool) -> None:
        """Let the start be answered after seconds or minutes, although the status shows the execution before."""
        for _ in range(12):
            if key := getattr(self.process.waiting, "idempotency_key", None):
                break
            self.advance(1)
        if self.process.ended or key is None or key in self.api.keys:
            return
        self.advance(1, "flies")
        if shown:
            self.api.show_in_flight(key)
        until = self.api.now + seconds
        for _ in range(100):
            if self.api.now < until:
                self.advance(1)
        if key in self.api.in_flight:
            self.api.deliver(key)
        self.check()

    def advance(self, times: int, fault: str = "") -> None:
        for _ in range(times):
            if not self.process.ended:
                self.process.step(fault)

    @precondition(lambda self: not self.process.ended)
    @rule(fault=st.one_of(st.sampled_from(FAULTS), st.sampled_from(PROXY)), times=st.sampled_from([1, 2, 4, 6]))
    def fail(self, fault: str, times: int) -> None:
        self.broken |= fault.startswith("5")
        for _ in range(times):
            waits = self.task.found and not self.process.ended
            self.advance(1, fault)
            assert not (waits and fault in PROXY and self.process.error), "a wait that a proxy has ended"
        self.check()

    @precondition(lambda self: not self.process.ended)
    @rule(fault=st.sampled_from(["429", "500", "503", "403", *PROXY]), times=st.sampled_from([2, 4, 6]))
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

    @precondition(lambda self: self.task.keeps_sync and not self.forgetful)
    @rule(names=st.sampled_from(RENAMED))
    def rename(self, names: dict[str, str]) -> None:
        """Rename, copy or delete syncs; until the task is cleared, its name stands for the same one."""
        self.api.names = names

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
        """Complete a start that was in flight, after seconds or minutes."""
        self.api.deliver(next(iter(self.api.in_flight)))

    # ---- invariants

    def check(self) -> None:
        """Check the result of a process that has ended."""
        process = self.process
        if process.error:
            failures = (AlreadyRunning, PolytomicError, LookupError, RuntimeError)
            assert isinstance(process.error, failures), process.error
            if isinstance(process.error, RuntimeError):
                assert RESULT_XCOM_KEY in str(process.error)
            if isinstance(process.error, AlreadyRunning):
                assert self.task.if_running in ("fail", "skip")
                running = next(one for one in self.api.executions if one.id == process.error.execution.id)
                assert running.sender != self.api.sender, "the execution that this attempt has started is in its way"
        if not isinstance(process.result, StartResult):
            return
        found = process.result
        truth = next(one for one in self.api.executions if one.id == found.execution.id)
        assert found.execution.outcome.final
        assert found.execution.status == truth.status
        excused = self.task.generation in self.excused
        if found.ownership is Ownership.OWNED:
            assert truth in self.task.owned_executions() or excused
            if self.follower == "retry" and not excused and truth.status != "completed":
                assert truth.id not in self.there, "the failure of an earlier attempt, taken for its own"
        elif self.task.if_running != "join" and self.follower != "resume":
            assert self.broken, "joined without a reason"
            assert truth.id not in self.existed or self.api.status_lags

    @invariant()
    def only_owned_executions_are_canceled_and_only_if_due(self) -> None:
        if not hasattr(self, "api"):
            return
        owned_executions = {one.id for one in self.api.executions if one.key}
        assert set(self.task.owned) <= owned_executions
        assert self.api.canceled_ids <= owned_executions
        assert {one.id for one in self.api.executions if one.was_canceled} <= self.task.due

    def teardown(self) -> None:
        """Check that a last undisturbed attempt starts what is needed, and nothing else."""
        if not hasattr(self, "api"):
            return
        for key in list(self.api.in_flight):
            self.api.deliver(key)
        self.task.end_process(answers=False)
        self.task.store.broken, self.task.ti.broken_xcoms, self.connection.failures = False, set(), 0
        self.connection.api_key = self.api.api_key
        if self.task.state == "success":
            return
        follower = "retry" if self.may_retry else "clear"
        self.api.names = NAMES if follower == "clear" else self.api.names
        for one in self.api.executions:
            if one.live and (follower == "clear" or one not in self.task.owned_executions()):
                self.api.end(one, "completed")
        self.api.advance(100.0)
        needs, had = self.task.needs(follower), len(self.api.executions)
        self.begin(follower)
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
