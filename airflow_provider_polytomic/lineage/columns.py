"""Find the columns that a model sync reads for each field that it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_polytomic.api.models.syncs import Sync

MAX_COLUMN_MAPPINGS = 2000
"""Mappings of one sync in a lineage event, whose size OpenLineage's receivers limit."""


@dataclass(frozen=True)
class ColumnMapping:
    """Describe a column of a model that a model sync writes to a field of its target.

    :param model_id: id of the model
    :param column: id of the column
    :param target: id of the field in the target
    :param encrypted: whether Polytomic encrypts the value
    """

    model_id: str
    column: str
    target: str
    encrypted: bool = False


def column_mappings(sync: Sync) -> list[ColumnMapping]:
    """Return the mappings of a model sync, those of its identities first.

    Fields that are set to a constant have none.
    """
    several = sync.identities.get("mappings") if isinstance(sync.identities, Mapping) else None
    identities = several or [sync.identity]
    found = [mapping for each in (identities, sync.fields) for mapping in _mappings(each)]
    return list(dict.fromkeys(found))[:MAX_COLUMN_MAPPINGS]


def _mappings(several: Any) -> Iterator[ColumnMapping]:
    """Yield the mappings that are complete; the API promises no shape of these settings."""
    for each in several if isinstance(several, list) else []:
        source = each.get("source") if isinstance(each, Mapping) else None
        if not isinstance(source, Mapping):
            continue
        model_id, column, target = source.get("model_id"), source.get("field"), each.get("target")
        if isinstance(model_id, str) and isinstance(column, str) and isinstance(target, str):
            yield ColumnMapping(model_id, column, target, encrypted=each.get("encryption_enabled") is True)
