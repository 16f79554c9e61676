"""Mixin for operators and sensors of one sync: its id, its executions and the criteria for their success."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_polytomic._task.link import LinkedTask
from airflow_provider_polytomic._task.values import as_id

if TYPE_CHECKING:
    from airflow_provider_polytomic.executions import ExecutionRef, SuccessCriteria
    from airflow_provider_polytomic.results import SyncKindName

SYNC_ID_PARAMETERS: dict[SyncKindName, str] = {"model": "sync_id", "bulk": "bulk_sync_id"}
"""The parameter with the id of the sync, for each kind of sync."""


class SyncTask(LinkedTask):
    """Read the sync of a task from its parameters."""

    kind: SyncKindName
    max_errors: int | None = None
    fail_on_partial = True

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

    def _ref(self, execution_id: str) -> ExecutionRef:
        from airflow_provider_polytomic.executions import ExecutionRef

        return ExecutionRef(self.kind, self._sync_id, execution_id, self._sync_name or None)
