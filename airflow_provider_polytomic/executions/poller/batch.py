"""Request the status of many bulk syncs at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import TypeAdapter

from airflow_provider_polytomic.api import bulk_syncs
from airflow_provider_polytomic.api.errors import (
    PolytomicAPIError,
    PolytomicError,
    PolytomicRateLimitError,
    PolytomicResponseError,
)
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution
from airflow_provider_polytomic.api.models.syncs import BulkSyncSummary
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.outcome import is_completed_schema, is_unsuccessful_schema

log = logging.getLogger(__name__)

MAX_SYNCS = 50
"""Ids in one request. They are part of its URL, which servers and proxies limit to some thousand characters."""

MAX_BATCH_SCHEMAS = 1000
"""Rows of schemas in one response, estimated by the last one."""

_ROW: TypeAdapter[BulkSyncSummary] = TypeAdapter(BulkSyncSummary)

TOO_LARGE_STATUSES = frozenset({400, 413, 414, 422, 431})
"""Statuses of a request that may succeed with fewer ids."""

REFUSED_BATCH_PAUSE = 300.0
"""Seconds without a batch after two refusals in a row."""

BATCH_GROWTH_INTERVAL = 3600.0
"""Seconds after which the number of ids is doubled again."""

BATCH_TIMEOUT = 5.0
"""Seconds for one request, which delays the polls that could be sent one by one."""


class Batch:
    """Poll many executions of bulk syncs at once. Those not certainly shown running must then be polled singly."""

    def __init__(self) -> None:
        self._accepted = MAX_SYNCS
        self._fitting = MAX_SYNCS
        self._grows_at = float("inf")
        self._refusals = 0
        self._unanswered: PolytomicError | None = None
        self._paused_until = float("-inf")

    @property
    def size(self) -> int:
        """The number of executions to poll at once."""
        return min(self._accepted, self._fitting)

    def usable(self, now: float) -> bool:
        """Return whether to send a batch now; increase its size if fewer ids have been accepted for long."""
        if now >= self._grows_at:
            self._accepted = min(2 * self._accepted, MAX_SYNCS)
            self._grows_at = now + BATCH_GROWTH_INTERVAL
        return self.size > 1 and now >= self._paused_until

    def running(self, refs: Sequence[ExecutionRef]) -> Flow[dict[ExecutionRef, Execution]]:
        """Request the status of bulk syncs and return the executions that it shows running.

        :raises PolytomicError: if the request fails; then call :meth:`failed`
        """
        typed = bulk_syncs.list_status(sync_id=list(dict.fromkeys(ref.sync_id for ref in refs)))
        call = replace(typed, model=Page[Any]).converted(partial(_read, refs))
        answer = yield from send(call.with_timeout(BATCH_TIMEOUT))
        self._refusals, self._unanswered = 0, None
        self._fitting = min(MAX_SYNCS, max(2, int(MAX_BATCH_SCHEMAS / (answer.schemas_per_sync or 1))))
        return answer.running

    def failed(self, error: PolytomicError, size: int, now: float) -> None:
        """Record a failed request for ``size`` executions."""
        status = error.status_code if isinstance(error, PolytomicAPIError) else None
        too_large = status in TOO_LARGE_STATUSES or (isinstance(error, PolytomicResponseError) and error.is_json)
        if is_transient(error) and not too_large:
            self._unanswered = None if isinstance(error, PolytomicRateLimitError) else error
            return
        if too_large:
            self._accepted, self._grows_at = max(1, size // 2), now + BATCH_GROWTH_INTERVAL
        self._refuse(error, now)

    def single_answered(self, now: float) -> None:
        """Record a response to a single poll: a batch that got none before counts as refused."""
        if self._unanswered:
            self._refuse(self._unanswered, now)

    def _refuse(self, error: PolytomicError, now: float) -> None:
        self._unanswered = None
        self._refusals += 1
        if self._refusals > 1:
            self._refusals, self._paused_until = 0, now + REFUSED_BATCH_PAUSE
            log.warning("Polling bulk syncs one by one: Polytomic refuses to list their statuses: %s", error)


@dataclass(frozen=True)
class _Answer:
    running: dict[ExecutionRef, Execution]
    schemas_per_sync: float


def _read(refs: Sequence[ExecutionRef], page: Page[Any]) -> _Answer:
    """Read the rows one by one: the validation of many at once would stop all threads of the process."""
    rows: dict[str, BulkSyncSummary] = {}
    for each in page:
        with suppress(ValueError):
            row = _ROW.validate_python(each)
            rows[row.sync_id] = row
    shown = ((ref, rows[ref.sync_id]) for ref in refs if ref.sync_id in rows)
    running = ((ref, _execution(ref, row)) for ref, row in shown if _is_running(ref, row))
    schemas = sum(len(row.schemas) for row in rows.values())
    return _Answer(
        {ref: execution for ref, execution in running if not execution.outcome.final}, schemas / max(1, len(rows))
    )


def _is_running(ref: ExecutionRef, row: BulkSyncSummary) -> bool:
    """Return whether a row certainly shows the execution running: schemas of it are being synced, and of no other one.

    The row itself names no execution, and may show the schemas of earlier executions beside those of the newest.
    """
    syncing = {
        schema.execution_id
        for schema in row.schemas
        if not (is_completed_schema(schema.status or "") or is_unsuccessful_schema(schema.status or ""))
    }
    return bool(row.status) and syncing == {ref.execution_id}


def _execution(ref: ExecutionRef, row: BulkSyncSummary) -> Execution:
    """Build the execution from what a row shows of it."""
    own = [schema for schema in row.schemas if schema.execution_id == ref.execution_id]
    answer = BulkSyncExecution.of_schemas(own, id=ref.execution_id, status=row.status)
    starts = [schema.started_at for schema in own if schema.started_at]
    return replace(Execution.of_bulk_sync(ref.sync_id, answer), started_at=min(starts, default=None))
