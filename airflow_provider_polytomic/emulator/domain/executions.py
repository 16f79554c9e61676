"""Executions of syncs.

Status, counts and times are functions of the plan, the time, the first cancel request and an end set by hand. Nothing
runs in the background, so the same inputs always show the same execution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.plans import COUNTS, WAITING_STATUSES, Plan, SchemaPlan


@dataclass(frozen=True)
class Ending:
    """Time and status of the end of an execution."""

    at: float
    status: str


@dataclass(frozen=True)
class SchemaState:
    """State of one schema of a bulk execution at a moment."""

    id: str
    output_name: str
    status: str
    message: str | None
    records: int
    errors: int
    warnings: int
    started_at: float | None
    completed_at: float | None


@dataclass(frozen=True)
class ExecutionRecord:
    """Snapshot of an execution, as the control methods return it.

    :param id: execution id.
    :param sync_id: id of its sync.
    :param kind: ``model`` or ``bulk``.
    :param type: ``scheduled`` if no caller of the API started it.
    :param status: status at the moment of the snapshot.
    :param ended: whether it has ended.
    :param created_at: RFC 3339 time.
    :param started_at: RFC 3339 time; None before it starts to work.
    :param completed_at: RFC 3339 time; None before its end.
    :param idempotency_key: Idempotency-Key of the start request.
    :param user_agent: User-Agent of the start request.
    :param cancel_requests: number of cancel requests before its end.
    :param request: body of the start request.
    """

    id: str
    sync_id: str
    kind: str
    type: str
    status: str
    ended: bool
    created_at: str | None
    started_at: str | None
    completed_at: str | None
    idempotency_key: str | None
    user_agent: str | None
    cancel_requests: int
    request: Mapping[str, Any]


@dataclass(eq=False)
class Execution:
    """One execution of a sync.

    :param queued_behind: the execution that must end before this one begins.
    :param type: the ``type`` that the API shows.
    :param request: body of the start request.
    :param output_disposition: treatment of the records at the destination of a bulk execution.
    :param cancel_requests: number of cancel requests before its end.
    """

    id: str
    sync_id: str
    kind: str
    plan: Plan
    created_at: float
    type: str
    queued_behind: Execution | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    user_agent: str | None = None
    output_disposition: str = "retain"
    cancel_requested_at: float | None = None
    cancel_requests: int = 0
    forced_ending: Ending | None = None
    forced_errors: tuple[str, ...] | None = None

    @property
    def begins_at(self) -> float:
        """Time at which it leaves the queue."""
        return self.created_at if self.queued_behind is None else max(self.created_at, self.queued_behind.ending.at)

    @property
    def ending(self) -> Ending:
        """Its end, unless a later request changes it."""
        if self.forced_ending is not None:
            return self.forced_ending
        if self.cancel_requested_at is not None:
            return Ending(self.cancel_requested_at + self.plan.cancel_takes, self.plan.cancel_ends)
        return Ending(self.begins_at + self.plan.length, self.plan.final_status)

    def request_cancel(self, now: float) -> None:
        """Record a cancel request; the first one sets the end."""
        self.cancel_requests += 1
        if self.cancel_requested_at is None:
            self.cancel_requested_at = now

    def finish(self, now: float, outcome: str, errors: tuple[str, ...] | None = None) -> None:
        """End the execution at once with status ``outcome``.

        :raises ValueError: if it has ended, or ``outcome`` is not a status with which one ends.
        """
        if self.ended(now):
            raise ValueError(f"Execution {self.id} has already ended.")
        self.plan.check_status("outcome", outcome)
        self.forced_ending, self.forced_errors = Ending(now, outcome), errors

    def ended(self, now: float) -> bool:
        """Return whether it has ended."""
        return now >= self.ending.at

    def status(self, now: float) -> str:
        """Return its status at ``now``."""
        if self.ended(now):
            return self.ending.status
        return self._planned_status(now) if self.cancel_requested_at is None else "canceling"

    def _planned_status(self, now: float) -> str:
        if now < self.begins_at:
            return "queued" if self.kind == "model" else "scheduled"
        begun = [status for status, second in self.plan.timeline if now >= self.begins_at + second]
        return begun[-1] if begun else "created"

    def started_at(self, now: float) -> float | None:
        """Return the time at which it started to work; None before, and if it ended first."""
        at = self.begins_at + self.plan.starts_after
        return at if at <= min(now, self.ending.at) else None

    def completed_at(self, now: float) -> float | None:
        """Return the time of its end; None before."""
        return self.ending.at if self.ended(now) else None

    def counts(self, now: float) -> dict[str, int]:
        """Return the counts of a model execution, which grow while it runs."""
        progress = self._progress(now, self.plan.length)
        return {name: int(self.plan.counts.get(name, 0) * progress) for name in COUNTS}

    def errors(self, now: float) -> tuple[str, ...]:
        """Return the error texts: those set by hand, else those of the plan after an end that is no cancellation."""
        if self.forced_errors is not None:
            return self.forced_errors
        return self.plan.errors if self.ended(now) and self.ending.status != "canceled" else ()

    def message(self, now: float) -> str | None:
        """Return the ``status_message`` of a bulk execution: the planned one, else that of the first failed schema."""
        if not self.ended(now):
            return None
        if self.plan.message is not None:
            return self.plan.message
        return next((each.message for each in self.schemas(now) if each.status == "failed"), None)

    def schemas(self, now: float) -> list[SchemaState]:
        """Return the state of each schema at ``now``."""
        return [self._schema(each, now) for each in self.plan.schemas]

    def _schema(self, schema: SchemaPlan, now: float) -> SchemaState:
        length = self.plan.schema_duration(schema)
        end = self._schema_ending(schema)
        started_at = self.begins_at + min(self.plan.starts_after, length)
        ended = now >= end.at
        progress = self._progress(now, length)
        return SchemaState(
            id=schema.id,
            output_name=schema.output_name or schema.id,
            status=end.status if ended else self._schema_status(now),
            message=schema.message if ended and end.status == schema.outcome else None,
            records=int(schema.records * progress),
            errors=int(schema.errors * progress),
            warnings=int(schema.warnings * progress),
            started_at=started_at if started_at <= min(now, end.at) else None,
            completed_at=end.at if ended else None,
        )

    def _schema_ending(self, schema: SchemaPlan) -> Ending:
        planned = Ending(self.begins_at + self.plan.schema_duration(schema), schema.outcome)
        if planned.at <= self.ending.at:
            return planned
        return Ending(self.ending.at, "failed" if self.ending.status == "errors" else self.ending.status)

    def _schema_status(self, now: float) -> str:
        status = self._planned_status(now)
        return status if status in WAITING_STATUSES or self.cancel_requested_at is None else "running"

    def _progress(self, now: float, length: float) -> float:
        """Return the share, from 0 to 1, of work that takes ``length`` seconds which is done at ``now``."""
        if self.ended(now) and self.ending.status == "completed":
            return 1.0
        done_at = self.begins_at + length
        until = min(now, self.ending.at)
        if until >= done_at:
            return 1.0
        started_at = self.begins_at + self.plan.starts_after
        if until <= started_at or math.isinf(done_at):
            return 0.0
        return (until - started_at) / (done_at - started_at)

    def record(self, now: float) -> ExecutionRecord:
        """Return a snapshot at ``now``."""
        return ExecutionRecord(
            id=self.id,
            sync_id=self.sync_id,
            kind=self.kind,
            type=self.type,
            status=self.status(now),
            ended=self.ended(now),
            created_at=timestamp(self.created_at),
            started_at=timestamp(self.started_at(now)),
            completed_at=timestamp(self.completed_at(now)),
            idempotency_key=self.idempotency_key,
            user_agent=self.user_agent,
            cancel_requests=self.cancel_requests,
            request=dict(self.request),
        )
