"""Sensors for model syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_polytomic._task.values import as_id
from airflow_provider_polytomic.sensors._status import PolytomicStatusSensor


class PolytomicSyncStatusSensor(PolytomicStatusSensor):
    """Wait for the end of an execution of a model sync: ``GET /api/syncs/{id}/executions/{execution id}``.

    ``poke_interval``, ``timeout``, ``mode`` and ``soft_fail`` are those of every Airflow sensor.

    :param sync_id: id of the model sync (templated)
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
    :raises PolytomicRunFailed: if the execution failed
    :raises PolytomicRunCanceled: if it was canceled
    :raises PolytomicRunIncomplete: if more records have errors than ``max_errors``
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    :raises AirflowSensorTimeout: if ``timeout`` passes
    :raises ValueError: if a parameter has a value that it cannot have; when the DAG file is parsed
    """

    kind = "model"
    template_fields: Sequence[str] = ("sync_id", *PolytomicStatusSensor.template_fields)

    def __init__(self, *, sync_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sync_id = sync_id
        self.start_trigger_args = self._trigger_start()

    @property
    def _sync_id(self) -> str:
        return as_id(self.sync_id, "sync_id")
