"""Base of the operators that start a sync and wait for its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_polytomic._task.client import answer_timeout
from airflow_provider_polytomic._task.errors import (
    ADVICE_FOR_RUNNING,
    longer_timeout,
    timeout_error,
    translate_api_errors,
    with_problem,
)
from airflow_provider_polytomic._task.events import EventStatus, validate_execute_complete_event
from airflow_provider_polytomic._task.link import restore_link, with_link
from airflow_provider_polytomic._task.result import (
    finish_execution,
    publish_result,
    record_for_lineage,
    with_all_schemas,
)
from airflow_provider_polytomic._task.state import TaskExecutionState, begin_attempt
from airflow_provider_polytomic._task.values import as_datetime, choice, optional_count, optional_share
from airflow_provider_polytomic.durations import duration, optional_duration
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunTimeout,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.lineage import OpenLineageMixin
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.operators._start_once import CONFIRM_TIMEOUT, StartOnceOperator
from airflow_provider_polytomic.results import Ownership

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.executions import (
        Execution,
        ExecutionRef,
        IfRunning,
    )
    from airflow_provider_polytomic.results import ExecutionResult, SchemaResult, SyncKindName


class BaseStartOperator(StartOnceOperator, OpenLineageMixin):
    """Start an execution exactly once, wait for its end, and return its result."""

    template_fields: Sequence[str] = ("polytomic_conn_id", "organization_id")
    operator_extra_links = (PolytomicSyncLink(),)
    ui_color = "#e6e4fb"
    class_names: ClassVar[dict[SyncKindName, str]] = {
        "model": "PolytomicStartSyncOperator",
        "bulk": "PolytomicStartBulkSyncOperator",
    }
    _sync_action = "started"

    def __init__(
        self,
        *,
        wait_for_completion: bool,
        deferrable: bool,
        poll_interval: float | timedelta,
        timeout: float | timedelta | None,
        if_running: IfRunning,
        max_errors: int | None,
        min_records: int | None,
        max_deviation: float | None,
        console_log: bool,
        fail_if_scheduled: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = duration(poll_interval, "poll_interval")
        self.timeout = optional_duration(timeout, "timeout")
        self.if_running: IfRunning = choice(if_running, "if_running", "wait", "join", "fail", "skip")
        self.max_errors = optional_count(max_errors, "max_errors")
        self.min_records = optional_count(min_records, "min_records")
        self.max_deviation = optional_share(max_deviation, "max_deviation")
        self.console_log = console_log
        self.fail_if_scheduled = fail_if_scheduled

    def execute(self, context: Context) -> ExecutionResult:
        """Start the execution, or find the one that an earlier attempt started, and wait for its end."""
        begin_attempt(context)
        latest_end = None
        if self.deferrable and self.execution_timeout:
            latest_end = time.time() + self.execution_timeout.total_seconds()
        return self._start_and_wait(context, latest_end)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> ExecutionResult:
        """Continue after the trigger has waited."""
        from airflow_provider_polytomic.executions import Execution

        received = validate_execute_complete_event(event)
        if received.try_number not in (None, context["ti"].try_number):
            self.log.info("Starting over: the trigger event is of attempt %s", received.try_number)
            return self.execute(context)
        self._resume_sync(received)
        owned_or_joined = received.ownership is not Ownership.BLOCKING
        if error := received.error:
            problem = ""
            if received.execution_id and owned_or_joined:
                unknown = Execution.unknown(self.kind, self._sync_id, received.execution_id)
                problem = TaskExecutionState(context).push_result(with_link(context, unknown).result())
            raise with_problem(error, problem)
        execution = Execution.from_result(received.execution) if received.execution and owned_or_joined else None
        if received.status is EventStatus.DEADLINE:
            ref = self._ref(str(received.execution_id))
            return self._handle_timeout(
                context, ref, received.ownership, received.previous_schema_results, canceled=execution
            )
        if execution is None:
            return self._start_and_wait(context, received.latest_end)
        if execution.left_out:
            with self._client() as client:
                execution = with_all_schemas(client, execution)
        return self._finish(context, execution, received.previous_schema_results)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral; if Airflow ended it because of its timeout, cancel the execution first."""
        restore_link(self, context)
        if next_method != "__fail__":
            return super().resume_execution(next_method, next_kwargs, context)
        awaited = TaskExecutionState(context).get_awaited()
        if awaited is None:
            self.log.info("Starting over: nothing is known of the deferral that failed, or it is of an earlier attempt")
            return self.execute(context)
        timed_out = "timeout" in str((next_kwargs or {}).get("error", "")).lower()
        if not (timed_out and awaited["execution_id"]):
            return super().resume_execution(next_method, next_kwargs, context)
        self._resolved_sync_id = awaited.get("sync_id")
        ref = self._ref(awaited["execution_id"])
        return self._handle_timeout(context, ref, Ownership(awaited["ownership"]), None)

    def _start_and_wait(self, context: Context, latest_end: float | None) -> ExecutionResult:
        """Start and wait.

        :param latest_end: end of ``execution_timeout`` in seconds since the epoch, which Airflow 3 does not enforce
            while a task is deferred
        """
        from airflow_provider_polytomic.executions import (
            ConsoleLogReader,
            DeadlinePassed,
            effective_deadline,
            wait_for_end,
            wait_with_console_log,
        )

        with self._client() as client:
            state = TaskExecutionState(context)
            self._cancel_orphan(client, state)
            with translate_api_errors(f"{self._label} could not be started", self._hook):
                client.run(self._resolve_sync(context))
            saved = state.get_started()
            if self.fail_if_scheduled and not (saved.get("execution_id") or state.attempt.previous_attempts):
                self._refuse_own_schedule(client)
            started = self._start(client, context, state, latest_end)
            self._log_own_schedule()
            execution = started.execution
            ref = self._ref(execution.id)
            self.log.info("%s: %s, %s", ref, started.ownership.value, execution.status)
            if not self.wait_for_completion:
                if started.ownership is Ownership.OWNED:
                    state.save_started(ref.sync_id, execution.id, released=True)
                return publish_result(self, context, with_link(context, execution))
            schema_results = self._previous_schema_results(started.previous_executions)
            if saved.get("execution_id") == execution.id:
                schema_results = schema_results or saved["previous_schema_results"]
            if schema_results and not execution.outcome.final:
                state.save_started(ref.sync_id, execution.id, schema_results)
            console = ConsoleLogReader(ref, self.log.info, client.config.secrets) if self.console_log else None
            if execution.outcome.final:
                if started.adopted:
                    self.log.info("Found %s, which ended before this attempt began; no other is started", ref)
                if console:
                    client.run(console.fetch())
                return self._finish(context, execution, schema_results)
            deadline = effective_deadline(
                execution, started.adopted, self.timeout, latest_end, not_before=_start_of_run(context)
            )
            if self.deferrable:
                self._try_defer(context, state, ref, started.ownership, deadline, latest_end, schema_results)
            try:
                waiting = wait_for_end(ref, poll_interval=self.poll_interval, deadline=deadline, pause_first=True)
                with self._translate_errors("cannot be waited for", ref):
                    execution = client.run(wait_with_console_log(waiting, console) if console else waiting)
            except DeadlinePassed as passed:
                return self._handle_timeout(
                    context, ref, started.ownership, schema_results, last_seen=passed.execution or execution
                )
            except (PolytomicRequestRefused, PolytomicUnavailable) as error:
                raise with_problem(error, state.push_result(with_link(context, execution).result())) from None
            return self._finish(context, execution, schema_results)

    def _refuse_own_schedule(self, client: PolytomicClient) -> None:
        """Fail before a first start if Polytomic starts the sync too.

        After the first start, an execution of the task may be running; a failure would leave it without a task.
        """
        from airflow_provider_polytomic.executions import own_schedule, sync_kind

        with self._translate_errors("could not be started"):
            self._found_sync = client.send(sync_kind(self.kind).api.get(self._sync_id))
        if schedule := own_schedule(self._found_sync):
            raise PolytomicRequestRefused(
                f"{self._label} was not started: it has a schedule of its own in Polytomic ({schedule}), and "
                "fail_if_scheduled is set. Next: set its schedule to manual in Polytomic, or wait for its executions "
                "with a sensor instead"
            )

    def _log_own_schedule(self) -> None:
        """Log that Polytomic starts the sync too: a warning unless the task may join such an execution."""
        from airflow_provider_polytomic.executions import own_schedule

        found = self._found_sync
        if found and (schedule := own_schedule(found)):
            level = logging.INFO if self.if_running == "join" else logging.WARNING
            self.log.log(level, "%s also has a schedule of its own in Polytomic: %s", self._label, schedule)

    def _finish(
        self, context: Context, execution: Execution, schema_results: Sequence[SchemaResult] | None
    ) -> ExecutionResult:
        """Return the result of an ended execution, or push it and raise."""
        self._owned = None
        execution = execution.with_schema_results(schema_results or ())
        result = finish_execution(self, context, execution, self._criteria, shortage=self._find_shortage(execution))
        TaskExecutionState(context).release()
        return result

    def _find_shortage(self, execution: Execution) -> str | None:
        """Return why an execution that ended well has sent too few records; None if it has not."""
        if not self._limits.are_set or not self._criteria.is_met_by(execution):
            return None
        with self._client() as client:
            return client.run(self._limits.find_shortage(execution))

    def _handle_timeout(
        self,
        context: Context,
        ref: ExecutionRef,
        ownership: Ownership,
        schema_results: Sequence[SchemaResult] | None,
        *,
        canceled: Execution | None = None,
        last_seen: Execution | None = None,
    ) -> ExecutionResult:
        """Cancel an execution that exceeds its timeout, unless it has just ended by itself, and raise.

        :param canceled: the execution, if the trigger has canceled it already
        :param last_seen: the execution as of the last status request
        """
        from airflow_provider_polytomic.executions import Execution, cancel_and_confirm, poll_once

        may_cancel = ownership is Ownership.OWNED and self.cancel_on_kill
        last = canceled
        if last is None:
            limit = answer_timeout(self.timeout, CONFIRM_TIMEOUT)
            with self._client() as client:
                last = self._try(client, poll_once(ref, time.time(), without_retries=last_seen is not None))
                if last and last.outcome.final and ownership is not Ownership.BLOCKING:
                    return self._finish(context, last, schema_results)
                if may_cancel:
                    last = self._try(client, cancel_and_confirm(ref, timeout=limit)) or last
        if ownership is Ownership.BLOCKING:
            raise PolytomicRunTimeout(
                f"{self._label} could not start in time: {ref} blocks it. Next: set a longer execution_timeout, or "
                "check in Polytomic why that execution is slow"
            )
        steps = [f"{longer_timeout(context)}, or check in Polytomic why the execution is slow"]
        if not may_cancel:
            steps.insert(0, ADVICE_FOR_RUNNING)
        elif last is None or not last.outcome.final:
            steps.insert(0, "check in Polytomic whether the execution is still running")
        answers = last is not None
        last = last or last_seen or Execution.unknown(ref.kind, ref.sync_id, ref.execution_id)
        error = timeout_error(context, last, steps, answers=answers)
        record_for_lineage(self, last, error.message_without_records)
        raise error


def _start_of_run(context: Context) -> float | None:
    """Return the start of the DAG run in seconds since the epoch; None if it is not known."""
    start = getattr(context.get("dag_run"), "start_date", None)
    return None if start is None else as_datetime(start, "the start of the DAG run").timestamp()
