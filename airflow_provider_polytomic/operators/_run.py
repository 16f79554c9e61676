"""The one base of all operators that start something and wait for it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic._from_trigger import beginning
from airflow_provider_polytomic._starts import START_OPTIONS
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunTimeout,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.lineage import Traced, remember
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.operators._attempt import Attempt
from airflow_provider_polytomic.operators._failure import in_use, late, refusing_run
from airflow_provider_polytomic.operators._killable import KillableOperator
from airflow_provider_polytomic.operators._ledger import Ledger
from airflow_provider_polytomic.operators._link import linked, show_link
from airflow_provider_polytomic.operators._verdict import conclude, hand_on
from airflow_provider_polytomic.triggers._event import checked_event

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_polytomic._starts import Start
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.api.protocol import Protocol
    from airflow_provider_polytomic.runs import Execution, Found, IfRunning, Order, Role, Run, Standard

T = TypeVar("T")

CONFIRM_PATIENCE = 60.0
"""Seconds to wait for the end of an execution that was canceled because its time was up."""

DEFERRAL_SLACK = 120.0
"""Seconds after which Airflow itself ends a deferral whose trigger has not kept the deadline."""


class PolytomicRunOperator(KillableOperator, Traced):
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
    :param start_from_trigger: start in the triggerer too, so that a worker is needed for the verdict only; needs
        Airflow 3.3; a mapped task is started by a worker all the same; default False
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
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(polytomic_conn_id=polytomic_conn_id, cancel_on_kill=cancel_on_kill, **kwargs)
        if if_running not in ("wait", "join", "fail", "skip"):
            raise ValueError(f"if_running is 'wait', 'join', 'fail' or 'skip', not {if_running!r}")
        if poll_interval <= 0:
            raise ValueError("poll_interval must be more than 0 seconds")
        if start_from_trigger and not wait_for_completion:
            raise ValueError("start_from_trigger waits in the triggerer, so it excludes wait_for_completion=False")
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        self.if_running = if_running
        self.max_errors = max_errors
        self.console_log = console_log
        self.start_from_trigger = start_from_trigger

    @property
    def kind(self) -> str:
        """``model`` or ``bulk``."""
        return self.starts.kind

    @property
    def _sync_id(self) -> str:
        return self.starts.of(self).id

    def _standard(self) -> Standard:
        from airflow_provider_polytomic.runs import Standard

        return Standard(self.max_errors, self.fail_on_partial)

    @property
    def _label(self) -> str:
        return self.starts.of(self).label

    def _trigger_start(self) -> StartTriggerArgs | None:
        """Return how the triggerer begins, for the end of the constructor, when all fields are there."""
        if not self.start_from_trigger:
            return None
        facts = {name: getattr(self, name) for name in (*START_OPTIONS, *self.starts.names())}
        return beginning("starts.PolytomicStartTrigger", facts)

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the execution, or find the one that an earlier attempt started, and see it through."""
        latest_end = None
        if self.deferrable and self.execution_timeout:
            latest_end = time.time() + self.execution_timeout.total_seconds()
        return self._start_and_wait(context, latest_end)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the triggerer has waited."""
        from airflow_provider_polytomic.runs import Execution, Role, Run

        event = checked_event(event)
        if event["try_number"] not in (None, context["ti"].try_number):
            self.log.info("The trigger's news is of attempt %s: starting afresh", event["try_number"])
            return self.execute(context)
        if event["status"] == "unavailable":
            raise PolytomicUnavailable(event["message"])
        if event["status"] == "running":
            raise in_use(linked(context, Execution.from_result(event["execution"])), self.if_running)
        role = Role(event["role"])
        if event["status"] == "refused":
            if event["execution_id"] and role is not Role.IN_THE_WAY:
                unseen = Execution.unseen(self.kind, self._sync_id, event["execution_id"])
                Ledger(context).push_result(linked(context, unseen).result())
            raise PolytomicRequestRefused(event["message"])
        if event["status"] == "deadline":
            run = Run(self.kind, self._sync_id, event["execution_id"])
            canceled = Execution.from_result(event["execution"]) if event["execution"] else None
            return self._time_is_up(context, run, role, event["carried"], canceled)
        if role is Role.IN_THE_WAY:
            return self._start_and_wait(context, event["latest_end"])
        return self._judge(context, Execution.from_result(event["execution"]), event["carried"])

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; where Airflow ended it because of its timeout, cancel the execution first."""
        from airflow_provider_polytomic.runs import Role, Run

        if next_method != "__fail__":
            return super().resume_execution(next_method, next_kwargs, context)
        waited = Ledger(context).waited_for()
        if waited is None and not self.start_from_trigger:
            self.log.info("The deferral that failed is of an earlier attempt: starting afresh")
            return self.execute(context)
        timed_out = "timeout" in str((next_kwargs or {}).get("error", "")).lower()
        if not (timed_out and waited and waited["execution_id"]):
            Ledger(context).end_attempt(succeeded=False)
            return super().resume_execution(next_method, next_kwargs, context)
        run = Run(self.kind, self._sync_id, waited["execution_id"])
        return self._time_is_up(context, run, Role(waited["role"]), waited.get("carried"))

    def _start_and_wait(self, context: Context, latest_end: float | None) -> dict[str, Any]:
        """Start and wait.

        :param latest_end: when ``execution_timeout`` passes, in seconds since the epoch; Airflow 3 does not enforce it
            while a task is deferred
        """
        from airflow_provider_polytomic.runs import Console, DeadlinePassed, Run, deadline_of, wait_for_end, watched

        with self._connected() as client:
            kept = self._recall(client, context)
            start = self.starts.of(self)
            found = self._find(client, context, start, latest_end, kept.get("execution_id"))
            execution = found.execution
            run = Run(self.kind, self._sync_id, execution.id)
            self.log.info("%s: %s, %s", run, found.role.value, execution.status)
            if not self.wait_for_completion:
                Ledger(context).forget()
                return hand_on(self, context, linked(context, execution))
            carried = start.carried(found.earlier) or kept.get("carried", [])
            if carried and not execution.outcome.final:
                Ledger(context).keep(execution.id, carried)
            console = Console(run, self.log.info, client.config.secrets) if self.console_log else None
            if execution.outcome.final:
                if console:
                    client.run(console.look())
                return self._judge(context, execution, carried)
            deadline = deadline_of(found.execution, found.adopted, self.timeout, latest_end)
            if self.deferrable:
                self._defer(context, run, found.role, deadline, latest_end, carried)
            try:
                waiting = wait_for_end(run, every=self.poll_interval, deadline=deadline, pause_first=True)
                with self._refusing("cannot be waited for", run):
                    execution = client.run(watched(waiting, console) if console else waiting)
            except DeadlinePassed as passed:
                return self._time_is_up(context, run, found.role, carried, heard=passed.execution or execution)
            except (PolytomicRequestRefused, PolytomicUnavailable):
                Ledger(context).push_result(linked(context, execution).result())
                raise
            return self._judge(context, execution, carried)

    def _find(
        self,
        client: PolytomicClient,
        context: Context,
        start: Start,
        latest_end: float | None,
        remembered: str | None,
    ) -> Found:
        """Start the execution or find the one to wait for; whatever is in the way is waited for before."""
        from airflow_provider_polytomic.runs import AlreadyRunning, Role, Run, start_once, wait_for_end

        with self._refusing("could not be started"):
            client.run(start.check())
        order = self._order(context, start, remembered)
        while True:
            try:
                with self._refusing("could not be started"):
                    found = client.run(start_once(order, lambda run: self._own(context, run)))
            except AlreadyRunning as running:
                other = running.execution
                show_link(self, context, client, Run(self.kind, self._sync_id, other.id))
                raise in_use(linked(context, other), self.if_running) from None
            run = Run(self.kind, self._sync_id, found.execution.id)
            show_link(self, context, client, run)
            if found.role is not Role.OURS:
                self._ours = None
            if found.role is not Role.IN_THE_WAY:
                self._stop_if_killed()
                return found
            self.log.info("%s must end before ours can start", run)
            if self.deferrable:
                self._defer(context, run, found.role, latest_end, latest_end)
            with self._refusing("cannot be waited for", run):
                client.run(wait_for_end(run, every=self.poll_interval, pause_first=True))

    def _recall(self, client: PolytomicClient, context: Context) -> dict[str, Any]:
        """Return what an earlier attempt has kept of the execution that it started.

        One from before a clear is canceled instead: where no triggerer had its trigger then, nobody else has done it.
        """
        from airflow_provider_polytomic.runs import Run, cancel

        kept, from_before_a_clear = Ledger(context).kept()
        if not from_before_a_clear:
            return kept
        orphan = Run(self.kind, self._sync_id, kept["execution_id"])
        last = self._try(client, orphan.look()) if self.cancel_on_kill else None
        if last and not last.outcome.final:
            self._try(client, cancel(orphan, patience=CONFIRM_PATIENCE))
        Ledger(context).forget()
        return {}

    def _order(self, context: Context, start: Start, remembered: str | None) -> Order:
        from airflow_provider_polytomic.runs import Order

        attempt = Attempt.of(context)
        return Order(
            kind=self.kind,
            sync_id=start.id,
            identity=attempt.identity,
            generation=attempt.generation,
            attempts_before=attempt.before,
            parameters=start.parameters,
            if_running=self.if_running,
            succeeded=self._standard().met_by,
            remembered=remembered,
        )

    def _own(self, context: Context, run: Run) -> None:
        """Take note of an execution of ours, where the trigger's guard, a kill and the next attempt look for it."""
        from airflow_provider_polytomic.runs import Role

        self._ours = run
        if self._killed:
            self.on_kill()
        Ledger(context).waits_for(run.execution_id, Role.OURS.value)
        Ledger(context).keep(run.execution_id)

    def _defer(
        self,
        context: Context,
        run: Run,
        role: Role,
        deadline: float | None,
        latest_end: float | None,
        carried: list[dict[str, Any]] | None = None,
    ) -> NoReturn:
        from airflow_provider_polytomic.runs import Role
        from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

        self._stop_if_killed()
        Ledger(context).waits_for(run.execution_id, role.value)
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
                cancel_on_kill=self.cancel_on_kill and role is Role.OURS,
                role=role.value,
                try_number=context["ti"].try_number,
                latest_end=latest_end,
                carried=carried,
                console_log=self.console_log and role is not Role.IN_THE_WAY,
            ),
            method_name="execute_complete",
            timeout=backstop,
        )
        raise AssertionError("a deferral does not return")

    def _judge(
        self, context: Context, execution: Execution, carried: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Return the result of an ended execution, or push it and raise what it lacks."""
        self._ours = None
        ledger = Ledger(context)
        ledger.forget()
        ledger.end_attempt(succeeded=self._standard().met_by(execution))
        return conclude(self, context, execution.including(carried or ()), self._standard())

    def _time_is_up(
        self,
        context: Context,
        run: Run,
        role: Role,
        carried: Sequence[Mapping[str, Any]] | None = None,
        canceled: Execution | None = None,
        heard: Execution | None = None,
    ) -> dict[str, Any]:
        """End an execution that takes too long, unless it has just ended by itself.

        :param canceled: the execution, where the trigger has canceled it already
        :param heard: the execution as it was last seen while it was waited for
        """
        from airflow_provider_polytomic.runs import Execution, Role, cancel_and_confirm

        advice = "allow more time, or see in Polytomic why it is slow"
        last = canceled
        if last is None:
            with self._connected() as client:
                last = self._try(client, run.look())
                if last and last.outcome.final and role is not Role.IN_THE_WAY:
                    return self._judge(context, last, carried)
                if role is Role.OURS and self.cancel_on_kill:
                    last = self._try(client, cancel_and_confirm(run, patience=CONFIRM_PATIENCE)) or last
        Ledger(context).end_attempt(succeeded=False)
        if role is Role.IN_THE_WAY:
            raise PolytomicRunTimeout(f"{self._label} could not start in time: {run} is in its way. Next: {advice}")
        if not (role is Role.OURS and self.cancel_on_kill):
            advice = f"it was left running; {advice}"
        elif last is None or not last.outcome.final:
            advice = f"it may still be running; {advice}"
        else:
            Ledger(context).forget()
        last = last or heard or Execution.unseen(run.kind, run.sync_id, run.execution_id)
        too_late = late(context, last, self.polytomic_conn_id, advice)
        remember(self, last, too_late.without_records)
        raise too_late

    def _try(self, client: PolytomicClient, protocol: Protocol[T]) -> T | None:
        """Run what may fail without changing the verdict."""
        from airflow_provider_polytomic.api import PolytomicError

        try:
            return client.run(protocol)
        except PolytomicError as error:
            self.log.warning("%s: %s", self._label, error)
            return None

    def _refusing(self, what: str, run: Run | None = None) -> AbstractContextManager[None]:
        return refusing_run(f"{run or self._label} {what}", self.kind, self._sync_id, self.polytomic_conn_id)
