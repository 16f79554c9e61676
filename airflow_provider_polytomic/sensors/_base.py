"""Base of all sensors: poking, deferring, and continuing after a deferral."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_polytomic._compat import AirflowSensorTimeout, AirflowSkipException, BaseSensorOperator
from airflow_provider_polytomic._task.client import ClientTask, open_client
from airflow_provider_polytomic._task.deadline import deferral_timeout
from airflow_provider_polytomic._task.events import ExecutionEvent, validate_execute_complete_event
from airflow_provider_polytomic._task.link import LinkedTask, push_link, restore_link
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic.durations import duration
from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.results import Ownership

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.executions import CompletedSince, ExecutionRef


RESOLVE_TIMEOUT = 300.0
"""Seconds for which a worker retries to resolve the sync and its execution before it defers; a retry tries again."""

MAX_RESOLVE_INTERVAL = 30.0
"""Seconds between two such requests, if ``poke_interval`` is longer."""


class BasePolytomicSensor(LinkedTask, ClientTask, BaseSensorOperator):
    """Poke in a worker, or wait in the triggerer."""

    operator_extra_links = (PolytomicSyncLink(),)
    ui_color = "#e6e4fb"
    _open_client: PolytomicClient | None = None
    _link_pushed = False

    def __init__(self, *, polytomic_conn_id: str, organization_id: str | None, deferrable: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id
        self.deferrable = deferrable
        if deferrable:
            duration(self.poke_interval, "poke_interval")
            if self.timeout != 0:  # Airflow's sensors look once, then.
                duration(self.timeout, "timeout")

    @abstractmethod
    def _poke_or_defer(self, context: Context, deadline: float) -> Any:
        """Return the result if there is one already; otherwise defer.

        :param deadline: when the sensor times out, in seconds since the epoch
        """

    @abstractmethod
    def _complete(self, context: Context, event: ExecutionEvent) -> Any:
        """Return the result after the trigger has waited, or raise."""

    @abstractmethod
    def _timeout_error(self, context: Context) -> AirflowSensorTimeout:
        """Return the exception for the sensor's timeout."""

    def _on_soft_timeout(self, context: Context) -> None:
        """Clean up when the sensor skips the task at its timeout."""

    def _on_deferral_timeout(self, sync_id: str, execution_id: str) -> None:
        """Clean up when Airflow has ended the deferral at its timeout."""

    def execute(self, context: Context) -> Any:
        """Poke, or wait in the triggerer."""
        if self.deferrable:
            with self._soft_fail():
                return self._poke_or_defer(context, time.time() + self.timeout)
        try:
            return super().execute(context)
        except AirflowSkipException:
            self._on_soft_timeout(context)
            raise
        except AirflowSensorTimeout:
            raise self._timeout_error(context) from None

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Continue after the trigger has waited."""
        received = validate_execute_complete_event(event)
        if received.try_number not in (None, context["ti"].try_number):
            self.log.info("Starting over: the trigger event is of attempt %s", received.try_number)
            return self.execute(context)
        with self._soft_fail():
            if error := received.error:
                raise error
            return self._complete(context, received)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral; a failed deferral of an earlier attempt does not count."""
        restore_link(self, context)
        if next_method == "__fail__":
            awaited = TaskExecutionState(context).get_awaited()
            if awaited is None and not self.start_from_trigger:
                self.log.info("Starting over: the failed deferral is of an earlier attempt")
                return self.execute(context)
            if awaited and awaited["execution_id"] and "timeout" in str((next_kwargs or {}).get("error", "")).lower():
                self._on_deferral_timeout(awaited["sync_id"], awaited["execution_id"])
        return super().resume_execution(next_method, next_kwargs, context)

    @property
    def _client(self) -> PolytomicClient:
        self._open_client = self._open_client or open_client(self._hook, self.timeout)
        return self._open_client

    def _push_link_once(
        self, context: Context, target: ExecutionRef | CompletedSince, *others: ExecutionRef | CompletedSince
    ) -> None:
        if not self._link_pushed:
            push_link(self, context, self._client, target, *others, named=not self.reschedule)
            self._link_pushed = True

    def _defer(self, context: Context, trigger_class: type[BaseTrigger], deadline: float, **values: Any) -> NoReturn:
        """Defer to a trigger.

        :param values: the trigger's own parameters
        """
        TaskExecutionState(context).set_awaited(values.get("sync_id"), values.get("execution_id"), Ownership.JOINED)
        self.defer(
            trigger=trigger_class(
                **values,
                polytomic_conn_id=self.polytomic_conn_id,
                organization_id=self.organization_id,
                poll_interval=self.poke_interval,
                deadline=deadline,
                try_number=context["ti"].try_number,
            ),
            method_name="execute_complete",
            timeout=deferral_timeout(deadline - time.time(), self.poke_interval),
        )
        raise AssertionError("defer() does not return")

    @contextmanager
    def _soft_fail(self) -> Iterator[None]:
        """Skip the task instead of failing it if ``soft_fail`` is set, where Airflow does not do so itself."""
        try:
            yield
        except (PolytomicTaskError, AirflowSensorTimeout) as error:
            if self.soft_fail:
                raise AirflowSkipException(f"Skipping the task because soft_fail is set: {error}") from None
            raise
