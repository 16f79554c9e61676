"""The status of many bulk syncs in one request, and what is made of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from airflow_provider_polytomic.api import bulk_syncs
from airflow_provider_polytomic.api.errors import PolytomicAPIError, PolytomicError, PolytomicRateLimitError
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution
from airflow_provider_polytomic.api.models.syncs import BulkSyncSummary
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.outcome import is_completed_schema, is_unsuccessful_schema
from airflow_provider_polytomic.executions.ref import ExecutionRef

log = logging.getLogger(__name__)

MOST_SYNCS = 50
"""Ids in one request; they stand in its URL, which servers and proxies allow some thousand characters."""

MOST_SCHEMAS = 1000
"""Rows of schemas in one answer, as far as the last one lets expect: to read them holds up the event loop."""

TOO_MUCH = frozenset({400, 413, 414, 422, 431})
"""Statuses that may mean that fewer ids would be accepted."""

REFUSAL_PAUSE = 300.0
"""Seconds without a batch after two refusals in a row."""

GROWTH_PAUSE = 3600.0
"""Seconds after which twice as many ids are tried as were accepted."""

PATIENCE = 5.0
"""Seconds for one request: it holds up looks that could be taken one by one."""


class Batch:
    """Asks for many runs at once; what it does not certainly show running has to be asked for by itself."""

    def __init__(self) -> None:
        self._accepted = MOST_SYNCS
        self._fitting = MOST_SYNCS
        self._grows_at = float("inf")
        self._refusals = 0
        self._unanswered: PolytomicError | None = None
        self._paused_until = float("-inf")

    @property
    def size(self) -> int:
        """How many runs to ask for at once."""
        return min(self._accepted, self._fitting)

    def usable(self, now: float) -> bool:
        """Tell whether it is worth asking, and for more than lately if fewer have been accepted for long."""
        if now >= self._grows_at:
            self._accepted = min(2 * self._accepted, MOST_SYNCS)
            self._grows_at = now + GROWTH_PAUSE
        return self.size > 1 and now >= self._paused_until

    def running(self, runs: Sequence[ExecutionRef]) -> Flow[dict[ExecutionRef, Execution]]:
        """Ask for bulk runs and return those that are shown running, as far as that shows them.

        :raises PolytomicError: if the request fails; :meth:`failed` notes what follows from it
        """
        call = bulk_syncs.list_status(sync_id=list(dict.fromkeys(run.sync_id for run in runs)))
        page = yield from send(call.with_timeout(PATIENCE))
        self._refusals, self._unanswered = 0, None
        schemas = sum(len(row.schemas) for row in page.rows)
        self._fitting = min(MOST_SYNCS, max(2, MOST_SCHEMAS * len(page.rows) // schemas)) if schemas else MOST_SYNCS
        rows = {row.sync_id: row for row in page.rows}
        shown = ((run, rows[run.sync_id]) for run in runs if run.sync_id in rows)
        read = ((run, _execution(run, row)) for run, row in shown if _is_running(run, row))
        return {run: execution for run, execution in read if not execution.outcome.final}

    def failed(self, error: PolytomicError, asked: int, now: float) -> None:
        """Note that a request for so many runs was refused, or had no usable answer."""
        if is_transient(error):
            self._unanswered = None if isinstance(error, PolytomicRateLimitError) else error
            return
        if isinstance(error, PolytomicAPIError) and error.status_code in TOO_MUCH:
            self._accepted, self._grows_at = max(1, asked // 2), now + GROWTH_PAUSE
        self._refuse(error, now)

    def others_answered(self, now: float) -> None:
        """Note that a request for one run has an answer: a batch that had none is as good as refused."""
        if self._unanswered:
            self._refuse(self._unanswered, now)

    def _refuse(self, error: PolytomicError, now: float) -> None:
        self._unanswered = None
        self._refusals += 1
        if self._refusals > 1:
            self._refusals, self._paused_until = 0, now + REFUSAL_PAUSE
            log.warning("Polytomic refuses the status of many bulk syncs; each is asked for by itself: %s", error)


def _is_running(run: ExecutionRef, row: BulkSyncSummary) -> bool:
    """Tell whether a row leaves no doubt: a schema of this execution is at work, and none of another one is.

    The row itself names no execution, and beside the schemas of the newest one those of earlier ones may be shown.
    """
    at_work = {
        schema.execution_id
        for schema in row.schemas
        if not (is_completed_schema(schema.status or "") or is_unsuccessful_schema(schema.status or ""))
    }
    return bool(row.status) and at_work == {run.execution_id}


def _execution(run: ExecutionRef, row: BulkSyncSummary) -> Execution:
    """Read a row as this execution, as far as it tells of it."""
    own = [schema for schema in row.schemas if schema.execution_id == run.execution_id]
    told = BulkSyncExecution(
        id=run.execution_id,
        status=row.status,
        record_count=sum(schema.record_count for schema in own),
        error_count=sum(schema.error_count for schema in own),
        warning_count=sum(schema.warning_count for schema in own),
        schemas=own,
    )
    begins = [schema.started_at for schema in own if schema.started_at]
    return replace(Execution.of_bulk_sync(run.sync_id, told), started_at=min(begins, default=None))
