"""Answer the bulk sync operations: ``/api/bulk/syncs``."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator import rendering, sync_routes
from airflow_provider_polytomic.emulator.incoming import Incoming
from airflow_provider_polytomic.emulator.refusals import Refused
from airflow_provider_polytomic.emulator.syncs import BULK, Sync

_MOST_EXECUTIONS = 100
_RESYNC_MODES = ("refetch", "resync", "rebuild")
_FETCH_MODES = ("none", "incremental", "full")


def list_all(incoming: Incoming) -> dict[str, Any]:
    """List bulk syncs."""
    return sync_routes.list_syncs(incoming, BULK, lambda sync: True, rendering.sync)


def list_status(incoming: Incoming) -> dict[str, Any]:
    """Give the status of many bulk syncs: all, the active ones, or those named by ``sync_id``."""
    now = incoming.state.clock()
    return {"data": [rendering.batch_status(each, now) for each in _chosen(incoming)]}


def _chosen(incoming: Incoming) -> list[Sync]:
    syncs = incoming.state.syncs_of(BULK)
    if incoming.flag("all"):
        return syncs
    if incoming.flag("active"):
        return [each for each in syncs if each.active]
    by_id = {each.id: each for each in syncs}
    wanted = incoming.query.getlist("sync_id")
    if incoming.state.switches.batch_status_unknown_id == "refuse" and not set(wanted) <= set(by_id):
        raise Refused(404, "A sync was not found.")
    return [by_id[sync_id] for sync_id in dict.fromkeys(wanted) if sync_id in by_id]


def list_executions(incoming: Incoming) -> dict[str, Any]:
    """List the executions of a bulk sync."""
    return sync_routes.list_executions(
        incoming, BULK, incoming.flag("only_terminal") or False, incoming.page_request(_MOST_EXECUTIONS)
    )


def start(incoming: Incoming) -> dict[str, Any]:
    """Start a bulk sync, active or not, whole or for some schemas."""
    if "resync" in incoming.body:
        raise Refused(400, "resync is no longer supported; use resync_mode.")
    request = {
        "test": incoming.field("test", bool),
        "resync_mode": incoming.word("resync_mode", _RESYNC_MODES),
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
    data = [rendering.bulk_schema(each) for each in schemas if enabled in (None, each.enabled)]
    return {"data": data}


HANDLERS = {
    ("GET", "/api/bulk/syncs"): list_all,
    ("GET", "/api/bulk/syncs/status"): list_status,
    ("GET", "/api/bulk/syncs/{sync_id}/executions"): list_executions,
    ("POST", "/api/bulk/syncs/{sync_id}/executions"): start,
    ("GET", "/api/bulk/syncs/{sync_id}/schemas"): list_schemas,
}
