"""Operators for bulk syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._templated import as_bool, as_id, as_ids
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.operators._cancel import PolytomicCancelOperator
from airflow_provider_polytomic.operators._run import PolytomicRunOperator

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.runs import Execution, Standard


class PolytomicStartBulkSyncOperator(PolytomicRunOperator):
    """Start a bulk sync and wait for its end.

    Exactly-once is as for model syncs. Stands on ``POST /api/bulk/syncs/{id}/executions``.

    The other parameters, from ``wait_for_completion`` to ``max_errors``, are those of
    :class:`~airflow_provider_polytomic.operators._run.PolytomicRunOperator`.

    :param bulk_sync_id: id of the bulk sync (templated)
    :param schemas: ids of the schemas to sync; default: all that are enabled (templated)
    :param resync_mode: ``refetch``, ``resync`` or ``rebuild``; default: only what has changed (templated)
    :param fetch_mode: ``none``, ``incremental`` or ``full``, for sources that know it (templated)
    :param test: sync a few records of each schema; not together with ``resync_mode``; default False (templated)
    :param fail_on_partial: fail when some schemas were not synced; False: only warn
    :param retry_failed_schemas: a retry of the task syncs only the schemas that have not completed; ``schemas`` of the
        result then has the final state of each across the attempts; default False
    :raises PolytomicRunFailed: if the execution fails, or another one runs and ``if_running`` is ``"fail"``
    :raises PolytomicRunCanceled: if it is canceled
    :raises PolytomicRunIncomplete: if schemas were not synced, or more records have errors than ``max_errors``
    :raises PolytomicRunTimeout: if it has not ended in time
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    """

    kind = "bulk"
    template_fields: Sequence[str] = (
        "bulk_sync_id", "schemas", "resync_mode", "fetch_mode", "test", *PolytomicRunOperator.template_fields,
    )  # fmt: skip

    def __init__(
        self,
        *,
        bulk_sync_id: str,
        schemas: Sequence[str] | None = None,
        resync_mode: str | None = None,
        fetch_mode: str | None = None,
        test: bool = False,
        fail_on_partial: bool = True,
        retry_failed_schemas: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bulk_sync_id = bulk_sync_id
        self.schemas = schemas
        self.resync_mode = resync_mode
        self.fetch_mode = fetch_mode
        self.test = test
        self.fail_on_partial = fail_on_partial
        self.retry_failed_schemas = retry_failed_schemas
        self._wanted: list[str] = []

    @property
    def _sync_id(self) -> str:
        return as_id(self.bulk_sync_id, "bulk_sync_id")

    def _standard(self) -> Standard:
        from airflow_provider_polytomic.runs import Standard

        return Standard(self.max_errors, self.fail_on_partial)

    def _check(self, client: PolytomicClient) -> None:
        from airflow_provider_polytomic.api import bulk_syncs

        wanted = as_ids(self.schemas, "schemas")
        if not (wanted or self.retry_failed_schemas):
            return
        schemas = list(client.pages(bulk_syncs.list_schemas(self._sync_id)))
        known = [schema.id for schema in schemas if schema.id]
        self._wanted = wanted or [schema.id for schema in schemas if schema.id and schema.enabled is not False]
        unknown = [schema for schema in self._wanted if schema not in known]
        if unknown:
            raise PolytomicRequestRefused(
                f"{self._label} has no schema {', '.join(map(repr, unknown))}. Next: choose among {', '.join(known)}"
            )

    def _start_parameters(self, earlier: Sequence[Execution]) -> dict[str, Any]:
        test = as_bool(self.test, "test")
        if test and self.resync_mode:
            raise PolytomicRequestRefused("test=True and resync_mode exclude each other. Next: give one of them")
        schemas = as_ids(self.schemas, "schemas")
        if self.retry_failed_schemas and earlier:
            schemas = _uncompleted(self._wanted, earlier) or schemas
        return {
            "schemas": schemas,
            "resync_mode": self.resync_mode or None,
            "fetch_mode": self.fetch_mode or None,
            "test": test or None,
        }

    def _carried(self, earlier: Sequence[Execution]) -> list[dict[str, Any]]:
        return list(_latest_rows(earlier).values()) if self.retry_failed_schemas else []


def _latest_rows(executions: Sequence[Execution]) -> dict[str, dict[str, Any]]:
    """Return the row that each schema had last."""
    return {row["schema"]: row for execution in executions for row in execution.schemas}


def _uncompleted(wanted: Sequence[str], executions: Sequence[Execution]) -> list[str]:
    """List the schemas that have not completed; one that an execution has not even begun has no row in it."""
    from airflow_provider_polytomic.runs.outcome import is_completed_schema

    rows = _latest_rows(executions)
    return [schema for schema in wanted if schema not in rows or not is_completed_schema(rows[schema]["status"])]


class PolytomicCancelBulkSyncOperator(PolytomicCancelOperator):
    """Cancel whatever execution of a bulk sync runs: ``POST /api/bulk/syncs/{id}/executions/{execution id}/cancel``.

    :param bulk_sync_id: id of the bulk sync (templated)
    """

    kind = "bulk"
    template_fields: Sequence[str] = ("bulk_sync_id", *PolytomicCancelOperator.template_fields)

    def __init__(self, *, bulk_sync_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bulk_sync_id = bulk_sync_id

    @property
    def _sync_id(self) -> str:
        return as_id(self.bulk_sync_id, "bulk_sync_id")
