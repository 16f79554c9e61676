"""Base of the sensors that wait for the end of one execution."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from airflow_provider_polytomic._compat import (
    AirflowSensorTimeout,
    PokeReturnValue,
    PokeStore,
    can_start_from_trigger,
    first_poke_date,
    has_xcom_args,
)
from airflow_provider_polytomic._task.client import answer_timeout
from airflow_provider_polytomic._task.deadline import deferral_timeout
from airflow_provider_polytomic._task.errors import (
    ADVICE_FOR_RUNNING,
    ADVICE_FOR_TIMEOUT,
    find_diagnostics,
    translate_api_errors,
)
from airflow_provider_polytomic._task.events import EventStatus, ExecutionEvent, unexpected_event_error
from airflow_provider_polytomic._task.link import push_link, with_link
from airflow_provider_polytomic._task.result import finish_execution, with_all_schemas
from airflow_provider_polytomic._task.schedule import previous_schedule_point
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.sync_task import SENSOR_CLASSES, SyncTask
from airflow_provider_polytomic._task.values import as_datetime, as_id, optional_count
from airflow_provider_polytomic.durations import duration
from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.lineage import OpenLineageMixin
from airflow_provider_polytomic.sensors._base import MAX_RESOLVE_INTERVAL, RESOLVE_TIMEOUT, BasePolytomicSensor

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import (
        CompletedSince,
        ConsoleLogReader,
        Execution,
        ExecutionRef,
    )
    from airflow_provider_polytomic.results import ExecutionResult

T = TypeVar("T")

CANCEL_TIMEOUT = 30.0
"""Seconds within which a cancellation is requested again."""


class BaseStatusSensor(SyncTask, BasePolytomicSensor, OpenLineageMixin):
    """Wait for the end of one execution, and return its result."""

    template_fields: Sequence[str] = ("execution_id", "completed_after", "polytomic_conn_id", "organization_id")
    class_names = SENSOR_CLASSES

    def __init__(
        self,
        *,
        execution_id: str | None,
        completed_after: datetime | str | None,
        deferrable: bool,
        max_errors: int | None,
        cancel_on_timeout: bool,
        console_log: bool,
        start_from_trigger: bool,
        end_from_trigger: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, **kwargs)
        if end_from_trigger and not (deferrable or start_from_trigger):
            raise ValueError("end_from_trigger needs deferrable=True or start_from_trigger=True")
        if end_from_trigger and (self.outlets or self.on_success_callback):
            raise ValueError("end_from_trigger excludes outlets and on_success_callback, which need a worker")
        if end_from_trigger and start_from_trigger and self.on_execute_callback:
            raise ValueError(
                "start_from_trigger and end_from_trigger exclude on_execute_callback, which needs a worker"
            )
        self.execution_id = execution_id
        self._names_execution = execution_id is not None
        self.completed_after = completed_after
        self.max_errors = optional_count(max_errors, "max_errors")
        self.cancel_on_timeout = cancel_on_timeout
        self.console_log = console_log
        self.start_from_trigger = start_from_trigger
        self.end_from_trigger = end_from_trigger
        self._target: ExecutionRef | CompletedSince | None = None
        self._console: ConsoleLogReader | None = None
        self._polled = False

    def _build_start_trigger_args(self) -> StartTriggerArgs | None:
        """Return the trigger that starts the sensor without a worker; called when all attributes are set.

        :raises ValueError: if this Airflow cannot start a sensor in the triggerer, or not with these parameters
        """
        if not self.start_from_trigger:
            return None
        if not can_start_from_trigger():
            raise ValueError("start_from_trigger needs Airflow 3.3 or later: a triggerer that renders templates")
        after = self.completed_after.isoformat() if isinstance(self.completed_after, datetime) else self.completed_after
        trigger_kwargs = {
            "kind": self.kind,
            **{name: _text_if_uuid(value) for name, value in self._sync_values.items()},
            "execution_id": _text_if_uuid(self.execution_id),
            "completed_after": after,
            "polytomic_conn_id": self.polytomic_conn_id,
            "organization_id": _text_if_uuid(self.organization_id),
            "poll_interval": duration(self.poke_interval, "poke_interval"),
            "timeout": duration(self.timeout, "timeout"),
            **self._trigger_options(),
        }
        outputs = [name for name, value in trigger_kwargs.items() if has_xcom_args(value)]
        if outputs:
            raise ValueError(
                "start_from_trigger excludes the output of another task, or an argument of a mapped task group, as "
                f"{' and '.join(outputs)}, which the triggerer does not resolve. "
                "Use {{ ti.xcom_pull(task_ids='…', map_indexes=-1) }}, or deferrable=True"
            )
        from airflow.triggers.base import StartTriggerArgs

        return StartTriggerArgs(
            trigger_cls="airflow_provider_polytomic.triggers.sensors.PolytomicSensorTrigger",
            trigger_kwargs=storable(trigger_kwargs, "the parameters of the trigger"),
            next_method="execute_complete",
            timeout=deferral_timeout(self.timeout, self.poke_interval),
        )

    def _trigger_options(self) -> dict[str, Any]:
        return {
            "console_log": self.console_log,
            "end_from_trigger": self.end_from_trigger,
            "push_result": self.do_xcom_push,
        }

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Request the status of the execution; a failed request is logged and changes nothing."""
        try:
            execution = self._fetch(context)
        except PolytomicTaskError:
            self._target = None
            raise
        if self.console_log:
            self._copy_console_log(execution)
        if execution is None or not self._part(execution).outcome.final:
            return False
        self._target = None
        with self._soft_fail():
            return PokeReturnValue(is_done=True, xcom_value=self._finish(context, execution))

    def _part(self, execution: Execution) -> Execution:
        """Return the part of an execution that the sensor waits for."""
        return execution

    def _complete(self, context: Context, event: ExecutionEvent) -> ExecutionResult:
        from airflow_provider_polytomic.executions import Execution

        self._resume_sync(event)
        if event.status is EventStatus.DEADLINE:
            self._target = self._ref(event.execution_id) if event.execution_id else None
            raise self._timeout_error(context)
        if event.execution is None:
            raise unexpected_event_error(event.serialize())
        execution = with_all_schemas(self._client, Execution.from_result(event.execution))
        if self.console_log and event.execution_id is None:
            self._copy_console_log(execution)
        return self._finish(context, execution)

    def _on_deferral_timeout(self, sync_id: str, execution_id: str) -> None:
        self._resolved_sync_id = sync_id
        self._target = self._ref(execution_id)
        self._cancel_target()

    def _poke_or_defer(self, context: Context, deadline: float) -> ExecutionResult:
        from airflow_provider_polytomic.executions import ExecutionRef
        from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

        poll_interval, timeout = min(self.poke_interval, MAX_RESOLVE_INTERVAL), min(self.timeout, RESOLVE_TIMEOUT)
        with translate_api_errors(f"{self._label} cannot be waited for", self._hook):
            self._client.run(self._resolve_sync(context, poll_interval, timeout))
            self._target = self._run(self._resolve_target(context, timeout))
        push_link(self, context, self._client, self._target)
        execution = self._fetch(context)
        if execution is not None and self._part(execution).outcome.final:
            if self.console_log:
                self._copy_console_log(execution)
            return self._finish(context, execution)
        execution_id = self._target.execution_id if isinstance(self._target, ExecutionRef) else None
        self._defer(
            context,
            PolytomicExecutionTrigger,
            deadline,
            kind=self.kind,
            sync_id=self._sync_id,
            execution_id=execution_id,
            completed_after=None if execution_id else self._get_completed_after(context).isoformat(),
            sync_name=self._sync_name or None,
            **self._trigger_options(),
        )

    def _fetch(self, context: Context) -> Execution | None:
        """Return the execution; None if it does not exist yet or the request failed."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.executions import FINAL_ERRORS, poll_once

        with translate_api_errors(f"{self._label} cannot be waited for", self._hook):
            try:
                if self._target is None:
                    self._client.run(self._resolve_sync(context))
                    self._target = self._kept_target(context) or self._run(self._resolve_target(context))
                    self._keep_target(context)
                    push_link(self, context, self._client, self._target, named=not self.reschedule)
                noticed_at = time.time() if self._polled else None
                execution = self._run(poll_once(self._target, noticed_at))
                self._polled = True
                return execution
            except FINAL_ERRORS:
                raise
            except PolytomicError as error:
                self.log.warning("Could not get the status of %s; will retry: %s", self._label, error)
                return None

    def _run(self, flow: Flow[T]) -> T:
        return self._client.run(self._with_advice(flow))

    def _resolve_target(self, context: Context, timeout: float = 0.0) -> Flow[ExecutionRef | CompletedSince]:
        from airflow_provider_polytomic.executions import resolve_target

        if self._names_execution:
            return self._ref(as_id(self.execution_id, "execution_id"))
        return (
            yield from resolve_target(
                self.kind,
                self._sync_id,
                self._get_completed_after(context),
                first_poke_date(context) if self.reschedule else None,
                poll_interval=min(self.poke_interval, MAX_RESOLVE_INTERVAL),
                timeout=timeout,
            )
        )

    def _kept_target(self, context: Context) -> ExecutionRef | None:
        """Return the execution that an earlier poke of a rescheduled sensor has found."""
        if not self.reschedule or self._names_execution:
            return None
        kept = PokeStore(context).get() or {}
        return self._ref(kept["execution_id"]) if kept.get("sync_id") == self._sync_id else None

    def _keep_target(self, context: Context) -> None:
        """Keep the execution for the next poke, in which another one may be current."""
        from airflow_provider_polytomic.executions import ExecutionRef

        found = self._target
        if self.reschedule and not self._names_execution and isinstance(found, ExecutionRef):
            store = PokeStore(context)
            if not store.get():
                store.set({"sync_id": found.sync_id, "execution_id": found.execution_id})

    def _get_completed_after(self, context: Context) -> datetime:
        if self.completed_after is not None:
            return as_datetime(self.completed_after, "completed_after")
        return previous_schedule_point(context)

    def _finish(self, context: Context, execution: Execution) -> ExecutionResult:
        if self.reschedule:  # Each poke is a process of its own: only the last one requests the name.
            push_link(self, context, self._client, self._ref(execution.id))
        hint = "check the sync's history in Polytomic"
        return finish_execution(self, context, execution, self._criteria, retry_hint=hint)

    def _copy_console_log(self, execution: Execution | None) -> None:
        """Copy new lines of the console log to the task log; in mode ``reschedule``, all of them at the end."""
        from airflow_provider_polytomic.executions import ConsoleLogReader, ExecutionRef

        ref = self._ref(execution.id) if execution else self._target
        ended = execution is not None and execution.outcome.final
        if not isinstance(ref, ExecutionRef) or (self.reschedule and not ended):
            return
        self._console = self._console or ConsoleLogReader(ref, self.log.info, self._client.config.secrets)
        self._client.run(self._console.fetch() if ended else self._console.poll())

    def _timeout_error(self, context: Context) -> AirflowSensorTimeout:
        """Cancel the execution if ``cancel_on_timeout`` is set, and return the exception."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.executions import Diagnostics, Execution, ExecutionRef, Outcome, report

        cancel_requested = self._cancel_target()
        within, ref = f"within the sensor's timeout of {self.timeout:g} s", self._target
        if not isinstance(ref, ExecutionRef):
            return AirflowSensorTimeout(
                f"{self._label} had no execution that ended {within}. Next: check in Polytomic whether the sync is "
                "active and when it is scheduled, or set a longer timeout"
            )
        try:
            last = self._part(self._client.run(ref.fetch(without_retries=True)))
        except PolytomicError:
            last, diagnostics = Execution.unknown(ref.kind, ref.sync_id, ref.execution_id), Diagnostics()
        else:
            diagnostics = find_diagnostics(last, self)
        headline, steps = f"has not ended {within}", [ADVICE_FOR_TIMEOUT]
        if cancel_requested and last.outcome is Outcome.CANCELED:
            headline += ", and was canceled by this task"
        elif last.outcome.final:
            headline = f"has ended, but not {within}"
            steps = ["clear this task, which then finds the ended execution", "set a longer timeout"]
        elif cancel_requested:
            steps.insert(0, "check in Polytomic whether the execution has ended: its cancellation was requested")
        elif self.cancel_on_timeout:
            steps.insert(0, "check in Polytomic whether the execution is still running: it could not be canceled")
        else:
            steps.insert(0, ADVICE_FOR_RUNNING)
        return AirflowSensorTimeout(report(with_link(context, last), headline, steps, diagnostics))

    def _on_soft_timeout(self, context: Context) -> None:
        self._cancel_target()

    def _cancel_target(self) -> bool:
        """Request the cancellation if ``cancel_on_timeout`` is set; return whether it was requested."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.executions import ExecutionRef, cancel

        if not (self.cancel_on_timeout and isinstance(self._target, ExecutionRef)):
            return False
        try:
            self._client.run(cancel(self._target, timeout=answer_timeout(self.timeout, CANCEL_TIMEOUT)))
        except PolytomicError as error:
            self.log.warning("Could not cancel %s: %s", self._target, error)
            return False
        return True


def _text_if_uuid(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
