"""Operator that lists syncs, for dynamic task mapping."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.values import as_id, choice
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.results import SyncKindName


class PolytomicListSyncsOperator(BaseOperator):
    """List the syncs when the task runs, so that parsing the DAG file makes no request.

    Returns a list of ``{"kind", "sync_id", "name", "active"}`` from all pages, the latest changed sync first.

    :param kind: Kind of the syncs (str), ``"model"`` or ``"bulk"``; default ``"model"``.
    :param active: Whether to list only active or only inactive syncs (bool); default None: both.
    :param name_pattern: Shell pattern (str) that the name must match, such as ``"Salesforce *"``; default None.
        (templated)
    :param connection_id: Id of the connection (str) that the syncs write to; default None: any. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        syncs = PolytomicListSyncsOperator(task_id="list", kind="bulk", active=True)
        PolytomicStartBulkSyncOperator.partial(task_id="start").expand(
            bulk_sync_id=syncs.output.map(lambda sync: sync["sync_id"])
        )

    .. seealso::
        How-to: ``docs/many_syncs.md``. API: ``GET /api/syncs``, ``GET /api/bulk/syncs``
    """

    template_fields: Sequence[str] = ("name_pattern", "connection_id", "polytomic_conn_id")

    def __init__(
        self,
        *,
        kind: SyncKindName = "model",
        active: bool | None = None,
        name_pattern: str | None = None,
        connection_id: str | None = None,
        polytomic_conn_id: str = "polytomic_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind: SyncKindName = choice(kind, "kind", "model", "bulk")
        self.active = active
        self.name_pattern = name_pattern
        self.connection_id = connection_id
        self.polytomic_conn_id = polytomic_conn_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the syncs."""
        from airflow_provider_polytomic.executions import sync_kind

        kind = sync_kind(self.kind)
        connection_id = None if self.connection_id is None else as_id(self.connection_id, "connection_id")
        with translate_api_errors(f"The {kind.label}s could not be listed", self.polytomic_conn_id):
            syncs = [
                {"kind": self.kind, "sync_id": sync.id, "name": sync.name, "active": sync.active}
                for sync in PolytomicHook(self.polytomic_conn_id).pages(kind.api.list(active=self.active))
                if self._matches(sync, connection_id)
            ]
        self.log.info("Listed %d %ss", len(syncs), kind.label)
        return storable(syncs, "the list of syncs")

    def _matches(self, sync: Any, connection_id: str | None) -> bool:
        target = sync.target_connection_id if self.kind == "model" else sync.destination_connection_id
        return (not self.name_pattern or fnmatchcase(sync.name or "", self.name_pattern)) and (
            connection_id is None or target == connection_id
        )
