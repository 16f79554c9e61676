"""Turn what a caller says of a sync into what is kept of it; what is not said falls back to its default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import filters
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.plans import SchemaPlan

Body = Mapping[str, Any]

MODEL_MODES = ("create", "update", "updateOrCreate", "replace", "append", "remove", "snapshot")
BULK_MODES = ("snapshot", "replicate", "append")
_SCHEMA_SETTINGS: dict[str, Any] = {
    "user_output_name": None,
    "partition_key": None,
    "tracking_field": None,
    "disable_data_cutoff": False,
    "data_cutoff_timestamp": None,
    "history_enabled": False,
    "fields": [],
    "filters": [],
}
_MODEL_DEFAULTS: dict[str, Any] = {
    "encryption_passphrase": None,
    "only_enrich_updates": False,
    "override_fields": [],
    "overrides": [],
    "policies": [],
    "skip_initial_backfill": False,
    "sync_all_records": False,
}
_BULK_DEFAULTS: dict[str, Any] = {
    "mode": "replicate",
    "source_configuration": {},
    "policies": [],
    "automatically_add_new_objects": "none",
    "automatically_add_new_fields": "all",
    "normalize_names": "enabled",
    "concurrency_limit": None,
    "resync_concurrency_limit": None,
    "data_cutoff_timestamp": None,
    "disable_record_timestamps": False,
}


def model_sync(body: Body) -> dict[str, Any]:
    """Give what is kept of a model sync besides its name and whether it is active."""
    fields = body.get("fields") or []
    both = {**filters.identities(body), **filters.filters(body)}
    return {
        **_with_defaults(body, _MODEL_DEFAULTS),
        "mode": body["mode"],
        "schedule": body["schedule"],
        "target": body["target"],
        "fields": list(fields),
        **both,
        "model_ids": _model_ids([*fields, *((both["identities"] or {}).get("mappings") or [])]),
        "problems": None,
    }


def _model_ids(mappings: Iterable[Body]) -> list[str]:
    sources = (each.get("source") or {} for each in mappings)
    return list(dict.fromkeys(each["model_id"] for each in sources if each.get("model_id")))


def bulk_sync(body: Body) -> dict[str, Any]:
    """Give what is kept of a bulk sync besides its name, its schemas and whether it is active."""
    return {
        **_with_defaults(body, _BULK_DEFAULTS),
        "source_connection_id": body["source_connection_id"],
        "destination_connection_id": body["destination_connection_id"],
        "destination_configuration": body["destination_configuration"],
        "default_schedule": _schedule(body["default_schedule"]),
        "additional_schedules": [_schedule(each) for each in body.get("additional_schedules") or []],
    }


def _with_defaults(body: Body, defaults: Body) -> dict[str, Any]:
    return {name: default if body.get(name) is None else body[name] for name, default in defaults.items()}


def _schedule(sent: Body) -> dict[str, Any]:
    return {"id": str(uuid4()), **sent}


def selected(wanted: Iterable[Any] | None, known: Iterable[SchemaPlan]) -> tuple[SchemaPlan, ...]:
    """Give ``known`` with exactly the schemas ``wanted`` enabled: ids, or mappings with an id and settings.

    One that is not known is taken to be in the source after all.
    """
    named = [{"id": each} if isinstance(each, str) else each for each in wanted or []]
    schemas = {each.id: replace(each, enabled=False) for each in known}
    for each in named:
        schemas[_id(each)] = configured(schemas.get(_id(each), SchemaPlan(_id(each))), {"enabled": True, **each})
    return tuple(schemas.values())


def patched(changes: Iterable[Body], known: Iterable[SchemaPlan]) -> tuple[SchemaPlan, ...]:
    """Give ``known`` with ``changes`` to some of them.

    :raises Refused: when a change is to a schema that is not known.
    """
    schemas = {each.id: each for each in known}
    for each in changes:
        if _id(each) not in schemas:
            raise ApiError(400, f"The sync has no schema {_id(each)}.")
        schemas[_id(each)] = configured(schemas[_id(each)], each)
    return tuple(schemas.values())


def configured(schema: SchemaPlan, changes: Body) -> SchemaPlan:
    """Give ``schema`` with the settings in ``changes``."""
    settings = {name: value for name, value in changes.items() if name in _SCHEMA_SETTINGS and value is not None}
    enabled = changes.get("enabled")
    return replace(
        schema,
        enabled=schema.enabled if enabled is None else bool(enabled),
        settings={**schema.settings, **settings},
    )


def shown_schema(schema: SchemaPlan) -> dict[str, Any]:
    """Write one schema of a bulk sync in full."""
    settings = {**_SCHEMA_SETTINGS, **schema.settings}
    output_name = settings["user_output_name"] or schema.output_name or schema.id
    return {"id": schema.id, "enabled": schema.enabled, "output_name": output_name, **settings}


def shown_schema_in_list(schema: SchemaPlan) -> dict[str, Any]:
    """Write one schema of a bulk sync as the list shows it, without fields and filters."""
    return {name: value for name, value in shown_schema(schema).items() if name not in ("fields", "filters")}


def _id(schema: Body) -> str:
    if not schema.get("id"):
        raise ApiError(400, "A schema needs an id.")
    return str(schema["id"])
