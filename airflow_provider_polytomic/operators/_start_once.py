"""Base of the operators that start executions: start exactly once, and defer the wait."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic._task.client import answer_timeout
from airflow_provider_polytomic._task.deadline import deferral_timeout
from airflow_provider_polytomic._task.errors import already_running_error, translate_api_errors
from airflow_provider_polytomic._task.link import push_link, with_link
from airflow_provider_polytomic._task.state import TaskExecutionState
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
        RecordLimits,
        StartRequest,
        StartResult,
    )
    from airflow_provider_polytomic.results import SchemaResult

T = TypeVar("T")

CONFIRM_TIMEOUT = 60.0
"""Seconds to cancel an execution after its timeout and to wait for its end; less if the timeout was shorter."""


class StartOnceOperator(CancelOnKillOperator):
    """Start an execution exactly once; what was started is saved before anything else can fail."""

    deferrable: bool
    poll_interval: float
    if_running: IfRunning
    console_log: bool
    min_records: int | None
    max_deviation: float | None

    @property
    def _limits(self) -> RecordLimits:
        from airflow_provider_polytomic.executions import RecordLimits

        return RecordLimits(self.min_records, self.max_deviation)

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

    def _is_followed(self, execution: Execution) -> Flow[bool]:
        """Return whether a later attempt starts another execution after an ended one."""
        if not self._criteria.is_met_by(execution):
            return True
        return bool((yield from self._limits.find_shortage(execution, may_be_retried=True)))

    def _previous_schema_results(self, previous_executions: Sequence[Execution]) -> list[SchemaResult]:
        """Return the schema results of earlier executions that belong to the result."""
        return []

    def _start(
        self, client: PolytomicClient, context: Context, state: TaskExecutionState, latest_end: float | None
    ) -> StartResult:
        """Start the execution, or find the one to wait for; wait for a blocking one first."""
        from airflow_provider_polytomic.executions import AlreadyRunning, StartRequest, wait_for_end

        with self._translate_errors("could not be started"):
            client.run(self._with_advice(self._check_request()))
        attempt, saved = state.attempt, state.get_started()
        request = StartRequest(
            kind=self.kind,
            sync_id=self._sync_id,
            organization_id=client.config.organization_id,
            identity=attempt.identity,
            generation=attempt.generation,
            attempts_before=attempt.previous_attempts,
            parameters=self._request_body,
            if_running=self.if_running,
            is_followed=self._is_followed,
            known_execution_id=saved.get("execution_id") if saved.get("sync_id") == self._sync_id else None,
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
        from airflow_provider_polytomic.executions import ExecutionRef, cancel

        saved = state.begin_generation()
        if not (saved and self.cancel_on_kill):
            return
        orphan = ExecutionRef(self.kind, saved.get("sync_id") or self._sync_id, saved["execution_id"])
        last_seen = self._try(client, orphan.fetch())
        if last_seen and not last_seen.outcome.final:
            self._try(client, cancel(orphan, timeout=answer_timeout(self.timeout, CONFIRM_TIMEOUT)))

    def _save_owned(self, context: Context, state: TaskExecutionState, ref: ExecutionRef) -> None:
        """Save a started execution where the kill guard, :meth:`on_kill` and the next attempt look for it."""
        self._own(context, ref)
        state.save_started(ref.sync_id, ref.execution_id)
        state.set_awaited(ref.sync_id, ref.execution_id, Ownership.OWNED)
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

        if not state.set_awaited(ref.sync_id, ref.execution_id, ownership):
            self.log.warning("Waiting for %s in the worker: without XCom the task cannot be deferred", ref)
            return
        self._stop_if_ending()
        self.defer(
            trigger=PolytomicExecutionTrigger(
                kind=ref.kind,
                sync_id=ref.sync_id,
                execution_id=ref.execution_id,
                polytomic_conn_id=self.polytomic_conn_id,
                organization_id=self.organization_id,
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

    def _try(self, client: PolytomicClient, flow: Flow[T]) -> T | None:
        """Run a flow whose failure does not change the result of the task."""
        from airflow_provider_polytomic.api import PolytomicError

        try:
            return client.run(flow)
        except PolytomicError as error:
            self.log.warning("%s: %s", self._label, error)
            return None

    def _translate_errors(self, failure: str, ref: ExecutionRef | None = None) -> AbstractContextManager[None]:
        return translate_api_errors(f"{ref or self._label} {failure}", self._hook, sync=(self.kind, self._sync_id))
