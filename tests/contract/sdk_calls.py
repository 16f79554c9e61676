"""Call each operation with the official SDK, whose sync and async clients take the same arguments."""

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

from tests.support.sample_objects import SampleObjects

LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=timezone.utc)
CONFIGURATION = {"hostname": "db.example.com", "database": "analytics", "password": "hunter2"}

Call = Callable[[Any, SampleObjects], Any]


def _model_sync(o: SampleObjects) -> dict[str, Any]:
    source = Source(model_id=o.model, field="email")
    return {
        "name": "Customers",
        "mode": "updateOrCreate",
        "fields": [SyncField(source=source, target="Email")],
        "schedule": Schedule(frequency="daily", hour="4"),
        "target": ModelSyncV5Target(connection_id=o.crm, object="Contact"),
        "identities": ModelSyncIdentities(mappings=[Identity(source=source, target="Email", function="Equality")]),
        "model_filters": ModelFilters(conditions=[ModelFilterCondition(source=source, function="IsNotNull")]),
        "encryption_passphrase": "hunter2",
        "active": True,
    }


def _bulk_sync(o: SampleObjects) -> dict[str, Any]:
    return {
        "name": "CRM to warehouse",
        "source_connection_id": o.crm,
        "destination_connection_id": o.warehouse,
        "destination_configuration": {"schema": "crm"},
        "default_schedule": BulkSyncDefaultScheduleRequest(frequency="hourly", minute="5"),
        "data_cutoff_timestamp": LONG_AGO,
    }


CONNECTIONS: dict[str, Call] = {
    "connections_get_types": lambda c, o: c.connections.get_types(),
    "connections_get_connection_type_schema": lambda c, o: c.connections.get_connection_type_schema("postgresql"),
    "connections_get_type_parameter_values": lambda c, o: c.connections.get_type_parameter_values(
        "postgresql", field="schema", parameters=CONFIGURATION, query="pub", connection_id=o.warehouse
    ),
    "connections_list": lambda c, o: c.connections.list(),
    "connections_create": lambda c, o: c.connections.create(
        name="New", type="postgresql", configuration=CONFIGURATION, healthcheck_interval="3h30m", validate=True
    ),
    "connections_connect": lambda c, o: c.connections.connect(
        name="Theirs", redirect_url="https://example.com", type="salesforce", ttl=600
    ),
    "connections_test_connection": lambda c, o: c.connections.test_connection(
        type="postgresql", configuration=CONFIGURATION, connection_id=o.warehouse
    ),
    "connections_get": lambda c, o: c.connections.get(o.warehouse),
    "connections_update": lambda c, o: c.connections.update(o.warehouse, name="x", configuration=CONFIGURATION),
    "connections_delete": lambda c, o: c.connections.delete(o.spare, force=False),
    "connections_get_parameter_values": lambda c, o: c.connections.get_parameter_values(o.warehouse),
    "connections_proxy_execute_proxy": lambda c, o: c.connections.proxy.execute_proxy(
        o.crm, request=ConnectionProxyCall(method="GET", path="/objects", query={"limit": 10})
    ),
    "connections_proxy_get_proxy_info": lambda c, o: c.connections.proxy.get_proxy_info(o.crm),
    "connections_shared_connections_list_shared_connections": (
        lambda c, o: c.connections.shared_connections.list_shared_connections(o.crm)
    ),
    "model_sync_get_source": lambda c, o: c.model_sync.get_source(o.warehouse, params={"schema": ["public"]}),
    "model_sync_get_source_fields": lambda c, o: c.model_sync.get_source_fields(
        o.warehouse, params={"table": ["public.orders"]}
    ),
    "schemas_refresh": lambda c, o: c.schemas.refresh(o.crm),
    "schemas_get_status": lambda c, o: c.schemas.get_status(o.crm),
}
PARTNERS: dict[str, Call] = {
    "organization_list": lambda c, o: c.organization.list(),
    "connections_shared_connections_list_shared_connections_for_partner": (
        lambda c, o: c.connections.shared_connections.list_shared_connections_for_partner(o.organization, o.crm)
    ),
    "connections_shared_connections_create_shared_connection": (
        lambda c, o: c.connections.shared_connections.create_shared_connection(
            o.organization, o.crm, child_organization_id=o.child, name="Copy"
        )
    ),
}
MODEL_SYNCS: dict[str, Call] = {
    "model_sync_list": lambda c, o: c.model_sync.list(active=True, mode="updateOrCreate", limit=10),
    "model_sync_create": lambda c, o: c.model_sync.create(**_model_sync(o)),
    "model_sync_get_schedule_options": lambda c, o: c.model_sync.get_schedule_options(),
    "model_sync_get": lambda c, o: c.model_sync.get(o.sync),
    "model_sync_update": lambda c, o: c.model_sync.update(o.sync, **_model_sync(o)),
    "model_sync_delete": lambda c, o: c.model_sync.delete(o.sync),
    "model_sync_activate": lambda c, o: c.model_sync.activate(o.sync, active=False),
    "model_sync_cancel": lambda c, o: c.model_sync.cancel(o.sync),
    "model_sync_start": lambda c, o: c.model_sync.start(o.idle, resync=True, identities=["a@example.com"]),
    "model_sync_get_status": lambda c, o: c.model_sync.get_status(o.sync),
    "model_sync_error_handling_get": lambda c, o: c.model_sync.error_handling.get(o.sync),
    "model_sync_executions_list": lambda c, o: c.model_sync.executions.list(o.sync, ascending=True),
    "model_sync_executions_get": lambda c, o: c.model_sync.executions.get(o.sync, o.ended),
    "model_sync_executions_cancel": lambda c, o: c.model_sync.executions.cancel(o.sync, o.running),
    "model_sync_executions_get_console_logs": lambda c, o: c.model_sync.executions.get_console_logs(
        o.sync, o.running, limit=20
    ),
    "model_sync_executions_get_logs_index": lambda c, o: c.model_sync.executions.get_logs_index(o.sync, o.ended),
    "model_sync_executions_get_log_urls": lambda c, o: c.model_sync.executions.get_log_urls(o.sync, o.ended, "errors"),
    "models_list": lambda c, o: c.models.list(),
    "models_get": lambda c, o: c.models.get(o.model),
}
BULK_SYNCS: dict[str, Call] = {
    "bulk_sync_list": lambda c, o: c.bulk_sync.list(active=True),
    "bulk_sync_create": lambda c, o: c.bulk_sync.create(schemas=["Contact"], **_bulk_sync(o)),
    "bulk_sync_get": lambda c, o: c.bulk_sync.get(o.bulk, refresh_schemas=True),
    "bulk_sync_update": lambda c, o: c.bulk_sync.update(o.bulk, **_bulk_sync(o)),
    "bulk_sync_delete": lambda c, o: c.bulk_sync.delete(o.bulk),
    "bulk_sync_activate": lambda c, o: c.bulk_sync.activate(o.bulk, active=False),
    "bulk_sync_cancel": lambda c, o: c.bulk_sync.cancel(o.bulk),
    "bulk_sync_start": lambda c, o: c.bulk_sync.start(o.idle_bulk, schemas=["Contact"], resync_mode="rebuild"),
    "bulk_sync_get_status": lambda c, o: c.bulk_sync.get_status(o.bulk),
    "bulk_sync_executions_list_status": lambda c, o: c.bulk_sync.executions.list_status(sync_id=[o.bulk, o.idle_bulk]),
    "bulk_sync_executions_list": lambda c, o: c.bulk_sync.executions.list(o.bulk, only_terminal=True, limit=100),
    "bulk_sync_executions_get": lambda c, o: c.bulk_sync.executions.get(o.bulk, o.bulk_ended),
    "bulk_sync_executions_cancel": lambda c, o: c.bulk_sync.executions.cancel(o.bulk, o.bulk_running),
    "bulk_sync_executions_get_logs": lambda c, o: c.bulk_sync.executions.get_logs(o.bulk, o.bulk_ended),
    "bulk_sync_executions_get_console_logs": lambda c, o: c.bulk_sync.executions.get_console_logs(
        o.bulk, o.bulk_ended, limit=20
    ),
    "bulk_sync_schemas_list": lambda c, o: c.bulk_sync.schemas.list(o.bulk, filters={"enabled": "true"}),
    "bulk_sync_schemas_patch": lambda c, o: c.bulk_sync.schemas.patch(
        o.bulk, schemas=[BulkSchema(id="Lead", enabled=True, tracking_field="updated_at")]
    ),
}
OTHERS: dict[str, Call] = {
    "events_list": lambda c, o: c.events.list(starting_after=LONG_AGO, ending_before=FAR_AHEAD, limit=100),
    "events_get_types": lambda c, o: c.events.get_types(),
    "webhooks_list": lambda c, o: c.webhooks.list(),
    "webhooks_create": lambda c, o: c.webhooks.create(endpoint="https://example.com", secret="hunter2"),
    "webhooks_get": lambda c, o: c.webhooks.get(o.webhook),
    "webhooks_update": lambda c, o: c.webhooks.update(o.webhook, endpoint="https://example.org", secret="hunter2"),
    "webhooks_delete": lambda c, o: c.webhooks.delete(o.webhook),
    "webhooks_enable": lambda c, o: c.webhooks.enable(o.webhook),
    "webhooks_disable": lambda c, o: c.webhooks.disable(o.webhook),
    "webhooks_list_deliveries": lambda c, o: c.webhooks.list_deliveries(o.webhook, success=True, start=LONG_AGO),
    "jobs_get": lambda c, o: c.jobs.get("exportlogs", o.job),
    "entities_get": lambda c, o: c.entities.get(o.sync),
    "identity_get": lambda c, o: c.identity.get(),
}
CALLS: dict[str, Call] = {**CONNECTIONS, **PARTNERS, **MODEL_SYNCS, **BULK_SYNCS, **OTHERS}
