"""The one base of the sensors that wait for the end of an execution."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    can_start_from_trigger,
    conf,
)
from airflow_provider_polytomic._templated import as_id, as_moment
from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicTaskError,
    refusing,
)
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.lineage import Traced
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.operators._failure import look_for_cause
from airflow_provider_polytomic.operators._ledger import Ledger
from airflow_provider_polytomic.operators._link import linked, show_link
from airflow_provider_polytomic.operators._verdict import conclude
from airflow_provider_polytomic.triggers._event import checked_event

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_polytomic.api.protocol import Protocol
    from airflow_provider_polytomic.runs import Completion, Console, Execution, Run, Standard

DEFERRAL_SLACK = 60.0
"""Seconds after which Airflow itself ends a deferral whose trigger has not kept the sensor's timeout."""

CANCEL_PATIENCE = 30.0
"""Seconds within which a cancellation is requested again."""

BEGIN_OF_RUN = "{{ data_interval_start | default(none) or dag_run.start_date }}"
"""Where the triggerer renders it: from when on an end counts, if nothing else was said."""


class PolytomicStatusSensor(BaseSensorOperator, Traced):
    """Wait for the end of an execution, and judge it.

    With ``execution_id`` it waits for that one. Without, for the one that is current when the sensor first looks or,
    where none is, for one that ended at or after ``completed_after``.

    :param execution_id: id of the execution (templated)
    :param completed_after: moment, or text in ISO 8601; default: the start of the data interval, else of the DAG run
        (templated)
    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param deferrable: wait in the triggerer; default: ``[operators] default_deferrable``
    :param max_errors: fail when a completed execution has more record errors than this; default: any number will do
    :param cancel_on_timeout: cancel the execution when the sensor's ``timeout`` passes; default False
    :param console_log: follow the execution's console log in the task's log, or in its trigger's; in the mode
        ``reschedule`` it is shown at the end; default False
    :param start_from_trigger: begin in the triggerer, so that a worker is needed at the end only; needs Airflow 3.3; a
        mapped sensor is begun by a worker all the same; default False
    :param end_from_trigger: end in the triggerer too where the execution has succeeded without any error; excludes
        outlets and ``on_success_callback``, which need a worker; default False
    """

    kind: str
    template_fields: Sequence[str] = ("execution_id", "completed_after", "polytomic_conn_id")
    operator_extra_links = (PolytomicSyncLink(),)
    ui_color = "#e6e4fb"

    def __init__(
        self,
        *,
        execution_id: str | None = None,
        completed_after: datetime | str | None = None,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_errors: int | None = None,
        cancel_on_timeout: bool = False,
        console_log: bool = False,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if start_from_trigger and not can_start_from_trigger():
            raise ValueError("start_from_trigger needs Airflow 3.3 or later: a triggerer that renders templates")
        if end_from_trigger and not (deferrable or start_from_trigger):
            raise ValueError("end_from_trigger needs deferrable=True or start_from_trigger=True")
        if end_from_trigger and (self.outlets or self.on_success_callback):
            raise ValueError("end_from_trigger excludes outlets and on_success_callback, which need a worker")
        self.execution_id = execution_id
        self.completed_after = completed_after
        self.polytomic_conn_id = polytomic_conn_id
        self.deferrable = deferrable
        self.max_errors = max_errors
        self.cancel_on_timeout = cancel_on_timeout
        self.console_log = console_log
        self.start_from_trigger = start_from_trigger
        self.end_from_trigger = end_from_trigger
        self._hook: PolytomicHook | None = None
        self._awaited: Run | Completion | None = None
        self._console: Console | None = None

    @property
    @abstractmethod
    def _sync_id(self) -> str:
        """The id of the sync, as text."""

    def _standard(self) -> Standard:
        from airflow_provider_polytomic.runs import Standard

        return Standard(self.max_errors)

    def _trigger_start(self) -> StartTriggerArgs | None:
        """Return how the triggerer begins, for the end of the constructor, when all fields are there."""
        if not self.start_from_trigger:
            return None
        from airflow.triggers.base import StartTriggerArgs

        own = self.template_fields[0]
        after = self.completed_after.isoformat() if isinstance(self.completed_after, datetime) else self.completed_after
        return StartTriggerArgs(
            trigger_cls="airflow_provider_polytomic.triggers.sensing.PolytomicSensorTrigger",
            trigger_kwargs={
                "kind": self.kind,
                own: getattr(self, own),
                "execution_id": self.execution_id,
                "completed_after": after or BEGIN_OF_RUN,
                "polytomic_conn_id": self.polytomic_conn_id,
                "poll_interval": self.poke_interval,
                "timeout": self.timeout,
                **self._trigger_options(),
            },
            next_method="execute_complete",
            timeout=timedelta(seconds=self.timeout + 2 * self.poke_interval + DEFERRAL_SLACK),
        )

    def _trigger_options(self) -> dict[str, Any]:
        return {
            "console_log": self.console_log,
            "end_from_trigger": self.end_from_trigger,
            "push_result": self.do_xcom_push,
        }

    def execute(self, context: Context) -> Any:
        """Poke, or wait in the triggerer."""
        if self.deferrable:
            with self._failing_softly():
                return self._look_and_defer(context)
        try:
            return super().execute(context)
        except AirflowSkipException:
            self._cancel_if_waiting()
            raise
        except AirflowSensorTimeout:
            raise self._late(context) from None

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look at the execution once; a look that fails is logged and decides nothing."""
        try:
            execution = self._look(context)
        except PolytomicTaskError:
            self._awaited = None
            raise
        if self.console_log:
            self._show_console(execution)
        if execution is None or not execution.outcome.final:
            return False
        self._awaited = None
        with self._failing_softly():
            return PokeReturnValue(is_done=True, xcom_value=self._judge(context, execution))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the triggerer has waited."""
        from airflow_provider_polytomic.runs import Execution

        event = checked_event(event)
        if event["try_number"] not in (None, context["ti"].try_number):
            self.log.info("The trigger's news is of attempt %s: starting afresh", event["try_number"])
            result: dict[str, Any] = self.execute(context)
            return result
        if event["status"] == "refused":
            raise PolytomicRequestRefused(event["message"])
        if event["status"] == "deadline":
            self._awaited = self._run(event["execution_id"]) if event["execution_id"] else None
            raise self._late(context)
        execution = Execution.from_result(event["execution"])
        if self.console_log and event["execution_id"] is None:
            self._show_console(execution)
        return self._judge(context, execution)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; where Airflow ended it because of its timeout, cancel the execution if wanted."""
        if next_method == "__fail__":
            waited = Ledger(context).waited_for()
            if waited is None:
                self.log.info("The deferral that failed is of an earlier attempt: starting afresh")
                return self.execute(context)
            timed_out = "timeout" in str((next_kwargs or {}).get("error", "")).lower()
            if timed_out and waited["execution_id"]:
                self._awaited = self._run(waited["execution_id"])
                self._cancel_if_waiting()
        return super().resume_execution(next_method, next_kwargs, context)

    @property
    def _label(self) -> str:
        from airflow_provider_polytomic.runs import kind_of

        return f"{kind_of(self.kind).label.capitalize()} {self._sync_id}"

    @contextmanager
    def _failing_softly(self) -> Iterator[None]:
        """Skip instead of failing where ``soft_fail`` is set, also where Airflow itself does not see to it."""
        try:
            yield
        except PolytomicTaskError as error:
            if self.soft_fail:
                raise AirflowSkipException(f"Skipping, since soft_fail is set: {error}") from None
            raise

    def _run(self, execution_id: str) -> Run:
        from airflow_provider_polytomic.runs import Run

        return Run(self.kind, self._sync_id, execution_id)

    def _look_and_defer(self, context: Context) -> dict[str, Any]:
        from airflow_provider_polytomic.runs import Run
        from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

        self._hook = self._hook or PolytomicHook(self.polytomic_conn_id)
        with refusing(f"{self._label} cannot be waited for", self.polytomic_conn_id):
            self._awaited = self._hook.get_conn().run(self._choose_patiently(context))
        show_link(self, context, self._hook.get_conn(), self._awaited)
        execution = self._look(context)
        if execution is not None and execution.outcome.final:
            if self.console_log:
                self._show_console(execution)
            return self._judge(context, execution)
        ti = context["ti"]
        awaited = self._awaited
        execution_id = awaited.execution_id if isinstance(awaited, Run) else None
        Ledger(context).waits_for(execution_id, "joined")
        self.defer(
            trigger=PolytomicExecutionTrigger(
                kind=self.kind,
                sync_id=self._sync_id,
                execution_id=execution_id,
                completed_after=None if execution_id else self._completed_after(context).isoformat(),
                polytomic_conn_id=self.polytomic_conn_id,
                poll_interval=self.poke_interval,
                deadline=datetime.now(timezone.utc).timestamp() + self.timeout,
                try_number=ti.try_number,
                **self._trigger_options(),
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + 2 * self.poke_interval + DEFERRAL_SLACK),
        )
        raise AssertionError("a deferral does not return")

    def _look(self, context: Context) -> Execution | None:
        """Look at what is awaited, once it is known; not to know it yet, or to get no answer, is None."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.api.retry import is_passing

        self._hook = self._hook or PolytomicHook(self.polytomic_conn_id)
        with refusing(f"{self._label} cannot be waited for", self.polytomic_conn_id):
            try:
                if self._awaited is None:
                    self._awaited = self._hook.get_conn().run(self._choose(context))
                    show_link(self, context, self._hook.get_conn(), self._awaited)
                return self._hook.get_conn().run(self._awaited.look())
            except PolytomicError as error:
                if not is_passing(error):
                    raise
                self.log.warning("%s could not be looked at: %s", self._label, error)
                return None

    def _choose_patiently(self, context: Context) -> Protocol[Run | Completion]:
        """Choose, again while Polytomic gives no answer: to wait for another execution instead would be a guess."""
        from airflow_provider_polytomic.api import Pause, PolytomicError
        from airflow_provider_polytomic.api.retry import is_passing

        end = time.monotonic() + self.timeout
        while True:
            try:
                return (yield from self._choose(context))
            except PolytomicError as error:
                if not is_passing(error) or time.monotonic() > end:
                    raise
                self.log.warning("%s could not be looked at: %s", self._label, error)
            yield Pause(self.poke_interval)

    def _choose(self, context: Context) -> Protocol[Run | Completion]:
        from airflow_provider_polytomic.runs import awaited_of

        if self.execution_id is not None:
            return self._run(as_id(self.execution_id, "execution_id"))
        first_look = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        return (yield from awaited_of(self.kind, self._sync_id, self._completed_after(context), first_look))

    def _completed_after(self, context: Context) -> datetime:
        if self.completed_after is not None:
            return as_moment(self.completed_after, "completed_after")
        begin = context.get("data_interval_start") or context["dag_run"].start_date
        return as_moment(begin, "the start of the DAG run")

    def _judge(self, context: Context, execution: Execution) -> dict[str, Any]:
        return conclude(self, context, execution, self._standard(), again="see its history in Polytomic")

    def _show_console(self, execution: Execution | None) -> None:
        """Show what is new in the console log; a poke that is a process of its own shows all of it at the end."""
        from airflow_provider_polytomic.runs import Console, Run

        run = self._run(execution.id) if execution else self._awaited
        ended = execution is not None and execution.outcome.final
        if not isinstance(run, Run) or (self.reschedule and not ended):
            return
        self._hook = self._hook or PolytomicHook(self.polytomic_conn_id)
        client = self._hook.get_conn()
        self._console = self._console or Console(run, self.log.info, client.config.secrets)
        client.run(self._console.look() if ended else self._console.glance())

    def _late(self, context: Context) -> AirflowSensorTimeout:
        """Cancel what is awaited, if that is wanted, and return what to raise."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.runs import Execution, Run, report

        self._cancel_if_waiting()
        within = f"within the sensor's timeout of {self.timeout:g} s"
        run, advice = self._awaited, "allow more time, or see in Polytomic why it is slow"
        if not isinstance(run, Run):
            return AirflowSensorTimeout(f"{self._label} has had no execution that ended {within}. Next: {advice}")
        self._hook = self._hook or PolytomicHook(self.polytomic_conn_id)
        try:
            last = self._hook.get_conn().run(run.look(once=True))
        except PolytomicError:
            last = Execution.unseen(run.kind, run.sync_id, run.execution_id)
        advice = f"{'it was asked to end' if self.cancel_on_timeout else 'it was left running'}; {advice}"
        cause = look_for_cause(last, self.polytomic_conn_id)
        return AirflowSensorTimeout(report(linked(context, last), f"has not ended {within}", advice, cause))

    def _cancel_if_waiting(self) -> None:
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.runs import Run, cancel

        if not (self.cancel_on_timeout and isinstance(self._awaited, Run)):
            return
        self._hook = self._hook or PolytomicHook(self.polytomic_conn_id)
        try:
            self._hook.get_conn().run(cancel(self._awaited, patience=CANCEL_PATIENCE))
        except PolytomicError as error:
            self.log.warning("%s could not be canceled: %s", self._awaited, error)
