"""Base of the operators that cancel their execution when the task is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic._task.deadline import run_with_deadline
from airflow_provider_polytomic._task.sync_task import SyncTask
from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import ClientConfig, PolytomicClient
    from airflow_provider_polytomic.executions import ExecutionRef

KILL_TIMEOUT = 3.5
"""Seconds that ``on_kill`` takes at most: Airflow ends the process 5 seconds after SIGTERM."""

MAX_SLEEP = 0.5
"""Seconds between two checks whether the task was killed."""


class CancelOnKillOperator(SyncTask, BaseOperator):
    """Cancel the owned execution in :meth:`on_kill`, and stop waiting soon after."""

    def __init__(self, *, polytomic_conn_id: str, cancel_on_kill: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.polytomic_conn_id = polytomic_conn_id
        self.cancel_on_kill = cancel_on_kill
        self._config: ClientConfig | None = None
        self._owned: ExecutionRef | None = None
        self._killed = False

    def on_kill(self) -> None:
        """Cancel the execution that this task instance has started; makes no request to Airflow."""
        self._killed = True
        owned, config = self._owned, self._config
        if not (self.cancel_on_kill and owned and config):
            return
        try:
            run_with_deadline(lambda: self._cancel(owned, config), KILL_TIMEOUT)
        except TimeoutError:
            self.log.warning("Could not cancel %s: no response within %s s", owned, KILL_TIMEOUT)

    def _cancel(self, execution: ExecutionRef, config: ClientConfig) -> None:
        from airflow_provider_polytomic.api import PolytomicClient
        from airflow_provider_polytomic.executions import cancel

        try:
            with PolytomicClient(config=replace(config, timeout=KILL_TIMEOUT)) as client:
                client.run(cancel(execution, timeout=KILL_TIMEOUT))
        except Exception as error:
            self.log.warning("Could not cancel %s: %s", execution, error)

    @contextmanager
    def _client(self) -> Iterator[PolytomicClient]:
        from airflow_provider_polytomic.api import PolytomicClient

        self._config = PolytomicHook(self.polytomic_conn_id).config()
        with PolytomicClient(config=self._config, sleep=self._sleep) as client:
            yield client

    def _sleep(self, seconds: float) -> None:
        """Sleep in slices, because in Airflow 3 the signal handler calls ``on_kill`` and then returns here."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._stop_if_killed()
            time.sleep(min(left, MAX_SLEEP))

    def _stop_if_killed(self) -> None:
        if self._killed:
            raise PolytomicTaskError(f"{self._label}: the task was killed")
