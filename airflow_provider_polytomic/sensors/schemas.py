"""Sensor for one schema of a bulk sync."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic._task.asset_events import SchemaOutlets
from airflow_provider_polytomic._task.link import with_link
from airflow_provider_polytomic._task.sync_task import SYNC_PARAMETERS
from airflow_provider_polytomic._task.values import as_id, choice
from airflow_provider_polytomic.exceptions import PolytomicRunCanceled, PolytomicRunError, PolytomicRunFailed
from airflow_provider_polytomic.sensors._status import BaseStatusSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.executions import Execution

MAX_SCHEMAS_SHOWN = 20


class PolytomicBulkSchemaSensor(BaseStatusSensor):
    """Wait until an execution of a bulk sync has synced one schema, while it still syncs the others.

    Returns the :class:`~airflow_provider_polytomic.results.SchemaResult` of the schema, and ``sync_id`` and
    ``execution_id``. ``poke_interval``, ``timeout``, ``mode`` and ``soft_fail`` are those of every Airflow sensor.

    :param bulk_sync_id: Id of the bulk sync (str); default None. (templated)
    :param bulk_sync_name: Exact name of the bulk sync (str), instead of its id; default None. (templated)
    :param schema: Id of the schema (str), as in ``schemas`` of the start operator. (templated)
    :param execution_id: Id of the execution (str); default None: the one that is current when the sensor first pokes,
        or if none is, the next one, or one that ended at or after ``completed_after``. (templated)
    :param completed_after: Time (datetime, or str in ISO 8601); default None: the schedule point before the DAG run's
        own, or the start of the DAG run if it has none. (templated)
    :param schema_outlets: Whether outlets of ``bulk_sync_asset(schema=…)`` and aliases get an event (str) only if the
        schema received rows, ``"with_rows"``, or ``"always"``; default ``"with_rows"``.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :param deferrable: Whether to wait in the triggerer (bool); default: Airflow's ``[operators] default_deferrable``.
    :param max_errors: Largest number of record errors of the schema (int) with which the task succeeds; default None:
        any number, with a warning.
    :param cancel_on_timeout: Whether to cancel the execution, with all its schemas, at the sensor's ``timeout`` (bool);
        default False.
    :param console_log: Whether to copy the execution's console log to the task log (bool), in mode ``reschedule`` at
        the end; default False.
    :param start_from_trigger: Whether to start in the triggerer (bool), so that a worker is needed at the end only;
        needs Airflow 3.3; a mapped sensor starts in a worker; default False.
    :param end_from_trigger: Whether to end in the triggerer, too (bool), if the schema was synced without record
        errors. Excludes outlets and ``on_success_callback``, and with ``start_from_trigger`` also
        ``on_execute_callback``, which need a worker; Airflow then runs neither ``post_execute`` nor OpenLineage;
        default False.
    :raises PolytomicRunFailed: if the schema failed, or the execution ended without it
    :raises PolytomicRunCanceled: if the schema or the execution was canceled before
    :raises PolytomicRunIncomplete: if more records of the schema have errors than ``max_errors``
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises AirflowSensorTimeout: if ``timeout`` passes
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        PolytomicBulkSchemaSensor(
            task_id="wait_for_accounts",
            bulk_sync_id="9f2c4b61-5f3c-4a4e-8a77-0d3ab3a3b6f1",
            schema="Account",
            deferrable=True,
        )

    .. seealso::
        How-to: ``docs/sensors.md``. API: ``GET /api/bulk/syncs/{id}/executions/{execution id}``
    """

    kind = "bulk"
    _sync_parameters = SYNC_PARAMETERS["bulk"]
    template_fields: Sequence[str] = ("bulk_sync_id", "bulk_sync_name", "schema", *BaseStatusSensor.template_fields)

    def __init__(
        self,
        *,
        schema: str,
        bulk_sync_id: str | None = None,
        bulk_sync_name: str | None = None,
        execution_id: str | None = None,
        completed_after: datetime | str | None = None,
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
        self.schema = schema
        self._check_sync_parameters()
        self.schema_outlets: SchemaOutlets = choice(schema_outlets, "schema_outlets", "with_rows", "always")
        self.start_trigger_args = self._build_start_trigger_args()

    @property
    def _schema_id(self) -> str:
        return as_id(self.schema, "schema")

    @property
    def _label(self) -> str:
        label = super()._label
        return f"Schema {self._schema_id!r} of {label[:1].lower()}{label[1:]}"

    def _trigger_options(self) -> dict[str, Any]:
        return {**super()._trigger_options(), "schema": self.schema}

    def _poke_or_defer(self, context: Context, deadline: float) -> Any:
        self.schema = self._schema_id
        return super()._poke_or_defer(context, deadline)

    def _part(self, execution: Execution) -> Execution:
        return execution.for_schema(self._schema_id)

    def _finish(self, context: Context, execution: Execution) -> Any:
        part = self._part(execution)
        if part.schemas:
            return super()._finish(context, part)
        raise self._missing_error(context, execution)

    def _missing_error(self, context: Context, execution: Execution) -> PolytomicRunError:
        """Return the exception for an execution that has ended without the schema."""
        from airflow_provider_polytomic.api.redaction import one_line
        from airflow_provider_polytomic.executions import Outcome, nearest_names, report

        names = list(dict.fromkeys(row["schema"] for row in execution.schemas if row["schema"]))
        part = with_link(context, self._part(execution))
        steps = ["check in Polytomic whether the schema is enabled, and whether the execution was started without it"]
        if names:
            more = f" and {len(names) - MAX_SCHEMAS_SHOWN} more" if len(names) > MAX_SCHEMAS_SHOWN else ""
            shown = one_line(", ".join(names[:MAX_SCHEMAS_SHOWN]))
            steps.insert(0, f"choose from the schemas of the execution: {shown}{more}")
        nearest = nearest_names(self._schema_id, names)
        if nearest:
            steps.insert(0, f"correct the schema; the nearest names are {', '.join(nearest)}")
        error_class = PolytomicRunCanceled if part.outcome is Outcome.CANCELED else PolytomicRunFailed
        return error_class(report(part, "was not part of the execution that has ended", steps), part.result())
