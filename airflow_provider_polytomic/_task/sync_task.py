"""Mixin for operators and sensors of one sync: its id, its executions and the criteria for their success."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from airflow_provider_polytomic._task.link import LinkedTask
from airflow_provider_polytomic._task.values import as_id

if TYPE_CHECKING:
    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import ExecutionRef, SuccessCriteria
    from airflow_provider_polytomic.results import SyncKindName

T = TypeVar("T")

SYNC_ID_PARAMETERS: dict[SyncKindName, str] = {"model": "sync_id", "bulk": "bulk_sync_id"}
"""The parameter with the id of the sync, for each kind of sync."""


SENSOR_CLASSES: dict[SyncKindName, str] = {
    "model": "PolytomicSyncStatusSensor",
    "bulk": "PolytomicBulkSyncStatusSensor",
}
"""The sensors that wait for one execution, which may begin in the triggerer."""


class SyncTask(LinkedTask):
    """Read the sync of a task from its parameters."""

    kind: SyncKindName
    max_errors: int | None = None
    fail_on_partial = True
    class_names: ClassVar[dict[SyncKindName, str]]
    """Class to use for each kind of sync."""

    @property
    def _sync_id(self) -> str:
        name = SYNC_ID_PARAMETERS[self.kind]
        return as_id(getattr(self, name), name)

    @property
    def _label(self) -> str:
        from airflow_provider_polytomic.executions import sync_kind

        return f"{sync_kind(self.kind).label.capitalize()} {self._sync_id}"

    @property
    def _criteria(self) -> SuccessCriteria:
        from airflow_provider_polytomic.executions import SuccessCriteria

        return SuccessCriteria(self.max_errors, self.fail_on_partial)

    def _with_advice(self, flow: Flow[T]) -> Flow[T]:
        """Run a flow; if its id is refused and is that of another object, advise to use the right class or id."""
        from airflow_provider_polytomic.executions import with_advice_on_id

        return with_advice_on_id(flow, self.kind, self._sync_id, self.class_names)

    def _ref(self, execution_id: str) -> ExecutionRef:
        from airflow_provider_polytomic.executions import ExecutionRef

        return ExecutionRef(self.kind, self._sync_id, execution_id, self._sync_name or None)
