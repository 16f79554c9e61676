"""Base of the operators that start a sync and wait for its end."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow_provider_polytomic._task.client import answer_timeout
from airflow_provider_polytomic._task.deadline import deferral_timeout
from airflow_provider_polytomic._task.errors import (
    ADVICE_FOR_RUNNING,
    already_running_error,
    longer_timeout,
    timeout_error,
    translate_api_errors,
    with_problem,
)
from airflow_provider_polytomic._task.events import EventStatus, validate_execute_complete_event
from airflow_provider_polytomic._task.link import push_link, restore_link, with_link
from airflow_provider_polytomic._task.result import (
    finish_execution,
    publish_result,
    record_for_lineage,
    with_all_schemas,
)
from airflow_provider_polytomic._task.state import TaskExecutionState, begin_attempt
from airflow_provider_polytomic._task.values import as_datetime, choice, optional_count
from airflow_provider_polytomic.durations import duration, optional_duration
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunTimeout,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.lineage import OpenLineageMixin
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.operators._cancel_on_kill import CancelOnKillOperator
from airflow_provider_polytomic.results import Ownership

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import (
        Execution,
        ExecutionRef,
        IfRunning,
        StartRequest,
        StartResult,
    )
    from airflow_provider_polytomic.results import ExecutionResult, SchemaResult, SyncKindName

T = TypeVar("T")

CONFIRM_TIMEOUT = 60.0
"""Seconds to cancel an execution after its timeout and to wait for its end; less if the timeout was shorter."""


class BaseStartOperator(CancelOnKillOperator, OpenLineageMixin):
    """Start an execution exactly once, wait for its end, and return its result."""

    template_fields: Sequence[str] = ("polytomic_conn_id",)
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
        self.console_log = console_log
        self.fail_if_scheduled = fail_if_scheduled

    @abstractmethod
    def _request_body(self, previous_executions: Sequence[Execution]) -> dict[str, Any]:
        """Return the body of the start request, given the unsuccessful executions of earlier attempts."""

    def _check_request(self) -> Flow[None]:
        """Refuse a request that Polytomic would refuse with a worse explanation."""
        yield from ()

    def _start_once(self, request: StartRequest, on_started: Callable[[ExecutionRef], None]) -> Flow[StartResult]:
        """Start an execution, unless the task instance has already started the one it needs."""
        from airflow_provider_polytomic.executions import start_once

        return start_once(request, on_started)

    def _previous_schema_results(self, previous_executions: Sequence[Execution]) -> list[SchemaResult]:
        """Return the schema results of earlier executions that belong to the result."""
        return []

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
            saved = state.get_started()
            self._refuse_own_schedule(client)
            started = self._start(client, context, state, latest_end)
            self._log_own_schedule()
            execution = started.execution
            ref = self._ref(execution.id)
            self.log.info("%s: %s, %s", ref, started.ownership.value, execution.status)
            if not self.wait_for_completion:
                if started.ownership is Ownership.OWNED:
                    state.save_started(execution.id, released=True)
                return publish_result(self, context, with_link(context, execution))
            schema_results = self._previous_schema_results(started.previous_executions)
            if saved.get("execution_id") == execution.id:
                schema_results = schema_results or saved["previous_schema_results"]
            if schema_results and not execution.outcome.final:
                state.save_started(execution.id, schema_results)
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

    def _start(
        self, client: PolytomicClient, context: Context, state: TaskExecutionState, latest_end: float | None
    ) -> StartResult:
        """Start the execution, or find the one to wait for; wait for a blocking one first."""
        from airflow_provider_polytomic.executions import AlreadyRunning, StartRequest, wait_for_end

        with self._translate_errors("could not be started"):
            client.run(self._with_advice(self._check_request()))
        attempt = state.attempt
        request = StartRequest(
            kind=self.kind,
            sync_id=self._sync_id,
            identity=attempt.identity,
            generation=attempt.generation,
            attempts_before=attempt.previous_attempts,
            parameters=self._request_body,
            if_running=self.if_running,
            is_success=self._criteria.is_met_by,
            known_execution_id=state.get_started().get("execution_id"),
            answer_timeout=answer_timeout(self.timeout, float("inf")),
        )
        while True:
            try:
                with self._translate_errors("could not be started"):
                    starting = self._start_once(request, lambda ref: self._save_owned(context, state, ref))
                    started = client.run(self._with_advice(starting))
            except AlreadyRunning as running:
                other = running.execution
                push_link(self, context, client, self._ref(other.id))
                raise already_running_error(with_link(context, other), self.if_running) from None
            ref = self._ref(started.execution.id)
            push_link(self, context, client, ref)
            if started.ownership is not Ownership.OWNED:
                self._owned = None
            if started.ownership is not Ownership.BLOCKING:
                self._stop_if_ending()
                return started
            self.log.info("Waiting for the end of %s, which blocks the start", ref)
            if self.deferrable:
                self._try_defer(context, state, ref, started.ownership, latest_end, latest_end)
            with self._translate_errors("cannot be waited for", ref):
                client.run(wait_for_end(ref, poll_interval=self.poll_interval, pause_first=True))

    def _cancel_orphan(self, client: PolytomicClient, state: TaskExecutionState) -> None:
        """After a clear, cancel the execution that the task was waiting for.

        If no triggerer had its trigger at that moment, nothing else has canceled it.
        """
        from airflow_provider_polytomic.executions import cancel

        orphan_id = state.begin_generation()
        if not (orphan_id and self.cancel_on_kill):
            return
        orphan = self._ref(orphan_id)
        last_seen = self._try(client, orphan.fetch())
        if last_seen and not last_seen.outcome.final:
            self._try(client, cancel(orphan, timeout=answer_timeout(self.timeout, CONFIRM_TIMEOUT)))

    def _save_owned(self, context: Context, state: TaskExecutionState, ref: ExecutionRef) -> None:
        """Save a started execution where the kill guard, :meth:`on_kill` and the next attempt look for it."""
        self._own(context, ref)
        state.save_started(ref.execution_id)
        state.set_awaited(ref.execution_id, Ownership.OWNED)
        self._stop_if_ending()

    def _try_defer(
        self,
        context: Context,
        state: TaskExecutionState,
        ref: ExecutionRef,
        ownership: Ownership,
        deadline: float | None,
        latest_end: float | None,
        previous_schema_results: list[SchemaResult] | None = None,
    ) -> None:
        """Defer, or return if the task must wait in its worker.

        Without the XCom, the trigger's guard would take the task for killed, and cancel the execution.
        """
        from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

        if not state.set_awaited(ref.execution_id, ownership):
            self.log.warning("Waiting for %s in the worker: without XCom the task cannot be deferred", ref)
            return
        self._stop_if_ending()
        self.defer(
            trigger=PolytomicExecutionTrigger(
                kind=ref.kind,
                sync_id=ref.sync_id,
                execution_id=ref.execution_id,
                polytomic_conn_id=self.polytomic_conn_id,
                poll_interval=self.poll_interval,
                deadline=deadline,
                cancel_on_kill=self.cancel_on_kill and ownership is Ownership.OWNED,
                ownership=ownership.value,
                try_number=context["ti"].try_number,
                latest_end=latest_end,
                previous_schema_results=previous_schema_results,
                console_log=self.console_log and ownership is not Ownership.BLOCKING,
                sync_name=ref.sync_name,
            ),
            method_name="execute_complete",
            timeout=None if deadline is None else deferral_timeout(deadline - time.time(), self.poll_interval),
        )

    def _refuse_own_schedule(self, client: PolytomicClient) -> None:
        """Fail before a start if Polytomic starts the sync too, and ``fail_if_scheduled`` is set."""
        from airflow_provider_polytomic.executions import own_schedule, sync_kind

        if not self.fail_if_scheduled:
            return
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

        found, self._found_sync = self._found_sync, None
        if found and (schedule := own_schedule(found)):
            level = logging.INFO if self.if_running == "join" else logging.WARNING
            self.log.log(level, "%s also has a schedule of its own in Polytomic: %s", self._label, schedule)

    def _finish(
        self, context: Context, execution: Execution, schema_results: Sequence[SchemaResult] | None
    ) -> ExecutionResult:
        """Return the result of an ended execution, or push it and raise."""
        self._owned = None
        result = finish_execution(self, context, execution.with_schema_results(schema_results or ()), self._criteria)
        TaskExecutionState(context).release()
        return result

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
        conn_id = self.polytomic_conn_id if last else None
        last = last or last_seen or Execution.unknown(ref.kind, ref.sync_id, ref.execution_id)
        error = timeout_error(context, last, conn_id, steps)
        record_for_lineage(self, last, error.message_without_records)
        raise error

    def _try(self, client: PolytomicClient, flow: Flow[T]) -> T | None:
        """Run a flow whose failure does not change the result of the task."""
        from airflow_provider_polytomic.api import PolytomicError

        try:
            return client.run(flow)
        except PolytomicError as error:
            self.log.warning("%s: %s", self._label, error)
            return None

    def _translate_errors(self, failure: str, ref: ExecutionRef | None = None) -> AbstractContextManager[None]:
        return translate_api_errors(
            f"{ref or self._label} {failure}", self.polytomic_conn_id, sync=(self.kind, self._sync_id)
        )


def _start_of_run(context: Context) -> float | None:
    """Return the start of the DAG run in seconds since the epoch; None if it is not known."""
    start = getattr(context.get("dag_run"), "start_date", None)
    return None if start is None else as_datetime(start, "the start of the DAG run").timestamp()
