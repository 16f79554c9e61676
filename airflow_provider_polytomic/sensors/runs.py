"""Sensor that waits for many executions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import AirflowSensorTimeout, PokeReturnValue, conf
from airflow_provider_polytomic._task.asset_events import emit_asset_events
from airflow_provider_polytomic._task.events import ExecutionEvent, unexpected_event_error
from airflow_provider_polytomic._task.link import found_sync, push_link
from airflow_provider_polytomic._task.result import with_all_schemas
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.values import as_id, as_mappings, optional_count
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicRunFailed
from airflow_provider_polytomic.sensors._base import BasePolytomicSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.executions import Execution, ExecutionRef
    from airflow_provider_polytomic.results import ExecutionResult

MAX_REQUESTED_NAMES = 100
"""Syncs of which a task requests or knows the names, and executions that the page in Airflow's UI shows a task for."""


class PolytomicWaitForSyncsSensor(BasePolytomicSensor):
    """Wait for the ends of many executions of model syncs and bulk syncs, and return their results.

    The results are in the order of ``runs``. The link leads to the first sync, or to the first that fails the task.
    ``poke_interval``, ``timeout``, ``mode`` and ``soft_fail`` are those of every Airflow sensor.

    :param runs: Results of operators with ``wait_for_completion=False`` (sequence of mappings, or one mapping), or any
        mappings with ``kind``, ``sync_id`` and ``execution_id``; None of a skipped task is ignored. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :param deferrable: Whether to wait in the triggerer (bool); default: Airflow's ``[operators] default_deferrable``.
    :param max_errors: Largest number of record errors (int) that a successful execution may have; default None: any
        number.
    :param fail_on_partial: Whether the task fails if schemas of a bulk sync fail (bool); default True.
    :raises PolytomicRunFailed: if an execution is not successful; the message has a table of these executions
    :raises PolytomicRequestRefused: if an execution cannot be waited for (400, 401, 403, 404, 422); not retried
    :raises AirflowSensorTimeout: if executions have not ended within ``timeout``; the message has a table of them

    .. code-block:: python

        PolytomicWaitForSyncsSensor(
            task_id="wait",
            runs=[start_contacts.output, start_accounts.output],
            deferrable=True,
        )

    .. seealso::
        How-to: ``docs/many_syncs.md``. API: ``GET /api/syncs/{id}/executions/{execution id}``,
        ``GET /api/bulk/syncs/{id}/executions/{execution id}``
    """

    template_fields: Sequence[str] = ("runs", "polytomic_conn_id", "organization_id")

    def __init__(
        self,
        *,
        runs: Sequence[Mapping[str, Any] | None] | Mapping[str, Any],
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_errors: int | None = None,
        fail_on_partial: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            polytomic_conn_id=polytomic_conn_id, organization_id=organization_id, deferrable=deferrable, **kwargs
        )
        self.runs = runs
        self.max_errors = optional_count(max_errors, "max_errors")
        self.fail_on_partial = fail_on_partial
        self._ends: dict[ExecutionRef, Execution | str] = {}
        self._polled: set[ExecutionRef] = set()
        self._waited_for: list[ExecutionRef] | None = None
        self._names: dict[tuple[str, str], str | None] = {}

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Request the status of each execution that has not ended; a failed request is logged and changes nothing."""
        from airflow_provider_polytomic.api import PolytomicError, PolytomicRateLimitError
        from airflow_provider_polytomic.executions import FINAL_ERRORS, poll_once

        refs = self._refs()
        if refs:
            self._push_link_once(context, *refs[:MAX_REQUESTED_NAMES])
        for ref in [ref for ref in refs if ref not in self._ends]:
            try:
                noticed_at = time.time() if ref in self._polled else None
                execution = self._client.run(poll_once(ref, noticed_at, without_retries=True))
            except FINAL_ERRORS as error:
                self._ends[ref] = str(error)
            except PolytomicError as error:
                self.log.warning("Could not get the status of %s; will retry: %s", ref, error)
                if isinstance(error, PolytomicRateLimitError):
                    return False
            else:
                self._polled.add(ref)
                if execution and execution.outcome.final:
                    self._ends[ref] = execution
        if len(self._ends) < len(set(refs)):
            return False
        with self._soft_fail():
            return PokeReturnValue(is_done=True, xcom_value=self._finish(context, refs))

    def _poke_or_defer(self, context: Context, deadline: float) -> list[ExecutionResult]:
        from airflow_provider_polytomic.triggers.many import PolytomicManyExecutionsTrigger

        refs = self._refs()
        if not refs:
            return []
        self._push_link_once(context, *refs[:MAX_REQUESTED_NAMES])
        self._defer(context, PolytomicManyExecutionsTrigger, deadline, runs=[_run(ref) for ref in refs])

    def _complete(self, context: Context, event: ExecutionEvent) -> list[ExecutionResult]:
        from airflow_provider_polytomic.executions import Execution

        ends = event.executions
        if ends is None or event.runs is None or len(ends) != len(event.runs):
            raise unexpected_event_error(event.serialize())
        self._waited_for = refs = self._refs_of(event.runs)
        self._ends = {
            ref: end if isinstance(end, str) else with_all_schemas(self._client, Execution.from_result(end))
            for ref, end in zip(refs, ends)
            if end
        }
        if len(self._ends) < len(set(refs)):
            raise self._timeout_error(context)
        return self._finish(context, refs)

    def _refs(self) -> list[ExecutionRef]:
        """Return the executions of ``runs`` or, after a deferral, of ``runs`` as they were when it began."""
        return self._refs_of(self.runs) if self._waited_for is None else self._waited_for

    def _refs_of(self, runs: Sequence[Mapping[str, Any] | None] | Mapping[str, Any]) -> list[ExecutionRef]:
        from airflow_provider_polytomic.executions import ExecutionRef, sync_kind

        try:
            return [
                ExecutionRef(
                    sync_kind(run["kind"]).name,
                    as_id(run["sync_id"], "the sync_id of a run"),
                    as_id(run["execution_id"], "the execution_id of a run"),
                    run.get("sync_name"),
                )
                for run in as_mappings(runs, "runs")
            ]
        except (TypeError, KeyError, ValueError) as error:
            raise PolytomicRequestRefused(
                f"runs is not a list of mappings with kind, sync_id and execution_id: {error!r}. "
                "Next: pass the results of operators with wait_for_completion=False"
            ) from None

    def _finish(self, context: Context, refs: Sequence[ExecutionRef]) -> list[ExecutionResult]:
        from airflow_provider_polytomic.executions import SuccessCriteria, status_table

        criteria = SuccessCriteria(self.max_errors, self.fail_on_partial)
        ended = self._ended(refs)
        unsuccessful = [ref for ref in dict.fromkeys(refs) if ref not in ended or not criteria.is_met_by(ended[ref])]
        if not unsuccessful:
            emit_asset_events(self, context, *ended.values())
            return storable(_results(ended, refs), "the results")
        self._push_results(context, refs)
        push_link(self, context, self._client, unsuccessful[0])
        message = (
            f"{len(unsuccessful)} of {len(refs)} executions did not succeed:\n"
            f"{status_table(unsuccessful, self._ends)}\n"
            "  Next:\n    - correct the causes\n    - clear the tasks that started these executions"
        )
        raise PolytomicRunFailed(message) if len(ended) == len(self._ends) else PolytomicRequestRefused(message)

    def _timeout_error(self, context: Context) -> AirflowSensorTimeout:
        from airflow_provider_polytomic.executions import status_table

        refs = self._refs()
        self._push_results(context, refs)
        running = [ref for ref in dict.fromkeys(refs) if ref not in self._ends]
        push_link(self, context, self._client, running[0])
        return AirflowSensorTimeout(
            f"{len(running)} of {len(refs)} executions did not end within the sensor's timeout of "
            f"{self.timeout:g} s, and were left running:\n{status_table(running, self._ends)}\n"
            "  Next:\n    - set a longer timeout, or check in Polytomic why the executions are slow"
        )

    def _on_soft_timeout(self, context: Context) -> None:
        if self._ends:
            self._push_results(context, self._refs())

    def _push_results(self, context: Context, refs: Sequence[ExecutionRef]) -> None:
        """Push the results of the ended executions although the task does not succeed."""
        ended = self._ended(refs)
        TaskExecutionState(context).push_result(_results(ended, refs))

    def _ended(self, refs: Sequence[ExecutionRef]) -> dict[ExecutionRef, Execution]:
        ended = {ref: end for ref in refs if (end := self._ends.get(ref)) and not isinstance(end, str)}
        return {ref: replace(end, sync_name=self._name_of(ref)) for ref, end in ended.items()}

    def _name_of(self, ref: ExecutionRef) -> str | None:
        """Return the name of a sync: from ``runs``, or requested once, for at most :data:`MAX_REQUESTED_NAMES`."""
        from airflow_provider_polytomic.executions.names import find_sync, name_of

        key = (ref.kind, ref.sync_id)
        if not self._names:
            self._names = {(one.kind, one.sync_id): one.sync_name for one in self._refs_of(self.runs) if one.sync_name}
        if key not in self._names and len(self._names) < MAX_REQUESTED_NAMES:
            sync = found_sync(self, ref.sync_id) or self._client.run(find_sync(ref.kind, ref.sync_id))
            self._names[key] = name_of(sync, self._client.config.secrets)
        return self._names.get(key)


def _run(ref: ExecutionRef) -> dict[str, str]:
    return {"kind": ref.kind, "sync_id": ref.sync_id, "execution_id": ref.execution_id}


def _results(ended: Mapping[ExecutionRef, Execution], refs: Sequence[ExecutionRef]) -> list[ExecutionResult]:
    """Return the results of the ended executions, which share the size that Airflow can store."""
    return [ended[ref].result(len(refs)) for ref in refs if ref in ended]
