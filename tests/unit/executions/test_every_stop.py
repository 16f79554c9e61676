"""Start, wait and cancel with a process that dies at any step, before or after the server acted, and one that follows.

The sync is given by its id or by its name. After a process has resolved the name, syncs are renamed, copied or deleted.
The server knows what the second process must start; what the first one was answered does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, product
from typing import Any

import pytest

from airflow_provider_polytomic._task.state import EXECUTION_XCOM_KEY, RESULT_XCOM_KEY
from airflow_provider_polytomic.executions import AlreadyRunning, DeadlinePassed, IfRunning, Ownership
from tests.support.simulated_api import KINDS, PROXY, RENAMED, AirflowConnection, Plan, SimulatedApi, Stop
from tests.support.simulated_task import WAYS, Task

pytestmark = [
    pytest.mark.usefixtures("no_log"),
    pytest.mark.parametrize("way", WAYS),
    pytest.mark.parametrize("by_name", [False, True], ids=["by_id", "by_name"]),
]

POLICIES: tuple[IfRunning, ...] = ("wait", "join", "fail", "skip")
FATES = ("completed", "failed", "canceled")
FOLLOWERS = ("retry", "again", "clear", "resume")
LATER = (0.0, 45.0, 400.0)
"""Seconds between two processes: the execution has just begun, goes on, or has long ended."""

MAX_STEPS = 60


def stops() -> Iterator[Stop]:
    for step in range(MAX_STEPS):
        stop = Stop(step, acted=False)
        yield stop
        if stop.writes:
            yield Stop(step, acted=True)


def check(task: Task) -> None:
    """Check that no other party's execution is owned or canceled, and that an attempt started one execution at most."""
    owned_executions = {execution.id for _, execution in task.starts}
    assert set(task.owned) <= owned_executions
    assert task.api.canceled_ids <= owned_executions
    attempts = [attempt for attempt, _ in task.starts]
    assert len(attempts) == len(set(attempts))


def follow(task: Task, follower: str) -> None:
    """Run another process to its end, and check that it starts what is needed and nothing else."""
    if follower == "resume" and not task.found:
        return
    expected = task.needs(follower)
    others = [one for one in task.api.executions if one.live and one not in task.owned_executions()]
    if follower == "clear":
        canceled = task.found.execution.id if task.found and task.found.ownership is Ownership.OWNED else None
        others = [one for one in task.api.executions if one.live and one.id != canceled]
    had, there = len(task.starts), list(task.api.executions)
    began = {"retry": task.retry, "again": task.begin, "clear": task.clear, "resume": task.resume}[follower]()
    assert began is not None
    process = began.run()
    started = [execution for _, execution in task.starts[had:]]
    check(task)
    if isinstance(process.error, AlreadyRunning):
        assert task.if_running in ("fail", "skip")
        assert started == []
        running = next(one for one in task.api.executions if one.id == process.error.execution.id)
        assert running in there
        assert follower == "again" or running not in task.owned_executions() or not task.attempts_before
        return
    if others and task.if_running != "wait" and started and task.api.when_busy == "conflict":
        assert all(one.completed and one.completed <= started[0].created for one in others)
    elif others and task.if_running != "wait":
        expected *= len(started)
    assert len(started) == expected
    if isinstance(process.error, DeadlinePassed):
        return
    assert process.error is None
    found = process.result
    truth = next(one for one in task.api.executions if one.id == found.execution.id)
    assert found.execution.outcome.final
    assert (found.ownership is Ownership.JOINED) <= (task.if_running == "join")
    if found.ownership is Ownership.OWNED:
        assert truth in task.owned_executions()
    if started and follower != "resume":
        assert truth is started[-1]
    if not started and follower == "retry" and found.ownership is Ownership.OWNED and truth.status != "completed":
        assert truth in there, "the failure of an earlier attempt"


def play(api: SimulatedApi, task: Task, stop: Stop, later: float, follower: str) -> bool:
    """Run one sequence; return whether the process died in it."""
    first = task.begin(stop).run()
    check(task)
    assert len(task.starts) <= 1
    if task.keeps_sync and follower != "clear":
        api.names = RENAMED[stop.step % len(RENAMED)]
    api.advance(later)
    follow(task, follower)
    return first.died


@pytest.mark.parametrize("follower", FOLLOWERS)
@pytest.mark.parametrize("timeout", [None, 40.0])
def test_alone(follower: str, timeout: float | None, way: str, by_name: bool) -> None:
    for (remembers, fate, later), kind in zip(product((False, True), FATES, LATER), cycle(KINDS)):
        for stop in stops():
            api = SimulatedApi(kind, whole_seconds=remembers, plans=[Plan(fate)])
            task = Task(api, by_name=by_name, remembers=remembers, timeout=timeout, way=way)
            if not play(api, task, stop, later, follower):
                break
        else:
            pytest.fail("the flow has more steps than were tried")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("follower", FOLLOWERS)
@pytest.mark.parametrize("when_busy", ["conflict", "queue"])
def test_while_another_party_runs_an_execution(
    policy: IfRunning, follower: str, when_busy: str, way: str, by_name: bool
) -> None:
    for (records, later), kind in zip(product((False, True), LATER[1:]), (*KINDS, *reversed(KINDS))):
        for stop in stops():
            api = SimulatedApi(kind, when_busy=when_busy, records_conflicts=records)
            other = api.others_start(Plan(after=80.0))
            task = Task(api, policy, by_name, way=way)
            if not play(api, task, stop, later, follower):
                break
            assert other
            assert not other.cancels


@pytest.mark.parametrize("policy", POLICIES)
def test_another_party_starts_between_status_and_start(policy: IfRunning, way: str, by_name: bool) -> None:
    apis = cycle([("model", True), ("bulk", False), ("model", False)])
    for (later, follower), (kind, records) in zip(product(LATER[1:], FOLLOWERS), apis):
        for stop in stops():
            api = SimulatedApi(kind, records_conflicts=records)
            task = Task(api, policy, by_name, way=way)
            first = task.begin(stop)
            for _ in range(1 + by_name):
                if not first.ended:
                    first.step()
            other = api.others_start(Plan(after=50.0))
            first.run()
            check(task)
            api.advance(later)
            follow(task, follower)
            assert other is None or not other.cancels
            if not first.died:
                break


def drain(task: Task) -> None:
    task.end_process()


def edit(task: Task) -> None:
    """Deploy a DAG file with fewer retries, and lose the worker."""
    task.ti.task.retries -= 2
    task.process.die(acted=True)


def fail_xcom(task: Task) -> None:
    task.ti.broken_xcoms = {EXECUTION_XCOM_KEY, RESULT_XCOM_KEY}


def fail_store(task: Task) -> None:
    task.store.broken = True


def lose_the_key(task: Task) -> None:
    """Rotate the key while the secrets backend fails."""
    task.connection.api_key = task.api.api_key = "key-1"
    task.connection.failures = 1


TROUBLES = [drain, edit, fail_xcom, fail_store, lose_the_key, *PROXY[::7]]
"""What happens at one step; `test_sequences.py` has all answers of a proxy."""


@pytest.mark.parametrize("follower", ["retry", "clear"])
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_trouble_at_any_step(trouble: Any, follower: str, way: str, by_name: bool) -> None:
    for fate, step in product(("completed", "failed"), range(8 + by_name)):
        api = SimulatedApi(plans=[Plan(fate)])
        task = Task(api, by_name=by_name, remembers=True, way=way, connection=AirflowConnection())
        process = task.begin()
        for _ in range(step):
            if not process.ended:
                process.step()
        if not process.ended:
            process.step(trouble) if isinstance(trouble, str) else trouble(task)
        process.run()
        check(task)
        task.ti.broken_xcoms, task.store.broken, task.connection.failures = set(), False, 0
        assert not task.api.canceled_ids
        follow(task, follower)
