"""Definitions of syncs: the attributes that are stored for a request body, with defaults for what is absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

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
    """Return the attributes of a model sync.

    :raises ApiError: if the older and the newer form of identity or filters differ.
    """
    fields, identities = body.get("fields") or [], _identities(body)
    mappings = [*fields, *((identities["identities"] or {}).get("mappings") or [])]
    sources = (each.get("source") or {} for each in mappings)
    return {
        **_with_defaults(body, _MODEL_DEFAULTS),
        "mode": body["mode"],
        "schedule": body["schedule"],
        "target": body["target"],
        "fields": list(fields),
        **identities,
        **_filters(body),
        "model_ids": list(dict.fromkeys(each["model_id"] for each in sources if each.get("model_id"))),
        "problems": None,
    }


def _identities(body: Body) -> dict[str, Any]:
    """Return the identity in both forms: the older ``identity`` holds the first mapping only."""
    first, identities = body.get("identity"), body.get("identities")
    if identities is None:
        if first is None:
            return {"identity": None, "identities": None}
        identities = {"mappings": [first]}
    mapping = next(iter(identities.get("mappings") or []), None)
    if first is not None and first != mapping:
        raise ApiError(400, "identity differs from identities.")
    return {"identity": mapping, "identities": {"strategy": "priority", **identities}}


def _filters(body: Body) -> dict[str, Any]:
    """Return the filters in both forms: the older ``filters`` hold the conditions of model and target together."""
    old = body.get("filters") or []
    new = {
        "Model": [_newer(each) for each in old if each.get("field_type") != "Target"],
        "Target": [_newer(each) for each in old if each.get("field_type") == "Target"],
    }
    sent = {name: body.get(f"{name.lower()}_filters") for name in new}
    conditions = {name: (each or {}).get("conditions") or [] for name, each in sent.items()}
    logic = {"Model": body.get("filter_logic"), "Target": (sent["Target"] or {}).get("logic")}
    if any(each is not None for each in sent.values()):
        if old and new != {name: [_without_nulls(each) for each in rows] for name, rows in conditions.items()}:
            raise ApiError(400, "filters differ from model_filters and target_filters.")
        new, logic["Model"] = conditions, (sent["Model"] or {}).get("logic")
    return {
        "filters": [_older(each, name) for name, rows in new.items() for each in rows],
        "filter_logic": logic["Model"],
        **{
            f"{name.lower()}_filters": {"conditions": rows, "logic": logic[name]} if rows else None
            for name, rows in new.items()
        },
    }


_RENAMED = {"Model": {"source": "field"}, "Target": {"field": "field_id", "value_source": "value_field"}}
"""Names of a condition's fields in the newer form that differ in the older one."""


def _newer(condition: Body) -> dict[str, Any]:
    kind = "Target" if condition.get("field_type") == "Target" else "Model"
    named = {new: condition.get(old) for new, old in _RENAMED[kind].items()}
    return _without_nulls({**_common(condition), **named})


def _older(condition: Body, kind: str) -> dict[str, Any]:
    named = {old: condition.get(new) for new, old in _RENAMED[kind].items()}
    return _without_nulls({**_common(condition), "field_type": kind, **named})


def _common(condition: Body) -> dict[str, Any]:
    return {name: condition.get(name) for name in ("function", "label", "value")}


def _without_nulls(condition: Body) -> dict[str, Any]:
    return {name: value for name, value in condition.items() if value is not None}


def bulk_sync(body: Body) -> dict[str, Any]:
    """Return the attributes of a bulk sync."""
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


def select_schemas(wanted: Iterable[Any], known: Iterable[SchemaPlan]) -> tuple[SchemaPlan, ...]:
    """Return ``known`` with exactly the schemas ``wanted`` enabled: ids, or mappings with an id and settings.

    A schema that is not known is added.
    """
    schemas = {each.id: replace(each, enabled=False) for each in known}
    for each in wanted:
        changes = {"id": each} if isinstance(each, str) else each
        schema = schemas.get(_id(changes), SchemaPlan(_id(changes)))
        schemas[schema.id] = _with_settings(schema, {"enabled": True, **changes})
    return tuple(schemas.values())


def update_schemas(changes: Iterable[Body], known: Iterable[SchemaPlan]) -> tuple[SchemaPlan, ...]:
    """Return ``known`` with ``changes`` to some of them.

    :raises ApiError: if a schema is not known.
    """
    schemas = {each.id: each for each in known}
    for each in changes:
        if _id(each) not in schemas:
            raise ApiError(400, f"The sync has no schema {_id(each)}.")
        schemas[_id(each)] = _with_settings(schemas[_id(each)], each)
    return tuple(schemas.values())


def _with_settings(schema: SchemaPlan, changes: Body) -> SchemaPlan:
    settings = {name: value for name, value in changes.items() if name in _SCHEMA_SETTINGS and value is not None}
    enabled = schema.enabled if changes.get("enabled") is None else bool(changes["enabled"])
    return replace(schema, enabled=enabled, settings={**schema.settings, **settings})


def schema_to_json(schema: SchemaPlan) -> dict[str, Any]:
    """Return one schema of a bulk sync as the API shows it."""
    settings = {**_SCHEMA_SETTINGS, **schema.settings}
    output_name = settings["user_output_name"] or schema.output_name or schema.id
    return {"id": schema.id, "enabled": schema.enabled, "output_name": output_name, **settings}


def _id(schema: Body) -> str:
    if not schema.get("id"):
        raise ApiError(400, "A schema needs an id.")
    return str(schema["id"])
