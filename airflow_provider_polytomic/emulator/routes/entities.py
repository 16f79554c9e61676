"""Objects by id, whatever their type is: ``/api/entities``."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.state import USER_ID, State
from airflow_provider_polytomic.emulator.domain.syncs import BULK, Sync
from airflow_provider_polytomic.emulator.http.request import Handlers, RequestContext


def get(context: RequestContext) -> dict[str, Any]:
    """Return the type of an object, its path, and the parents that the path needs."""
    entity_id = context.ids["entity_id"]
    found = _find(context.state, entity_id)
    if found is None:
        raise ApiError(404, "The entity was not found.")
    return {"data": {"id": entity_id, **found}}


def _find(state: State, entity_id: str) -> dict[str, Any] | None:
    for sync in state.syncs.values():
        type, path = _type_and_path(sync)
        if sync.id == entity_id:
            return {"type": type, "canonical_path": path}
        for execution in sync.executions:
            if execution.id == entity_id:
                return {
                    "type": f"{type}_execution",
                    "canonical_path": f"{path}/executions/{entity_id}",
                    "relationships": {type: {"id": sync.id, "path": path}},
                }
    connection = state.connections.get(entity_id)
    found = {
        "model": ("models", entity_id in state.models),
        "connection": ("connections", connection and connection.organization_id == state.organization_id),
        "organization": ("organizations", entity_id == state.organization_id),
        "user": (f"organizations/{state.organization_id}/users", entity_id == USER_ID),
    }
    return next(
        ({"type": type, "canonical_path": f"/api/{path}/{entity_id}"} for type, (path, has) in found.items() if has),
        None,
    )


def _type_and_path(sync: Sync) -> tuple[str, str]:
    return ("bulk_sync", f"/api/bulk/syncs/{sync.id}") if sync.kind == BULK else ("sync", f"/api/syncs/{sync.id}")


HANDLERS: Handlers = {("GET", "/api/entities/{entity_id}"): get}
