"""Write syncs, executions and connections as the API shows them."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator.clock import timestamp
from airflow_provider_polytomic.emulator.connections import Connection, redacted
from airflow_provider_polytomic.emulator.executions import Execution, SchemaState
from airflow_provider_polytomic.emulator.plans import SchemaPlan
from airflow_provider_polytomic.emulator.state import ORGANIZATION_NAME, USER_EMAIL, USER_ID, State
from airflow_provider_polytomic.emulator.switches import Switches
from airflow_provider_polytomic.emulator.syncs import BULK, Sync

_VERSION = "emulator"
_ACTOR = {"id": USER_ID, "name": USER_EMAIL, "type": "user"}
_DISPOSITIONS = {"resync": "truncate", "rebuild": "rebuild"}


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
        "output_disposition": _DISPOSITIONS.get(resync_mode or "", "retain"),
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


def sync_status(sync: Sync, now: float, switches: Switches) -> dict[str, Any]:
    """Write what a sync runs now and ran last."""
    running, ended = sync.running(now), sync.ended(now)
    status = {
        "current_execution": execution(running[0], now) if running else None,
        "last_execution": execution(ended[-1], now) if ended else None,
    }
    if switches.no_execution == "absent":
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
    """Write a sync in full."""
    return {
        "id": each.id,
        "name": each.name,
        "active": each.active,
        "organization_id": organization_id,
        "created_at": timestamp(each.created_at),
        "created_by": _ACTOR,
        "updated_at": timestamp(each.updated_at),
        "updated_by": _ACTOR,
        **each.attributes,
    }


def model_sync_in_list(each: Sync, organization_id: str) -> dict[str, Any]:
    """Write a model sync as its list shows it: without target, fields and filters."""
    whole = sync(each, organization_id)
    target = whole.pop("target")
    for name in ("fields", "problems"):
        whole.pop(name)
    return {**whole, "target_connection_id": target["connection_id"], "target_object": target["object"]}


def bulk_schema(schema: SchemaPlan) -> dict[str, Any]:
    """Write one schema of a bulk sync."""
    return {
        "id": schema.id,
        "enabled": schema.enabled,
        "output_name": schema.output_name or schema.id,
        "user_output_name": None,
        "partition_key": None,
        "tracking_field": None,
        "disable_data_cutoff": False,
        "data_cutoff_timestamp": None,
        "history_enabled": False,
    }


def connection(each: Connection, organization_id: str) -> dict[str, Any]:
    """Write a connection with its secrets masked."""
    return {
        "id": each.id,
        "name": each.name,
        "type": {"id": each.type, "name": each.type, "operations": []},
        "organization_id": organization_id,
        "configuration": redacted(each.configuration),
        "policies": list(each.policies),
        "saved": True,
        "status": each.status,
        "status_error": each.status_error,
        "parent_connection_id": None,
        "api_calls_last_24_hours": None,
        "rate_limit": None,
        "created_at": timestamp(each.created_at),
        "created_by": _ACTOR,
        "updated_at": timestamp(each.updated_at),
        "updated_by": _ACTOR,
    }


def created_connection(each: Connection, organization_id: str) -> dict[str, Any]:
    """Write a connection as the answer to its creation, which has no times."""
    whole = connection(each, organization_id)
    for name in ("created_at", "created_by", "updated_at", "updated_by", "parent_connection_id", "rate_limit"):
        whole.pop(name)
    return {**whole, "healthcheck_interval": each.healthcheck_interval, "auth_url": None, "auth_code": None}


def identity(state: State, auth: str | None) -> dict[str, Any]:
    """Write who the caller is: a user by a bearer key, the organization by a basic one."""
    is_user = auth == "bearer"
    user = {"id": USER_ID, "email": USER_EMAIL, "role": "admin"} if is_user else {}
    return {
        **user,
        "organization_id": state.organization_id,
        "organization_name": ORGANIZATION_NAME,
        "is_user": is_user,
        "is_organization": not is_user,
        "is_partner": False,
        "is_system": False,
        "credential": {"method": "api_key"},
    }
