"""Operators for bulk syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_polytomic._starts import BulkSyncStart
from airflow_provider_polytomic._task.asset_events import SchemaOutlets, checked
from airflow_provider_polytomic._task.values import as_id
from airflow_provider_polytomic.operators._cancel import PolytomicCancelOperator
from airflow_provider_polytomic.operators._start import PolytomicRunOperator


class PolytomicStartBulkSyncOperator(PolytomicRunOperator):
    """Start a bulk sync and wait for its end.

    Exactly-once is as for model syncs. Stands on ``POST /api/bulk/syncs/{id}/executions``.

    :param bulk_sync_id: id of the bulk sync (templated)
    :param schemas: ids of the schemas to sync; default: all that are enabled (templated)
    :param resync_mode: ``refetch``, ``resync`` or ``rebuild``; default: only what has changed (templated)
    :param fetch_mode: ``none``, ``incremental`` or ``full``, for sources that know it (templated)
    :param test: sync a few records of each schema; not together with ``resync_mode``; default False (templated)
    :param fail_on_partial: fail when some schemas were not synced; False: only warn
    :param retry_failed_schemas: a retry of the task syncs only the schemas that have not completed; ``schemas`` of the
        result then has the final state of each across the attempts; default False
    :param schema_outlets: which outlets made by ``bulk_sync_asset(schema=…)`` have an event: ``"with_rows"``, where the
        schema was synced and received rows, or ``"always"``; default ``"with_rows"``
    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param wait_for_completion: False: return as soon as the execution has been started
    :param deferrable: wait in the triggerer instead of a worker slot; default: ``[operators] default_deferrable``
    :param poll_interval: seconds between two looks at the execution; also the longest time its end goes unnoticed
    :param timeout: seconds of waiting from the start of the execution; then it is canceled (if ``cancel_on_kill``) and
        the task fails; default: no limit
    :param if_running: what to do when an execution that is not ours runs: ``"wait"`` for its end and start ours,
        ``"join"`` it, ``"fail"``, or ``"skip"`` the task
    :param cancel_on_kill: cancel our execution when the task is killed, marked, cleared or out of time; never when a
        triggerer restarts, and never one that was joined
    :param max_errors: fail when a completed execution has more record errors than this; default: only warn
    :param console_log: follow the execution's console log in the task's log, or in its trigger's; default False
    :raises PolytomicRunFailed: if the execution fails, or another one runs and ``if_running`` is ``"fail"``
    :raises PolytomicRunCanceled: if it is canceled
    :raises PolytomicRunIncomplete: if schemas were not synced, or more records have errors than ``max_errors``
    :raises PolytomicRunTimeout: if it has not ended in time
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    :raises AirflowSkipException: if another execution runs and ``if_running`` is ``"skip"``
    :raises ValueError: if a parameter has a value that it cannot have; when the DAG file is parsed
    """

    starts = BulkSyncStart
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
        schema_outlets: SchemaOutlets = "with_rows",
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
        self.schema_outlets = checked(schema_outlets)


class PolytomicCancelBulkSyncOperator(PolytomicCancelOperator):
    """Cancel whatever execution of a bulk sync runs: ``POST /api/bulk/syncs/{id}/executions/{execution id}/cancel``.

    :param bulk_sync_id: id of the bulk sync (templated)
    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param wait_for_completion: wait until the execution has ended, which may still be as completed; default True
    :param poll_interval: seconds between two looks at it; default 5
    :param timeout: seconds to wait for its end, then the task fails; default 600
    :raises PolytomicRunTimeout: if the execution has not ended within ``timeout``
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    """

    kind = "bulk"
    template_fields: Sequence[str] = ("bulk_sync_id", *PolytomicCancelOperator.template_fields)

    def __init__(self, *, bulk_sync_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bulk_sync_id = bulk_sync_id

    @property
    def _sync_id(self) -> str:
        return as_id(self.bulk_sync_id, "bulk_sync_id")
