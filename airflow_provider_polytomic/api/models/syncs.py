"""Model syncs and bulk syncs as objects."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_provider_polytomic.api.models.base import Model, Moment, Rows


class Sync(Model):
    """A model sync: a query's rows into a target. The list gives fewer fields than the single get."""

    id: str = Field(min_length=1)
    name: str | None = None
    active: bool | None = None
    mode: str | None = None
    schedule: dict[str, Any] | None = None
    target: dict[str, Any] | None = None
    target_connection_id: str | None = None
    target_object: str | None = None
    model_ids: Rows[str] = Field(default_factory=list)
    organization_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
