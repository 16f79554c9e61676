"""Syncs as a list, for DAGs that map over them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic.exceptions import translate_api_errors
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class PolytomicListSyncsOperator(BaseOperator):
    """List syncs when the task runs, so that nothing asks Polytomic when the DAG file is parsed.

    Returns a list of ``{"kind", "sync_id", "name", "active"}``, the latest changed first: ``GET /api/syncs`` or
    ``GET /api/bulk/syncs``, to the last page.

    :param kind: ``"model"`` or ``"bulk"``
    :param active: only those that are, or are not, active; default: both
    :param name_pattern: only those whose name matches this shell pattern, such as ``"Salesforce *"`` (templated)
    :param connection_id: only those that write to this connection (templated)
    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    :raises ValueError: if a parameter has a value that it cannot have; when the DAG file is parsed
    """

    template_fields: Sequence[str] = ("name_pattern", "connection_id", "polytomic_conn_id")

    def __init__(
        self,
        *,
        kind: Literal["model", "bulk"] = "model",
        active: bool | None = None,
        name_pattern: str | None = None,
        connection_id: str | None = None,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if kind not in ("model", "bulk"):
            raise ValueError(f"kind is 'model' or 'bulk', not {kind!r}")
        self.kind = kind
        self.active = active
        self.name_pattern = name_pattern
        self.connection_id = connection_id
        self.polytomic_conn_id = polytomic_conn_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the syncs."""
        from airflow_provider_polytomic.executions import sync_kind

        label = sync_kind(self.kind).label
        listing = sync_kind(self.kind).api.list(active=self.active)
        with translate_api_errors(f"The {label}s could not be listed", self.polytomic_conn_id):
            found = [
                {"kind": self.kind, "sync_id": sync.id, "name": sync.name, "active": sync.active}
                for sync in PolytomicHook(self.polytomic_conn_id).pages(listing)
                if self._is_wanted(sync)
            ]
        self.log.info("%d %ss", len(found), label)
        return found

    def _is_wanted(self, sync: Any) -> bool:
        target = sync.target_connection_id if self.kind == "model" else sync.destination_connection_id
        return (not self.name_pattern or fnmatchcase(sync.name or "", self.name_pattern)) and (
            not self.connection_id or target == self.connection_id
        )
