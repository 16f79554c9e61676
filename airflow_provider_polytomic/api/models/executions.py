"""Executions of model syncs and bulk syncs, as the API describes them."""

from __future__ import annotations

from pydantic import Field

from airflow_provider_polytomic.api.models.base import Model, Moment, Number, Rows


class ExecutionCounts(Model):
    """Records that a model sync execution handled, by what became of them."""

    total: Number = 0
    insert: Number = 0
    update: Number = 0
    upserts: Number = 0
    delete: Number = 0
    error: Number = 0
    warnings: Number = 0


class StartedExecution(Model):
    """The answer to a start: the execution's id, and its state at that moment."""

    id: str = Field(min_length=1)
    status: str | None = None
    created_at: Moment | None = None


class SyncExecution(Model):
    """One execution of a model sync."""

    id: str = Field(min_length=1)
    type: str | None = None
    status: str | None = None
    created_at: Moment | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    counts: ExecutionCounts | None = None
    errors: Rows[str] = Field(default_factory=list)


class BulkSchemaExecution(Model):
    """What one execution of a bulk sync did with one schema; ``execution_id`` is given by the batch status only."""

    schema_id: str | None = Field(default=None, alias="schema")
    execution_id: str | None = None
    output_name: str | None = None
    status: str | None = None
    status_message: str | None = None
    record_count: Number = 0
    error_count: Number = 0
    warning_count: Number = 0
    started_at: Moment | None = None
    completed_at: Moment | None = None


class BulkSyncExecution(Model):
    """One execution of a bulk sync."""

    id: str = Field(min_length=1)
    type: str | None = None
    status: str | None = None
    status_message: str | None = None
    created_at: Moment | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    updated_at: Moment | None = None
    record_count: Number = 0
    error_count: Number = 0
    warning_count: Number = 0
    is_test: bool | None = None
    is_resync: bool | None = None
    is_partial: bool | None = None
    schemas: Rows[BulkSchemaExecution] = Field(default_factory=list)


class SyncStatus(Model):
    """What a model sync does now, did last, and does next."""

    current_execution: SyncExecution | None = None
    last_execution: SyncExecution | None = None
    next_execution_time: Moment | None = None


class BulkSyncStatus(Model):
    """What a bulk sync does now, did last, and does next."""

    current_execution: BulkSyncExecution | None = None
    last_execution: BulkSyncExecution | None = None
    next_execution_time: Moment | None = None
