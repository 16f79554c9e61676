"""List every operation with a call, the expected request, and a plain response."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_polytomic.api import (
    Call,
    bulk_syncs,
    connections,
    data_models,
    entities,
    events,
    identity,
    jobs,
    organizations,
    schemas,
    syncs,
    webhooks,
)

ODD = "a/b ?#%é"
"""An id with every character that has a meaning in a URL."""

RAW = "a%2Fb%20%3F%23%25%C3%A9"

U = "248df4b7-aa70-47b8-a036-33ac447e668d"
KEY = "an-idempotency-key"
NOON = datetime(2026, 1, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))

OBJECT: dict[str, Any] = {"data": {"id": U, "job_id": U, "name": "n"}}
ROWS: dict[str, Any] = {"data": [{"id": U, "sync_id": U, "name": "n"}, {"id": "2", "sync_id": "2"}]}
NOTHING: dict[str, Any] = {}


@dataclass(frozen=True)
class Row:
    call: Call[Any]
    method: str
    target: str
    body: Any = None
    answer: Any = field(default_factory=lambda: OBJECT)


SYNC = {
    "name": "n",
    "mode": "updateOrCreate",
    "fields": [{"source": {"model_id": U, "field": "email"}, "target": "Email"}],
    "schedule": {"frequency": "manual"},
    "target": {"connection_id": U, "object": "Contact"},
}
BULK_SYNC = {
    "name": "n",
    "source_connection_id": "s",
    "destination_connection_id": "d",
    "destination_configuration": {"schema": "raw"},
    "default_schedule": {"frequency": "manual"},
}
REQUEST = {"method": "GET", "path": "/v1/x", "query": {"limit": 1}}

OPERATIONS: dict[str, Row] = {
    "bulk_syncs.activate": Row(
        bulk_syncs.activate(ODD, False, idempotency_key=KEY),
        "POST",
        f"/api/bulk/syncs/{RAW}/activate",
        {"active": False},
    ),
    "bulk_syncs.cancel": Row(
        bulk_syncs.cancel(ODD, idempotency_key=KEY), "POST", f"/api/bulk/syncs/{RAW}/cancel", None
    ),
    "bulk_syncs.cancel_execution": Row(
        bulk_syncs.cancel_execution(ODD, ODD, idempotency_key=KEY),
        "POST",
        f"/api/bulk/syncs/{RAW}/executions/{RAW}/cancel",
    ),
    "bulk_syncs.create": Row(
        bulk_syncs.create(**BULK_SYNC, active=True, data_cutoff_timestamp=NOON, mode=None, idempotency_key=KEY),
        "POST",
        "/api/bulk/syncs",
        {**BULK_SYNC, "active": True, "data_cutoff_timestamp": "2026-01-01T12:00:00Z"},
    ),
    "bulk_syncs.delete": Row(bulk_syncs.delete(ODD), "DELETE", f"/api/bulk/syncs/{RAW}", answer=NOTHING),
    "bulk_syncs.get": Row(
        bulk_syncs.get(ODD, refresh_schemas=True), "GET", f"/api/bulk/syncs/{RAW}?refresh_schemas=true"
    ),
    "bulk_syncs.get_console_log": Row(
        bulk_syncs.get_console_log(ODD, ODD, after="c/1", limit=5),
        "GET",
        f"/api/bulk/syncs/{RAW}/executions/{RAW}/consolelog?limit=5&after=c%2F1",
    ),
    "bulk_syncs.get_execution": Row(
        bulk_syncs.get_execution(ODD, ODD), "GET", f"/api/bulk/syncs/{RAW}/executions/{RAW}"
    ),
    "bulk_syncs.get_logs": Row(bulk_syncs.get_logs(ODD, ODD), "GET", f"/api/bulk/syncs/{RAW}/executions/{RAW}/logs"),
    "bulk_syncs.get_status": Row(bulk_syncs.get_status(ODD), "GET", f"/api/bulk/syncs/{RAW}/status"),
    "bulk_syncs.list": Row(
        bulk_syncs.list(active=True, limit=9), "GET", "/api/bulk/syncs?active=true&limit=9", answer=ROWS
    ),
    "bulk_syncs.list_executions": Row(
        bulk_syncs.list_executions(ODD, only_terminal=True, ascending=False, limit=100),
        "GET",
        f"/api/bulk/syncs/{RAW}/executions?only_terminal=true&ascending=false&limit=100",
        answer=ROWS,
    ),
    "bulk_syncs.list_schemas": Row(
        bulk_syncs.list_schemas(ODD, filters={"enabled": True}),
        "GET",
        f"/api/bulk/syncs/{RAW}/schemas?filters%5Benabled%5D=true",
        answer=ROWS,
    ),
    "bulk_syncs.list_status": Row(
        bulk_syncs.list_status(sync_id=["1", ODD]),
        "GET",
        "/api/bulk/syncs/status?sync_id=1&sync_id=a%2Fb%20%3F%23%25%C3%A9",
        answer=ROWS,
    ),
    "bulk_syncs.start": Row(
        bulk_syncs.start(ODD, schemas=["contact"], resync_mode="resync", idempotency_key=KEY),
        "POST",
        f"/api/bulk/syncs/{RAW}/executions",
        {"schemas": ["contact"], "resync_mode": "resync"},
    ),
    "bulk_syncs.update": Row(
        bulk_syncs.update(ODD, **BULK_SYNC, policies=[]),
        "PUT",
        f"/api/bulk/syncs/{RAW}",
        {**BULK_SYNC, "policies": []},
    ),
    "bulk_syncs.update_schemas": Row(
        bulk_syncs.update_schemas(ODD, [{"id": "contact", "enabled": False}]),
        "PATCH",
        f"/api/bulk/syncs/{RAW}/schemas",
        {"schemas": [{"id": "contact", "enabled": False}]},
        answer=ROWS,
    ),
    "connections.connect": Row(
        connections.connect("n", "https://x.test", ttl=60, dark=False, idempotency_key=KEY),
        "POST",
        "/api/connections/connect/",
        {"name": "n", "redirect_url": "https://x.test", "ttl": 60, "dark": False},
    ),
    "connections.create": Row(
        connections.create("n", "postgresql", {"port": 5432, "ssl": None}, validate=False, idempotency_key=KEY),
        "POST",
        "/api/connections",
        {"name": "n", "type": "postgresql", "configuration": {"port": 5432, "ssl": None}, "validate": False},
    ),
    "connections.create_shared": Row(
        connections.create_shared(ODD, ODD, child_organization_id=U, idempotency_key=KEY),
        "POST",
        f"/api/organizations/{RAW}/connections/{RAW}/shared",
        {"child_organization_id": U},
    ),
    "connections.delete": Row(
        connections.delete(ODD, force=True), "DELETE", f"/api/connections/{RAW}?force=true", answer=NOTHING
    ),
    "connections.execute_proxy": Row(
        connections.execute_proxy(ODD, request=REQUEST, async_=True, idempotency_key=KEY),
        "POST",
        f"/api/connections/{RAW}/proxy",
        {"async": True, "request": REQUEST},
    ),
    "connections.get": Row(connections.get(ODD), "GET", f"/api/connections/{RAW}"),
    "connections.get_parameter_values": Row(
        connections.get_parameter_values(ODD),
        "GET",
        f"/api/connections/{RAW}/parameter_values",
        answer={"data": {"database": {"allows_creation": True, "values": [{"label": "l", "value": 1}]}}},
    ),
    "connections.get_proxy_info": Row(connections.get_proxy_info(ODD), "GET", f"/api/connections/{RAW}/proxy/info"),
    "connections.get_type": Row(
        connections.get_type(ODD), "GET", f"/api/connection_types/{RAW}", answer={"type": "object", "required": None}
    ),
    "connections.get_type_parameter_values": Row(
        connections.get_type_parameter_values(ODD, field="database", parameters={"a": 1}, idempotency_key=KEY),
        "POST",
        f"/api/connection_types/{RAW}/parameter_values",
        {"field": "database", "parameters": {"a": 1}},
        answer={"data": None},
    ),
    "connections.list": Row(connections.list(), "GET", "/api/connections", answer=ROWS),
    "connections.list_shared": Row(connections.list_shared(ODD), "GET", f"/api/connections/{RAW}/shared", answer=ROWS),
    "connections.list_shared_for_partner": Row(
        connections.list_shared_for_partner(ODD, ODD),
        "GET",
        f"/api/organizations/{RAW}/connections/{RAW}/shared",
        answer=ROWS,
    ),
    "connections.list_types": Row(connections.list_types(), "GET", "/api/connection_types", answer=ROWS),
    "connections.test": Row(
        connections.test("postgresql", {"port": 1}, connection_id=U, idempotency_key=KEY),
        "POST",
        "/api/connections/test",
        {"type": "postgresql", "configuration": {"port": 1}, "connection_id": U},
        answer=NOTHING,
    ),
    "connections.update": Row(
        connections.update(ODD, name="n", configuration={"port": 1}, reconnect=True),
        "PUT",
        f"/api/connections/{RAW}",
        {"name": "n", "configuration": {"port": 1}, "reconnect": True},
    ),
    "data_models.get": Row(data_models.get(ODD), "GET", f"/api/models/{RAW}"),
    "data_models.list": Row(data_models.list(limit=3), "GET", "/api/models?limit=3", answer=ROWS),
    "entities.get": Row(entities.get(ODD), "GET", f"/api/entities/{RAW}"),
    "events.list": Row(
        events.list(type="sync.failed", starting_after=NOON, ending_before=datetime(2026, 1, 2), limit=100),
        "GET",
        "/api/events?type=sync.failed&starting_after=2026-01-01T12%3A00%3A00Z"
        "&ending_before=2026-01-02T00%3A00%3A00Z&limit=100",
        answer=ROWS,
    ),
    "events.list_types": Row(
        events.list_types(), "GET", "/api/events_types", answer={"data": ["sync.failed", "a.new.one"]}
    ),
    "identity.get": Row(identity.get(), "GET", "/api/me"),
    "jobs.get": Row(jobs.get("exportlogs", ODD), "GET", f"/api/jobs/exportlogs/{RAW}"),
    "organizations.list": Row(organizations.list(), "GET", "/api/organizations", answer=ROWS),
    "schemas.get_status": Row(schemas.get_status(ODD), "GET", f"/api/connections/{RAW}/schemas/status"),
    "schemas.refresh": Row(
        schemas.refresh(ODD, idempotency_key=KEY), "POST", f"/api/connections/{RAW}/schemas/refresh", answer=NOTHING
    ),
    "syncs.activate": Row(
        syncs.activate(ODD, True, idempotency_key=KEY), "POST", f"/api/syncs/{RAW}/activate", {"active": True}
    ),
    "syncs.cancel": Row(syncs.cancel(ODD, idempotency_key=KEY), "POST", f"/api/syncs/{RAW}/cancel"),
    "syncs.cancel_execution": Row(
        syncs.cancel_execution(ODD, ODD, idempotency_key=KEY), "POST", f"/api/syncs/{RAW}/executions/{RAW}/cancel"
    ),
    "syncs.create": Row(
        syncs.create(**SYNC, active=False, policies=None, idempotency_key=KEY),
        "POST",
        "/api/syncs",
        {**SYNC, "active": False},
    ),
    "syncs.delete": Row(syncs.delete(ODD), "DELETE", f"/api/syncs/{RAW}", answer=NOTHING),
    "syncs.get": Row(syncs.get(ODD), "GET", f"/api/syncs/{RAW}"),
    "syncs.get_console_log": Row(
        syncs.get_console_log(ODD, ODD, limit=50), "GET", f"/api/syncs/{RAW}/executions/{RAW}/consolelog?limit=50"
    ),
    "syncs.get_error_handling": Row(syncs.get_error_handling(ODD), "GET", f"/api/syncs/{RAW}/error-handling"),
    "syncs.get_execution": Row(syncs.get_execution(ODD, ODD), "GET", f"/api/syncs/{RAW}/executions/{RAW}"),
    "syncs.get_log_urls": Row(
        syncs.get_log_urls(ODD, ODD, "errors"), "GET", f"/api/syncs/{RAW}/executions/{RAW}/errors"
    ),
    "syncs.get_logs_index": Row(syncs.get_logs_index(ODD, ODD), "GET", f"/api/syncs/{RAW}/executions/{RAW}/logs"),
    "syncs.get_schedule_options": Row(syncs.get_schedule_options(), "GET", "/api/syncs/schedules"),
    "syncs.get_source": Row(
        syncs.get_source(ODD, {"table": ["a b", "c"]}),
        "GET",
        f"/api/connections/{RAW}/modelsync/source?params%5Btable%5D=a%20b&params%5Btable%5D=c",
    ),
    "syncs.get_source_fields": Row(
        syncs.get_source_fields(ODD, {"query": "select 1"}),
        "GET",
        f"/api/connections/{RAW}/modelsync/source/fields?params%5Bquery%5D=select%201",
        answer=ROWS,
    ),
    "syncs.get_status": Row(syncs.get_status(ODD), "GET", f"/api/syncs/{RAW}/status"),
    "syncs.list": Row(
        syncs.list(active=False, mode="append", target_connection_id=U, limit=2),
        "GET",
        f"/api/syncs?active=false&mode=append&target_connection_id={U}&limit=2",
        answer=ROWS,
    ),
    "syncs.list_executions": Row(
        syncs.list_executions(ODD, only_completed=True, ascending=True),
        "GET",
        f"/api/syncs/{RAW}/executions?only_completed=true&ascending=true",
        answer=ROWS,
    ),
    "syncs.start": Row(
        syncs.start(ODD, resync=True, identities=["a@b.c"], idempotency_key=KEY),
        "POST",
        f"/api/syncs/{RAW}/executions",
        {"resync": True, "identities": ["a@b.c"]},
    ),
    "syncs.update": Row(
        syncs.update(ODD, **SYNC, sync_all_records=True),
        "PUT",
        f"/api/syncs/{RAW}",
        {**SYNC, "sync_all_records": True},
    ),
    "webhooks.create": Row(
        webhooks.create(endpoint="https://x.test", secret="s", idempotency_key=KEY),
        "POST",
        "/api/webhooks",
        {"endpoint": "https://x.test", "secret": "s"},
    ),
    "webhooks.delete": Row(webhooks.delete(ODD), "DELETE", f"/api/webhooks/{RAW}", answer=NOTHING),
    "webhooks.disable": Row(webhooks.disable(ODD, idempotency_key=KEY), "POST", f"/api/webhooks/{RAW}/disable"),
    "webhooks.enable": Row(webhooks.enable(ODD, idempotency_key=KEY), "POST", f"/api/webhooks/{RAW}/enable"),
    "webhooks.get": Row(webhooks.get(ODD), "GET", f"/api/webhooks/{RAW}"),
    "webhooks.list": Row(webhooks.list(), "GET", "/api/webhooks", answer=ROWS),
    "webhooks.list_deliveries": Row(
        webhooks.list_deliveries(ODD, success=False, event_id=U, start=NOON, end="2026-01-02T00:00:00Z"),
        "GET",
        f"/api/webhooks/{RAW}/deliveries?success=false&event_id={U}&start=2026-01-01T12%3A00%3A00Z"
        "&end=2026-01-02T00%3A00%3A00Z",
        answer=ROWS,
    ),
    "webhooks.update": Row(
        webhooks.update(ODD, endpoint="https://x.test", secret="s"),
        "PUT",
        f"/api/webhooks/{RAW}",
        {"endpoint": "https://x.test", "secret": "s"},
    ),
}
