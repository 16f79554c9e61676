"""Decide whether the task that waits for an execution was killed, in a worker and in a trigger.

Airflow ends a process or a trigger for many reasons. A person marked or cleared the task, or failed or deleted its DAG
run. A worker is drained, its heartbeats failed, or its supervisor received SIGTERM. A triggerer stops, or its triggers
were reassigned because it missed its heartbeats. Only the reasons of the first kind may cancel the execution, and
Airflow does not report the reason: the signal is the same, and 3.3.0 to 3.3.2 call ``on_kill`` of a reassigned
trigger too.

So the guard asks for the state of the task instance:

* The task is over, its DAG run is deleted, or the task restarts after a clear: it was killed.
* The task is up for retry: the next attempt adopts the execution.
* The task runs or is deferred: its XCom has the execution that it waits for. The operator pushes that XCom, and Airflow
  deletes it when the next attempt starts. If the XCom names this execution as owned, this attempt or a later one waits
  for it. If a later attempt has named another one, the task was cleared. If this attempt has, the push of the XCom of
  this execution failed, and the case is undecided.
* Anything else: Airflow takes a deferred task there only by a clear. A task that ran gets there by a retry too, so for
  a worker the case is undecided.

If a case is undecided, the execution goes on: it can be canceled by hand or by the next attempt, and a wrong
cancellation cannot be undone.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from airflow_provider_polytomic._compat import (
    StoredTaskInstance,
    TaskStateUnknown,
    stored_task_instance_in_trigger,
    stored_task_instance_in_worker,
)
from airflow_provider_polytomic._task.deadline import run_with_deadline
from airflow_provider_polytomic._task.state import EXECUTION_XCOM_KEY
from airflow_provider_polytomic.results import Ownership

log = logging.getLogger(__name__)

SHUTDOWN_GUARD_TIMEOUT = 18.0
"""Seconds to wait for the response when the process may be stopping, which must not be delayed."""

GUARD_TIMEOUT = 60.0
"""Seconds to wait for the response otherwise: the first request of a triggerer takes seconds."""

KILLED_STATES = frozenset({"success", "failed", "skipped", "upstream_failed", "removed", "restarting"})
"""States of a task that is over or was cleared."""


@dataclass(frozen=True)
class WaitingAttempt:
    """The attempt of a task instance that waits for an execution.

    :param try_number: number of the attempt
    :param execution_id: id of the execution, which the attempt owns
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int | None
    execution_id: str

    @classmethod
    def of(cls, task_instance: Any, try_number: int | None, execution_id: str) -> WaitingAttempt:
        """Read the ids of a task instance of Airflow."""
        ti = task_instance
        map_index = -1 if ti.map_index is None else ti.map_index
        return cls(ti.dag_id, ti.run_id, ti.task_id, map_index, try_number, execution_id)


async def was_killed_in_trigger(attempt: WaitingAttempt, timeout: float) -> bool:
    """Return whether the task of a trigger was killed; False if that cannot be decided.

    :param timeout: seconds to wait for the response
    """
    request = asyncio.ensure_future(stored_task_instance_in_trigger(attempt, EXECUTION_XCOM_KEY))
    answered, _ = await asyncio.wait({request}, timeout=timeout)

    def answer() -> StoredTaskInstance:
        if not answered:
            raise TaskStateUnknown(f"no answer within {timeout:.0f} s")
        return request.result()

    return _was_killed(attempt, answer, "deferred")


def was_killed_in_worker(attempt: WaitingAttempt, timeout: float) -> bool:
    """Return whether the task of this worker was killed; False if that cannot be decided.

    :param timeout: seconds to wait for the response
    """
    log.info("Asking Airflow whether the task was killed; unless it was, %s goes on", attempt.execution_id)

    def request() -> StoredTaskInstance:
        return stored_task_instance_in_worker(attempt, EXECUTION_XCOM_KEY)

    return _was_killed(attempt, lambda: run_with_deadline(request, timeout), "running")


def _was_killed(attempt: WaitingAttempt, answer: Callable[[], StoredTaskInstance], waiting_state: str) -> bool:
    try:
        stored = answer()
        killed = _decide(attempt, stored, waiting_state)
    except Exception as error:
        log.warning(
            "The execution goes on: %s. Could not decide whether the task was killed (%s: %s)",
            attempt.execution_id, type(error).__name__, error,
        )  # fmt: skip
        return False
    if not killed:
        log.info(
            "The execution goes on: %s. The task was not killed (state: %s); a retry continues with the execution",
            attempt.execution_id, stored.state,
        )  # fmt: skip
    return killed


def _decide(attempt: WaitingAttempt, stored: StoredTaskInstance, waiting_state: str) -> bool:
    """Return whether the task was killed.

    :param waiting_state: state of the task while this process waited for the execution
    :raises TaskStateUnknown: if the state does not decide it
    """
    if not stored.exists or stored.state in KILLED_STATES:
        return True
    if stored.state == "up_for_retry":
        return False
    awaited = stored.xcom
    is_of_this_try = isinstance(awaited, dict) and awaited.get("try_number") == attempt.try_number
    # Airflow 3.0 keeps the XComs of an attempt until the next one overwrites them.
    if awaited is not None and (stored.state == waiting_state or not is_of_this_try):
        is_awaited = (
            isinstance(awaited, dict)
            and awaited.get("ownership") == Ownership.OWNED.value
            and awaited.get("execution_id") == attempt.execution_id
        )
        if is_of_this_try and not is_awaited:
            raise TaskStateUnknown("this attempt could not push the XCom of its execution")
        return not is_awaited
    if waiting_state == "deferred":
        return True
    raise TaskStateUnknown(f"the task is {stored.state or 'not scheduled'}, after a retry or after a clear")


def is_in_supervisor_request() -> bool:
    """Return whether a signal has interrupted a request of this thread to Airflow; another one would mix up both."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "airflow.sdk.execution_time.comms":
            return True
        frame = frame.f_back
    return False
