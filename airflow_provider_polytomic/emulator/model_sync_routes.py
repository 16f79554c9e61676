"""Answer the model sync operations: ``/api/syncs``."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator import rendering, sync_routes
from airflow_provider_polytomic.emulator.incoming import Incoming
from airflow_provider_polytomic.emulator.refusals import Refused
from airflow_provider_polytomic.emulator.syncs import MODEL, Sync

_MOST_SOURCE_IDENTITIES = 1000


def list_all(incoming: Incoming) -> dict[str, Any]:
    """List model syncs, by activity, mode and target connection."""
    mode, target = incoming.query.get("mode"), incoming.query.get("target_connection_id")

    def wanted(sync: Sync) -> bool:
        connection_id = sync.attributes["target"]["connection_id"]
        return mode in (None, sync.attributes["mode"]) and target in (None, connection_id)

    return sync_routes.list_syncs(incoming, MODEL, wanted, rendering.model_sync_in_list)


def list_executions(incoming: Incoming) -> dict[str, Any]:
    """List the executions of a model sync; the page size is the server's."""
    return sync_routes.list_executions(
        incoming, MODEL, incoming.flag("only_completed") or False, incoming.page_request()
    )


def start(incoming: Incoming) -> dict[str, Any]:
    """Start a model sync, whole or for some records."""
    request = {
        "resync": incoming.field("resync", bool),
        "test": incoming.field("test", bool),
        "identities": incoming.field("identities", list),
        "source_identities": incoming.field("source_identities", list),
    }
    if request["identities"] and request["source_identities"]:
        raise Refused(400, "identities and source_identities exclude each other.")
    if len(request["source_identities"] or []) > _MOST_SOURCE_IDENTITIES:
        raise Refused(400, f"source_identities takes at most {_MOST_SOURCE_IDENTITIES} entries.")
    return sync_routes.start(incoming, MODEL, {name: value for name, value in request.items() if value is not None})


HANDLERS = {
    ("GET", "/api/syncs"): list_all,
    ("GET", "/api/syncs/{sync_id}/executions"): list_executions,
    ("POST", "/api/syncs/{sync_id}/executions"): start,
}
