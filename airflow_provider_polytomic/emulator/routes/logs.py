"""Answer what executions left behind: console logs and files of records."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_polytomic.emulator.domain import logs
from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.syncs import BULK, MODEL
from airflow_provider_polytomic.emulator.http.request import RequestContext


def _execution(context: RequestContext, kind: str) -> Execution:
    return context.state.sync(context.ids["sync_id"], kind).execution(context.ids["execution_id"])


def console(context: RequestContext, kind: str) -> dict[str, Any]:
    """Give the latest console lines of an execution, or the first ones after a cursor."""
    behavior, after = context.state.behavior, context.query.get("after")
    if after and not re.fullmatch(r"\d+-\d+", after):
        raise ApiError(400, "after is not a cursor that was given out.")
    limit = context.page_request(logs.RETAINED).limit
    kept = logs.console(_execution(context, kind), context.state.clock())
    lines = [each for each in kept if each.id > after][:limit] if after else kept[-limit:]
    page: dict[str, Any] = {}
    if lines:
        page["next_cursor"] = lines[-1].id
    elif behavior.console_end != "absent":
        page["next_cursor"] = after if behavior.console_end == "repeat" else None
    if behavior.console_order == "newest_first":
        lines.reverse()
    return {"data": {"entries": [logs.shown(each, behavior.console_level) for each in lines], **page}}


def _model_console(context: RequestContext) -> dict[str, Any]:
    return console(context, MODEL)


def _bulk_console(context: RequestContext) -> dict[str, Any]:
    return console(context, BULK)


def logs_index(context: RequestContext) -> dict[str, Any]:
    """Tell which record logs a model execution has, and where; a kind without records is left out."""
    execution = _execution(context, MODEL)
    counts = execution.counts(context.state.clock())
    place = f"{context.base_url}/api/syncs/{execution.sync_id}/executions/{execution.id}"
    return {
        "data": {
            type: {"count": counts[count], "url": f"{place}/{type}"}
            for type, count in logs.TYPES.items()
            if counts[count]
        }
    }


def log_urls(context: RequestContext) -> dict[str, Any]:
    """Give the files that hold one kind of record log of a model execution."""
    execution, type, now = _execution(context, MODEL), context.ids["type"], context.state.clock()
    if type not in logs.TYPES:
        raise ApiError(400, f"The log type must be one of {', '.join(logs.TYPES)}.")
    return {"data": {"urls": logs.files(execution, type, now), "expires": timestamp(now + logs.URL_SECONDS)}}


def bulk_logs(context: RequestContext) -> dict[str, Any]:
    """Give the log files of a bulk execution."""
    now = context.state.clock()
    urls = logs.schema_files(_execution(context, BULK), now)
    return {"data": {"URLs": urls, "Expires": timestamp(now + logs.URL_SECONDS)}}


HANDLERS = {
    ("GET", "/api/syncs/{sync_id}/executions/{execution_id}/consolelog"): _model_console,
    ("GET", "/api/syncs/{sync_id}/executions/{execution_id}/logs"): logs_index,
    ("GET", "/api/syncs/{sync_id}/executions/{execution_id}/{type}"): log_urls,
    ("GET", "/api/bulk/syncs/{sync_id}/executions/{execution_id}/consolelog"): _bulk_console,
    ("GET", "/api/bulk/syncs/{sync_id}/executions/{execution_id}/logs"): bulk_logs,
}
