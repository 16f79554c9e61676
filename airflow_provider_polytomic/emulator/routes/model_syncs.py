"""Operations on model syncs and on their models: ``/api/syncs``, ``/api/models``."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator.domain import definitions
from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.connections import restore_masked
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.state import Model, State, audit_fields
from airflow_provider_polytomic.emulator.domain.syncs import Sync
from airflow_provider_polytomic.emulator.http.request import Handlers, RequestContext
from airflow_provider_polytomic.emulator.routes import executions, syncs

_MAX_SOURCE_IDENTITIES = 1000
_LISTED_FIELDS = (
    *("id", "name", "active", "mode", "schedule", "model_ids", "organization_id"),
    *("created_at", "created_by", "updated_at", "updated_by"),
    *("sync_all_records", "skip_initial_backfill", "only_enrich_updates"),
)
_SCHEDULES = {
    "manual": ("Manual", {}),
    "continuous": ("Continuous", {}),
    "hourly": ("Hourly", {"minute": "string"}),
    "daily": ("Daily", {"hour": "string", "minute": "string"}),
    "weekly": ("Weekly", {"day_of_week": "string", "hour": "string", "minute": "string"}),
    "custom": ("Custom", {"month": "string", "day_of_month": "string", "hour": "string", "minute": "string"}),
    "runafter": ("After other syncs", {"run_after": "object", "run_after_success_only": "boolean"}),
    "dbtcloud": ("After a dbt Cloud job", {"connection_id": "string", "job_id": "integer"}),
}


def list_all(context: RequestContext) -> dict[str, Any]:
    """List model syncs, filtered by activity, mode and target connection."""
    filters = {name: context.query.get(name) for name in ("mode", "target_connection_id")}
    return syncs.list_syncs(context, _listed, **filters)


def _listed(sync: Sync, state: State) -> dict[str, Any]:
    """Return a model sync as the list shows it: without target, fields and filters."""
    whole = syncs.sync_to_json(sync, state)
    target = {"target_connection_id": whole["target"]["connection_id"], "target_object": whole["target"].get("object")}
    return {**{name: whole[name] for name in _LISTED_FIELDS}, **target}


def create(context: RequestContext) -> dict[str, Any]:
    """Create a model sync."""
    return syncs.create(context, _definition(context))


def update(context: RequestContext) -> dict[str, Any]:
    """Replace the definition of a model sync."""
    stored, attributes, name = context.sync.attributes, _definition(context), "encryption_passphrase"
    attributes[name] = restore_masked(attributes[name], stored[name], context.behavior.masked_secret)
    return syncs.update(context, attributes)


def _definition(context: RequestContext) -> dict[str, Any]:
    context.choice("mode", definitions.MODEL_MODES, required=True)
    context.field("name", str, required=True)
    context.objects("fields", required=True)
    context.objects("filters")
    for name in ("schedule", "target"):
        context.field(name, dict, required=True)
    for name in ("identity", "identities", "model_filters", "target_filters"):
        context.field(name, dict)
    attributes = definitions.model_sync(context.body)
    syncs.require_connections(context, attributes["target"].get("connection_id"))
    return attributes


def get_schedule_options(context: RequestContext) -> dict[str, Any]:
    """List the schedules that a model sync may have."""
    options = [
        {
            "frequency": frequency,
            "label": label,
            "description": None,
            "configuration": {"type": "object", "properties": {name: {"type": each} for name, each in form.items()}},
        }
        for frequency, (label, form) in _SCHEDULES.items()
    ]
    return {"data": {"schedule_options": options}}


def get_error_handling(context: RequestContext) -> dict[str, Any]:
    """Return what a model sync does about records with errors."""
    context.state.sync(context.ids["sync_id"], context.kind)
    setting = context.behavior.auto_retry_record_errors
    resent = {"on": True, "off": False}.get(setting)
    others = {"notify_on_record_errors": False, "warning_notifications": False, "subscribers": []}
    return {"data": None if setting == "absent" else {"auto_retry_record_errors": resent, **others}}


def list_models(context: RequestContext) -> dict[str, Any]:
    """List the models."""
    models = context.state.models.values()
    return context.page(models, syncs.last_changed_first, lambda each: _model(each, context.state))


def get_model(context: RequestContext) -> dict[str, Any]:
    """Return a model."""
    model = context.state.models.get(context.ids["model_id"])
    if model is None:
        raise ApiError(404, "The model was not found.")
    return {"data": _model(model, context.state)}


def _model(model: Model, state: State) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "type": model.type,
        "connection_id": model.connection_id,
        "configuration": dict(model.configuration),
        "identifier": model.identifier,
        "fields": [{"id": field.get("name"), **field} for field in model.fields],
        **{name: [] for name in ("relations", "tracking_columns", "labels", "policies")},
        "enricher": None,
        "version": 1,
        "organization_id": state.organization_id,
        **audit_fields(model),
    }


def list_executions(context: RequestContext) -> dict[str, Any]:
    """List the executions of a model sync."""
    ended_only, completed_only = context.flag("only_completed"), context.behavior.only_completed == "completed"

    def selected(each: Execution) -> bool:
        wanted = each.ending.status == "completed" or not completed_only
        return not ended_only or (each.ended(context.now) and wanted)

    return executions.list_executions(context, selected)


def start(context: RequestContext) -> dict[str, Any]:
    """Start a model sync, for all records or for some."""
    identities, source_identities = context.field("identities", list), context.field("source_identities", list)
    resync, test = context.field("resync", bool), context.field("test", bool)
    if identities and source_identities:
        raise ApiError(400, "identities and source_identities exclude each other.")
    if len(source_identities or []) > _MAX_SOURCE_IDENTITIES:
        raise ApiError(400, f"source_identities takes at most {_MAX_SOURCE_IDENTITIES} entries.")
    sync, behavior = context.sync, context.behavior
    if not sync.active and behavior.start_inactive != "accept":
        raise ApiError(int(behavior.start_inactive), "The sync is not active.")
    if sync.attributes["problems"] and behavior.start_broken != "accept":
        raise ApiError(int(behavior.start_broken), "The sync has problems.")
    execution = executions.start(
        context, resync=resync, test=test, identities=identities, source_identities=source_identities
    )
    status = execution.status(context.now)
    return {"data": {"id": execution.id, "status": status, "created_at": timestamp(execution.created_at)}}


HANDLERS: Handlers = {
    ("GET", "/api/models"): list_models,
    ("GET", "/api/models/{model_id}"): get_model,
    ("GET", "/api/syncs"): list_all,
    ("POST", "/api/syncs"): create,
    ("GET", "/api/syncs/schedules"): get_schedule_options,
    ("PUT", "/api/syncs/{sync_id}"): update,
    ("GET", "/api/syncs/{sync_id}/error-handling"): get_error_handling,
    ("GET", "/api/syncs/{sync_id}/executions"): list_executions,
    ("POST", "/api/syncs/{sync_id}/executions"): start,
}
