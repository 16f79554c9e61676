"""Objects of any type, as the API resolves their ids."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_provider_polytomic.api.models.base import Model, NullableDict


class EntityRelationship(Model):
    """The parent of an object."""

    id: str | None = None
    path: str | None = None


class Entity(Model):
    """The type of an object, its path in the API, and its parents by the names of their types."""

    id: str | None = None
    type: str | None = None
    canonical_path: str | None = None
    relationships: NullableDict[EntityRelationship] = Field(default_factory=dict)
    context: dict[str, Any] | None = None
    organization_id: str | None = None
