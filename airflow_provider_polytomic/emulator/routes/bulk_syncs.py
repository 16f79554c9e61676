"""Answer the bulk sync operations: ``/api/bulk/syncs``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_polytomic.emulator.domain import catalog, definitions
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.plans import SchemaPlan
from airflow_provider_polytomic.emulator.domain.syncs import BULK, Sync
from airflow_provider_polytomic.emulator.http.paging import by_change, by_creation
from airflow_provider_polytomic.emulator.http.request import RequestContext
from airflow_provider_polytomic.emulator.routes import rendering
from airflow_provider_polytomic.emulator.routes import syncs as sync_routes

_MOST_EXECUTIONS = 100
_ENDS = ("source_connection_id", "destination_connection_id")
_RESYNC_MODES = ("refetch", "resync", "rebuild")
_WITHOUT_RESYNC = "2025-09-18"
_FETCH_MODES = ("none", "incremental", "full")


def list_all(context: RequestContext) -> dict[str, Any]:
    """List bulk syncs."""
    return sync_routes.list_syncs(context, BULK, lambda sync: True, rendering.sync)


def create(context: RequestContext) -> dict[str, Any]:
    """Create a bulk sync, with the schemas that were chosen or all that its source has."""
    attributes = _definition(context)
    source = context.state.connection(attributes["source_connection_id"])
    known = tuple(SchemaPlan(each) for each in catalog.kind(source.type).tables)
    wanted = _wanted_schemas(context)
    schemas = definitions.selected(wanted, known) if wanted else known
    return sync_routes.create(context, BULK, attributes, schemas)


def update(context: RequestContext) -> dict[str, Any]:
    """Replace a bulk sync as a whole; its schemas stay where none are given."""
    sync = context.state.sync(context.ids["sync_id"], BULK)
    attributes, wanted = _definition(context, sync), _wanted_schemas(context)
    schemas = definitions.selected(wanted, sync.plan.schemas) if wanted else None
    return sync_routes.update(context, sync, attributes, schemas)


def _wanted_schemas(context: RequestContext) -> list[Any]:
    wanted = context.field("schemas", list) or []
    if not all(isinstance(each, (str, dict)) for each in wanted):
        raise ApiError(400, "schemas must be a list of ids or objects.")
    return list(wanted)


def _definition(context: RequestContext, sync: Sync | None = None) -> dict[str, Any]:
    """Read the body; both connections must be there, unless ``sync`` has them already."""
    for name in ("name", *_ENDS):
        context.field(name, str, required=True)
    for name in ("destination_configuration", "default_schedule"):
        context.field(name, dict, required=True)
    context.objects("additional_schedules")
    context.word("mode", definitions.BULK_MODES)
    attributes = definitions.bulk_sync(context.body)
    sync_routes.require_connections(context, [attributes[name] for name in _ENDS], sync)
    return attributes


def list_status(context: RequestContext) -> dict[str, Any]:
    """Give the status of many bulk syncs: all, the active ones, or those named by ``sync_id``."""
    now = context.state.clock()
    chosen = context.state.behavior.in_order(_chosen(context))
    return {"data": [rendering.batch_status(each, now) for each in chosen]}


def _chosen(context: RequestContext) -> list[Sync]:
    syncs = context.state.syncs_of(BULK)
    if context.flag("all"):
        return syncs
    if context.flag("active"):
        return [each for each in syncs if each.active]
    by_id = {each.id: each for each in syncs}
    wanted = _as_many_as_fit(context, context.query.getlist("sync_id"))
    if context.state.behavior.batch_status_unknown_id == "refuse" and not set(wanted) <= set(by_id):
        raise ApiError(404, "A sync was not found.")
    return [by_id[sync_id] for sync_id in dict.fromkeys(wanted) if sync_id in by_id]


def _as_many_as_fit(context: RequestContext, ids: list[str]) -> list[str]:
    behavior = context.state.behavior
    if behavior.batch_status_most_ids is None or len(ids) <= behavior.batch_status_most_ids:
        return ids
    if behavior.batch_status_too_many != "cut":
        raise ApiError(int(behavior.batch_status_too_many), "There are too many ids.")
    return ids[: behavior.batch_status_most_ids]


def list_executions(context: RequestContext) -> dict[str, Any]:
    """List the executions of a bulk sync; those that have ended, when only they are wanted, by their end."""
    only_ended = context.flag("only_terminal") or False
    order = by_change if only_ended else by_creation
    return sync_routes.list_executions(context, BULK, only_ended, order, context.page_request(_MOST_EXECUTIONS))


def start(context: RequestContext) -> dict[str, Any]:
    """Start a bulk sync, active or not, whole or for some schemas."""
    if "resync" in context.body and context.version >= _WITHOUT_RESYNC:
        raise ApiError(400, "resync is no longer supported; use resync_mode.")
    request = {
        "test": context.field("test", bool),
        "resync_mode": context.word("resync_mode", _RESYNC_MODES)
        or ("resync" if context.body.get("resync") else None),
        "fetch_mode": context.word("fetch_mode", _FETCH_MODES),
        "schemas": context.field("schemas", list),
    }
    if request["test"] and request["resync_mode"]:
        raise ApiError(400, "test and resync_mode exclude each other.")
    return sync_routes.start(context, BULK, {name: value for name, value in request.items() if value is not None})


def list_schemas(context: RequestContext) -> dict[str, Any]:
    """List the schemas of a bulk sync, all or those that are enabled or not."""
    enabled = context.flag("filters[enabled]")
    schemas = context.state.sync(context.ids["sync_id"], BULK).plan.schemas
    wanted = context.state.behavior.in_order(each for each in schemas if enabled in (None, each.enabled))
    return {"data": [definitions.shown_schema_in_list(each) for each in wanted]}


def update_schemas(context: RequestContext) -> dict[str, Any]:
    """Change some schemas of a bulk sync and give those."""
    sync = context.state.sync(context.ids["sync_id"], BULK)
    changes = context.objects("schemas")
    sync.plan = replace(sync.plan, schemas=definitions.patched(changes, sync.plan.schemas))
    sync.updated_at = context.state.clock()
    changed = {each["id"] for each in changes}
    return {"data": [definitions.shown_schema(each) for each in sync.plan.schemas if each.id in changed]}


HANDLERS = {
    ("GET", "/api/bulk/syncs"): list_all,
    ("POST", "/api/bulk/syncs"): create,
    ("PUT", "/api/bulk/syncs/{sync_id}"): update,
    ("GET", "/api/bulk/syncs/status"): list_status,
    ("GET", "/api/bulk/syncs/{sync_id}/executions"): list_executions,
    ("POST", "/api/bulk/syncs/{sync_id}/executions"): start,
    ("GET", "/api/bulk/syncs/{sync_id}/schemas"): list_schemas,
    ("PATCH", "/api/bulk/syncs/{sync_id}/schemas"): update_schemas,
}
