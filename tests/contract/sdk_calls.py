"""Name each operation and call it by the official SDK, whose clients, sync and async, take the same arguments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from polytomic import (
    BulkSchema,
    BulkSyncDefaultScheduleRequest,
    ConnectionProxyCall,
    Identity,
    ModelFilterCondition,
    ModelFilters,
    ModelSyncIdentities,
    ModelSyncV5Target,
    Schedule,
    Source,
    SyncField,
)

from tests.support.sdk_world import World

LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=timezone.utc)
CONFIGURATION = {"hostname": "db.example.com", "database": "analytics", "password": "hunter2"}

Call = Callable[[Any, World], Any]


def _model_sync(w: World) -> dict[str, Any]:
    source = Source(model_id=w.model, field="email")
    return {
        "name": "Customers",
        "mode": "updateOrCreate",
        "fields": [SyncField(source=source, target="Email")],
        "schedule": Schedule(frequency="daily", hour="4"),
        "target": ModelSyncV5Target(connection_id=w.crm, object="Contact"),
        "identities": ModelSyncIdentities(mappings=[Identity(source=source, target="Email", function="Equality")]),
        "model_filters": ModelFilters(conditions=[ModelFilterCondition(source=source, function="IsNotNull")]),
        "encryption_passphrase": "hunter2",
        "active": True,
    }


def _bulk_sync(w: World) -> dict[str, Any]:
    return {
        "name": "CRM to warehouse",
        "source_connection_id": w.crm,
        "destination_connection_id": w.warehouse,
        "destination_configuration": {"schema": "crm"},
        "default_schedule": BulkSyncDefaultScheduleRequest(frequency="hourly", minute="5"),
        "data_cutoff_timestamp": LONG_AGO,
    }


def _console(list_of: Any, *ids: str) -> Any:
    return list_of.get_console_logs(*ids, limit=20)


CONNECTIONS: dict[str, Call] = {
    "connections_get_types": lambda c, w: c.connections.get_types(),
    "connections_get_connection_type_schema": lambda c, w: c.connections.get_connection_type_schema("postgresql"),
    "connections_get_type_parameter_values": lambda c, w: c.connections.get_type_parameter_values(
        "postgresql", field="schema", parameters=CONFIGURATION, query="pub", connection_id=w.warehouse
    ),
    "connections_list": lambda c, w: c.connections.list(),
    "connections_create": lambda c, w: c.connections.create(
        name="New", type="postgresql", configuration=CONFIGURATION, healthcheck_interval="3h30m", validate=True
    ),
    "connections_connect": lambda c, w: c.connections.connect(
        name="Theirs", redirect_url="https://example.com", type="salesforce", ttl=600
    ),
    "connections_test_connection": lambda c, w: c.connections.test_connection(
        type="postgresql", configuration=CONFIGURATION, connection_id=w.warehouse
    ),
    "connections_get": lambda c, w: c.connections.get(w.warehouse),
    "connections_update": lambda c, w: c.connections.update(w.warehouse, name="x", configuration=CONFIGURATION),
    "connections_delete": lambda c, w: c.connections.delete(w.spare, force=False),
    "connections_get_parameter_values": lambda c, w: c.connections.get_parameter_values(w.warehouse),
    "connections_proxy_execute_proxy": lambda c, w: c.connections.proxy.execute_proxy(
        w.crm, request=ConnectionProxyCall(method="GET", path="/objects", query={"limit": 10})
    ),
    "connections_proxy_get_proxy_info": lambda c, w: c.connections.proxy.get_proxy_info(w.crm),
    "connections_shared_connections_list_shared_connections": (
        lambda c, w: c.connections.shared_connections.list_shared_connections(w.crm)
    ),
    "model_sync_get_source": lambda c, w: c.model_sync.get_source(w.warehouse, params={"schema": ["public"]}),
    "model_sync_get_source_fields": lambda c, w: c.model_sync.get_source_fields(
        w.warehouse, params={"table": ["public.orders"]}
    ),
    "schemas_refresh": lambda c, w: c.schemas.refresh(w.crm),
    "schemas_get_status": lambda c, w: c.schemas.get_status(w.crm),
}
PARTNERS: dict[str, Call] = {
    "organization_list": lambda c, w: c.organization.list(),
    "connections_shared_connections_list_shared_connections_for_partner": (
        lambda c, w: c.connections.shared_connections.list_shared_connections_for_partner(w.organization, w.crm)
    ),
    "connections_shared_connections_create_shared_connection": (
        lambda c, w: c.connections.shared_connections.create_shared_connection(
            w.organization, w.crm, child_organization_id=w.child, name="Copy"
        )
    ),
}
MODEL_SYNCS: dict[str, Call] = {
    "model_sync_list": lambda c, w: c.model_sync.list(active=True, mode="updateOrCreate", limit=10),
    "model_sync_create": lambda c, w: c.model_sync.create(**_model_sync(w)),
    "model_sync_get_schedule_options": lambda c, w: c.model_sync.get_schedule_options(),
    "model_sync_get": lambda c, w: c.model_sync.get(w.sync),
    "model_sync_update": lambda c, w: c.model_sync.update(w.sync, **_model_sync(w)),
    "model_sync_delete": lambda c, w: c.model_sync.delete(w.sync),
    "model_sync_activate": lambda c, w: c.model_sync.activate(w.sync, active=False),
    "model_sync_cancel": lambda c, w: c.model_sync.cancel(w.sync),
    "model_sync_start": lambda c, w: c.model_sync.start(w.idle, resync=True, identities=["a@example.com"]),
    "model_sync_get_status": lambda c, w: c.model_sync.get_status(w.sync),
    "model_sync_executions_list": lambda c, w: c.model_sync.executions.list(w.sync, ascending=True),
    "model_sync_executions_get": lambda c, w: c.model_sync.executions.get(w.sync, w.ended),
    "model_sync_executions_cancel": lambda c, w: c.model_sync.executions.cancel(w.sync, w.running),
    "model_sync_executions_get_console_logs": lambda c, w: _console(c.model_sync.executions, w.sync, w.running),
    "model_sync_executions_get_logs_index": lambda c, w: c.model_sync.executions.get_logs_index(w.sync, w.ended),
    "model_sync_executions_get_log_urls": lambda c, w: c.model_sync.executions.get_log_urls(w.sync, w.ended, "errors"),
    "models_list": lambda c, w: c.models.list(),
    "models_get": lambda c, w: c.models.get(w.model),
}
BULK_SYNCS: dict[str, Call] = {
    "bulk_sync_list": lambda c, w: c.bulk_sync.list(active=True),
    "bulk_sync_create": lambda c, w: c.bulk_sync.create(schemas=["Contact"], **_bulk_sync(w)),
    "bulk_sync_get": lambda c, w: c.bulk_sync.get(w.bulk, refresh_schemas=True),
    "bulk_sync_update": lambda c, w: c.bulk_sync.update(w.bulk, **_bulk_sync(w)),
    "bulk_sync_delete": lambda c, w: c.bulk_sync.delete(w.bulk),
    "bulk_sync_activate": lambda c, w: c.bulk_sync.activate(w.bulk, active=False),
    "bulk_sync_cancel": lambda c, w: c.bulk_sync.cancel(w.bulk),
    "bulk_sync_start": lambda c, w: c.bulk_sync.start(w.idle_bulk, schemas=["Contact"], resync_mode="rebuild"),
    "bulk_sync_get_status": lambda c, w: c.bulk_sync.get_status(w.bulk),
    "bulk_sync_executions_list_status": lambda c, w: c.bulk_sync.executions.list_status(sync_id=[w.bulk, w.idle_bulk]),
    "bulk_sync_executions_list": lambda c, w: c.bulk_sync.executions.list(w.bulk, only_terminal=True, limit=100),
    "bulk_sync_executions_get": lambda c, w: c.bulk_sync.executions.get(w.bulk, w.bulk_ended),
    "bulk_sync_executions_cancel": lambda c, w: c.bulk_sync.executions.cancel(w.bulk, w.bulk_running),
    "bulk_sync_executions_get_logs": lambda c, w: c.bulk_sync.executions.get_logs(w.bulk, w.bulk_ended),
    "bulk_sync_executions_get_console_logs": lambda c, w: _console(c.bulk_sync.executions, w.bulk, w.bulk_ended),
    "bulk_sync_schemas_list": lambda c, w: c.bulk_sync.schemas.list(w.bulk, filters={"enabled": "true"}),
    "bulk_sync_schemas_patch": lambda c, w: c.bulk_sync.schemas.patch(
        w.bulk, schemas=[BulkSchema(id="Lead", enabled=True, tracking_field="updated_at")]
    ),
}
OTHERS: dict[str, Call] = {
    "events_list": lambda c, w: c.events.list(starting_after=LONG_AGO, ending_before=FAR_AHEAD, limit=100),
    "events_get_types": lambda c, w: c.events.get_types(),
    "webhooks_list": lambda c, w: c.webhooks.list(),
    "webhooks_create": lambda c, w: c.webhooks.create(endpoint="https://example.com", secret="hunter2"),
    "webhooks_get": lambda c, w: c.webhooks.get(w.webhook),
    "webhooks_update": lambda c, w: c.webhooks.update(w.webhook, endpoint="https://example.org", secret="hunter2"),
    "webhooks_delete": lambda c, w: c.webhooks.delete(w.webhook),
    "webhooks_enable": lambda c, w: c.webhooks.enable(w.webhook),
    "webhooks_disable": lambda c, w: c.webhooks.disable(w.webhook),
    "webhooks_list_deliveries": lambda c, w: c.webhooks.list_deliveries(w.webhook, success=True, start=LONG_AGO),
    "jobs_get": lambda c, w: c.jobs.get("exportlogs", w.job),
    "identity_get": lambda c, w: c.identity.get(),
}
CALLS: dict[str, Call] = {**CONNECTIONS, **PARTNERS, **MODEL_SYNCS, **BULK_SYNCS, **OTHERS}
