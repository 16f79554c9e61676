"""Base of the operators that cancel their execution when the task is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import AirflowTaskTimeout, BaseOperator, conf
from airflow_provider_polytomic._task.client import open_client
from airflow_provider_polytomic._task.deadline import run_with_deadline
from airflow_provider_polytomic._task.kill_guard import (
    SHUTDOWN_GUARD_TIMEOUT,
    WaitingAttempt,
    is_in_supervisor_request,
    was_killed_in_worker,
)
from airflow_provider_polytomic._task.sync_task import SyncTask
from airflow_provider_polytomic.exceptions import PolytomicTaskError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api import ClientConfig, PolytomicClient
    from airflow_provider_polytomic.executions import ExecutionRef

KILL_REQUEST_TIMEOUT = 3.5
"""Seconds for one cancel request of a killed task. Airflow 3 ends the process 5 seconds after SIGTERM."""

MAX_SLEEP = 0.5
"""Seconds between two checks whether Airflow ends the process."""


def kill_timeout() -> float:
    """Return the seconds to cancel an execution after a kill; Airflow ends the process by then, or sooner."""
    cleanup_time: float = conf.getfloat("core", "killed_task_cleanup_time", fallback=60.0)
    return max(1.0, cleanup_time - 2.0)


class CancelOnKillOperator(SyncTask, BaseOperator):
    """Cancel the owned execution if the task was killed, and stop waiting when Airflow ends the process."""

    timeout: float | None

    def __init__(
        self, *, polytomic_conn_id: str, organization_id: str | None, cancel_on_kill: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id
        self.cancel_on_kill = cancel_on_kill
        self._client_in_use: PolytomicClient | None = None
        self._owned: tuple[ExecutionRef, WaitingAttempt] | None = None
        self._is_ending = False
        self._timed_out = False

    def on_kill(self) -> None:
        """Cancel the execution that this task instance has started, if the task was killed.

        Airflow calls this in a signal handler when it ends the process for any reason, and after ``execution_timeout``.
        If the signal has interrupted a request to Airflow, :meth:`_stop_if_ending` does it after that request.
        """
        self._is_ending = True
        if not is_in_supervisor_request():
            self._cancel_if_killed()

    def _own(self, context: Context, ref: ExecutionRef) -> None:
        """Set the execution that a kill of this task cancels."""
        ti = context["ti"]
        self._owned = ref, WaitingAttempt.of(ti, ti.try_number, ref.execution_id)

    @property
    def _config(self) -> ClientConfig | None:
        """The settings of the client in use, with the API key that it has read last."""
        return self._client_in_use.config if self._client_in_use else None

    def _cancel_if_killed(self) -> None:
        owned, self._owned, config = self._owned, None, self._config
        if not (self.cancel_on_kill and owned and config):
            return
        ref, attempt = owned
        if not (self._timed_out or was_killed_in_worker(attempt, SHUTDOWN_GUARD_TIMEOUT)):
            return
        self.log.info("Canceling %s: the task was killed", ref)
        timeout = kill_timeout()
        if self._timed_out:  # It may have interrupted a request to Airflow, which then cannot be asked for a key.
            config = replace(config, source=None)
        try:
            run_with_deadline(lambda: self._cancel(ref, config, timeout), timeout)
        except TimeoutError:
            self.log.warning("Could not cancel %s: no response within %g s", ref, timeout)

    def _cancel(self, execution: ExecutionRef, config: ClientConfig, timeout: float) -> None:
        from airflow_provider_polytomic.api import PolytomicClient
        from airflow_provider_polytomic.executions import cancel

        try:
            with PolytomicClient(config=replace(config, timeout=KILL_REQUEST_TIMEOUT)) as client:
                client.run(cancel(execution, timeout=timeout))
        except Exception as error:
            self.log.warning("Could not cancel %s: %s", execution, error)

    @contextmanager
    def _client(self) -> Iterator[PolytomicClient]:
        try:
            with open_client(self._hook, self.timeout, self._sleep) as client:
                self._client_in_use = client
                yield client
        except AirflowTaskTimeout:
            self._timed_out = True
            raise

    def _sleep(self, seconds: float) -> None:
        """Sleep in slices, because in Airflow 3 the signal handler calls ``on_kill`` and then returns here."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._stop_if_ending()
            time.sleep(min(left, MAX_SLEEP))

    def _stop_if_ending(self) -> None:
        if self._is_ending:
            self._cancel_if_killed()
            raise PolytomicTaskError(f"{self._label}: Airflow has ended the process of the task")
