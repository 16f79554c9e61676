"""What all sensors have in common: the ways they wait, and how they come back from the triggerer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_polytomic._compat import AirflowSensorTimeout, AirflowSkipException, BaseSensorOperator
from airflow_provider_polytomic._task.events import unexpected_event_error
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic._task.values import as_moment
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_polytomic.api import PolytomicClient

DEFERRAL_SLACK = 60.0
"""Seconds after which Airflow itself ends a deferral whose trigger has not kept the sensor's timeout."""


class PolytomicSensor(BaseSensorOperator):
    """Poke, or wait in the triggerer."""

    polytomic_conn_id: str
    deferrable: bool
    _hook: PolytomicHook | None = None

    @abstractmethod
    def _look_and_defer(self, context: Context, end: float) -> Any:
        """Return the result, if there is one already; else wait in the triggerer.

        :param end: when the sensor's time is up, in seconds since the epoch
        """

    @abstractmethod
    def _go_on(self, context: Context, event: dict[str, Any]) -> Any:
        """Return the result, after the triggerer has waited in this attempt and Polytomic has not refused."""

    @abstractmethod
    def _late(self, context: Context) -> AirflowSensorTimeout:
        """Return what to raise when the time is up."""

    def _give_up(self, context: Context) -> None:
        """Do what is left to do where the sensor skips because its time is up."""

    def _deferral_failed(self, waited: dict[str, Any], error: str) -> None:
        """Do what is left to do where this attempt's deferral has failed.

        :param waited: what the attempt has written of what it waits for
        """

    def execute(self, context: Context) -> Any:
        """Poke, or wait in the triggerer."""
        if self.deferrable:
            with self._failing_softly():
                return self._look_and_defer(context, time.time() + self.timeout)
        try:
            return super().execute(context)
        except AirflowSkipException:
            self._give_up(context)
            raise
        except AirflowSensorTimeout:
            raise self._late(context) from None

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Go on after the triggerer has waited."""
        if not isinstance(event, dict):
            raise unexpected_event_error(event)
        if event.get("try_number") not in (None, context["ti"].try_number):
            self.log.info("The trigger's news is of attempt %s: starting afresh", event["try_number"])
            return self.execute(context)
        with self._failing_softly():
            if event.get("status") == "refused":
                raise PolytomicRequestRefused(event.get("message", ""))
            return self._go_on(context, event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; that it failed counts only where it was this attempt's."""
        if next_method == "__fail__":
            waited = TaskExecutionState(context).get_awaited()
            if waited is None and not self.start_from_trigger:
                self.log.info("The deferral that failed is of an earlier attempt: starting afresh")
                return self.execute(context)
            if waited is not None:
                self._deferral_failed(waited, str((next_kwargs or {}).get("error", "")))
        return super().resume_execution(next_method, next_kwargs, context)

    def _begin_of_run(self, context: Context) -> datetime:
        """Return the start of the data interval; of a DAG run that has none, its own."""
        begin = context.get("data_interval_start") or context["dag_run"].start_date
        return as_moment(begin, "the start of the DAG run")

    @property
    def _client(self) -> PolytomicClient:
        self._hook = self._hook or PolytomicHook(self.polytomic_conn_id)
        return self._hook.get_conn()

    def _wait_in_triggerer(self, context: Context, trigger: type[BaseTrigger], end: float, **facts: Any) -> NoReturn:
        """Give the worker back until the trigger knows more.

        :param facts: the trigger's parameters, but those that each has
        """
        TaskExecutionState(context).set_awaited(facts.get("execution_id"), "joined")
        self.defer(
            trigger=trigger(
                **facts,
                polytomic_conn_id=self.polytomic_conn_id,
                poll_interval=self.poke_interval,
                deadline=end,
                try_number=context["ti"].try_number,
            ),
            method_name="execute_complete",
            timeout=self._backstop(end - time.time()),
        )
        raise AssertionError("a deferral does not return")

    def _backstop(self, left: float) -> timedelta:
        """Return when Airflow itself is to end a deferral, given the seconds that the sensor has left."""
        return timedelta(seconds=max(0.0, left) + 2 * self.poke_interval + DEFERRAL_SLACK)

    @contextmanager
    def _failing_softly(self) -> Iterator[None]:
        """Skip instead of failing where ``soft_fail`` is set, also where Airflow itself does not see to it."""
        try:
            yield
        except (PolytomicTaskError, AirflowSensorTimeout) as error:
            if self.soft_fail:
                raise AirflowSkipException(f"Skipping, since soft_fail is set: {error}") from None
            raise
