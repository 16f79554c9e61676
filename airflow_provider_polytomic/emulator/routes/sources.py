"""Operations on the system behind a connection, its sources and proxy, and on jobs: ``/api/jobs``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import connections
from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.logs import signed_url
from airflow_provider_polytomic.emulator.domain.state import JOB_TYPES
from airflow_provider_polytomic.emulator.http.request import Handlers, RequestContext

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DAY = 24 * 60 * 60
_CONTRACT = {
    "allowedMethods": list(_METHODS),
    "bodyTypes": ["string", "object", "array", "null"],
    "blockedRequestHeaders": ["authorization", "cookie", "host"],
    "blockedResponseHeaders": ["set-cookie"],
    "pathRule": "relative, beginning with a slash",
    "queryModes": ["query", "rawQuery"],
    "queryValueTypes": ["string", "number", "boolean", "array"],
    "rawQueryRule": "without the question mark",
    "maxRequestBodyBytes": 256 * 1024,
    "maxResponseBodyBytes": 1024 * 1024,
    "rateLimitPerMinute": 60,
    "timeoutMs": 30_000,
}


def get_source(context: RequestContext) -> dict[str, Any]:
    """Return what must be selected to read from a connection; the schema of a database narrows its tables."""
    system = connections.system(context.connection.type)
    schema = context.params().get("schema")
    tables = [each for each in system.tables if schema is None or each.startswith(f"{schema}.")]
    items = {system.selector: {"has_items": bool(tables), "items": tables, "requires_one_of": []}}
    if "schema" in system.values:
        schemas = list(system.values["schema"])
        items["schema"] = {"has_items": True, "items": schemas, "requires_one_of": []}
        items["query"] = {"has_items": False, "items": [], "requires_one_of": []}
    required = [name for name in (system.selector, "query") if name in items]
    configuration = {name: {"type": "string", "items": each["items"]} for name, each in items.items()}
    return {"data": {"configuration": configuration, "items": items, "requires_one_of": required}}


def get_source_fields(context: RequestContext) -> dict[str, Any]:
    """List the columns of the selected table, object or query."""
    system, params = connections.system(context.connection.type), context.params()
    selected = params.get(system.selector)
    if selected is None and "query" not in params:
        raise ApiError(400, f"Choose a {system.selector} first.")
    if selected is not None and selected not in system.tables:
        raise ApiError(400, f"There is no {system.selector} {selected}.")
    columns = system.tables[selected] if selected is not None else next(iter(system.tables.values()))
    return {"data": [_column(name, type) for name, type in columns]}


def _column(name: str, type: str) -> dict[str, Any]:
    names = {"id": name, "name": name, "label": name, "type": type, "remote_type": type}
    return {**names, "unique": name == "id", "user_added": False, "description": None, "example": None}


def execute_proxy(context: RequestContext) -> dict[str, Any]:
    """Send a request through a connection's proxy, which answers as planned or echoes the request."""
    connection = context.connection
    request = _proxy_request(context.field("request", dict, required=True))
    response = _proxy_response(connection, request)
    in_background = context.field("async", bool)
    if in_background and request["method"] != "GET":
        raise ApiError(400, "Only a GET can be asynchronous.")
    connection.proxy_statuses.append((context.now, response["status"]))
    call = {"proxyCallId": str(uuid4()), "truncated": False, "latencyMs": 12}
    if in_background:
        return {"data": {**call, **_proxy_job(context, response)}}
    if isinstance(response["body"], (dict, list)) and context.behavior.proxy_body == "text":
        response = {**response, "body": json.dumps(response["body"])}
    return {"data": {**call, **response}}


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


def _proxy_response(connection: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    echo = {name: request.get(name) for name in ("method", "path", "query", "rawQuery", "body")}
    planned = connection.proxy_answer or {}
    return {
        "status": int(planned.get("status", 200)),
        "contentType": str(planned.get("contentType", "application/json")),
        "headers": {},
        "body": planned.get("body", echo),
    }


def _proxy_job(context: RequestContext, response: dict[str, Any]) -> dict[str, Any]:
    result = {name: response[name] for name in ("status", "contentType", "headers")}
    result["bodyDownloadUrl"] = signed_url("proxy", str(uuid4()), "body", at=context.now)
    job = context.state.add_job("connectionproxy", duration=context.behavior.job_seconds, result=result)
    url = f"{context.base_url}/api/jobs/{job.type}/{job.id}"
    return {"status": 202, "jobId": job.id, "jobStatus": job.status(context.now), "jobUrl": url}


def get_proxy_info(context: RequestContext) -> dict[str, Any]:
    """Return what a connection's proxy accepts, and the counts of its last day."""
    connection = context.connection
    recent = [(at, status) for at, status in connection.proxy_statuses if at > context.now - _DAY]
    hundreds = [status // 100 for _, status in recent]
    info = {
        "connectionId": connection.id,
        "backendType": connection.type,
        "apis": [],
        "inheritedBase": {"baseUrl": "https://upstream.emulator.invalid", "lockedHeaders": [], "lockedQuery": {}},
        "mergeRules": {"headers": "inherited headers win", "query": "inherited parameters come first"},
        "requestContract": _CONTRACT,
        "stats": {
            "callsLast24h": None,
            "lastProxyCallAt": timestamp(recent[-1][0]) if recent else None,
            "proxyCallsLast24h": len(recent),
            **{f"proxy{number}xxLast24h": hundreds.count(number) for number in (2, 4, 5)},
        },
    }
    return {"data": info}


def get_job(context: RequestContext) -> dict[str, Any]:
    """Return a job."""
    type, job = context.ids["type"], context.state.jobs.get(context.ids["job_id"])
    if type not in JOB_TYPES:
        raise ApiError(400, "There is no such type of job.")
    if job is None or job.type != type:
        raise ApiError(404, "The job was not found.")
    return {"data": job.to_json(context.now)}


HANDLERS: Handlers = {
    ("GET", "/api/connections/{connection_id}/modelsync/source"): get_source,
    ("GET", "/api/connections/{connection_id}/modelsync/source/fields"): get_source_fields,
    ("POST", "/api/connections/{connection_id}/proxy"): execute_proxy,
    ("GET", "/api/connections/{connection_id}/proxy/info"): get_proxy_info,
    ("GET", "/api/jobs/{type}/{job_id}"): get_job,
}
