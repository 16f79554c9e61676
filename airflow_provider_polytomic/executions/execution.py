"""Executions of both kinds of sync, normalized to one class."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, TypeVar, cast

from airflow_provider_polytomic.api.decoding import MAX_INTEGER
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution, SyncExecution
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.executions.outcome import (
    CANCELING,
    Outcome,
    is_completed_schema,
    is_unfinished,
    is_unsuccessful_schema,
    outcome_of,
    outcome_of_schema,
)
from airflow_provider_polytomic.results import ExecutionResult, SchemaResult, SchemaSensorResult, SyncKindName

T = TypeVar("T")

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)

COUNTS = ("total", "insert", "update", "upserts", "delete", "error", "warnings")

MAX_ERRORS = 100
MAX_ERROR_LENGTH = 2000
MAX_STATUS_LENGTH = 100

MAX_SCHEMAS = 1000
"""Schemas in a result; the size of a result is bounded, since Airflow stores it in one column."""

MAX_SCHEMAS_BYTES = 512 * 1024
MAX_ERRORS_BYTES = 256 * 1024

FULL_RESULTS = 8
"""Number of results stored together that each may have the sizes above; more share them."""


@dataclass(frozen=True)
class Execution:
    """One execution of a model sync or a bulk sync.

    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param id: id of the execution
    :param status: status, as Polytomic reports it
    :param outcome: meaning of the status
    :param created_at: time when the execution was created
    :param started_at: time when the execution started
    :param completed_at: time when the execution ended
    :param counts: number of records for each of :data:`COUNTS`
    :param errors: Polytomic's error messages, redacted; at most :data:`MAX_ERRORS`
    :param schemas: the schemas of a bulk sync execution
    :param url: address of the sync in Polytomic
    :param left_out: number of schemas that a result has left out of ``schemas``
    :param sync_name: name of the sync
    :param schema: the only schema that this is about; None for the whole execution
    :param counted: whether the numbers of records are known
    """

    kind: SyncKindName
    sync_id: str
    id: str
    status: str
    outcome: Outcome
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    errors: tuple[str, ...] = ()
    schemas: tuple[SchemaResult, ...] = ()
    url: str | None = None
    left_out: int = 0
    sync_name: str | None = None
    schema: str | None = None
    counted: bool = field(default=False, compare=False)

    @property
    def records_expected(self) -> int | None:
        """Return the number of records that an execution of a model sync had to send; None if it is not known."""
        return self.counts["total"] if self.counted and self.outcome.final and self.kind == "model" else None

    @property
    def records_sent(self) -> int | None:
        """Return the number of records that reached the target; None if the execution is running or it is not known."""
        return self.records_written if self.counted and self.outcome.final else None

    @property
    def records_written(self) -> int:
        """Count the records that reached the target; the API does not always count inserts, updates and deletes."""
        counts = self.counts
        written = counts["insert"] + counts["update"] + counts["upserts"] + counts["delete"]
        of_schemas = sum(max(0, row["record_count"] - row["error_count"]) for row in self.schemas)
        return min(max(0, written) or max(0, of_schemas, counts["total"] - counts["error"]), MAX_INTEGER)

    @property
    def canceling(self) -> bool:
        """Return whether the execution is being canceled."""
        return self.status == CANCELING

    @property
    def failed_schemas(self) -> list[SchemaResult]:
        """Return the schemas that were not synced."""
        return [row for row in self.schemas if is_unsuccessful_schema(row["status"])]

    def with_schema_results(self, rows: Iterable[SchemaResult]) -> Execution:
        """Return the execution with the schemas that it did not sync itself, as earlier attempts left them."""
        own = {row["schema"] for row in self.schemas}
        return replace(self, schemas=(*(row for row in rows if row["schema"] not in own), *self.schemas))

    @cached_property
    def _rows_of_schemas(self) -> dict[str, list[SchemaResult]]:
        """The rows of each schema: one, unless the response repeats a schema."""
        rows: dict[str, list[SchemaResult]] = {}
        for row in self.schemas:
            rows.setdefault(row["schema"], []).append(row)
        return rows

    def schema_outcome(self, schema: str) -> Outcome:
        """Return the outcome of one schema of the execution."""
        return outcome_of_schema((row["status"] for row in self._rows_of_schemas.get(schema, ())), self.outcome)

    def is_syncing(self, schema: str) -> bool:
        """Return whether the execution shows the schema, and that it has not ended."""
        return schema in self._rows_of_schemas and not self.schema_outcome(schema).final

    def for_schema(self, schema: str) -> Execution:
        """Return what concerns one schema: its outcome, its counts, and its row as the only one.

        The status and the times remain those of the execution. Without a row of the schema, ``left_out`` counts all
        rows. Of several rows of the schema, the least complete one is kept.
        """
        outcome, rows = self.schema_outcome(schema), self._rows_of_schemas.get(schema)
        errors: tuple[str, ...] = ()
        if outcome in (Outcome.FAILED, Outcome.CANCELED):
            others = tuple(f"{each}: " for each in self._rows_of_schemas if each != schema)
            errors = tuple(error for error in self.errors if not error.startswith(others))
        part = replace(self, outcome=outcome, errors=errors, schema=schema, counts=dict.fromkeys(COUNTS, 0))
        if not rows:
            return replace(part, schemas=(), left_out=self.left_out + len(self.schemas))
        row = min(rows, key=lambda row: (not is_unsuccessful_schema(row["status"]), is_completed_schema(row["status"])))
        counts = {"total": row["record_count"], "error": row["error_count"], "warnings": row["warning_count"]}
        return replace(part, counts={**part.counts, **counts}, schemas=(row,), left_out=0)

    def task_result(self) -> ExecutionResult | SchemaSensorResult:
        """Return the result of a task that waits for the execution, or for the schema that this is about."""
        if self.schema is None:
            return self.result()
        return {**self.schemas[0], "sync_id": self.sync_id, "execution_id": self.id}

    def result(self, among: int = 1) -> ExecutionResult:
        """Return the execution as JSON of bounded size.

        :param among: number of results that are stored together
        """
        share = min(1.0, FULL_RESULTS / among)
        schemas = _bounded_schemas(self.schemas, share)
        left_out = self.left_out + len(self.schemas) - len(schemas)
        result: ExecutionResult = {
            "kind": self.kind,
            "sync_id": self.sync_id,
            "sync_name": self.sync_name,
            "execution_id": self.id,
            "status": self.status,
            "outcome": self.outcome.value,
            "created_at": isoformat(self.created_at),
            "started_at": isoformat(self.started_at),
            "completed_at": isoformat(self.completed_at),
            "counts": dict(self.counts),
            "errors": _within(self.errors, int(MAX_ERRORS_BYTES * share)),
            "schemas": [cast(SchemaResult, dict(row)) for row in schemas],
            "url": self.url,
        }
        if left_out:
            result["schemas_left_out"] = left_out
        if self.records_sent is not None:
            result["records_sent"] = self.records_sent
        if self.records_expected is not None:
            result["records_expected"] = self.records_expected
        return result

    @classmethod
    def unknown(cls, kind: SyncKindName, sync_id: str, execution_id: str) -> Execution:
        """Return an execution of which only the id is known."""
        return cls(kind, sync_id, execution_id, "unknown", Outcome.RUNNING)

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> Execution:
        """Build an execution from its :meth:`result`.

        :raises KeyError: if a key is missing
        :raises ValueError: if a value is not one of a result
        """
        return cls(
            kind=result["kind"],
            sync_id=result["sync_id"],
            id=result["execution_id"],
            status=result["status"],
            outcome=Outcome(result["outcome"]),
            created_at=parse_moment(result["created_at"]),
            started_at=parse_moment(result["started_at"]),
            completed_at=parse_moment(result["completed_at"]),
            counts=dict(result["counts"]),
            errors=tuple(result["errors"]),
            schemas=tuple(result["schemas"]),
            url=result["url"],
            left_out=result.get("schemas_left_out", 0),
            sync_name=result.get("sync_name"),
            counted="records_sent" in result,
        )

    @classmethod
    def of_model_sync(cls, sync_id: str, answer: SyncExecution) -> Execution:
        """Normalize an execution of a model sync."""
        counts = answer.counts.model_dump(include=set(COUNTS)) if answer.counts else {}
        status, moments = _word(answer.status), (answer.created_at, answer.started_at, answer.completed_at)
        outcome = outcome_of(status, answer.completed_at)
        counts = {name: counts.get(name, 0) for name in COUNTS}
        errors, counted = _shortened(answer.errors), answer.counts is not None
        return cls("model", sync_id, answer.id, status, outcome, *moments, counts, errors, counted=counted)

    @classmethod
    def of_running(cls, sync_id: str, payload: Any) -> Execution | None:
        """Normalize a response about a model sync, without its validation, if it certainly shows an execution running.

        The result is that of :meth:`of_model_sync`.

        :param payload: decoded JSON
        """
        try:
            id, status, counts = payload["id"], payload["status"], payload["counts"]
            created_at, started_at = _read_moment(payload.get("created_at")), _read_moment(payload.get("started_at"))
            numbers = {name: counts.get(name, 0) for name in COUNTS}
            running = is_unfinished(status) and not payload.get("completed_at") and not payload.get("errors")
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):  # A time out of range in UTC.
            return None
        if not (running and isinstance(id, str) and id and all(type(number) is int for number in numbers.values())):
            return None
        running_since = (created_at, started_at, None)
        return cls("model", sync_id, id, status, Outcome.RUNNING, *running_since, numbers, counted=True)

    @classmethod
    def of_bulk_sync(cls, sync_id: str, answer: BulkSyncExecution) -> Execution:
        """Normalize an execution of a bulk sync."""
        schemas: list[SchemaResult] = [
            {
                "schema": row.schema_id or "",
                "output_name": row.output_name,
                "status": _word(row.status),
                "status_message": _clean(row.status_message) if row.status_message else None,
                "record_count": row.record_count,
                "error_count": row.error_count,
                "warning_count": row.warning_count,
                "started_at": isoformat(row.started_at),
                "completed_at": isoformat(row.completed_at),
            }
            for row in answer.schemas
        ]
        status, moments = _word(answer.status), (answer.created_at, answer.started_at, answer.completed_at)
        outcome = outcome_of(status, answer.completed_at, (row["status"] for row in schemas))
        errors = [
            f"{row['schema']}: {row['status_message']}"
            for row in schemas
            if is_unsuccessful_schema(row["status"]) and row["status_message"]
        ]
        if answer.status_message and outcome in (Outcome.FAILED, Outcome.PARTIAL, Outcome.CANCELED):
            errors.insert(0, answer.status_message)
        counts = {"total": answer.record_count, "error": answer.error_count, "warnings": answer.warning_count}
        counts = {**dict.fromkeys(COUNTS, 0), **counts}
        parts, counted = (_shortened(errors), tuple(schemas)), bool(answer.record_count or schemas)
        return cls("bulk", sync_id, answer.id, status, outcome, *moments, counts, *parts, counted=counted)


def _bounded_schemas(rows: Sequence[SchemaResult], share: float) -> list[SchemaResult]:
    """Return the rows that a result has room for: all, or those that were not synced and then those with records."""
    max_rows, max_bytes = int(MAX_SCHEMAS * share), int(MAX_SCHEMAS_BYTES * share)
    kept = _within(rows[:max_rows], max_bytes)
    if len(kept) == len(rows):
        return kept
    ordered = sorted(rows, key=lambda row: (not is_unsuccessful_schema(row["status"]), not row["record_count"]))
    return _within(ordered[:max_rows], max_bytes)


def _within(items: Iterable[T], max_bytes: int) -> list[T]:
    """Return the first items that take at most so many bytes as JSON."""
    kept = []
    for item in items:
        max_bytes -= len(json.dumps(item))
        if max_bytes < 0:
            break
        kept.append(item)
    return kept


def _read_moment(text: Any) -> datetime | None:
    """Return a time as the API writes it.

    :raises TypeError: if it is not a text
    :raises ValueError: if it is written in another way
    """
    if text is None:
        return None
    if not _MOMENT.fullmatch(text):
        raise ValueError("another form of a time")
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def _shortened(errors: list[str]) -> tuple[str, ...]:
    return tuple(_clean(error) for error in errors[:MAX_ERRORS])


def _clean(text: str) -> str:
    cleaned: str = redact(text, max_length=MAX_ERROR_LENGTH)
    return cleaned


def _word(status: str | None) -> str:
    return one_line(status or "", MAX_STATUS_LENGTH)


def isoformat(moment: datetime | None) -> str | None:
    """Return a time in ISO 8601; None for None."""
    return moment.isoformat() if moment else None


def parse_moment(text: str | None) -> datetime | None:
    """Return the time that :func:`isoformat` wrote."""
    return datetime.fromisoformat(text) if text else None
