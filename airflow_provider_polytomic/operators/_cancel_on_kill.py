"""A task that cancels its execution when it is killed, and stops waiting soon after."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import ClientConfig, PolytomicClient
    from airflow_provider_polytomic.executions import ExecutionRef

KILL_SECONDS = 3.5
"""Seconds that ``on_kill`` takes at the most: Airflow ends the process 5 seconds after it has asked it to end."""


class KillableOperator(BaseOperator):
    """The worker's side of a kill: :meth:`on_kill` cancels ``_ours``, and whatever sleeps through the client stops.

    :param polytomic_conn_id: id of the Airflow connection
    :param cancel_on_kill: whether a kill cancels anything
    """

    def __init__(self, *, polytomic_conn_id: str, cancel_on_kill: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.polytomic_conn_id = polytomic_conn_id
        self.cancel_on_kill = cancel_on_kill
        self._config: ClientConfig | None = None
        self._ours: ExecutionRef | None = None
        self._killed = False

    @property
    @abstractmethod
    def _label(self) -> str:
        """What the task is about, as the beginning of a sentence."""

    def on_kill(self) -> None:
        """Cancel the execution that this task instance has started; nothing of Airflow is asked here."""
        self._killed = True
        if not (self.cancel_on_kill and self._ours and self._config):
            return
        cancellation = Thread(target=self._cancel_hurriedly, args=(self._ours, self._config), daemon=True)
        cancellation.start()
        cancellation.join(KILL_SECONDS)
        if cancellation.is_alive():
            self.log.warning("%s: no answer to its cancellation within %s s", self._ours, KILL_SECONDS)

    def _cancel_hurriedly(self, run: ExecutionRef, config: ClientConfig) -> None:
        from airflow_provider_polytomic.api import PolytomicClient, PolytomicError
        from airflow_provider_polytomic.executions import cancel

        try:
            with PolytomicClient(config=replace(config, timeout=KILL_SECONDS)) as client:
                client.run(cancel(run, timeout=KILL_SECONDS))
        except PolytomicError as error:
            self.log.warning("%s could not be canceled: %s", run, error)

    @contextmanager
    def _connected(self) -> Iterator[PolytomicClient]:
        from airflow_provider_polytomic.api import PolytomicClient

        self._config = PolytomicHook(self.polytomic_conn_id).config()
        with PolytomicClient(config=self._config, sleep=self._sleep) as client:
            yield client

    def _sleep(self, seconds: float) -> None:
        """Sleep in slices: in Airflow 3 the signal handler calls ``on_kill`` and comes back here."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._stop_if_killed()
            time.sleep(min(left, 0.5))

    def _stop_if_killed(self) -> None:
        if self._killed:
            raise PolytomicTaskError(f"{self._label}: the task was killed")
