"""Answer the bulk sync operations: ``/api/bulk/syncs``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_polytomic.emulator.domain import catalog, definitions
from airflow_provider_polytomic.emulator.domain.errors import Refused
from airflow_provider_polytomic.emulator.domain.plans import SchemaPlan
from airflow_provider_polytomic.emulator.domain.syncs import BULK, Sync
from airflow_provider_polytomic.emulator.http.paging import by_change, by_creation
from airflow_provider_polytomic.emulator.http.request import Incoming
from airflow_provider_polytomic.emulator.routes import rendering
from airflow_provider_polytomic.emulator.routes import syncs as sync_routes

_MOST_EXECUTIONS = 100
_ENDS = ("source_connection_id", "destination_connection_id")
_RESYNC_MODES = ("refetch", "resync", "rebuild")
_WITHOUT_RESYNC = "2025-09-18"
_FETCH_MODES = ("none", "incremental", "full")


def list_all(incoming: Incoming) -> dict[str, Any]:
    """List bulk syncs."""
    return sync_routes.list_syncs(incoming, BULK, lambda sync: True, rendering.sync)


def create(incoming: Incoming) -> dict[str, Any]:
    """Create a bulk sync, with the schemas that were chosen or all that its source has."""
    attributes = _definition(incoming)
    source = incoming.state.connection(attributes["source_connection_id"])
    known = tuple(SchemaPlan(each) for each in catalog.kind(source.type).tables)
    wanted = _wanted_schemas(incoming)
    schemas = definitions.selected(wanted, known) if wanted else known
    return sync_routes.create(incoming, BULK, attributes, schemas)


def update(incoming: Incoming) -> dict[str, Any]:
    """Replace a bulk sync as a whole; its schemas stay where none are given."""
    sync = incoming.state.sync(incoming.ids["sync_id"], BULK)
    attributes, wanted = _definition(incoming, sync), _wanted_schemas(incoming)
    schemas = definitions.selected(wanted, sync.plan.schemas) if wanted else None
    return sync_routes.update(incoming, sync, attributes, schemas)


def _wanted_schemas(incoming: Incoming) -> list[Any]:
    wanted = incoming.field("schemas", list) or []
    if not all(isinstance(each, (str, dict)) for each in wanted):
        raise Refused(400, "schemas must be a list of ids or objects.")
    return list(wanted)


def _definition(incoming: Incoming, sync: Sync | None = None) -> dict[str, Any]:
    """Read the body; both connections must be there, unless ``sync`` has them already."""
    for name in ("name", *_ENDS):
        incoming.field(name, str, required=True)
    for name in ("destination_configuration", "default_schedule"):
        incoming.field(name, dict, required=True)
    incoming.objects("additional_schedules")
    incoming.word("mode", definitions.BULK_MODES)
    attributes = definitions.bulk_sync(incoming.body)
    sync_routes.require_connections(incoming, [attributes[name] for name in _ENDS], sync)
    return attributes


def list_status(incoming: Incoming) -> dict[str, Any]:
    """Give the status of many bulk syncs: all, the active ones, or those named by ``sync_id``."""
    now = incoming.state.clock()
    chosen = incoming.state.switches.in_order(_chosen(incoming))
    return {"data": [rendering.batch_status(each, now) for each in chosen]}


def _chosen(incoming: Incoming) -> list[Sync]:
    syncs = incoming.state.syncs_of(BULK)
    if incoming.flag("all"):
        return syncs
    if incoming.flag("active"):
        return [each for each in syncs if each.active]
    by_id = {each.id: each for each in syncs}
    wanted = _as_many_as_fit(incoming, incoming.query.getlist("sync_id"))
    if incoming.state.switches.batch_status_unknown_id == "refuse" and not set(wanted) <= set(by_id):
        raise Refused(404, "A sync was not found.")
    return [by_id[sync_id] for sync_id in dict.fromkeys(wanted) if sync_id in by_id]


def _as_many_as_fit(incoming: Incoming, ids: list[str]) -> list[str]:
    switches = incoming.state.switches
    if switches.batch_status_most_ids is None or len(ids) <= switches.batch_status_most_ids:
        return ids
    if switches.batch_status_too_many != "cut":
        raise Refused(int(switches.batch_status_too_many), "There are too many ids.")
    return ids[: switches.batch_status_most_ids]


def list_executions(incoming: Incoming) -> dict[str, Any]:
    """List the executions of a bulk sync; those that have ended, when only they are wanted, by their end."""
    only_ended = incoming.flag("only_terminal") or False
    order = by_change if only_ended else by_creation
    return sync_routes.list_executions(incoming, BULK, only_ended, order, incoming.page_request(_MOST_EXECUTIONS))


def start(incoming: Incoming) -> dict[str, Any]:
    """Start a bulk sync, active or not, whole or for some schemas."""
    if "resync" in incoming.body and incoming.version >= _WITHOUT_RESYNC:
        raise Refused(400, "resync is no longer supported; use resync_mode.")
    request = {
        "test": incoming.field("test", bool),
        "resync_mode": incoming.word("resync_mode", _RESYNC_MODES)
        or ("resync" if incoming.body.get("resync") else None),
        "fetch_mode": incoming.word("fetch_mode", _FETCH_MODES),
        "schemas": incoming.field("schemas", list),
    }
    if request["test"] and request["resync_mode"]:
        raise Refused(400, "test and resync_mode exclude each other.")
    return sync_routes.start(incoming, BULK, {name: value for name, value in request.items() if value is not None})


def list_schemas(incoming: Incoming) -> dict[str, Any]:
    """List the schemas of a bulk sync, all or those that are enabled or not."""
    enabled = incoming.flag("filters[enabled]")
    schemas = incoming.state.sync(incoming.ids["sync_id"], BULK).plan.schemas
    wanted = incoming.state.switches.in_order(each for each in schemas if enabled in (None, each.enabled))
    return {"data": [definitions.shown_schema_in_list(each) for each in wanted]}


def update_schemas(incoming: Incoming) -> dict[str, Any]:
    """Change some schemas of a bulk sync and give those."""
    sync = incoming.state.sync(incoming.ids["sync_id"], BULK)
    changes = incoming.objects("schemas")
    sync.plan = replace(sync.plan, schemas=definitions.patched(changes, sync.plan.schemas))
    sync.updated_at = incoming.state.clock()
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
