"""Answer the operations on model syncs and on the models they read: ``/api/syncs``, ``/api/models``."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator.domain import catalog, definitions
from airflow_provider_polytomic.emulator.domain.connections import restore_masked
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.syncs import MODEL, Sync
from airflow_provider_polytomic.emulator.http.paging import by_creation, newest_change_first, page
from airflow_provider_polytomic.emulator.http.request import RequestContext
from airflow_provider_polytomic.emulator.routes import rendering
from airflow_provider_polytomic.emulator.routes import syncs as sync_routes

_MOST_SOURCE_IDENTITIES = 1000


def list_all(context: RequestContext) -> dict[str, Any]:
    """List model syncs, by activity, mode and target connection."""
    mode, target = context.query.get("mode"), context.query.get("target_connection_id")

    def wanted(sync: Sync) -> bool:
        connection_id = sync.attributes["target"]["connection_id"]
        return mode in (None, sync.attributes["mode"]) and target in (None, connection_id)

    return sync_routes.list_syncs(context, MODEL, wanted, rendering.model_sync_in_list)


def create(context: RequestContext) -> dict[str, Any]:
    """Create a model sync."""
    return sync_routes.create(context, MODEL, _definition(context))


def update(context: RequestContext) -> dict[str, Any]:
    """Replace a model sync as a whole."""
    sync = context.state.sync(context.ids["sync_id"], MODEL)
    attributes = _definition(context, sync)
    reading = context.state.behavior.masked_secret
    attributes["encryption_passphrase"] = restore_masked(
        attributes["encryption_passphrase"], sync.attributes["encryption_passphrase"], reading
    )
    return sync_routes.update(context, sync, attributes)


def _definition(context: RequestContext, sync: Sync | None = None) -> dict[str, Any]:
    """Read the body; the target must be there, unless ``sync`` has it already."""
    context.word("mode", definitions.MODEL_MODES, required=True)
    context.field("name", str, required=True)
    context.objects("fields", required=True)
    context.objects("filters")
    for name in ("schedule", "target"):
        context.field(name, dict, required=True)
    for name in ("identity", "identities", "model_filters", "target_filters"):
        context.field(name, dict)
    attributes = definitions.model_sync(context.body)
    sync_routes.require_connections(context, [attributes["target"].get("connection_id")], sync)
    return attributes


def get_schedule_options(context: RequestContext) -> dict[str, Any]:
    """List the ways in which a model sync can be scheduled."""
    return {"data": {"schedule_options": catalog.schedule_options()}}


def list_models(context: RequestContext) -> dict[str, Any]:
    """List the models, the last changed first."""
    state = context.state
    here, token = page(state.models.values(), newest_change_first, context.page_request())
    return sync_routes.page_of([rendering.model(each, state.organization_id) for each in here], token)


def get_model(context: RequestContext) -> dict[str, Any]:
    """Give one model."""
    model = context.state.models.get(context.ids["model_id"])
    if model is None:
        raise ApiError(404, "The model was not found.")
    return {"data": rendering.model(model, context.state.organization_id)}


def list_executions(context: RequestContext) -> dict[str, Any]:
    """List the executions of a model sync; the page size is the server's."""
    only_ended = context.flag("only_completed") or False
    return sync_routes.list_executions(context, MODEL, only_ended, by_creation, context.page_request())


def start(context: RequestContext) -> dict[str, Any]:
    """Start a model sync, whole or for some records."""
    request = {
        "resync": context.field("resync", bool),
        "test": context.field("test", bool),
        "identities": context.field("identities", list),
        "source_identities": context.field("source_identities", list),
    }
    if request["identities"] and request["source_identities"]:
        raise ApiError(400, "identities and source_identities exclude each other.")
    if len(request["source_identities"] or []) > _MOST_SOURCE_IDENTITIES:
        raise ApiError(400, f"source_identities takes at most {_MOST_SOURCE_IDENTITIES} entries.")
    return sync_routes.start(context, MODEL, {name: value for name, value in request.items() if value is not None})


HANDLERS = {
    ("GET", "/api/models"): list_models,
    ("GET", "/api/models/{model_id}"): get_model,
    ("GET", "/api/syncs"): list_all,
    ("POST", "/api/syncs"): create,
    ("GET", "/api/syncs/schedules"): get_schedule_options,
    ("PUT", "/api/syncs/{sync_id}"): update,
    ("GET", "/api/syncs/{sync_id}/executions"): list_executions,
    ("POST", "/api/syncs/{sync_id}/executions"): start,
}
