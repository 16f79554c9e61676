"""Operators for model syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_polytomic._starts import SyncStart
from airflow_provider_polytomic._task.values import as_id
from airflow_provider_polytomic.operators._cancel import PolytomicCancelOperator
from airflow_provider_polytomic.operators._start import PolytomicRunOperator


class PolytomicStartSyncOperator(PolytomicRunOperator):
    """Start a model sync and wait for its end.

    A retry after a lost worker finds the execution that this task instance has started; a retry after a failed
    execution starts a new one; a clear always runs again. Stands on ``POST /api/syncs/{id}/executions``.

    :param sync_id: id of the model sync (templated)
    :param resync: sync all records, not only the changed ones; default False (templated)
    :param test: passed on to Polytomic as it is; default False (templated)
    :param identities: values of the identity field: only these records are synced (templated)
    :param source_identities: records named by model, field and value; not together with ``identities`` (templated)
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
    :raises PolytomicRunIncomplete: if more records have errors than ``max_errors``
    :raises PolytomicRunTimeout: if it has not ended in time
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    :raises AirflowSkipException: if another execution runs and ``if_running`` is ``"skip"``
    :raises ValueError: if a parameter has a value that it cannot have; when the DAG file is parsed
    """

    starts = SyncStart
    template_fields: Sequence[str] = (
        "sync_id", "resync", "test", "identities", "source_identities", *PolytomicRunOperator.template_fields,
    )  # fmt: skip

    def __init__(
        self,
        *,
        sync_id: str,
        resync: bool = False,
        test: bool = False,
        identities: Sequence[str] | None = None,
        source_identities: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sync_id = sync_id
        self.resync = resync
        self.test = test
        self.identities = identities
        self.source_identities = source_identities


class PolytomicCancelSyncOperator(PolytomicCancelOperator):
    """Cancel whatever execution of a model sync runs: ``POST /api/syncs/{id}/executions/{execution id}/cancel``.

    :param sync_id: id of the model sync (templated)
    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param wait_for_completion: wait until the execution has ended, which may still be as completed; default True
    :param poll_interval: seconds between two looks at it; default 5
    :param timeout: seconds to wait for its end, then the task fails; default 600
    :raises PolytomicRunTimeout: if the execution has not ended within ``timeout``
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    """

    kind = "model"
    template_fields: Sequence[str] = ("sync_id", *PolytomicCancelOperator.template_fields)

    def __init__(self, *, sync_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sync_id = sync_id

    @property
    def _sync_id(self) -> str:
        return as_id(self.sync_id, "sync_id")
