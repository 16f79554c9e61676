"""Answer what can be read from a connection, and what the system behind it says: sources, proxy, jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import catalog, jobs
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.logs import signed_url
from airflow_provider_polytomic.emulator.http.request import RequestContext
from airflow_provider_polytomic.emulator.routes import connection_rendering

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LATENCY_MS = 12
_JSON = "application/json"


def _connection(context: RequestContext) -> Connection:
    return context.state.connection(context.ids["connection_id"])


def get_source(context: RequestContext) -> dict[str, Any]:
    """Tell what must be chosen to read from a connection; of a database its schema narrows the tables."""
    kind = catalog.kind(_connection(context).type)
    schema = context.params().get("schema")
    tables = [each for each in kind.tables if schema is None or each.startswith(f"{schema}.")]
    items = {kind.chooser: {"has_items": bool(tables), "items": tables, "requires_one_of": []}}
    if "schema" in kind.values:
        schemas = list(kind.values["schema"])
        items["schema"] = {"has_items": True, "items": schemas, "requires_one_of": []}
        items["query"] = {"has_items": False, "items": [], "requires_one_of": []}
    choices = [name for name in (kind.chooser, "query") if name in items]
    configuration = {name: {"type": "string", "items": each["items"]} for name, each in items.items()}
    return {"data": {"configuration": configuration, "items": items, "requires_one_of": choices}}


def get_source_fields(context: RequestContext) -> dict[str, Any]:
    """List the columns of what was chosen."""
    kind, params = catalog.kind(_connection(context).type), context.params()
    chosen = params.get(kind.chooser)
    if chosen is None and "query" not in params:
        raise ApiError(400, f"Choose a {kind.chooser} first.")
    if chosen is not None and chosen not in kind.tables:
        raise ApiError(400, f"There is no {kind.chooser} {chosen}.")
    columns = kind.tables[chosen] if chosen is not None else next(iter(kind.tables.values()))
    return {"data": [_column(name, type) for name, type in columns]}


def _column(name: str, type: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "label": name,
        "type": type,
        "remote_type": type,
        "unique": name == "id",
        "user_added": False,
        "description": None,
        "example": None,
    }


def execute_proxy(context: RequestContext) -> dict[str, Any]:
    """Send a request to the system behind a connection: what was planned answers, or the request comes back."""
    connection, state = _connection(context), context.state
    request = _proxy_request(context.field("request", dict, required=True))
    answer = _upstream(connection, request)
    in_background = context.field("async", bool)
    if in_background and request["method"] != "GET":
        raise ApiError(400, "Only a GET can be asynchronous.")
    connection.proxy_statuses.append((state.clock(), answer["status"]))
    call = {"proxyCallId": str(uuid4()), "truncated": False, "latencyMs": _LATENCY_MS}
    if in_background:
        return {"data": {**call, **_proxy_job(context, answer)}}
    if isinstance(answer["body"], (dict, list)) and state.behavior.proxy_body == "text":
        answer = {**answer, "body": json.dumps(answer["body"])}
    return {"data": {**call, **answer}}


def _proxy_request(request: Mapping[str, Any]) -> Mapping[str, Any]:
    if request.get("method") not in _METHODS:
        raise ApiError(400, f"request.method must be one of {', '.join(_METHODS)}.")
    if not str(request.get("path", "")).startswith("/"):
        raise ApiError(400, "request.path must begin with a slash.")
    if request.get("query") and request.get("rawQuery"):
        raise ApiError(400, "request.query and request.rawQuery exclude each other.")
    if request.get("api"):
        raise ApiError(400, "The connection has one API only; leave request.api out.")
    return request


def _upstream(connection: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    echo = {name: request.get(name) for name in ("method", "path", "query", "rawQuery", "body")}
    planned = connection.proxy_answer or {}
    return {
        "status": int(planned.get("status", 200)),
        "contentType": str(planned.get("contentType", _JSON)),
        "headers": {},
        "body": planned.get("body", echo),
    }


def _proxy_job(context: RequestContext, answer: dict[str, Any]) -> dict[str, Any]:
    state, now = context.state, context.state.clock()
    kept = {name: answer[name] for name in ("status", "contentType", "headers")}
    url = signed_url("proxy", str(uuid4()), "body", at=now)
    job = state.add_job("connectionproxy", duration=state.behavior.job_seconds, result={**kept, "bodyDownloadUrl": url})
    return {
        "status": 202,
        "jobId": job.id,
        "jobStatus": job.status(now),
        "jobUrl": f"{context.base_url}/api/jobs/{job.type}/{job.id}",
    }


def get_proxy_info(context: RequestContext) -> dict[str, Any]:
    """Tell what may be sent through a connection's proxy."""
    return {"data": connection_rendering.proxy_info(_connection(context), context.state.clock())}


def get_job(context: RequestContext) -> dict[str, Any]:
    """Give one job."""
    type, job = context.ids["type"], context.state.jobs.get(context.ids["job_id"])
    if type not in jobs.TYPES:
        raise ApiError(400, "There is no such type of job.")
    if job is None or job.type != type:
        raise ApiError(404, "The job was not found.")
    return {"data": job.shown(context.state.clock())}


HANDLERS = {
    ("GET", "/api/connections/{connection_id}/modelsync/source"): get_source,
    ("GET", "/api/connections/{connection_id}/modelsync/source/fields"): get_source_fields,
    ("POST", "/api/connections/{connection_id}/proxy"): execute_proxy,
    ("GET", "/api/connections/{connection_id}/proxy/info"): get_proxy_info,
    ("GET", "/api/jobs/{type}/{job_id}"): get_job,
}
