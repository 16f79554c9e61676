"""Executions of model syncs and bulk syncs, their status and their logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import AliasChoices, Field

from airflow_provider_polytomic.api.decoding import MAX_INTEGER, MIN_INTEGER
from airflow_provider_polytomic.api.models.base import (
    Count,
    Integer,
    Lenient,
    Listing,
    MessageText,
    MessageTexts,
    Model,
    NullableList,
    UtcDatetime,
)


class ExecutionCounts(Model):
    """Numbers of records that an execution of a model sync handled."""

    total: Count = 0
    insert: Count = 0
    update: Count = 0
    upserts: Count = 0
    delete: Count = 0
    error: Count = 0
    warnings: Count = 0


class StartedExecution(Model):
    """An execution that was just started."""

    id: str = Field(min_length=1)
    status: str | None = None
    created_at: Lenient[UtcDatetime] = None


class SyncExecution(StartedExecution):
    """One execution of a model sync."""

    type: Lenient[str] = None
    started_at: Lenient[UtcDatetime] = None
    completed_at: Lenient[UtcDatetime] = None
    counts: ExecutionCounts | None = None
    errors: MessageTexts = Field(default_factory=list)


class BulkSchemaExecution(Model):
    """One schema in an execution of a bulk sync; only the batch status has ``execution_id``."""

    schema_id: str | None = Field(default=None, alias="schema")
    execution_id: str | None = None
    output_name: Lenient[str] = None
    status: str | None = None
    status_message: MessageText = None
    record_count: Count = 0
    error_count: Count = 0
    warning_count: Count = 0
    started_at: Lenient[UtcDatetime] = None
    completed_at: Lenient[UtcDatetime] = None


class BulkSyncExecution(StartedExecution):
    """One execution of a bulk sync."""

    type: Lenient[str] = None
    status_message: MessageText = None
    started_at: Lenient[UtcDatetime] = None
    completed_at: Lenient[UtcDatetime] = None
    updated_at: Lenient[UtcDatetime] = None
    record_count: Count = 0
    error_count: Count = 0
    warning_count: Count = 0
    is_test: Lenient[bool] = None
    is_resync: Lenient[bool] = None
    is_partial: Lenient[bool] = None
    schemas: NullableList[BulkSchemaExecution] = Field(default_factory=list)

    @classmethod
    def of_schemas(cls, schemas: Sequence[BulkSchemaExecution], **fields: Any) -> BulkSyncExecution:
        """Return an execution with the numbers of its schemas added up, within the range of each number."""
        counts = {
            name: max(MIN_INTEGER, min(sum(getattr(schema, name) for schema in schemas), MAX_INTEGER))
            for name in ("record_count", "error_count", "warning_count")
        }
        return cls(schemas=list(schemas), **counts, **fields)


class SyncStatus(Model):
    """The current, the last and the next execution of a model sync."""

    current_execution: SyncExecution | None = None
    last_execution: SyncExecution | None = None
    next_execution_time: Lenient[UtcDatetime] = None


class BulkSyncStatus(Model):
    """The current, the last and the next execution of a bulk sync."""

    current_execution: BulkSyncExecution | None = None
    last_execution: BulkSyncExecution | None = None
    next_execution_time: Lenient[UtcDatetime] = None


class ConsoleLine(Model):
    """One line of an execution's console log."""

    id: Lenient[str] = None
    timestamp: Lenient[UtcDatetime] = None
    level: Lenient[str] = None
    message: MessageText = None
    payload: Lenient[dict[str, Any]] = None


class ConsoleLog(Listing[ConsoleLine]):
    """A part of an execution's console log; pass ``next_cursor`` as ``after`` to get the lines written since."""

    open_ended: ClassVar[bool] = True

    entries: NullableList[ConsoleLine] = Field(default_factory=list)
    next_cursor: str | None = None

    @property
    def _rows(self) -> list[ConsoleLine]:
        return self.entries

    @property
    def cursor(self) -> tuple[str, str] | None:
        return ("after", self.next_cursor) if self.entries and self.next_cursor else None


class LogFiles(Model):
    """Files of records behind signed URLs: anyone with a URL can read its file until it expires."""

    urls: NullableList[str] = Field(default_factory=list, validation_alias=AliasChoices("urls", "URLs"), repr=False)
    expires: UtcDatetime | None = Field(default=None, validation_alias=AliasChoices("expires", "Expires"))


class LogsIndexEntry(Model):
    """The number of records in one log, and its URL."""

    count: Integer | None = None
    url: str | None = Field(default=None, repr=False)


class LogsIndex(Model):
    """The logs of an execution of a model sync; a log without records may be absent."""

    records: LogsIndexEntry | None = None
    errors: LogsIndexEntry | None = None
    warnings: LogsIndexEntry | None = None
    inserts: LogsIndexEntry | None = None
    updates: LogsIndexEntry | None = None
    deletes: LogsIndexEntry | None = None
