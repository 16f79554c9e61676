"""Sensors for model syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_polytomic._templated import as_id
from airflow_provider_polytomic.sensors._status import PolytomicStatusSensor


class PolytomicSyncStatusSensor(PolytomicStatusSensor):
    """Wait for the end of an execution of a model sync: ``GET /api/syncs/{id}/executions/{execution id}``.

    The other parameters are those of :class:`~airflow_provider_polytomic.sensors._status.PolytomicStatusSensor` and of
    every Airflow sensor. Raises what the start operators do, and ``AirflowSensorTimeout`` when ``timeout`` passes.

    :param sync_id: id of the model sync (templated)
    """

    kind = "model"
    template_fields: Sequence[str] = ("sync_id", *PolytomicStatusSensor.template_fields)

    def __init__(self, *, sync_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sync_id = sync_id

    @property
    def _sync_id(self) -> str:
        return as_id(self.sync_id, "sync_id")
