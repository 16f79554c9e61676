"""The one base of the sensors that wait for the end of an execution."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import (
    AirflowSensorTimeout,
    PokeReturnValue,
    conf,
)
from airflow_provider_polytomic._from_trigger import beginning
from airflow_provider_polytomic._task.errors import find_diagnostics
from airflow_provider_polytomic._task.events import validate_execute_complete_event
from airflow_provider_polytomic._task.link import linked, show_link
from airflow_provider_polytomic._task.result import finish_execution
from airflow_provider_polytomic._task.values import as_id, as_moment
from airflow_provider_polytomic.exceptions import PolytomicTaskError, translate_api_errors
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.lineage import OpenLineageMixin
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.sensors._base import PolytomicSensor

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import (
        CompletedSince,
        ConsoleLogReader,
        Execution,
        ExecutionRef,
        SuccessCriteria,
    )
    from airflow_provider_polytomic.results import ExecutionResult, SyncKindName

CHOICE_PATIENCE = 300.0
"""Seconds that a worker is held before a deferral while Polytomic gives no answer; a retry then asks again."""

LONGEST_PAUSE = 30.0
"""Seconds between two such questions, whatever the sensor's ``poke_interval`` is."""

CANCEL_PATIENCE = 30.0
"""Seconds within which a cancellation is requested again."""

BEGIN_OF_RUN = "{{ data_interval_start | default(none) or dag_run.start_date }}"
"""Where the triggerer renders it: from when on an end counts, if nothing else was said."""


class PolytomicStatusSensor(PolytomicSensor, OpenLineageMixin):
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
        outlets and ``on_success_callback``, and with ``start_from_trigger`` also ``on_execute_callback``, which need a
        worker; ``post_execute`` is not called then, and OpenLineage hears nothing; default False
    """

    kind: SyncKindName
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
        if end_from_trigger and not (deferrable or start_from_trigger):
            raise ValueError("end_from_trigger needs deferrable=True or start_from_trigger=True")
        if end_from_trigger and (self.outlets or self.on_success_callback):
            raise ValueError("end_from_trigger excludes outlets and on_success_callback, which need a worker")
        if end_from_trigger and start_from_trigger and self.on_execute_callback:
            raise ValueError("start_from_trigger and end_from_trigger leave no worker for on_execute_callback")
        self.execution_id = execution_id
        self.completed_after = completed_after
        self.polytomic_conn_id = polytomic_conn_id
        self.deferrable = deferrable
        self.max_errors = max_errors
        self.cancel_on_timeout = cancel_on_timeout
        self.console_log = console_log
        self.start_from_trigger = start_from_trigger
        self.end_from_trigger = end_from_trigger
        self._awaited: ExecutionRef | CompletedSince | None = None
        self._console: ConsoleLogReader | None = None

    @property
    @abstractmethod
    def _sync_id(self) -> str:
        """The id of the sync, as text."""

    def _standard(self) -> SuccessCriteria:
        from airflow_provider_polytomic.executions import SuccessCriteria

        return SuccessCriteria(self.max_errors)

    def _trigger_start(self) -> StartTriggerArgs | None:
        """Return how the triggerer begins, for the end of the constructor, when all fields are there."""
        if not self.start_from_trigger:
            return None
        own = self.template_fields[0]
        after = self.completed_after.isoformat() if isinstance(self.completed_after, datetime) else self.completed_after
        facts = {
            "kind": self.kind,
            own: getattr(self, own),
            "execution_id": self.execution_id,
            "completed_after": after or BEGIN_OF_RUN,
            "polytomic_conn_id": self.polytomic_conn_id,
            "poll_interval": self.poke_interval,
            "timeout": self.timeout,
            **self._trigger_options(),
        }
        return beginning("sensors.PolytomicSensorTrigger", facts, self._backstop(self.timeout))

    def _trigger_options(self) -> dict[str, Any]:
        return {
            "console_log": self.console_log,
            "end_from_trigger": self.end_from_trigger,
            "push_result": self.do_xcom_push,
        }

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

    def _go_on(self, context: Context, event: dict[str, Any]) -> ExecutionResult:
        from airflow_provider_polytomic.executions import Execution

        event = validate_execute_complete_event(event)
        if event["status"] == "deadline":
            self._awaited = self._run(event["execution_id"]) if event["execution_id"] else None
            raise self._late(context)
        execution = Execution.from_result(event["execution"])
        if self.console_log and event["execution_id"] is None:
            self._show_console(execution)
        return self._judge(context, execution)

    def _deferral_failed(self, waited: dict[str, Any], error: str) -> None:
        """Cancel the execution, if that is wanted, where Airflow has ended the deferral because of its timeout."""
        if "timeout" in error.lower() and waited["execution_id"]:
            self._awaited = self._run(waited["execution_id"])
            self._cancel_if_waiting()

    @property
    def _label(self) -> str:
        from airflow_provider_polytomic.executions import sync_kind

        return f"{sync_kind(self.kind).label.capitalize()} {self._sync_id}"

    def _run(self, execution_id: str) -> ExecutionRef:
        from airflow_provider_polytomic.executions import ExecutionRef

        return ExecutionRef(self.kind, self._sync_id, execution_id)

    def _look_and_defer(self, context: Context, end: float) -> ExecutionResult:
        from airflow_provider_polytomic.executions import ExecutionRef
        from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

        with translate_api_errors(f"{self._label} cannot be waited for", self.polytomic_conn_id):
            self._awaited = self._client.run(self._choose(context, min(self.timeout, CHOICE_PATIENCE)))
        show_link(self, context, self._client, self._awaited)
        execution = self._look(context)
        if execution is not None and execution.outcome.final:
            if self.console_log:
                self._show_console(execution)
            return self._judge(context, execution)
        execution_id = self._awaited.execution_id if isinstance(self._awaited, ExecutionRef) else None
        self._wait_in_triggerer(
            context,
            PolytomicExecutionTrigger,
            end,
            kind=self.kind,
            sync_id=self._sync_id,
            execution_id=execution_id,
            completed_after=None if execution_id else self._completed_after(context).isoformat(),
            **self._trigger_options(),
        )

    def _look(self, context: Context) -> Execution | None:
        """Look at what is awaited, once it is known; not to know it yet, or to get no answer, is None."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.api.retry import is_transient

        with translate_api_errors(f"{self._label} cannot be waited for", self.polytomic_conn_id):
            try:
                if self._awaited is None:
                    self._awaited = self._client.run(self._choose(context))
                    show_link(self, context, self._client, self._awaited)
                return self._client.run(self._awaited.fetch())
            except PolytomicError as error:
                if not is_transient(error):
                    raise
                self.log.warning("%s could not be looked at: %s", self._label, error)
                return None

    def _choose(self, context: Context, timeout: float = 0.0) -> Flow[ExecutionRef | CompletedSince]:
        from airflow_provider_polytomic.executions import resolve_target

        if self.execution_id is not None:
            return self._run(as_id(self.execution_id, "execution_id"))
        after = self._completed_after(context)
        first_look = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        poll_interval = min(self.poke_interval, LONGEST_PAUSE)
        return (
            yield from resolve_target(
                self.kind, self._sync_id, after, first_look, poll_interval=poll_interval, timeout=timeout
            )
        )

    def _completed_after(self, context: Context) -> datetime:
        if self.completed_after is not None:
            return as_moment(self.completed_after, "completed_after")
        return self._begin_of_run(context)

    def _judge(self, context: Context, execution: Execution) -> ExecutionResult:
        return finish_execution(self, context, execution, self._standard(), again="see its history in Polytomic")

    def _show_console(self, execution: Execution | None) -> None:
        """Show what is new in the console log; a poke that is a process of its own shows all of it at the end."""
        from airflow_provider_polytomic.executions import ConsoleLogReader, ExecutionRef

        run = self._run(execution.id) if execution else self._awaited
        ended = execution is not None and execution.outcome.final
        if not isinstance(run, ExecutionRef) or (self.reschedule and not ended):
            return
        self._console = self._console or ConsoleLogReader(run, self.log.info, self._client.config.secrets)
        self._client.run(self._console.fetch() if ended else self._console.poll())

    def _late(self, context: Context) -> AirflowSensorTimeout:
        """Cancel what is awaited, if that is wanted, and return what to raise."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.executions import Execution, ExecutionRef, Outcome, report

        asked_to_end = self._cancel_if_waiting()
        within = f"within the sensor's timeout of {self.timeout:g} s"
        run, advice = self._awaited, "allow more time, or see in Polytomic why it is slow"
        if not isinstance(run, ExecutionRef):
            return AirflowSensorTimeout(f"{self._label} has had no execution that ended {within}. Next: {advice}")
        try:
            last = self._client.run(run.fetch(without_retries=True))
        except PolytomicError:
            last = Execution.unknown(run.kind, run.sync_id, run.execution_id)
        cause = find_diagnostics(last, self.polytomic_conn_id)
        headline, steps = f"has not ended {within}", f"{_left(self.cancel_on_timeout, asked_to_end)}; {advice}"
        if last.outcome.final:
            headline, steps = f"has ended, but not {within}", "allow more time, or clear this task: it will see the end"
            if asked_to_end and last.outcome is Outcome.CANCELED:
                headline, steps = f"has not ended {within}, and was canceled by this task", advice
        return AirflowSensorTimeout(report(linked(context, last), headline, steps.split("; "), cause))

    def _give_up(self, context: Context) -> None:
        self._cancel_if_waiting()

    def _cancel_if_waiting(self) -> bool:
        """Ask what is awaited to end, if that is wanted; tell whether it was asked."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.executions import ExecutionRef, cancel

        if not (self.cancel_on_timeout and isinstance(self._awaited, ExecutionRef)):
            return False
        try:
            self._client.run(cancel(self._awaited, timeout=CANCEL_PATIENCE))
        except PolytomicError as error:
            self.log.warning("%s could not be canceled: %s", self._awaited, error)
            return False
        return True


def _left(wanted: bool, asked_to_end: bool) -> str:
    """Say how an execution was left that has not ended."""
    if asked_to_end:
        return "it was asked to end"
    return "it could not be canceled, and may still be running" if wanted else "it was left running"
