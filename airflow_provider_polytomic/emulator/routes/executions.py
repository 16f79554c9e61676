"""Operations on the executions of both kinds of syncs and on their logs, and executions as the API shows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from airflow_provider_polytomic.emulator.domain import logs
from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution, SchemaState
from airflow_provider_polytomic.emulator.domain.syncs import BULK
from airflow_provider_polytomic.emulator.http.request import Handlers, Position, RequestContext

_VERSION = "emulator"
CANCEL_REQUESTED = {"data": {"message": "Cancellation has been requested."}}


def list_executions(
    context: RequestContext,
    selected: Callable[[Execution], bool],
    time: Callable[[Execution], float] = lambda each: each.created_at,
    limit: int | None = None,
) -> dict[str, Any]:
    """List the ``selected`` executions of a sync by ``time``, newest first unless requested otherwise.

    Executions of one moment are listed in the order in which they were created.
    """
    executions, sign = context.sync.executions, 1 if context.flag("ascending") else -1
    number = {each.id: len(executions) + sign * index for index, each in enumerate(executions)}

    def position(each: Execution) -> Position:
        return (sign * time(each), f"{number[each.id]:09}")

    rows = filter(selected, executions)
    return context.page(rows, position, lambda each: execution_to_json(each, context.now), limit)


def start(context: RequestContext, **request: Any) -> Execution:
    """Start an execution for a caller of the API."""
    given = {name: value for name, value in request.items() if value is not None}
    behavior = context.behavior
    return context.sync.start(context.now, behavior, type=behavior.execution_type, request=given, caller=context.caller)


def check_running(context: RequestContext, running: bool) -> None:
    """Refuse a cancellation without a running execution, if the switches say so."""
    if not running and context.behavior.cancel_idle != 200:
        raise ApiError(context.behavior.cancel_idle, "The sync has no execution in progress.")


def get(context: RequestContext) -> dict[str, Any]:
    """Return an execution."""
    return {"data": execution_to_json(context.execution, context.now)}


def cancel(context: RequestContext) -> dict[str, Any]:
    """Request the cancellation of an execution."""
    running = not context.execution.ended(context.now)
    check_running(context, running)
    if running:
        context.execution.request_cancel(context.now)
    return CANCEL_REQUESTED


def get_console_log(context: RequestContext) -> dict[str, Any]:
    """Return the latest console lines of an execution, or the first ones after a cursor."""
    behavior, after = context.behavior, context.query.get("after")
    if after and not re.fullmatch(r"\d+-\d+", after):
        raise ApiError(400, "after is not a cursor that was given out.")
    limit = context.limit(logs.MAX_LINES)
    retained = logs.console(context.execution, context.now)
    lines = [each for each in retained if each.id > after][:limit] if after else retained[-limit:]
    cursor: dict[str, Any] = {}
    if lines:
        cursor["next_cursor"] = lines[-1].id
    elif behavior.console_end != "absent":
        cursor["next_cursor"] = after if behavior.console_end == "repeat" else None
    if behavior.console_order == "newest_first":
        lines.reverse()
    return {"data": {"entries": [each.to_json(behavior.console_level) for each in lines], **cursor}}


def list_record_logs(context: RequestContext) -> dict[str, Any]:
    """Return count and URL of each record log of a model execution; an empty one is left out."""
    execution = context.execution
    counts = execution.counts(context.now)
    base = f"{context.base_url}/api/syncs/{execution.sync_id}/executions/{execution.id}"
    sizes = {log_type: counts[count] for log_type, count in logs.LOG_TYPES.items()}
    return {"data": {name: {"count": size, "url": f"{base}/{name}"} for name, size in sizes.items() if size}}


def get_record_log(context: RequestContext) -> dict[str, Any]:
    """Return the files of one record log of a model execution."""
    execution, log_type = context.execution, context.ids["type"]
    if log_type not in logs.LOG_TYPES:
        raise ApiError(400, f"The log type must be one of {', '.join(logs.LOG_TYPES)}.")
    expires = timestamp(context.now + logs.URL_SECONDS)
    return {"data": {"urls": logs.files(execution, log_type, context.now), "expires": expires}}


def list_bulk_logs(context: RequestContext) -> dict[str, Any]:
    """Return the log files of a bulk execution."""
    urls = logs.schema_files(context.execution, context.now)
    return {"data": {"URLs": urls, "Expires": timestamp(context.now + logs.URL_SECONDS)}}


def execution_to_json(execution: Execution, now: float) -> dict[str, Any]:
    """Return an execution of either kind as the API shows it."""
    common = {
        "id": execution.id,
        "type": execution.type,
        "status": execution.status(now),
        "created_at": timestamp(execution.created_at),
        "started_at": timestamp(execution.started_at(now)),
        "completed_at": timestamp(execution.completed_at(now)),
        "version": _VERSION,
    }
    if execution.kind == BULK:
        return {**common, **_bulk_fields(execution, now)}
    return {**common, "counts": execution.counts(now), "errors": list(execution.errors(now))}


def _bulk_fields(execution: Execution, now: float) -> dict[str, Any]:
    schemas, request = execution.schemas(now), execution.request
    return {
        "status_message": execution.message(now),
        "updated_at": timestamp(min(now, execution.ending.at)),
        "record_count": sum(each.records for each in schemas),
        "error_count": sum(each.errors for each in schemas),
        "warning_count": sum(each.warnings for each in schemas),
        "is_test": bool(request.get("test")),
        "is_resync": request.get("resync_mode") is not None,
        "is_partial": bool(request.get("schemas")),
        "fetch_mode": request.get("fetch_mode") or "incremental",
        "output_disposition": execution.output_disposition,
        "schemas": [
            {
                **schema_to_json(each),
                "output_name": each.output_name,
                "created_at": timestamp(execution.created_at),
                "updated_at": timestamp(each.completed_at or now),
                "version": _VERSION,
            }
            for each in schemas
        ],
    }


def schema_to_json(schema: SchemaState) -> dict[str, Any]:
    """Return the progress of a schema as the API shows it."""
    return {
        "schema": schema.id,
        "status": schema.status,
        "status_message": schema.message,
        "record_count": schema.records,
        "error_count": schema.errors,
        "warning_count": schema.warnings,
        "started_at": timestamp(schema.started_at),
        "completed_at": timestamp(schema.completed_at),
    }


_MODEL, _BULK = (f"/api{part}/syncs/{{sync_id}}/executions/{{execution_id}}" for part in ("", "/bulk"))
HANDLERS: Handlers = {
    ("GET", _MODEL): get,
    ("GET", _BULK): get,
    ("POST", f"{_MODEL}/cancel"): cancel,
    ("POST", f"{_BULK}/cancel"): cancel,
    ("GET", f"{_MODEL}/consolelog"): get_console_log,
    ("GET", f"{_BULK}/consolelog"): get_console_log,
    ("GET", f"{_MODEL}/logs"): list_record_logs,
    ("GET", f"{_BULK}/logs"): list_bulk_logs,
    ("GET", f"{_MODEL}/{{type}}"): get_record_log,
}
