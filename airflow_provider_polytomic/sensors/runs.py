"""A sensor for many executions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import AirflowSensorTimeout, PokeReturnValue, conf
from airflow_provider_polytomic._task.asset_events import emit_asset_events
from airflow_provider_polytomic._task.events import unexpected_event_error
from airflow_provider_polytomic._task.link import show_link
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic._task.values import as_id
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicRunFailed
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.sensors._base import PolytomicSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.executions import Execution, ExecutionRef
    from airflow_provider_polytomic.results import ExecutionResult


class PolytomicWaitForSyncsSensor(PolytomicSensor):
    """Wait for the ends of many executions, of model syncs and bulk syncs, in one task.

    Its result is the list of theirs, in the order of ``runs``. Its link leads to the first sync, and where the task
    fails, to the first that is to blame. Stands on
    ``GET /api/syncs/{id}/executions/{execution id}`` and ``GET /api/bulk/syncs/{id}/executions/{execution id}``.

    :param runs: what operators with ``wait_for_completion=False`` return, or any mappings with ``kind``, ``sync_id``
        and ``execution_id``; None among them, as skipped tasks leave it, is passed over (templated)
    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param deferrable: wait in the triggerer; default: ``[operators] default_deferrable``
    :param max_errors: fail when a completed execution has more record errors than this; default: any number will do
    :param fail_on_partial: fail when some schemas of a bulk sync were not synced; default True
    :raises PolytomicRunFailed: if one of them has not ended as it should; has a table of those that have not
    :raises PolytomicRequestRefused: if one of them cannot be waited for (400, 401, 403, 404, 422); not retried
    :raises AirflowSensorTimeout: if they have not all ended within ``timeout``; has a table of those that have not
    """

    template_fields: Sequence[str] = ("runs", "polytomic_conn_id")
    operator_extra_links = (PolytomicSyncLink(),)
    ui_color = "#e6e4fb"

    def __init__(
        self,
        *,
        runs: Any,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_errors: int | None = None,
        fail_on_partial: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.runs = runs
        self.polytomic_conn_id = polytomic_conn_id
        self.deferrable = deferrable
        self.max_errors = max_errors
        self.fail_on_partial = fail_on_partial
        self._ends: dict[ExecutionRef, Execution | str] = {}
        self._link_shown = False

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look at each that has not ended yet; a look that fails is logged and decides nothing."""
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.executions import FINAL_ERRORS

        runs = self._runs()
        self._show_first(context, runs)
        for run in [run for run in runs if run not in self._ends]:
            try:
                execution = self._client.run(run.fetch(without_retries=True))
            except FINAL_ERRORS as error:
                self._ends[run] = str(error)
            except PolytomicError as error:
                self.log.warning("%s could not be looked at: %s", run, error)
            else:
                if execution.outcome.final:
                    self._ends[run] = execution
        if len(self._ends) < len(set(runs)):
            return False
        with self._failing_softly():
            return PokeReturnValue(is_done=True, xcom_value=self._judge(context, runs))

    def _look_and_defer(self, context: Context, end: float) -> list[ExecutionResult]:
        from airflow_provider_polytomic.triggers.many import PolytomicManyExecutionsTrigger

        runs = self._runs()
        if not runs:
            return []
        self._show_first(context, runs)
        self._wait_in_triggerer(context, PolytomicManyExecutionsTrigger, end, runs=[asdict(run) for run in runs])

    def _go_on(self, context: Context, event: dict[str, Any]) -> list[ExecutionResult]:
        from airflow_provider_polytomic.executions import Execution

        runs, ends = self._runs(), event.get("ends")
        if not isinstance(ends, list) or len(ends) != len(runs):
            raise unexpected_event_error(event)
        self._ends = {
            run: end if isinstance(end, str) else Execution.from_result(end) for run, end in zip(runs, ends) if end
        }
        if len(self._ends) < len(set(runs)):
            raise self._late(context)
        return self._judge(context, runs)

    def _runs(self) -> list[ExecutionRef]:
        from airflow_provider_polytomic.executions import ExecutionRef, sync_kind

        try:
            return [
                ExecutionRef(
                    sync_kind(run["kind"]).name,
                    as_id(run["sync_id"], "the sync_id of a run"),
                    as_id(run["execution_id"], "the execution_id of a run"),
                )
                for run in self.runs
                if run is not None
            ]
        except (TypeError, KeyError, ValueError) as error:
            raise PolytomicRequestRefused(
                f"runs is not a list of mappings with kind, sync_id and execution_id: {error!r}. "
                "Next: give the results of operators with wait_for_completion=False"
            ) from None

    def _judge(self, context: Context, runs: Sequence[ExecutionRef]) -> list[ExecutionResult]:
        from airflow_provider_polytomic.executions import SuccessCriteria, status_table

        standard = SuccessCriteria(self.max_errors, self.fail_on_partial)
        ended = self._ended_of(runs)
        lacking = [run for run in dict.fromkeys(runs) if run not in ended or not standard.is_met_by(ended[run])]
        if not lacking:
            emit_asset_events(self, context, *ended.values())
            return [ended[run].result() for run in runs]
        self._push_results(context, runs)
        show_link(self, context, self._client, lacking[0])
        message = (
            f"{len(lacking)} of {len(runs)} executions have not ended as they should:\n"
            f"{status_table(lacking, self._ends)}\n"
            "  Next: mend the causes and run the tasks that have started them again"
        )
        raise PolytomicRunFailed(message) if len(ended) == len(self._ends) else PolytomicRequestRefused(message)

    def _late(self, context: Context) -> AirflowSensorTimeout:
        from airflow_provider_polytomic.executions import status_table

        runs = self._runs()
        self._push_results(context, runs)
        missing = [run for run in dict.fromkeys(runs) if run not in self._ends]
        show_link(self, context, self._client, missing[0])
        return AirflowSensorTimeout(
            f"{len(missing)} of {len(runs)} executions have not ended within the sensor's timeout of "
            f"{self.timeout:g} s, and were left running:\n{status_table(missing, self._ends)}\n"
            "  Next: allow more time, or see in Polytomic why they are slow"
        )

    def _show_first(self, context: Context, runs: Sequence[ExecutionRef]) -> None:
        if runs and not self._link_shown:
            self._link_shown = True
            show_link(self, context, self._client, runs[0])

    def _give_up(self, context: Context) -> None:
        if self._ends:
            self._push_results(context, self._runs())

    def _push_results(self, context: Context, runs: Sequence[ExecutionRef]) -> None:
        """Hand on the results of those that have ended, although the task does not succeed."""
        ended = self._ended_of(runs)
        TaskExecutionState(context).push_result([ended[run].result() for run in runs if run in ended])

    def _ended_of(self, runs: Sequence[ExecutionRef]) -> dict[ExecutionRef, Execution]:
        return {run: end for run in runs if (end := self._ends.get(run)) and not isinstance(end, str)}
