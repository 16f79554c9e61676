"""Waiting until what a sync brings is fresh."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import AirflowSensorTimeout, PokeReturnValue, conf
from airflow_provider_polytomic._task.events import validate_execute_complete_event
from airflow_provider_polytomic._task.link import linked, show_link
from airflow_provider_polytomic._task.result import publish_result
from airflow_provider_polytomic._task.values import as_id, as_moment
from airflow_provider_polytomic.exceptions import translate_api_errors
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.lineage import OpenLineageMixin
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.sensors._base import PolytomicSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.executions import Execution, Freshness
    from airflow_provider_polytomic.results import ExecutionResult, SyncKindName


class PolytomicFreshnessSensor(PolytomicSensor, OpenLineageMixin):
    """Wait until a sync has an execution that succeeded and completed recently enough.

    Reads the history: ``GET /api/syncs/{id}/executions`` or ``GET /api/bulk/syncs/{id}/executions``. When the execution
    began does not matter, nor that others have failed since. Returns it like the other sensors do.

    :param sync_id: id of the sync (templated)
    :param kind: ``model`` or ``bulk``; default ``model``
    :param max_age: how long ago it may have completed at most, whenever the sensor looks; a timedelta, or seconds
    :param since: moment, or text in ISO 8601, at or after which it must have completed; excludes ``max_age``; default
        without either: the start of the data interval, else of the DAG run (templated)
    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param deferrable: wait in the triggerer; default: ``[operators] default_deferrable``
    :raises ValueError: if ``kind`` or ``max_age`` is something else, or both ``max_age`` and ``since`` are given
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    :raises AirflowSensorTimeout: if ``timeout`` passes
    """

    template_fields: Sequence[str] = ("sync_id", "since", "polytomic_conn_id")
    operator_extra_links = (PolytomicSyncLink(),)
    ui_color = "#e6e4fb"

    def __init__(
        self,
        *,
        sync_id: str,
        kind: SyncKindName = "model",
        max_age: timedelta | float | None = None,
        since: datetime | str | None = None,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if kind not in ("model", "bulk"):
            raise ValueError(f"kind is 'model' or 'bulk', not {kind!r}")
        if max_age is not None and since is not None:
            raise ValueError("max_age and since exclude each other")
        if max_age is not None and not _seconds(max_age) > 0:
            raise ValueError(f"max_age is a time above 0, not {max_age!r}")
        self.sync_id = sync_id
        self.kind = kind
        self.max_age = max_age
        self.since = since
        self.polytomic_conn_id = polytomic_conn_id
        self.deferrable = deferrable
        self._link_shown = False

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once; a look that fails is logged and decides nothing."""
        with self._failing_softly():
            execution = self._look(context)
            if execution is None:
                return False
            return PokeReturnValue(is_done=True, xcom_value=self._succeed(context, execution))

    def _look_and_defer(self, context: Context, end: float) -> ExecutionResult:
        from airflow_provider_polytomic.triggers.freshness import PolytomicFreshnessTrigger

        execution = self._look(context)
        if execution is not None:
            return self._succeed(context, execution)
        target = self._awaited(context)
        self._wait_in_triggerer(
            context,
            PolytomicFreshnessTrigger,
            end,
            kind=self.kind,
            sync_id=target.sync_id,
            since=target.since.isoformat(),
            max_age=target.max_age,
        )

    def _go_on(self, context: Context, event: dict[str, Any]) -> ExecutionResult:
        from airflow_provider_polytomic.executions import Execution

        event = validate_execute_complete_event(event)
        if event["status"] == "deadline":
            raise self._late(context)
        return self._succeed(context, Execution.from_result(event["execution"]))

    def _awaited(self, context: Context) -> Freshness:
        from airflow_provider_polytomic.executions import Freshness

        sync_id = as_id(self.sync_id, "sync_id")
        if self.max_age is not None:
            return Freshness(self.kind, sync_id, datetime.fromtimestamp(0, timezone.utc), _seconds(self.max_age))
        if self.since is not None:
            return Freshness(self.kind, sync_id, as_moment(self.since, "since"))
        return Freshness(self.kind, sync_id, self._begin_of_run(context))

    def _look(self, context: Context) -> Execution | None:
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.api.retry import is_transient

        target = self._awaited(context)
        with translate_api_errors(f"{target} cannot be waited for", self.polytomic_conn_id):
            try:
                if not self._link_shown:
                    show_link(self, context, self._client, target)
                    self._link_shown = True
                return self._client.run(target.fetch())
            except PolytomicError as error:
                if not is_transient(error):
                    raise
                self.log.warning("There is no telling whether there is %s: %s", target, error)
                return None

    def _succeed(self, context: Context, execution: Execution) -> ExecutionResult:
        from airflow_provider_polytomic.executions import ExecutionRef

        show_link(self, context, self._client, ExecutionRef(execution.kind, execution.sync_id, execution.id))
        return publish_result(self, context, linked(context, execution))

    def _late(self, context: Context) -> AirflowSensorTimeout:
        return AirflowSensorTimeout(
            f"There is not {self._awaited(context)}, and the sensor's timeout of {self.timeout:g} s has passed. "
            "Next: see the sync's history in Polytomic, whether it is active and why it fails or is slow"
        )


def _seconds(age: timedelta | float) -> float:
    return age.total_seconds() if isinstance(age, timedelta) else float(age)
