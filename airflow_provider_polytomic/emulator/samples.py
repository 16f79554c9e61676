"""Provide a few syncs to try things on, with ids that never change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_polytomic.emulator.control.methods import Controls
    from airflow_provider_polytomic.emulator.domain.syncs import Sync

MODEL_SYNC_ID = "00000000-0000-4000-8000-000000000001"
FAILING_MODEL_SYNC_ID = "00000000-0000-4000-8000-000000000002"
BULK_SYNC_ID = "00000000-0000-4000-8000-000000000003"
WAREHOUSE_CONNECTION_ID = "00000000-0000-4000-8000-000000000011"
CRM_CONNECTION_ID = "00000000-0000-4000-8000-000000000012"


def add_samples(controls: Controls) -> list[Sync]:
    """Add a model sync that succeeds, one that fails, and a bulk sync, with their two connections."""
    controls.add_connection(
        id=WAREHOUSE_CONNECTION_ID,
        name="Warehouse",
        type="postgresql",
        configuration={"hostname": "warehouse.example.com", "database": "analytics", "password": "not-a-secret"},
    )
    controls.add_connection(
        id=CRM_CONNECTION_ID, name="CRM", type="salesforce", configuration={"instance_url": "https://crm.example.com"}
    )
    return [_succeeding(controls), _failing(controls), _bulk(controls)]


def _succeeding(controls: Controls) -> Sync:
    return controls.add_model_sync(
        id=MODEL_SYNC_ID,
        name="Customers to CRM",
        target_connection_id=CRM_CONNECTION_ID,
        target_object="Contact",
        duration=20,
        counts={"total": 1200, "insert": 800, "update": 397, "error": 3, "warnings": 1},
        errors=["3 records have an email address that the CRM does not accept"],
    )


def _failing(controls: Controls) -> Sync:
    return controls.add_model_sync(
        id=FAILING_MODEL_SYNC_ID,
        name="Orders to CRM",
        target_connection_id=CRM_CONNECTION_ID,
        target_object="Order__c",
        duration=8,
        outcome="failed",
        counts={"total": 40, "error": 40},
        errors=["The CRM refused the login: the session has expired"],
    )


def _bulk(controls: Controls) -> Sync:
    return controls.add_bulk_sync(
        id=BULK_SYNC_ID,
        name="CRM to warehouse",
        source_connection_id=CRM_CONNECTION_ID,
        destination_connection_id=WAREHOUSE_CONNECTION_ID,
        schemas=[
            {"id": "Account", "output_name": "account", "duration": 6, "records": 320},
            {"id": "Contact", "output_name": "contact", "duration": 12, "records": 1800},
            {"id": "Opportunity", "output_name": "opportunity", "duration": 18, "records": 950, "warnings": 2},
        ],
    )
