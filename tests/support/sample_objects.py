"""Create one object of each kind in an emulator, so that each operation can be called."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

import httpx

from airflow_provider_polytomic.emulator import Emulator

SCHEMAS = [
    {"id": "Contact", "duration": 5, "records": 100},
    {"id": "Account", "duration": 10, "records": 50, "outcome": "failed", "message": "no access"},
    {"id": "Lead", "enabled": False},
]
COUNTS = {"total": 2500, "insert": 1100, "update": 1300, "delete": 90, "error": 10, "warnings": 3}


@dataclass(frozen=True)
class SampleObjects:
    """Ids of the objects.

    :param sync: A model sync whose ``ended`` execution has errors and whose ``running`` execution is in progress.
    :param bulk: A bulk sync in the same state.
    :param idle: A model sync without executions.
    :param spare: An unused connection.
    """

    organization: str
    child: str
    warehouse: str
    crm: str
    spare: str
    model: str
    sync: str
    ended: str
    running: str
    idle: str
    bulk: str
    bulk_ended: str
    bulk_running: str
    idle_bulk: str
    webhook: str
    job: str


def unknown_objects() -> SampleObjects:
    """Return ids of no objects."""
    return SampleObjects(*(str(uuid4()) for _ in SampleObjects.__dataclass_fields__))


def create_sample_objects(emulator: Emulator) -> SampleObjects:
    """Reset ``emulator``, which must have a manual clock, and create the objects."""
    emulator.reset()
    warehouse = emulator.add_connection(name="Warehouse", type="postgresql", configuration={"password": "x"}).id
    crm = emulator.add_connection(name="CRM", type="salesforce").id
    model = emulator.add_model(connection_id=warehouse, fields=[{"name": "email", "type": "string"}]).id
    plan = {"duration": 10, "counts": COUNTS, "errors": ["3 records refused"]}
    to_crm = {"target_connection_id": crm, "model_ids": [model]}
    sync = emulator.add_model_sync(**to_crm, **plan).id
    ends = {"source_connection_id": crm, "destination_connection_id": warehouse, "schemas": SCHEMAS}
    bulk = emulator.add_bulk_sync(**ends).id
    ended, bulk_ended = emulator.start(sync).id, emulator.start(bulk).id
    emulator.clock.advance(10)
    running, bulk_running = emulator.start(sync).id, emulator.start(bulk).id
    emulator.clock.advance(6)
    webhook = _post(emulator, "/api/webhooks", endpoint="https://example.com", secret="x")["id"]
    emulator.add_delivery(event_id=emulator.events[0]["id"], event_type="sync.running", status_code=200)
    child = emulator.add_organization(name="Child")
    shared = f"/api/organizations/{emulator.organization_id}/connections/{crm}/shared"
    _post(emulator, shared, key=emulator.partner_key, child_organization_id=child)
    return SampleObjects(
        organization=emulator.organization_id,
        child=child,
        warehouse=warehouse,
        crm=crm,
        spare=emulator.add_connection(name="Spare", type="s3").id,
        model=model,
        sync=sync,
        ended=ended,
        running=running,
        idle=emulator.add_model_sync(**to_crm).id,
        bulk=bulk,
        bulk_ended=bulk_ended,
        bulk_running=bulk_running,
        idle_bulk=emulator.add_bulk_sync(**ends).id,
        webhook=webhook,
        job=emulator.add_job("exportlogs", result={"url": "https://example.com"}).id,
    )


def _post(emulator: Emulator, path: str, key: str | None = None, **body: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {key or emulator.api_key}"}
    with httpx.Client(base_url=emulator.url, headers=headers, verify=False) as client:
        answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    data: dict[str, str] = answer.json()["data"]
    return data
