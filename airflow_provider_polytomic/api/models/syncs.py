"""Model syncs as objects, and what they can be made of."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_provider_polytomic.api.models.base import Model, Moment, Named, Rows


class SyncProblem(Model):
    """A part of a model sync that the API could not make sense of; it keeps the sync from running."""

    code: str | None = None
    message: str | None = None
    path: str | None = None
    severity: str | None = None


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
    fields: Rows[dict[str, Any]] = Field(default_factory=list)
    policies: Rows[str] = Field(default_factory=list)
    problems: Rows[SyncProblem] = Field(default_factory=list)
    organization_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class ScheduleOption(Model):
    """One of the ways in which a model sync can be scheduled, and the form of its settings."""

    frequency: str | None = None
    label: str | None = None
    description: str | None = None
    configuration: dict[str, Any] | None = None


class ScheduleOptions(Model):
    """The ways in which a model sync can be scheduled."""

    schedule_options: Rows[ScheduleOption] = Field(default_factory=list)


class SourceItem(Model):
    """One setting that chooses what is read from a connection, and its values."""

    has_items: bool | None = None
    items: Rows[Any] = Field(default_factory=list)
    requires_one_of: Rows[str] = Field(default_factory=list)


class SyncSource(Model):
    """What must be chosen to read from a connection."""

    configuration: Named[Any] = Field(default_factory=dict)
    items: Named[SourceItem | None] = Field(default_factory=dict)
    requires_one_of: Rows[str] = Field(default_factory=list)


class ModelField(Model):
    """One column of what a model reads."""

    id: str | None = None
    name: str | None = None
    label: str | None = None
    type: str | None = None
    remote_type: str | None = None
    description: str | None = None
    unique: bool | None = None
    user_added: bool | None = None
    example: Any = Field(default=None, repr=False)


class DataModel(Model):
    """A model: the query whose rows a model sync sends."""

    id: str = Field(min_length=1)
    name: str | None = None
    type: str | None = None
    connection_id: str | None = None
    configuration: dict[str, Any] | None = Field(default=None, repr=False)
    identifier: str | None = None
    fields: Rows[ModelField] = Field(default_factory=list)
    relations: Rows[dict[str, Any]] = Field(default_factory=list)
    tracking_columns: Rows[str] = Field(default_factory=list)
    labels: Rows[Any] = Field(default_factory=list)
    policies: Rows[str] = Field(default_factory=list)
    organization_id: str | None = None
    version: int | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
