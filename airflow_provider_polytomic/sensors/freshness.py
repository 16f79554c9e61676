"""Sensor that waits for a recent successful execution."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import AirflowSensorTimeout, PokeReturnValue, conf
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.events import EventStatus, ExecutionEvent, unexpected_event_error
from airflow_provider_polytomic._task.link import push_link, with_link
from airflow_provider_polytomic._task.result import publish_result, with_all_schemas
from airflow_provider_polytomic._task.schedule import previous_schedule_point
from airflow_provider_polytomic._task.sync_task import SyncTask
from airflow_provider_polytomic._task.values import as_datetime, choice
from airflow_provider_polytomic.durations import optional_duration
from airflow_provider_polytomic.lineage import OpenLineageMixin
from airflow_provider_polytomic.sensors._base import MAX_RESOLVE_INTERVAL, RESOLVE_TIMEOUT, BasePolytomicSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.executions import Execution, Freshness
    from airflow_provider_polytomic.results import ExecutionResult, SyncKindName


class PolytomicFreshnessSensor(SyncTask, BasePolytomicSensor, OpenLineageMixin):
    """Wait until a sync has a successful execution that completed recently enough, and return its result.

    The start of the execution does not matter, nor whether later ones have failed. ``poke_interval``, ``timeout``,
    ``mode`` and ``soft_fail`` are those of every Airflow sensor.

    :param sync_id: Id of the sync (str); default None. (templated)
    :param sync_name: Exact name of the sync (str), instead of its id; default None. (templated)
    :param kind: Kind of the sync (str), ``"model"`` or ``"bulk"``; default ``"model"``.
    :param max_age: Seconds (float or timedelta) before each poke within which it must have completed; default None.
    :param since: Time (datetime, or str in ISO 8601) at or after which it must have completed, instead of ``max_age``;
        default None: the schedule point before the DAG run's own, or the start of the DAG run. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :param deferrable: Whether to wait in the triggerer (bool); default: Airflow's ``[operators] default_deferrable``.
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises AirflowSensorTimeout: if ``timeout`` passes
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        PolytomicFreshnessSensor(
            task_id="fresh",
            sync_id="248df4b7-aa70-47b8-a036-33ac447e668d",
            max_age=timedelta(hours=6),
        )

    .. seealso::
        How-to: ``docs/events.md``. API: ``GET /api/syncs/{id}/executions``, ``GET /api/bulk/syncs/{id}/executions``
    """

    template_fields: Sequence[str] = ("sync_id", "sync_name", "since", "polytomic_conn_id", "organization_id")

    def __init__(
        self,
        *,
        sync_id: str | None = None,
        sync_name: str | None = None,
        kind: SyncKindName = "model",
        max_age: float | timedelta | None = None,
        since: datetime | str | None = None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            polytomic_conn_id=polytomic_conn_id, organization_id=organization_id, deferrable=deferrable, **kwargs
        )
        if max_age is not None and since is not None:
            raise ValueError("max_age and since exclude each other")
        self.sync_id = sync_id
        self.sync_name = sync_name
        self._check_sync_parameters()
        self.kind: SyncKindName = choice(kind, "kind", "model", "bulk")
        self.max_age = optional_duration(max_age, "max_age")
        self.since = since

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look for a recent execution; a failed request is logged and changes nothing."""
        with self._soft_fail():
            execution = self._fetch(context)
            if execution is None:
                return False
            return PokeReturnValue(is_done=True, xcom_value=self._finish(context, execution))

    def _poke_or_defer(self, context: Context, deadline: float) -> ExecutionResult:
        from airflow_provider_polytomic.triggers.freshness import PolytomicFreshnessTrigger

        poll_interval, timeout = min(self.poke_interval, MAX_RESOLVE_INTERVAL), min(self.timeout, RESOLVE_TIMEOUT)
        with translate_api_errors(f"{self._label} cannot be waited for", self._hook):
            self._client.run(self._resolve_sync(context, poll_interval, timeout))
        execution = self._fetch(context)
        if execution is not None:
            return self._finish(context, execution)
        target = self._target(context)
        self._defer(
            context,
            PolytomicFreshnessTrigger,
            deadline,
            kind=self.kind,
            sync_id=target.sync_id,
            since=target.since.isoformat(),
            max_age=target.max_age,
        )

    def _complete(self, context: Context, event: ExecutionEvent) -> ExecutionResult:
        from airflow_provider_polytomic.executions import Execution

        self._resume_sync(event)
        if event.status is EventStatus.DEADLINE:
            raise self._timeout_error(context)
        if event.execution is None:
            raise unexpected_event_error(event.serialize())
        return self._finish(context, with_all_schemas(self._client, Execution.from_result(event.execution)))

    def _target(self, context: Context) -> Freshness:
        from airflow_provider_polytomic.executions import Freshness

        if self.max_age is not None:
            return Freshness(self.kind, self._sync_id, datetime.fromtimestamp(0, timezone.utc), self.max_age)
        since = previous_schedule_point(context) if self.since is None else as_datetime(self.since, "since")
        return Freshness(self.kind, self._sync_id, since)

    def _fetch(self, context: Context) -> Execution | None:
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.executions import CHOICES_OF_KIND, FINAL_ERRORS

        with translate_api_errors(f"{self._label} cannot be waited for", self._hook):
            try:
                self._client.run(self._resolve_sync(context))
                target = self._target(context)
                self._push_link_once(context, target)
                return self._client.run(self._with_advice(target.fetch(), CHOICES_OF_KIND))
            except FINAL_ERRORS:
                raise
            except PolytomicError as error:
                self.log.warning("Could not check the freshness of %s; will retry: %s", self._label, error)
                return None

    def _finish(self, context: Context, execution: Execution) -> ExecutionResult:
        from airflow_provider_polytomic.executions import ExecutionRef

        push_link(self, context, self._client, ExecutionRef(execution.kind, execution.sync_id, execution.id))
        return publish_result(self, context, with_link(context, execution))

    def _timeout_error(self, context: Context) -> AirflowSensorTimeout:
        resolved = self._resolved_sync_id or self._given_name is None
        missing = self._target(context) if resolved else f"a response about {self._label}"
        return AirflowSensorTimeout(
            f"The sensor's timeout of {self.timeout:g} s passed without {missing}. Next: check in "
            "Polytomic whether the sync is active, and why it fails or is slow"
        )
