"""Operators for bulk syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._starts import BulkSyncStart
from airflow_provider_polytomic._templated import as_id
from airflow_provider_polytomic.operators._cancel import PolytomicCancelOperator
from airflow_provider_polytomic.operators._run import PolytomicRunOperator

if TYPE_CHECKING:
    from airflow_provider_polytomic.runs import Standard


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

    def _start(self) -> BulkSyncStart:
        return BulkSyncStart(
            self.bulk_sync_id, self.schemas, self.resync_mode, self.fetch_mode, self.test, self.retry_failed_schemas
        )

    def _standard(self) -> Standard:
        from airflow_provider_polytomic.runs import Standard

        return Standard(self.max_errors, self.fail_on_partial)


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
