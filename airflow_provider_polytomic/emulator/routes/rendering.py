"""Write syncs, executions and models as the API shows them."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.connections import MASK
from airflow_provider_polytomic.emulator.domain.executions import Execution, SchemaState
from airflow_provider_polytomic.emulator.domain.models import Model
from airflow_provider_polytomic.emulator.domain.state import USER_EMAIL, USER_ID
from airflow_provider_polytomic.emulator.domain.syncs import BULK, Sync

_VERSION = "emulator"
ACTOR = {"id": USER_ID, "name": USER_EMAIL, "type": "user"}
_IN_LIST = (
    *("id", "name", "active", "mode", "schedule", "model_ids", "organization_id"),
    *("created_at", "created_by", "updated_at", "updated_by"),
    *("sync_all_records", "skip_initial_backfill", "only_enrich_updates"),
)


def execution(each: Execution, now: float) -> dict[str, Any]:
    """Write one execution of either kind."""
    return _bulk_execution(each, now) if each.kind == BULK else _model_execution(each, now)


def started(each: Execution, now: float) -> dict[str, Any]:
    """Write the answer to a start: of a model sync three fields, of a bulk sync the whole execution."""
    if each.kind == BULK:
        return _bulk_execution(each, now)
    return {"id": each.id, "status": each.status(now), "created_at": timestamp(each.created_at)}


def _model_execution(each: Execution, now: float) -> dict[str, Any]:
    return {
        "id": each.id,
        "type": each.type,
        "status": each.status(now),
        "created_at": timestamp(each.created_at),
        "started_at": timestamp(each.started_at(now)),
        "completed_at": timestamp(each.completed_at(now)),
        "counts": each.counts(now),
        "errors": list(each.errors(now)),
        "version": _VERSION,
    }


def _bulk_execution(each: Execution, now: float) -> dict[str, Any]:
    schemas = each.schemas(now)
    resync_mode = each.request.get("resync_mode")
    return {
        "id": each.id,
        "type": each.type,
        "status": each.status(now),
        "status_message": each.message(now),
        "created_at": timestamp(each.created_at),
        "started_at": timestamp(each.started_at(now)),
        "completed_at": timestamp(each.completed_at(now)),
        "updated_at": timestamp(min(now, each.ending.at)),
        "record_count": sum(schema.records for schema in schemas),
        "error_count": sum(schema.errors for schema in schemas),
        "warning_count": sum(schema.warnings for schema in schemas),
        "is_test": bool(each.request.get("test")),
        "is_resync": resync_mode is not None,
        "is_partial": bool(each.request.get("schemas")),
        "fetch_mode": each.request.get("fetch_mode") or "incremental",
        "output_disposition": each.disposition,
        "version": _VERSION,
        "schemas": [_schema_execution(schema, each, now) for schema in schemas],
    }


def _schema_execution(schema: SchemaState, each: Execution, now: float) -> dict[str, Any]:
    return {
        **_schema_progress(schema),
        "output_name": schema.output_name,
        "created_at": timestamp(each.created_at),
        "updated_at": timestamp(schema.completed_at or now),
        "version": _VERSION,
    }


def _schema_progress(schema: SchemaState) -> dict[str, Any]:
    return {
        "schema": schema.id,
        "status": schema.status,
        "status_message": schema.message,
        "record_count": schema.records,
        "error_count": schema.errors,
        "warning_count": schema.warnings,
        "started_at": timestamp(schema.started_at),
        "completed_at": timestamp(schema.completed_at),
    }


def sync_status(sync: Sync, now: float, behavior: Behavior) -> dict[str, Any]:
    """Write what a sync runs now and ran last."""
    running, ended = sync.running(now), sync.ended(now - behavior.status_lag)
    status = {
        "current_execution": execution(running[0], now) if running else None,
        "last_execution": execution(ended[-1], now) if ended else None,
    }
    if behavior.no_execution == "absent":
        status = {name: value for name, value in status.items() if value is not None}
    return {**status, "next_execution_time": sync.next_execution_time}


def batch_status(sync: Sync, now: float) -> dict[str, Any]:
    """Write one bulk sync for the batch status: each enabled schema's newest execution, a running one first."""
    newest_first = sorted(reversed(sync.executions), key=lambda each: each.ended(now))
    latest: dict[str, dict[str, Any]] = {}
    for each in newest_first:
        for schema in each.schemas(now):
            latest.setdefault(schema.id, {**_schema_progress(schema), "execution_id": each.id})
    return {
        "sync_id": sync.id,
        "status": newest_first[0].status(now) if newest_first else None,
        "nextExecutionTime": sync.next_execution_time,
        "schemas": [latest[each.id] for each in sync.plan.schemas if each.enabled and each.id in latest],
    }


def sync(each: Sync, organization_id: str) -> dict[str, Any]:
    """Write a sync in full, its passphrase masked."""
    passphrase = {"encryption_passphrase": MASK} if each.attributes.get("encryption_passphrase") else {}
    return {
        "id": each.id,
        "name": each.name,
        "active": each.active,
        "organization_id": organization_id,
        "created_at": timestamp(each.created_at),
        "created_by": ACTOR,
        "updated_at": timestamp(each.updated_at),
        "updated_by": ACTOR,
        **each.attributes,
        **passphrase,
    }


def model_sync_in_list(each: Sync, organization_id: str) -> dict[str, Any]:
    """Write a model sync as its list shows it: without target, fields and filters."""
    whole = sync(each, organization_id)
    target = whole["target"]
    return {
        **{name: whole[name] for name in _IN_LIST},
        "target_connection_id": target["connection_id"],
        "target_object": target.get("object"),
    }


def model(each: Model, organization_id: str) -> dict[str, Any]:
    """Write a model."""
    return {
        "id": each.id,
        "name": each.name,
        "type": each.type,
        "connection_id": each.connection_id,
        "organization_id": organization_id,
        "configuration": dict(each.configuration),
        "identifier": each.identifier,
        "fields": [{"id": field.get("name"), **field} for field in each.fields],
        "relations": [],
        "tracking_columns": [],
        "labels": [],
        "policies": [],
        "enricher": None,
        "version": 1,
        "created_at": timestamp(each.created_at),
        "created_by": ACTOR,
        "updated_at": timestamp(each.updated_at),
        "updated_by": ACTOR,
    }
