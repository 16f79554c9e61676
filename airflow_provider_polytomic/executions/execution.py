"""One execution, whichever kind of sync it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from airflow_provider_polytomic.api.models.executions import BulkSyncExecution, SyncExecution
from airflow_provider_polytomic.api.redaction import redact
from airflow_provider_polytomic.executions.outcome import CANCELING, Outcome, is_unsuccessful_schema, outcome_of

COUNTS = ("total", "insert", "update", "upserts", "delete", "error", "warnings")

MOST_ERRORS = 100
LONGEST_ERROR = 2000


@dataclass(frozen=True)
class Execution:
    """An execution as the result of a task: either API object, normalized.

    :param kind: ``model`` or ``bulk``
    :param counts: records by what became of them; all of :data:`COUNTS` are there
    :param errors: Polytomic's words for what went wrong; at most :data:`MOST_ERRORS`, redacted
    :param schemas: a row a schema of a bulk sync: what it is called, its status, counts and message
    """

    kind: str
    sync_id: str
    id: str
    status: str
    outcome: Outcome
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    errors: tuple[str, ...] = ()
    schemas: tuple[dict[str, Any], ...] = ()
    url: str | None = None

    @property
    def canceling(self) -> bool:
        """Tell whether it is on its way to being canceled."""
        return self.status == CANCELING

    @property
    def failed_schemas(self) -> list[dict[str, Any]]:
        """The rows of the schemas that have not been synced."""
        return [row for row in self.schemas if is_unsuccessful_schema(row["status"])]

    def with_schema_results(self, rows: Sequence[Mapping[str, Any]]) -> Execution:
        """Return the execution with the rows of schemas that it did not sync itself, as earlier attempts left them."""
        own = {row["schema"] for row in self.schemas}
        return replace(self, schemas=(*(dict(row) for row in rows if row["schema"] not in own), *self.schemas))

    def result(self) -> dict[str, Any]:
        """Return the execution as JSON: what a task hands on, and what crosses the trigger boundary."""
        return {
            "kind": self.kind,
            "sync_id": self.sync_id,
            "execution_id": self.id,
            "status": self.status,
            "outcome": self.outcome.value,
            "created_at": _text(self.created_at),
            "started_at": _text(self.started_at),
            "completed_at": _text(self.completed_at),
            "counts": dict(self.counts),
            "errors": list(self.errors),
            "schemas": [dict(row) for row in self.schemas],
            "url": self.url,
        }

    @classmethod
    def unknown(cls, kind: str, sync_id: str, execution_id: str) -> Execution:
        """Return an execution of which nothing but its id is known."""
        return cls(kind, sync_id, execution_id, "unknown", Outcome.RUNNING)

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> Execution:
        """Read what :meth:`result` has written.

        :raises KeyError, ValueError: if it is something else
        """
        return cls(
            kind=result["kind"],
            sync_id=result["sync_id"],
            id=result["execution_id"],
            status=result["status"],
            outcome=Outcome(result["outcome"]),
            created_at=_moment(result["created_at"]),
            started_at=_moment(result["started_at"]),
            completed_at=_moment(result["completed_at"]),
            counts=dict(result["counts"]),
            errors=tuple(result["errors"]),
            schemas=tuple(result["schemas"]),
            url=result["url"],
        )

    @classmethod
    def of_model_sync(cls, sync_id: str, told: SyncExecution) -> Execution:
        """Normalize an execution of a model sync."""
        status = told.status or ""
        counts = told.counts.model_dump(include=set(COUNTS)) if told.counts else {}
        return cls(
            kind="model",
            sync_id=sync_id,
            id=told.id,
            status=status,
            outcome=outcome_of(status, told.completed_at),
            created_at=told.created_at,
            started_at=told.started_at,
            completed_at=told.completed_at,
            counts={name: counts.get(name, 0) for name in COUNTS},
            errors=_shortened(told.errors),
        )

    @classmethod
    def of_bulk_sync(cls, sync_id: str, told: BulkSyncExecution) -> Execution:
        """Normalize an execution of a bulk sync."""
        status = told.status or ""
        schemas: tuple[dict[str, Any], ...] = tuple(
            {
                "schema": row.schema_id or "",
                "output_name": row.output_name,
                "status": row.status or "",
                "status_message": _clean(row.status_message) if row.status_message else None,
                "record_count": row.record_count,
                "error_count": row.error_count,
                "warning_count": row.warning_count,
                "started_at": _text(row.started_at),
                "completed_at": _text(row.completed_at),
            }
            for row in told.schemas
        )
        outcome = outcome_of(status, told.completed_at, (row["status"] for row in schemas))
        errors = [
            f"{row['schema']}: {row['status_message']}"
            for row in schemas
            if is_unsuccessful_schema(row["status"]) and row["status_message"]
        ]
        if told.status_message and outcome in (Outcome.FAILED, Outcome.PARTIAL, Outcome.CANCELED):
            errors.insert(0, told.status_message)
        return cls(
            kind="bulk",
            sync_id=sync_id,
            id=told.id,
            status=status,
            outcome=outcome,
            created_at=told.created_at,
            started_at=told.started_at,
            completed_at=told.completed_at,
            counts={
                **dict.fromkeys(COUNTS, 0),
                "total": told.record_count,
                "error": told.error_count,
                "warnings": told.warning_count,
            },
            errors=_shortened(errors),
            schemas=schemas,
        )


def _shortened(errors: list[str]) -> tuple[str, ...]:
    return tuple(_clean(error) for error in errors[:MOST_ERRORS])


def _clean(text: str) -> str:
    cleaned: str = redact(text)
    return cleaned[:LONGEST_ERROR]


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
