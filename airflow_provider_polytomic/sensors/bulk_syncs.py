"""Sensor for bulk syncs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic._task.asset_events import SchemaOutlets
from airflow_provider_polytomic._task.sync_task import SYNC_PARAMETERS
from airflow_provider_polytomic._task.values import choice
from airflow_provider_polytomic.sensors._status import BaseStatusSensor


class PolytomicBulkSyncStatusSensor(BaseStatusSensor):
    """Wait for the end of an execution of a bulk sync.

    ``poke_interval``, ``timeout``, ``mode`` and ``soft_fail`` are those of every Airflow sensor.

    :param bulk_sync_id: Id of the bulk sync (str); default None. (templated)
    :param bulk_sync_name: Exact name of the bulk sync (str), instead of its id; default None. (templated)
    :param execution_id: Id of the execution (str); default None: the one that is current when the sensor first pokes,
        or if none is, one that ended at or after ``completed_after``. (templated)
    :param completed_after: Time (datetime, or str in ISO 8601); default None: the schedule point before the DAG run's
        own, or the start of the DAG run if it has none. (templated)
    :param fail_on_partial: Whether the task fails if schemas fail (bool), or only logs a warning; default True.
    :param schema_outlets: Which outlets of ``bulk_sync_asset(schema=…)`` get an event (str): ``"with_rows"``, if the
        schema completed and received rows, or ``"always"``; default ``"with_rows"``.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :param deferrable: Whether to wait in the triggerer (bool); default: Airflow's ``[operators] default_deferrable``.
    :param max_errors: Largest number of record errors (int) with which the task succeeds; default None: any number,
        with a warning.
    :param cancel_on_timeout: Whether to cancel the execution at the sensor's ``timeout`` (bool); default False.
    :param console_log: Whether to copy the execution's console log to the task log (bool), in mode ``reschedule`` at
        the end; default False.
    :param start_from_trigger: Whether to start in the triggerer (bool), so that a worker is needed at the end only;
        needs Airflow 3.3; a mapped sensor starts in a worker; default False.
    :param end_from_trigger: Whether to end in the triggerer, too (bool), if the execution succeeds without record
        errors. Excludes outlets and ``on_success_callback``, and with ``start_from_trigger`` also
        ``on_execute_callback``, which need a worker; Airflow then runs neither ``post_execute`` nor OpenLineage;
        default False.
    :raises PolytomicRunFailed: if the execution failed
    :raises PolytomicRunCanceled: if it was canceled
    :raises PolytomicRunIncomplete: if schemas fail, or more records have errors than ``max_errors``
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises AirflowSensorTimeout: if ``timeout`` passes
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        PolytomicBulkSyncStatusSensor(
            task_id="wait",
            bulk_sync_id="9f2c4b61-5f3c-4a4e-8a77-0d3ab3a3b6f1",
            deferrable=True,
        )

    .. seealso::
        How-to: ``docs/sensors.md``. API: ``GET /api/bulk/syncs/{id}/executions/{execution id}``
    """

    kind = "bulk"
    _sync_parameters = SYNC_PARAMETERS["bulk"]
    template_fields: Sequence[str] = ("bulk_sync_id", "bulk_sync_name", *BaseStatusSensor.template_fields)

    def __init__(
        self,
        *,
        bulk_sync_id: str | None = None,
        bulk_sync_name: str | None = None,
        execution_id: str | None = None,
        completed_after: datetime | str | None = None,
        fail_on_partial: bool = True,
        schema_outlets: SchemaOutlets = "with_rows",
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_errors: int | None = None,
        cancel_on_timeout: bool = False,
        console_log: bool = False,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            execution_id=execution_id,
            completed_after=completed_after,
            polytomic_conn_id=polytomic_conn_id,
            organization_id=organization_id,
            deferrable=deferrable,
            max_errors=max_errors,
            cancel_on_timeout=cancel_on_timeout,
            console_log=console_log,
            start_from_trigger=start_from_trigger,
            end_from_trigger=end_from_trigger,
            **kwargs,
        )
        self.bulk_sync_id = bulk_sync_id
        self.bulk_sync_name = bulk_sync_name
        self._check_sync_parameters()
        self.fail_on_partial = fail_on_partial
        self.schema_outlets: SchemaOutlets = choice(schema_outlets, "schema_outlets", "with_rows", "always")
        self.start_trigger_args = self._build_start_trigger_args()
