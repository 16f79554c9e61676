"""Operators for model syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_polytomic._starts import SyncStart
from airflow_provider_polytomic._templated import as_id
from airflow_provider_polytomic.operators._cancel import PolytomicCancelOperator
from airflow_provider_polytomic.operators._run import PolytomicRunOperator


class PolytomicStartSyncOperator(PolytomicRunOperator):
    """Start a model sync and wait for its end.

    A retry after a lost worker finds the execution that this task instance has started; a retry after a failed
    execution starts a new one; a clear always runs again. Stands on ``POST /api/syncs/{id}/executions``.

    The other parameters, from ``wait_for_completion`` to ``max_errors``, are those of
    :class:`~airflow_provider_polytomic.operators._run.PolytomicRunOperator`.

    :param sync_id: id of the model sync (templated)
    :param resync: sync all records, not only the changed ones; default False (templated)
    :param test: passed on to Polytomic as it is; default False (templated)
    :param identities: values of the identity field: only these records are synced (templated)
    :param source_identities: records named by model, field and value; not together with ``identities`` (templated)
    :raises PolytomicRunFailed: if the execution fails, or another one runs and ``if_running`` is ``"fail"``
    :raises PolytomicRunCanceled: if it is canceled
    :raises PolytomicRunIncomplete: if more records have errors than ``max_errors``
    :raises PolytomicRunTimeout: if it has not ended in time
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    """

    kind = "model"
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

    def _start(self) -> SyncStart:
        return SyncStart(self.sync_id, self.resync, self.test, self.identities, self.source_identities)


class PolytomicCancelSyncOperator(PolytomicCancelOperator):
    """Cancel whatever execution of a model sync runs: ``POST /api/syncs/{id}/executions/{execution id}/cancel``.

    :param sync_id: id of the model sync (templated)
    """

    kind = "model"
    template_fields: Sequence[str] = ("sync_id", *PolytomicCancelOperator.template_fields)

    def __init__(self, *, sync_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sync_id = sync_id

    @property
    def _sync_id(self) -> str:
        return as_id(self.sync_id, "sync_id")
