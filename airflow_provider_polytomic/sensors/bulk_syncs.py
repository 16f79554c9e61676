"""Sensors for bulk syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._templated import as_id
from airflow_provider_polytomic.sensors._status import PolytomicStatusSensor

if TYPE_CHECKING:
    from airflow_provider_polytomic.runs import Standard


class PolytomicBulkSyncStatusSensor(PolytomicStatusSensor):
    """Wait for the end of an execution of a bulk sync: ``GET /api/bulk/syncs/{id}/executions/{execution id}``.

    The other parameters are those of :class:`~airflow_provider_polytomic.sensors._status.PolytomicStatusSensor` and of
    every Airflow sensor. Raises what the start operators do, and ``AirflowSensorTimeout`` when ``timeout`` passes.

    :param bulk_sync_id: id of the bulk sync (templated)
    :param fail_on_partial: fail when some schemas were not synced; default True
    """

    kind = "bulk"
    template_fields: Sequence[str] = ("bulk_sync_id", *PolytomicStatusSensor.template_fields)

    def __init__(self, *, bulk_sync_id: str, fail_on_partial: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bulk_sync_id = bulk_sync_id
        self.fail_on_partial = fail_on_partial

    @property
    def _sync_id(self) -> str:
        return as_id(self.bulk_sync_id, "bulk_sync_id")

    def _standard(self) -> Standard:
        from airflow_provider_polytomic.runs import Standard

        return Standard(self.max_errors, self.fail_on_partial)
