"""Select the settings of a sync that its task keeps while it is deferred."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.api.redaction import redact

MAX_KEPT_BYTES = 512 * 1024
"""Size of the selection as JSON; a model sync with two thousand fields needs half of it."""

_MAPPING = {"source": {"model_id": True, "field": True}, "target": True, "encryption_enabled": True}
_CONFIGURATION = {"schema": True, "dataset": True}
_KEPT_OF_MODEL_SYNC: dict[str, Any] = {
    "id": True,
    "name": True,
    "target": {"connection_id": True, "object": True, "new_name": True, "configuration": _CONFIGURATION},
    "target_connection_id": True,
    "target_object": True,
    "model_ids": True,
    "fields": {"__all__": _MAPPING},
    "identity": _MAPPING,
    "identities": {"mappings": {"__all__": _MAPPING}},
    "problems": {"__all__": {"code": True, "message": True}},
    "sync_all_records": True,
}
_KEPT_OF_BULK_SYNC: dict[str, Any] = {
    "id": True,
    "name": True,
    "source_connection_id": True,
    "source_configuration": _CONFIGURATION,
    "destination_connection_id": True,
    "destination_configuration": _CONFIGURATION,
}


def select_settings(sync: Sync | BulkSync | None, secrets: Sequence[str | None] = ()) -> dict[str, Any] | None:
    """Return the settings that lineage and failure report read, as JSON; None if there are none or too many.

    This takes about a tenth of a millisecond for each field of a model sync.

    :param sync: settings of the sync, if they are known
    :param secrets: texts to mask
    """
    if sync is None:
        return None
    kept = _KEPT_OF_MODEL_SYNC if isinstance(sync, Sync) else _KEPT_OF_BULK_SYNC
    selected = sync.model_dump(mode="json", exclude_unset=True, include=kept)
    fits = len(json.dumps(selected)) <= MAX_KEPT_BYTES
    return redact(selected, *secrets) if fits else None


def read_settings(kind: Any, selected: Any) -> Sync | BulkSync | None:
    """Return the sync with the settings that :func:`select_settings` has selected; None if they cannot be read.

    :param kind: ``model`` or ``bulk``
    """
    try:
        return (Sync if kind == "model" else BulkSync).model_validate(selected)
    except ValidationError:
        return None
