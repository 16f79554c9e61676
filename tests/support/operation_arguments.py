"""Arguments with which each operation of the catalogue succeeds on the sample objects of an emulator."""

from __future__ import annotations

from typing import Any

from tests.support.sample_objects import SampleObjects

PARTNER_OPERATIONS = {"organizations.list", "connections.list_shared_for_partner", "connections.create_shared"}
"""Operations that need the key of a partner."""


def arguments_for(o: SampleObjects) -> dict[str, dict[str, Any]]:
    """Return the arguments of each operation by its name."""
    sync, bulk, connection = {"sync_id": o.sync}, {"sync_id": o.bulk}, {"connection_id": o.warehouse}
    ended, bulk_ended = {**sync, "execution_id": o.ended}, {**bulk, "execution_id": o.bulk_ended}
    settings = {"configuration": {"hostname": "db.example.com", "database": "a", "password": "hunter22"}}
    partner = {"org_id": o.organization, "connection_id": o.crm}
    webhook = {"webhook_id": o.webhook}
    model_sync = {
        "name": "Customers",
        "mode": "updateOrCreate",
        "fields": [{"source": {"model_id": o.model, "field": "email"}, "target": "Email"}],
        "schedule": {"frequency": "manual"},
        "target": {"connection_id": o.crm, "object": "Contact"},
        "identity": {"source": {"model_id": o.model, "field": "email"}, "target": "Email", "function": "Equality"},
    }
    bulk_sync = {
        "name": "CRM",
        "source_connection_id": o.crm,
        "destination_connection_id": o.warehouse,
        "destination_configuration": {"schema": "crm"},
        "default_schedule": {"frequency": "manual"},
    }
    return {
        "bulk_syncs.activate": {**bulk, "active": False},
        "bulk_syncs.cancel": bulk,
        "bulk_syncs.cancel_execution": {**bulk, "execution_id": o.bulk_running},
        "bulk_syncs.create": bulk_sync,
        "bulk_syncs.delete": bulk,
        "bulk_syncs.get": bulk,
        "bulk_syncs.get_console_log": bulk_ended,
        "bulk_syncs.get_execution": bulk_ended,
        "bulk_syncs.get_logs": bulk_ended,
        "bulk_syncs.get_status": bulk,
        "bulk_syncs.list": {"active": True},
        "bulk_syncs.list_executions": {**bulk, "only_terminal": True, "limit": 100},
        "bulk_syncs.list_schemas": {**bulk, "filters": {"enabled": True}},
        "bulk_syncs.list_status": {"sync_id": [o.bulk, o.idle_bulk]},
        "bulk_syncs.start": {"sync_id": o.idle_bulk, "schemas": ["Contact"], "resync_mode": "rebuild"},
        "bulk_syncs.update": {**bulk, **bulk_sync},
        "bulk_syncs.update_schemas": {**bulk, "schemas": [{"id": "Lead", "enabled": True}]},
        "connections.connect": {"name": "New", "redirect_url": "https://example.com"},
        "connections.create": {"name": "New", "type": "postgresql", **settings},
        "connections.create_shared": {**partner, "child_organization_id": o.child, "name": "Copy"},
        "connections.delete": {"connection_id": o.spare, "force": True},
        "connections.execute_proxy": {"connection_id": o.crm, "request": {"method": "GET", "path": "/v1/x"}},
        "connections.get": connection,
        "connections.get_parameter_values": connection,
        "connections.get_proxy_info": {"connection_id": o.crm},
        "connections.get_type": {"type": "postgresql"},
        "connections.get_type_parameter_values": {"type": "postgresql", "field": "database", "parameters": {}},
        "connections.list": {},
        "connections.list_shared": {"connection_id": o.crm},
        "connections.list_shared_for_partner": partner,
        "connections.list_types": {},
        "connections.test": {"type": "postgresql", **settings},
        "connections.update": {**connection, "name": "Warehouse", **settings},
        "data_models.get": {"model_id": o.model},
        "data_models.list": {},
        "entities.get": {"entity_id": o.bulk_ended},
        "events.list": {"limit": 100},
        "events.list_types": {},
        "identity.get": {},
        "jobs.get": {"type": "exportlogs", "job_id": o.job},
        "organizations.list": {},
        "schemas.get_status": connection,
        "schemas.refresh": connection,
        "syncs.activate": {**sync, "active": False},
        "syncs.cancel": sync,
        "syncs.cancel_execution": {**sync, "execution_id": o.running},
        "syncs.create": model_sync,
        "syncs.delete": sync,
        "syncs.get": sync,
        "syncs.get_console_log": ended,
        "syncs.get_error_handling": sync,
        "syncs.get_execution": ended,
        "syncs.get_log_urls": {**ended, "type": "errors"},
        "syncs.get_logs_index": ended,
        "syncs.get_schedule_options": {},
        "syncs.get_source": {**connection, "params": {"schema": ["public"]}},
        "syncs.get_source_fields": {**connection, "params": {"table": ["public.orders"]}},
        "syncs.get_status": sync,
        "syncs.list": {"active": True, "mode": "updateOrCreate"},
        "syncs.list_executions": sync,
        "syncs.start": {"sync_id": o.idle, "resync": True},
        "syncs.update": {**sync, **model_sync},
        "webhooks.create": {"endpoint": "https://example.com", "secret": "hunter22"},
        "webhooks.delete": webhook,
        "webhooks.disable": webhook,
        "webhooks.enable": webhook,
        "webhooks.get": webhook,
        "webhooks.list": {},
        "webhooks.list_deliveries": {**webhook, "success": True},
        "webhooks.update": {**webhook, "endpoint": "https://example.org", "secret": "hunter22"},
    }
