"""Operations on bulk syncs: ``/api/bulk/syncs``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_polytomic.emulator.domain import connections, definitions
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.plans import SchemaPlan
from airflow_provider_polytomic.emulator.domain.syncs import BULK, Sync
from airflow_provider_polytomic.emulator.http.request import Handlers, RequestContext
from airflow_provider_polytomic.emulator.routes import executions, syncs

_MAX_LISTED_EXECUTIONS = 100
_CONNECTION_FIELDS = ("source_connection_id", "destination_connection_id")
_RESYNC_MODES = ("refetch", "resync", "rebuild")
_FETCH_MODES = ("none", "incremental", "full")
_VERSION_WITHOUT_RESYNC = "2025-09-18"


def list_all(context: RequestContext) -> dict[str, Any]:
    """List bulk syncs."""
    return syncs.list_syncs(context, syncs.sync_to_json)


def create(context: RequestContext) -> dict[str, Any]:
    """Create a bulk sync, with the given schemas or with all that its source has."""
    attributes = _definition(context)
    source = context.state.connection(attributes["source_connection_id"])
    known = tuple(SchemaPlan(each) for each in connections.system(source.type).tables)
    wanted = _wanted_schemas(context)
    return syncs.create(context, attributes, definitions.select_schemas(wanted, known) if wanted else known)


def update(context: RequestContext) -> dict[str, Any]:
    """Replace the definition of a bulk sync; its schemas remain if none are given."""
    known, attributes, wanted = context.sync.plan.schemas, _definition(context), _wanted_schemas(context)
    return syncs.update(context, attributes, definitions.select_schemas(wanted, known) if wanted else None)


def _wanted_schemas(context: RequestContext) -> list[Any]:
    wanted = context.field("schemas", list) or []
    if not all(isinstance(each, (str, dict)) for each in wanted):
        raise ApiError(400, "schemas must be a list of ids or objects.")
    return list(wanted)


def _definition(context: RequestContext) -> dict[str, Any]:
    for name in ("name", *_CONNECTION_FIELDS):
        context.field(name, str, required=True)
    for name in ("destination_configuration", "default_schedule"):
        context.field(name, dict, required=True)
    context.objects("additional_schedules")
    context.choice("mode", definitions.BULK_MODES)
    attributes = definitions.bulk_sync(context.body)
    syncs.require_connections(context, *(attributes[name] for name in _CONNECTION_FIELDS))
    return attributes


def list_status(context: RequestContext) -> dict[str, Any]:
    """Return the status of many bulk syncs: all, the active ones, or those of ``sync_id``."""
    return {"data": [_batch_status(each, context.now) for each in context.behavior.in_order(_selected(context))]}


def _selected(context: RequestContext) -> list[Sync]:
    by_id, behavior = {each.id: each for each in context.state.syncs_of(BULK)}, context.behavior
    if context.flag("all"):
        return list(by_id.values())
    if context.flag("active"):
        return [each for each in by_id.values() if each.active]
    ids, limit = context.query.getlist("sync_id"), behavior.batch_status_most_ids
    if limit is not None and len(ids) > limit:
        if behavior.batch_status_too_many != "cut":
            raise ApiError(int(behavior.batch_status_too_many), "There are too many ids.")
        ids = ids[:limit]
    if behavior.batch_status_unknown_id == "refuse" and not set(ids) <= set(by_id):
        raise ApiError(404, "A sync was not found.")
    return [by_id[sync_id] for sync_id in dict.fromkeys(ids) if sync_id in by_id]


def _batch_status(sync: Sync, now: float) -> dict[str, Any]:
    """Return the status of a sync, with the newest execution of each enabled schema, running ones first."""
    newest_first = sorted(reversed(sync.executions), key=lambda each: each.ended(now))
    latest: dict[str, dict[str, Any]] = {}
    for each in newest_first:
        for schema in each.schemas(now):
            latest.setdefault(schema.id, {**executions.schema_to_json(schema), "execution_id": each.id})
    return {
        "sync_id": sync.id,
        "status": newest_first[0].status(now) if newest_first else None,
        "nextExecutionTime": sync.next_execution_time,
        "schemas": [latest[each.id] for each in sync.plan.schemas if each.enabled and each.id in latest],
    }


def list_executions(context: RequestContext) -> dict[str, Any]:
    """List the executions of a bulk sync; with ``only_terminal`` those that have ended, by their end."""
    limit, now = context.limit(_MAX_LISTED_EXECUTIONS), context.now
    if not context.flag("only_terminal"):
        return executions.list_executions(context, lambda each: True, limit=limit)
    return executions.list_executions(context, lambda each: each.ended(now), lambda each: each.ending.at, limit)


def start(context: RequestContext) -> dict[str, Any]:
    """Start a bulk sync, active or not, for all schemas or for some."""
    if "resync" in context.body and context.version >= _VERSION_WITHOUT_RESYNC:
        raise ApiError(400, "resync is no longer supported; use resync_mode.")
    test, schemas = context.field("test", bool), context.field("schemas", list)
    resync_mode = context.choice("resync_mode", _RESYNC_MODES) or ("rebuild" if context.body.get("resync") else None)
    fetch_mode = context.choice("fetch_mode", _FETCH_MODES)
    if test and resync_mode:
        raise ApiError(400, "test and resync_mode exclude each other.")
    answer = context.behavior.start_while_refreshing
    if answer != "accept" and _source_refreshes(context):
        raise ApiError(int(answer), "The schemas of the source are being refreshed.")
    execution = executions.start(context, test=test, resync_mode=resync_mode, fetch_mode=fetch_mode, schemas=schemas)
    return {"data": executions.execution_to_json(execution, context.now)}


def list_schemas(context: RequestContext) -> dict[str, Any]:
    """List the schemas of a bulk sync: all, or those that are enabled or not."""
    enabled = context.flag("filters[enabled]")
    hidden = context.behavior.schemas_while_refreshing == "none" and _source_refreshes(context)
    known = () if hidden else context.sync.plan.schemas
    wanted = context.behavior.in_order(each for each in known if enabled in (None, each.enabled))
    shown = [definitions.schema_to_json(each) for each in wanted]
    return {"data": [{name: each[name] for name in each if name not in ("fields", "filters")} for each in shown]}


def _source_refreshes(context: RequestContext) -> bool:
    source = context.state.connections.get(context.sync.connections["source_connection_id"])
    return source is not None and source.refreshing(context.now)


def update_schemas(context: RequestContext) -> dict[str, Any]:
    """Change some schemas of a bulk sync and return them."""
    sync, changes = context.sync, context.objects("schemas")
    sync.plan = replace(sync.plan, schemas=definitions.update_schemas(changes, sync.plan.schemas))
    sync.updated_at = context.now
    changed = {each["id"] for each in changes}
    return {"data": [definitions.schema_to_json(each) for each in sync.plan.schemas if each.id in changed]}


HANDLERS: Handlers = {
    ("GET", "/api/bulk/syncs"): list_all,
    ("POST", "/api/bulk/syncs"): create,
    ("PUT", "/api/bulk/syncs/{sync_id}"): update,
    ("GET", "/api/bulk/syncs/status"): list_status,
    ("GET", "/api/bulk/syncs/{sync_id}/executions"): list_executions,
    ("POST", "/api/bulk/syncs/{sync_id}/executions"): start,
    ("GET", "/api/bulk/syncs/{sync_id}/schemas"): list_schemas,
    ("PATCH", "/api/bulk/syncs/{sync_id}/schemas"): update_schemas,
}
