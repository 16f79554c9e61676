"""Sample syncs with constant ids: a model sync that succeeds, one that fails, and a bulk sync."""

from __future__ import annotations

from typing import Any

MODEL_SYNC_ID = "00000000-0000-4000-8000-000000000001"
FAILING_MODEL_SYNC_ID = "00000000-0000-4000-8000-000000000002"
BULK_SYNC_ID = "00000000-0000-4000-8000-000000000003"
WAREHOUSE_CONNECTION_ID = "00000000-0000-4000-8000-000000000011"
CRM_CONNECTION_ID = "00000000-0000-4000-8000-000000000012"

CONNECTIONS: tuple[dict[str, Any], ...] = (
    {
        "id": WAREHOUSE_CONNECTION_ID,
        "name": "Warehouse",
        "type": "postgresql",
        "configuration": {"hostname": "warehouse.example.com", "database": "analytics", "password": "not-a-secret"},
    },
    {
        "id": CRM_CONNECTION_ID,
        "name": "CRM",
        "type": "salesforce",
        "configuration": {"instance_url": "https://crm.example.com"},
    },
)
MODEL_SYNCS: tuple[dict[str, Any], ...] = (
    {
        "id": MODEL_SYNC_ID,
        "name": "Customers to CRM",
        "target_connection_id": CRM_CONNECTION_ID,
        "target_object": "Contact",
        "duration": 20,
        "counts": {"total": 1200, "insert": 800, "update": 397, "error": 3, "warnings": 1},
        "errors": ["3 records have an email address that the CRM does not accept"],
    },
    {
        "id": FAILING_MODEL_SYNC_ID,
        "name": "Orders to CRM",
        "target_connection_id": CRM_CONNECTION_ID,
        "target_object": "Order__c",
        "duration": 8,
        "outcome": "failed",
        "counts": {"total": 40, "error": 40},
        "errors": ["The CRM refused the login: the session has expired"],
    },
)
BULK_SYNC: dict[str, Any] = {
    "id": BULK_SYNC_ID,
    "name": "CRM to warehouse",
    "source_connection_id": CRM_CONNECTION_ID,
    "destination_connection_id": WAREHOUSE_CONNECTION_ID,
    "schemas": [
        {"id": "Account", "output_name": "account", "duration": 6, "records": 320},
        {"id": "Contact", "output_name": "contact", "duration": 12, "records": 1800},
        {"id": "Opportunity", "output_name": "opportunity", "duration": 18, "records": 950, "warnings": 2},
    ],
}
