"""Collect the details of one sync: executions with their causes, schemas, and the end of the console log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._task.errors import advice_after_failure
from airflow_provider_polytomic.api.errors import PolytomicError, PolytomicNotFoundError
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.executions import (
    Diagnostics,
    Execution,
    ExecutionRef,
    Outcome,
    advice_for,
    collect_diagnostics,
    report,
    sync_kind,
)
from airflow_provider_polytomic.executions.console import in_one_line, in_order, newest_first
from airflow_provider_polytomic.hooks._connection import ConnectionConfig, link_url
from airflow_provider_polytomic.ui.rows import SyncRow, SyncTable, execution_to_json

if TYPE_CHECKING:
    from airflow_provider_polytomic.ui.cache import ConnectionCache

MAX_REPORTS = 5
"""Unsuccessful executions whose causes are shown; the latest one with diagnostics."""

CONSOLE_LINES_IN_DETAILS = 20
MAX_SCHEMAS_IN_DETAILS = 500
DETAIL_TIMEOUT = 5.0
HEADLINES = {Outcome.FAILED: "failed", Outcome.PARTIAL: "is incomplete", Outcome.CANCELED: "was canceled"}
ADVICE = {
    Outcome.PARTIAL: "correct the schemas named above",
    Outcome.CANCELED: "check in the sync's history in Polytomic who canceled it: the API does not say",
}
HOW_TO_START_AGAIN = "start the sync again, or clear the task that runs it"


async def sync_details(cache: ConnectionCache, row: SyncRow) -> dict[str, Any]:
    """Return the details of a sync for the page.

    :raises Problem: if the connection cannot be used, or Polytomic refuses a request or does not respond
    """
    return await cache.details(row.key, lambda config: _details(cache.table, row, config))


def _details(table: SyncTable, row: SyncRow, config: ConnectionConfig) -> Flow[dict[str, Any]]:
    reports: dict[str, str] = {}
    before = row.executions
    latest: Execution | None = None
    for listed in reversed(row.executions):
        is_unsuccessful = listed.outcome.final and listed.outcome is not Outcome.SUCCESS
        if latest is not None and (not is_unsuccessful or len(reports) >= MAX_REPORTS):
            continue
        execution = yield from _fetch(listed)
        row.add(execution)
        latest = latest or execution
        if execution.outcome in HEADLINES:
            diagnostics = Diagnostics()
            if not reports:
                diagnostics = yield from collect_diagnostics(execution, config.secrets)
            reports[execution.id] = _report(execution, diagnostics)
    if row.executions != before:
        table.changed(row)
    console = (yield from _console(latest, config)) if latest else []
    url = yield from link_url(config, row.kind, row.sync_id, latest.id if latest else None)
    return {
        "executions": [
            {**execution_to_json(each), "report": reports.get(each.id)} for each in reversed(row.executions)
        ],
        "schemas": list(latest.schemas[:MAX_SCHEMAS_IN_DETAILS]) if latest else [],
        "console": console,
        "url": url or row.url,
    }


def _report(execution: Execution, diagnostics: Diagnostics) -> str:
    """Return the report on an unsuccessful execution, in the words of the report of a failed task."""
    if execution.outcome is Outcome.FAILED:
        advice = advice_after_failure(execution, diagnostics)
    else:
        advice = advice_for(execution, diagnostics) or ADVICE[execution.outcome]
    return report(execution, HEADLINES[execution.outcome], [advice, HOW_TO_START_AGAIN], diagnostics)


def _fetch(listed: Execution) -> Flow[Execution]:
    """Request an execution, since a list may lack its counts and errors; return it as listed if it is gone."""
    try:
        return (yield from ExecutionRef(listed.kind, listed.sync_id, listed.id).fetch(without_retries=True))
    except PolytomicNotFoundError:
        return listed


def _console(execution: Execution, config: ConnectionConfig) -> Flow[list[str]]:
    """Return the end of the console log; nothing if Polytomic does not return it."""
    call = sync_kind(execution.kind).api.get_console_log(
        execution.sync_id, execution.id, after=None, limit=CONSOLE_LINES_IN_DETAILS
    )
    try:
        page = yield from send(call.with_timeout(DETAIL_TIMEOUT))
    except PolytomicError:
        return []
    lines = in_order(page, newest_first(page))[-CONSOLE_LINES_IN_DETAILS:]
    return [in_one_line(line, *config.secrets) for line in lines]
