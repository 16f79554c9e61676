"""Live the life of one execution.

Status, counts and times are functions of the plan, the time, the first cancel request and an end put by hand:
nothing runs in the background, so the same inputs always show the same execution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.plans import COUNTS, WAITING, Plan, SchemaPlan


@dataclass(frozen=True)
class Ending:
    """When an execution ends and with which status."""

    at: float
    status: str


@dataclass(frozen=True)
class SchemaState:
    """What one schema of a bulk execution shows at a moment."""

    id: str
    output_name: str
    status: str
    message: str | None
    records: int
    errors: int
    warnings: int
    started_at: float | None
    completed_at: float | None


@dataclass(eq=False)
class Execution:
    """One execution of a sync and the facts of its birth.

    :param behind: the execution this one is queued behind.
    :param type: how it came to be: the ``type`` the API shows.
    :param request: body of the start request.
    :param disposition: what becomes of the records that a bulk execution finds at its destination.
    :param cancel_requests: how many cancel requests reached it while it had not ended.
    """

    id: str
    sync_id: str
    kind: str
    plan: Plan
    created_at: float
    type: str
    behind: Execution | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    user_agent: str | None = None
    disposition: str = "retain"
    cancel_requested_at: float | None = None
    cancel_requests: int = 0
    forced: Ending | None = None
    forced_errors: tuple[str, ...] | None = None

    @property
    def begins_at(self) -> float:
        """When it leaves the queue."""
        return self.created_at if self.behind is None else max(self.created_at, self.behind.ending.at)

    @property
    def ending(self) -> Ending:
        """When and how it ends as things stand."""
        if self.forced is not None:
            return self.forced
        if self.cancel_requested_at is not None:
            return Ending(self.cancel_requested_at + self.plan.cancel_takes, self.plan.cancel_ends)
        return Ending(self.begins_at + self.plan.length, self.plan.final_status)

    def request_cancel(self, now: float) -> None:
        """Note a cancel request; the first one decides when the execution ends."""
        self.cancel_requests += 1
        if self.cancel_requested_at is None:
            self.cancel_requested_at = now

    def finish(self, now: float, outcome: str, errors: tuple[str, ...] | None = None) -> None:
        """End the execution at once with status ``outcome``."""
        if self.ended(now):
            raise ValueError(f"Execution {self.id} has already ended.")
        self.forced, self.forced_errors = Ending(now, outcome), errors

    def ended(self, now: float) -> bool:
        """Tell whether it has ended."""
        return now >= self.ending.at

    def status(self, now: float) -> str:
        """Give the status word at ``now``."""
        if self.ended(now):
            return self.ending.status
        if self.cancel_requested_at is not None:
            return "canceling"
        return self._word(now)

    def _word(self, now: float) -> str:
        if now < self.begins_at:
            return "queued" if self.kind == "model" else "scheduled"
        begun = [word for word, second in self.plan.words if now >= self.begins_at + second]
        return begun[-1] if begun else "created"

    def started_at(self, now: float) -> float | None:
        """Give when it stopped waiting, None while it waits or if it ended without having worked."""
        at = self.begins_at + self.plan.starts_after
        return at if at <= min(now, self.ending.at) else None

    def completed_at(self, now: float) -> float | None:
        """Give when it ended, None before."""
        return self.ending.at if self.ended(now) else None

    def counts(self, now: float) -> dict[str, int]:
        """Give the counts of a model execution, which grow while it runs."""
        share = self._share(now, self.plan.length)
        return {name: int(self.plan.counts.get(name, 0) * share) for name in COUNTS}

    def errors(self, now: float) -> tuple[str, ...]:
        """Give the error texts: those of the plan, once the execution came to its own end."""
        if self.forced_errors is not None:
            return self.forced_errors
        return self.plan.errors if self.ended(now) and self.ending.status != "canceled" else ()

    def message(self, now: float) -> str | None:
        """Give the ``status_message`` of a bulk execution: the planned one, else that of the first failed schema."""
        if not self.ended(now):
            return None
        if self.plan.message is not None:
            return self.plan.message
        return next((each.message for each in self.schemas(now) if each.status == "failed"), None)

    def schemas(self, now: float) -> list[SchemaState]:
        """Give what each schema shows at ``now``."""
        return [self._schema(each, now) for each in self.plan.schemas]

    def _schema(self, schema: SchemaPlan, now: float) -> SchemaState:
        length = self.plan.schema_duration(schema)
        end = self._schema_ending(schema)
        started_at = self.begins_at + min(self.plan.starts_after, length)
        ended = now >= end.at
        share = self._share(now, length)
        return SchemaState(
            id=schema.id,
            output_name=schema.output_name or schema.id,
            status=end.status if ended else self._schema_word(now),
            message=schema.message if ended and end.status == schema.outcome else None,
            records=int(schema.records * share),
            errors=int(schema.errors * share),
            warnings=int(schema.warnings * share),
            started_at=started_at if started_at <= min(now, end.at) else None,
            completed_at=end.at if ended else None,
        )

    def _schema_ending(self, schema: SchemaPlan) -> Ending:
        own = Ending(self.begins_at + self.plan.schema_duration(schema), schema.outcome)
        whole = self.ending
        if own.at <= whole.at:
            return own
        return Ending(whole.at, "failed" if whole.status == "errors" else whole.status)

    def _schema_word(self, now: float) -> str:
        word = self._word(now)
        return word if word in WAITING or self.cancel_requested_at is None else "running"

    def _share(self, now: float, length: float) -> float:
        """Give the share of the work that takes ``length`` seconds done at ``now``, from 0 to 1."""
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
