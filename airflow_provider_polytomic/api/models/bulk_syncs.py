"""Bulk syncs as objects, and what they select from their source."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_provider_polytomic.api.models.base import Model, Moment, Rows
from airflow_provider_polytomic.api.models.executions import BulkSchemaExecution


class BulkSync(Model):
    """A bulk sync: whole schemas of a source into a warehouse, a database or a bucket."""

    id: str = Field(min_length=1)
    name: str | None = None
    active: bool | None = None
    mode: str | None = None
    source_connection_id: str | None = None
    source_configuration: dict[str, Any] | None = Field(default=None, repr=False)
    destination_connection_id: str | None = None
    destination_configuration: dict[str, Any] | None = Field(default=None, repr=False)
    default_schedule: dict[str, Any] | None = None
    additional_schedules: Rows[dict[str, Any]] = Field(default_factory=list)
    policies: Rows[str] = Field(default_factory=list)
    organization_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class BulkSchema(Model):
    """One schema of a bulk sync: an object or table of the source, and how it is synced."""

    id: str | None = None
    enabled: bool | None = None
    output_name: str | None = None
    user_output_name: str | None = None
    partition_key: str | None = None
    tracking_field: str | None = None
    history_enabled: bool | None = None
    disable_data_cutoff: bool | None = None
    data_cutoff_timestamp: Moment | None = None
    fields: Rows[dict[str, Any]] = Field(default_factory=list)
    filters: Rows[dict[str, Any]] = Field(default_factory=list)


class BulkSyncSummary(Model):
    """The newest execution of a bulk sync, as the batch status tells it.

    It has no execution id of its own: only ``schemas`` say which execution is meant, and a following execution takes
    the place of the one before.
    """

    sync_id: str = Field(min_length=1)
    status: str | None = None
    next_execution_time: Moment | None = Field(default=None, alias="nextExecutionTime")
    schemas: Rows[BulkSchemaExecution] = Field(default_factory=list)
