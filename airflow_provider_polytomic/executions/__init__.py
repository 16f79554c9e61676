"""Start, await and cancel executions of Polytomic's syncs, without Airflow.

Each function here is a flow: it takes several requests, which a client sends.

.. code-block:: python

    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.executions import ExecutionRef, cancel, wait_for_end

    ref = ExecutionRef("model", sync_id, execution_id)
    with PolytomicClient(api_key="…") as client:
        try:
            execution = client.run(wait_for_end(ref, timeout=3600))
        except TimeoutError:
            client.run(cancel(ref))

.. seealso::
    How-to: ``docs/waiting.md``. API: ``GET /api/syncs/{sync_id}/executions/{id}``
"""

from __future__ import annotations

from airflow_provider_polytomic.executions.advice import advice_for
from airflow_provider_polytomic.executions.cancel import cancel, cancel_and_confirm, cancel_current
from airflow_provider_polytomic.executions.console import ConsoleLogReader, follow_console_log, wait_with_console_log
from airflow_provider_polytomic.executions.diagnostics import Diagnostics, collect_diagnostics, first_records
from airflow_provider_polytomic.executions.error_handling import find_resends_rejected
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.history import list_executions
from airflow_provider_polytomic.executions.kinds import ExecutionRef, SyncKind, sync_kind
from airflow_provider_polytomic.executions.measurements import poll_once
from airflow_provider_polytomic.executions.names import UnresolvedName, nearest_names, resolve_sync, shown_name
from airflow_provider_polytomic.executions.outcome import Outcome
from airflow_provider_polytomic.executions.record_limits import RecordLimits
from airflow_provider_polytomic.executions.refresh import (
    REFRESH_TIMEOUT,
    UnknownSchemas,
    find_schemas,
    repeat_after_refresh,
)
from airflow_provider_polytomic.executions.report import SuccessCriteria, report, status_table
from airflow_provider_polytomic.executions.schedules import own_schedule
from airflow_provider_polytomic.executions.start import AlreadyRunning, IfRunning, StartRequest, StartResult, start_once
from airflow_provider_polytomic.executions.targets import (
    CompletedSince,
    Freshness,
    current_execution,
    execution_current_at,
    repeat_while_transient,
    resolve_target,
)
from airflow_provider_polytomic.executions.wait import FINAL_ERRORS, DeadlinePassed, effective_deadline, wait_for_end
from airflow_provider_polytomic.executions.wrong_id import (
    CHOICES_OF_KIND,
    advice_on_id,
    with_advice_on_id,
    with_advice_on_name,
)
from airflow_provider_polytomic.results import Ownership

__all__ = [
    "CHOICES_OF_KIND", "FINAL_ERRORS", "REFRESH_TIMEOUT", "AlreadyRunning", "CompletedSince", "ConsoleLogReader",
    "DeadlinePassed", "Diagnostics", "Execution", "ExecutionRef", "Freshness", "IfRunning", "Outcome", "Ownership",
    "RecordLimits", "StartRequest", "StartResult", "SuccessCriteria", "SyncKind", "UnknownSchemas",
    "UnresolvedName", "advice_for", "advice_on_id", "cancel", "cancel_and_confirm", "cancel_current",
    "collect_diagnostics", "current_execution", "effective_deadline", "execution_current_at",
    "find_resends_rejected", "find_schemas", "first_records", "follow_console_log", "list_executions",
    "nearest_names", "own_schedule", "poll_once", "repeat_after_refresh", "repeat_while_transient", "report",
    "resolve_sync", "resolve_target", "shown_name", "start_once", "status_table", "sync_kind", "wait_for_end",
    "wait_with_console_log", "with_advice_on_id", "with_advice_on_name",
]  # fmt: skip
