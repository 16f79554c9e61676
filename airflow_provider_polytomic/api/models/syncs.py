"""Model syncs and bulk syncs, and the models and schemas that they read."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from airflow_provider_polytomic.api.models.base import Integer, Lenient, Model, NullableDict, NullableList, UtcDatetime
from airflow_provider_polytomic.api.models.executions import BulkSchemaExecution


class SyncProblem(Model):
    """A problem in the settings of a model sync, which prevents it from running."""

    code: str | None = None
    message: str | None = None
    path: str | None = None
    severity: str | None = None


class Sync(Model):
    """A model sync, which writes the rows of a query to a target; a list returns fewer fields than a get."""

    id: str = Field(min_length=1)
    name: str | None = None
    active: bool | None = None
    mode: str | None = None
    schedule: dict[str, Any] | None = None
    target: dict[str, Any] | None = None
    target_connection_id: str | None = None
    target_object: str | None = None
    model_ids: NullableList[str] = Field(default_factory=list)
    fields: NullableList[dict[str, Any]] = Field(default_factory=list)
    identity: Any = None
    identities: Any = None
    policies: NullableList[str] = Field(default_factory=list)
    problems: NullableList[SyncProblem] = Field(default_factory=list)
    sync_all_records: Lenient[bool] = None
    organization_id: str | None = None
    created_at: UtcDatetime | None = None
    updated_at: UtcDatetime | None = None


class SyncErrorHandling(Model):
    """The settings for records that a model sync cannot write, and who is notified; null stands for none."""

    @model_validator(mode="before")
    @classmethod
    def _read_null(cls, value: Any) -> Any:
        return {} if value is None else value

    auto_retry_record_errors: Lenient[bool] = None
    notify_on_record_errors: Lenient[bool] = None
    warning_notifications: Lenient[bool] = None
    subscribers: NullableList[str] = Field(default_factory=list)


class ScheduleOption(Model):
    """A type of schedule for model syncs, and the form of its settings."""

    frequency: str | None = None
    label: str | None = None
    description: str | None = None
    configuration: dict[str, Any] | None = None


class ScheduleOptions(Model):
    """The types of schedule for model syncs."""

    schedule_options: NullableList[ScheduleOption] = Field(default_factory=list)


class SourceItem(Model):
    """A setting that selects the source data of a connection, and its values."""

    has_items: bool | None = None
    items: NullableList[Any] = Field(default_factory=list)
    requires_one_of: NullableList[str] = Field(default_factory=list)


class SyncSource(Model):
    """The settings that select the source data of a connection."""

    configuration: NullableDict[Any] = Field(default_factory=dict)
    items: NullableDict[SourceItem | None] = Field(default_factory=dict)
    requires_one_of: NullableList[str] = Field(default_factory=list)


class ModelField(Model):
    """A column of a model."""

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
    """A model: the query whose rows a model sync writes."""

    id: str = Field(min_length=1)
    name: str | None = None
    type: str | None = None
    connection_id: str | None = None
    configuration: dict[str, Any] | None = Field(default=None, repr=False)
    identifier: str | None = None
    fields: NullableList[ModelField] = Field(default_factory=list)
    relations: NullableList[dict[str, Any]] = Field(default_factory=list)
    tracking_columns: NullableList[str] = Field(default_factory=list)
    labels: NullableList[Any] = Field(default_factory=list)
    policies: NullableList[str] = Field(default_factory=list)
    organization_id: str | None = None
    version: Integer | None = None
    created_at: UtcDatetime | None = None
    updated_at: UtcDatetime | None = None


class BulkSync(Model):
    """A bulk sync, which copies whole schemas of a source to a warehouse, database or bucket."""

    id: str = Field(min_length=1)
    name: str | None = None
    active: bool | None = None
    mode: str | None = None
    source_connection_id: str | None = None
    source_configuration: dict[str, Any] | None = Field(default=None, repr=False)
    destination_connection_id: str | None = None
    destination_configuration: dict[str, Any] | None = Field(default=None, repr=False)
    default_schedule: dict[str, Any] | None = None
    additional_schedules: NullableList[dict[str, Any]] = Field(default_factory=list)
    policies: NullableList[str] = Field(default_factory=list)
    organization_id: str | None = None
    created_at: UtcDatetime | None = None
    updated_at: UtcDatetime | None = None


class BulkSchema(Model):
    """A schema of a bulk sync: an object or table of the source, and its settings."""

    id: str | None = None
    enabled: bool | None = None
    output_name: str | None = None
    user_output_name: str | None = None
    partition_key: str | None = None
    tracking_field: str | None = None
    history_enabled: bool | None = None
    disable_data_cutoff: bool | None = None
    data_cutoff_timestamp: UtcDatetime | None = None
    fields: NullableList[dict[str, Any]] = Field(default_factory=list)
    filters: NullableList[dict[str, Any]] = Field(default_factory=list)


class BulkSyncSummary(Model):
    """The latest execution of a bulk sync in the batch status.

    It has no execution id of its own: only the entries of ``schemas`` have one. The next execution replaces it.
    """

    sync_id: str = Field(min_length=1)
    status: str | None = None
    next_execution_time: UtcDatetime | None = Field(default=None, alias="nextExecutionTime")
    schemas: NullableList[BulkSchemaExecution] = Field(default_factory=list)
