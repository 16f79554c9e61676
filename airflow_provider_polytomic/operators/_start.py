"""The one base of all operators that start something and wait for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic._task.attempt import Attempt
from airflow_provider_polytomic._task.errors import already_running_error, timeout_error, translate_execution_errors
from airflow_provider_polytomic._task.events import validate_execute_complete_event
from airflow_provider_polytomic._task.link import linked, show_link
from airflow_provider_polytomic._task.result import finish_execution, publish_result
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunTimeout,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.lineage import OpenLineageMixin, record_for_lineage
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.operators._cancel_on_kill import KillableOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic._starts import Start
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import (
        Execution,
        ExecutionRef,
        IfRunning,
        Ownership,
        StartRequest,
        StartResult,
        SuccessCriteria,
    )
    from airflow_provider_polytomic.results import ExecutionResult, SchemaResult, SyncKindName

T = TypeVar("T")

CONFIRM_PATIENCE = 60.0
"""Seconds to wait for the end of an execution that was canceled because its time was up."""

DEFERRAL_SLACK = 120.0
"""Seconds after which Airflow itself ends a deferral whose trigger has not kept the deadline."""


class PolytomicRunOperator(KillableOperator, OpenLineageMixin):
    """Start a sync exactly once, wait for its end, and judge it.

    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param wait_for_completion: False: return as soon as the execution has been started
    :param deferrable: wait in the triggerer instead of a worker slot; default: ``[operators] default_deferrable``
    :param poll_interval: seconds between two looks at the execution; also the longest time its end goes unnoticed
    :param timeout: seconds of waiting from the start of the execution; then it is canceled (if ``cancel_on_kill``) and
        the task fails; default: no limit
    :param if_running: what to do when an execution that is not ours runs: ``"wait"`` for its end and start ours,
        ``"join"`` it, ``"fail"``, or ``"skip"`` the task
    :param cancel_on_kill: cancel our execution when the task is killed, marked, cleared or out of time; never when a
        triggerer restarts, and never one that was joined
    :param max_errors: fail when a completed execution has more record errors than this; default: only warn
    :param console_log: follow the execution's console log in the task's log, or in its trigger's; default False
    """

    starts: type[Start]
    fail_on_partial = True
    template_fields: Sequence[str] = ("polytomic_conn_id",)
    operator_extra_links = (PolytomicSyncLink(),)
    ui_color = "#e6e4fb"

    def __init__(
        self,
        *,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 30.0,
        timeout: float | timedelta | None = None,
        if_running: IfRunning = "wait",
        cancel_on_kill: bool = True,
        max_errors: int | None = None,
        console_log: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(polytomic_conn_id=polytomic_conn_id, cancel_on_kill=cancel_on_kill, **kwargs)
        if if_running not in ("wait", "join", "fail", "skip"):
            raise ValueError(f"if_running is 'wait', 'join', 'fail' or 'skip', not {if_running!r}")
        if poll_interval <= 0:
            raise ValueError("poll_interval must be more than 0 seconds")
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        self.if_running = if_running
        self.max_errors = max_errors
        self.console_log = console_log

    @property
    def kind(self) -> SyncKindName:
        """``model`` or ``bulk``."""
        return self.starts.kind

    @property
    def _sync_id(self) -> str:
        return self.starts.of(self).id

    def _standard(self) -> SuccessCriteria:
        from airflow_provider_polytomic.executions import SuccessCriteria

        return SuccessCriteria(self.max_errors, self.fail_on_partial)

    @property
    def _label(self) -> str:
        return self.starts.of(self).label

    def execute(self, context: Context) -> ExecutionResult:
        """Start the execution, or find the one that an earlier attempt started, and see it through."""
        latest_end = None
        if self.deferrable and self.execution_timeout:
            latest_end = time.time() + self.execution_timeout.total_seconds()
        return self._start_and_wait(context, latest_end)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> ExecutionResult:
        """Go on after the triggerer has waited."""
        from airflow_provider_polytomic.executions import Execution, ExecutionRef, Ownership

        event = validate_execute_complete_event(event)
        if event["try_number"] not in (None, context["ti"].try_number):
            self.log.info("The trigger's news is of attempt %s: starting afresh", event["try_number"])
            return self.execute(context)
        if event["status"] == "unavailable":
            raise PolytomicUnavailable(event["message"])
        ownership = Ownership(event["ownership"])
        if event["status"] == "refused":
            if event["execution_id"] and ownership is not Ownership.BLOCKING:
                unknown = Execution.unknown(self.kind, self._sync_id, event["execution_id"])
                TaskExecutionState(context).push_result(linked(context, unknown).result())
            raise PolytomicRequestRefused(event["message"])
        if event["status"] == "deadline":
            run = ExecutionRef(self.kind, self._sync_id, event["execution_id"])
            canceled = Execution.from_result(event["execution"]) if event["execution"] else None
            return self._time_is_up(context, run, ownership, event["previous_schema_results"], canceled)
        if ownership is Ownership.BLOCKING:
            return self._start_and_wait(context, event["latest_end"])
        return self._judge(context, Execution.from_result(event["execution"]), event["previous_schema_results"])

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; where Airflow ended it because of its timeout, cancel the execution first."""
        from airflow_provider_polytomic.executions import ExecutionRef, Ownership

        if next_method != "__fail__":
            return super().resume_execution(next_method, next_kwargs, context)
        waited = TaskExecutionState(context).get_awaited()
        if waited is None:
            self.log.info("The deferral that failed is of an earlier attempt: starting afresh")
            return self.execute(context)
        timed_out = "timeout" in str((next_kwargs or {}).get("error", "")).lower()
        if not (timed_out and waited and waited["execution_id"]):
            return super().resume_execution(next_method, next_kwargs, context)
        run = ExecutionRef(self.kind, self._sync_id, waited["execution_id"])
        return self._time_is_up(context, run, Ownership(waited["ownership"]), waited.get("previous_schema_results"))

    def _start_and_wait(self, context: Context, latest_end: float | None) -> ExecutionResult:
        """Start and wait.

        :param latest_end: when ``execution_timeout`` passes, in seconds since the epoch; Airflow 3 does not enforce it
            while a task is deferred
        """
        from airflow_provider_polytomic.executions import (
            ConsoleLogReader,
            DeadlinePassed,
            ExecutionRef,
            effective_deadline,
            wait_for_end,
            wait_with_console_log,
        )

        with self._connected() as client:
            kept = self._recall(client, context)
            start = self.starts.of(self)
            found = self._find(client, context, start, latest_end, kept.get("execution_id"))
            execution = found.execution
            run = ExecutionRef(self.kind, self._sync_id, execution.id)
            self.log.info("%s: %s, %s", run, found.ownership.value, execution.status)
            if not self.wait_for_completion:
                TaskExecutionState(context).clear_started()
                return publish_result(self, context, linked(context, execution))
            previous_schema_results = start.previous_schema_results(found.previous_executions) or kept.get(
                "previous_schema_results", []
            )
            if previous_schema_results and not execution.outcome.final:
                TaskExecutionState(context).save_started(execution.id, previous_schema_results)
            console = ConsoleLogReader(run, self.log.info, client.config.secrets) if self.console_log else None
            if execution.outcome.final:
                if console:
                    client.run(console.fetch())
                return self._judge(context, execution, previous_schema_results)
            deadline = effective_deadline(found.execution, found.adopted, self.timeout, latest_end)
            if self.deferrable:
                self._defer(context, run, found.ownership, deadline, latest_end, previous_schema_results)
            try:
                waiting = wait_for_end(run, poll_interval=self.poll_interval, deadline=deadline, pause_first=True)
                with self._refusing("cannot be waited for", run):
                    execution = client.run(wait_with_console_log(waiting, console) if console else waiting)
            except DeadlinePassed as passed:
                return self._time_is_up(
                    context, run, found.ownership, previous_schema_results, heard=passed.execution or execution
                )
            except (PolytomicRequestRefused, PolytomicUnavailable):
                TaskExecutionState(context).push_result(linked(context, execution).result())
                raise
            return self._judge(context, execution, previous_schema_results)

    def _find(
        self,
        client: PolytomicClient,
        context: Context,
        start: Start,
        latest_end: float | None,
        known_execution_id: str | None,
    ) -> StartResult:
        """Start the execution or find the one to wait for; whatever is in the way is waited for before."""
        from airflow_provider_polytomic.executions import (
            AlreadyRunning,
            ExecutionRef,
            Ownership,
            start_once,
            wait_for_end,
        )

        with self._refusing("could not be started"):
            client.run(start.check())
        order = self._order(context, start, known_execution_id)
        while True:
            try:
                with self._refusing("could not be started"):
                    found = client.run(start_once(order, lambda run: self._own(context, run)))
            except AlreadyRunning as running:
                other = running.execution
                show_link(self, context, client, ExecutionRef(self.kind, self._sync_id, other.id))
                raise already_running_error(linked(context, other), self.if_running) from None
            run = ExecutionRef(self.kind, self._sync_id, found.execution.id)
            show_link(self, context, client, run)
            if found.ownership is not Ownership.OWNED:
                self._ours = None
            if found.ownership is not Ownership.BLOCKING:
                self._stop_if_killed()
                return found
            self.log.info("%s must end before ours can start", run)
            if self.deferrable:
                self._defer(context, run, found.ownership, latest_end, latest_end)
            with self._refusing("cannot be waited for", run):
                client.run(wait_for_end(run, poll_interval=self.poll_interval, pause_first=True))

    def _recall(self, client: PolytomicClient, context: Context) -> dict[str, Any]:
        """Return what an earlier attempt has kept of the execution that it started.

        One from before a clear is canceled instead: where no triggerer had its trigger then, nobody else has done it.
        """
        from airflow_provider_polytomic.executions import ExecutionRef, cancel

        kept, from_before_a_clear = TaskExecutionState(context).get_started()
        if not from_before_a_clear:
            return kept
        orphan = ExecutionRef(self.kind, self._sync_id, kept["execution_id"])
        last = self._try(client, orphan.fetch()) if self.cancel_on_kill else None
        if last and not last.outcome.final:
            self._try(client, cancel(orphan, timeout=CONFIRM_PATIENCE))
        TaskExecutionState(context).clear_started()
        return {}

    def _order(self, context: Context, start: Start, known_execution_id: str | None) -> StartRequest:
        from airflow_provider_polytomic.executions import StartRequest

        attempt = Attempt.of(context)
        return StartRequest(
            kind=self.kind,
            sync_id=start.id,
            identity=attempt.identity,
            generation=attempt.generation,
            attempts_before=attempt.before,
            parameters=start.parameters,
            if_running=self.if_running,
            is_success=self._standard().is_met_by,
            known_execution_id=known_execution_id,
        )

    def _own(self, context: Context, run: ExecutionRef) -> None:
        """Take note of an execution of ours, where the trigger's guard, a kill and the next attempt look for it."""
        from airflow_provider_polytomic.executions import Ownership

        self._ours = run
        if self._killed:
            self.on_kill()
        TaskExecutionState(context).set_awaited(run.execution_id, Ownership.OWNED.value)
        TaskExecutionState(context).save_started(run.execution_id)

    def _defer(
        self,
        context: Context,
        run: ExecutionRef,
        ownership: Ownership,
        deadline: float | None,
        latest_end: float | None,
        previous_schema_results: list[SchemaResult] | None = None,
    ) -> NoReturn:
        from airflow_provider_polytomic.executions import Ownership
        from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

        self._stop_if_killed()
        TaskExecutionState(context).set_awaited(run.execution_id, ownership.value)
        backstop = None
        if deadline is not None:
            left = max(0.0, deadline - time.time())
            backstop = timedelta(seconds=left + 2 * self.poll_interval + DEFERRAL_SLACK)
        self.defer(
            trigger=PolytomicExecutionTrigger(
                kind=run.kind,
                sync_id=run.sync_id,
                execution_id=run.execution_id,
                polytomic_conn_id=self.polytomic_conn_id,
                poll_interval=self.poll_interval,
                deadline=deadline,
                cancel_on_kill=self.cancel_on_kill and ownership is Ownership.OWNED,
                ownership=ownership.value,
                try_number=context["ti"].try_number,
                latest_end=latest_end,
                previous_schema_results=previous_schema_results,
                console_log=self.console_log and ownership is not Ownership.BLOCKING,
            ),
            method_name="execute_complete",
            timeout=backstop,
        )
        raise AssertionError("a deferral does not return")

    def _judge(
        self, context: Context, execution: Execution, previous_schema_results: Sequence[SchemaResult] | None = None
    ) -> ExecutionResult:
        """Return the result of an ended execution, or push it and raise what it lacks."""
        self._ours = None
        ledger = TaskExecutionState(context)
        ledger.clear_started()
        return finish_execution(
            self, context, execution.with_schema_results(previous_schema_results or ()), self._standard()
        )

    def _time_is_up(
        self,
        context: Context,
        run: ExecutionRef,
        ownership: Ownership,
        previous_schema_results: Sequence[SchemaResult] | None = None,
        canceled: Execution | None = None,
        heard: Execution | None = None,
    ) -> ExecutionResult:
        """End an execution that takes too long, unless it has just ended by itself.

        :param canceled: the execution, where the trigger has canceled it already
        :param heard: the execution as it was last seen while it was waited for
        """
        from airflow_provider_polytomic.executions import Execution, Ownership, cancel_and_confirm

        advice = "allow more time, or see in Polytomic why it is slow"
        last = canceled
        if last is None:
            with self._connected() as client:
                last = self._try(client, run.fetch())
                if last and last.outcome.final and ownership is not Ownership.BLOCKING:
                    return self._judge(context, last, previous_schema_results)
                if ownership is Ownership.OWNED and self.cancel_on_kill:
                    last = self._try(client, cancel_and_confirm(run, timeout=CONFIRM_PATIENCE)) or last
        if ownership is Ownership.BLOCKING:
            raise PolytomicRunTimeout(f"{self._label} could not start in time: {run} is in its way. Next: {advice}")
        if not (ownership is Ownership.OWNED and self.cancel_on_kill):
            advice = f"it was left running; {advice}"
        elif last is None or not last.outcome.final:
            advice = f"it may still be running; {advice}"
        else:
            TaskExecutionState(context).clear_started()
        last = last or heard or Execution.unknown(run.kind, run.sync_id, run.execution_id)
        too_late = timeout_error(context, last, self.polytomic_conn_id, advice)
        record_for_lineage(self, last, too_late.without_records)
        raise too_late

    def _try(self, client: PolytomicClient, protocol: Flow[T]) -> T | None:
        """Run what may fail without changing the verdict."""
        from airflow_provider_polytomic.api import PolytomicError

        try:
            return client.run(protocol)
        except PolytomicError as error:
            self.log.warning("%s: %s", self._label, error)
            return None

    def _refusing(self, what: str, run: ExecutionRef | None = None) -> AbstractContextManager[None]:
        return translate_execution_errors(
            f"{run or self._label} {what}", self.kind, self._sync_id, self.polytomic_conn_id
        )
