"""Operations that model syncs and bulk syncs share, and syncs as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow_provider_polytomic.emulator.domain.connections import MASK
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.plans import Plan, SchemaPlan
from airflow_provider_polytomic.emulator.domain.state import Model, State, audit_fields
from airflow_provider_polytomic.emulator.domain.syncs import Sync
from airflow_provider_polytomic.emulator.http.request import Handlers, Position, RequestContext
from airflow_provider_polytomic.emulator.routes.executions import CANCEL_REQUESTED, check_running, execution_to_json


def last_changed_first(changed: Sync | Model) -> Position:
    """Sort syncs or models by ``updated_at`` descending, then by id."""
    return (-changed.updated_at, changed.id)


def list_syncs(
    context: RequestContext, to_json: Callable[[Sync, State], dict[str, Any]], **attributes: str | None
) -> dict[str, Any]:
    """List the syncs of one kind, filtered by activity and by the ``attributes`` that are given."""
    active = context.flag("active")
    wanted = {name: value for name, value in attributes.items() if value is not None}
    syncs = (
        each
        for each in context.state.syncs_of(context.kind)
        if active in (None, each.active)
        and wanted.items() <= {**each.connections, "mode": each.attributes["mode"]}.items()
    )
    return context.page(syncs, last_changed_first, lambda each: to_json(each, context.state))


def create(context: RequestContext, attributes: dict[str, Any], schemas: tuple[SchemaPlan, ...] = ()) -> dict[str, Any]:
    """Create a sync."""
    name, active = context.body["name"], _active(context)
    sync = context.state.add_sync(context.kind, name, Plan(schemas=schemas), attributes, active=active)
    return {"data": sync_to_json(sync, context.state)}


def update(
    context: RequestContext, attributes: dict[str, Any], schemas: tuple[SchemaPlan, ...] | None = None
) -> dict[str, Any]:
    """Replace the definition of a sync; its schemas remain if none are given."""
    sync, active = context.sync, _active(context)
    if active != sync.active:
        sync.activate(active, context.now)
    sync.name, sync.attributes, sync.updated_at = context.body["name"], attributes, context.now
    if schemas is not None:
        sync.plan = replace(sync.plan, schemas=schemas)
    return {"data": sync_to_json(sync, context.state)}


def _active(context: RequestContext) -> bool:
    active: bool | None = context.field("active", bool)
    return context.behavior.default_active if active is None else active


def require_connections(context: RequestContext, *connection_ids: str | None) -> None:
    """Check that the connections exist, except those that the sync to update has already."""
    present = context.sync.connections.values() if "sync_id" in context.ids else ()
    for each in connection_ids:
        if each not in present:
            context.state.connection(str(each))


def get(context: RequestContext) -> dict[str, Any]:
    """Return a sync."""
    return {"data": sync_to_json(context.sync, context.state)}


def delete(context: RequestContext) -> None:
    """Delete a sync."""
    context.state.delete_sync(context.sync)


def get_status(context: RequestContext) -> dict[str, Any]:
    """Return the running and the last execution of a sync."""
    sync, now = context.sync, context.now
    running, ended = sync.running(now), sync.ended(now - context.behavior.status_lag)
    status = {
        "current_execution": execution_to_json(running[0], now) if running else None,
        "last_execution": execution_to_json(ended[-1], now) if ended else None,
    }
    if context.behavior.no_execution == "absent":
        status = {name: value for name, value in status.items() if value is not None}
    return {"data": {**status, "next_execution_time": sync.next_execution_time}}


def activate(context: RequestContext) -> dict[str, Any]:
    """Activate or deactivate a sync."""
    active = context.field("active", bool, required=True)
    if active and context.sync.attributes.get("problems"):
        raise ApiError(422, "The sync has problems.")
    context.sync.activate(active, context.now)
    return {"data": {"id": context.sync.id, "active": active}}


def cancel(context: RequestContext) -> dict[str, Any]:
    """Request the cancellation of the running executions of a sync."""
    check_running(context, context.sync.cancel(context.now) > 0)
    return CANCEL_REQUESTED


def sync_to_json(sync: Sync, state: State) -> dict[str, Any]:
    """Return a sync as the API shows it, with its passphrase masked."""
    passphrase = {"encryption_passphrase": MASK} if sync.attributes.get("encryption_passphrase") else {}
    return {
        "id": sync.id,
        "name": sync.name,
        "active": sync.active,
        "organization_id": state.organization_id,
        **audit_fields(sync),
        **sync.attributes,
        **passphrase,
    }


HANDLERS: Handlers = {
    (method, prefix + path): handler
    for prefix in ("/api/syncs/{sync_id}", "/api/bulk/syncs/{sync_id}")
    for method, path, handler in (
        ("GET", "", get),
        ("DELETE", "", delete),
        ("GET", "/status", get_status),
        ("POST", "/activate", activate),
        ("POST", "/cancel", cancel),
    )
}
