"""Syncs of both kinds and their executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.errors import ALREADY_RUNNING, ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.plans import Plan

MODEL, BULK = "model", "bulk"


@dataclass(frozen=True)
class Caller:
    """Headers by which a start request identifies itself."""

    idempotency_key: str | None = None
    user_agent: str | None = None


_NO_CALLER = Caller()


@dataclass(eq=False)
class Sync:
    """One sync and its executions, oldest first.

    :param kind: ``model`` or ``bulk``.
    :param plan: plan of its executions.
    :param next_plans: changes to the plan for the next executions, one each.
    :param attributes: the other fields that the API shows.
    """

    id: str
    kind: str
    name: str
    plan: Plan
    created_at: float
    updated_at: float
    active: bool = True
    next_plans: list[Mapping[str, Any]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    next_execution_time: str | None = None
    executions: list[Execution] = field(default_factory=list)

    @property
    def connections(self) -> dict[str, str]:
        """The ids of its connections, by the names they have in events."""
        if self.kind == BULK:
            return {name: self.attributes[name] for name in ("source_connection_id", "destination_connection_id")}
        return {"target_connection_id": self.attributes["target"]["connection_id"]}

    def running(self, now: float) -> list[Execution]:
        """Return the executions that have not ended, oldest first."""
        return [each for each in self.executions if not each.ended(now)]

    def ended(self, now: float) -> list[Execution]:
        """Return the executions that have ended, in the order in which they ended."""
        return sorted((each for each in self.executions if each.ended(now)), key=lambda each: each.ending.at)

    def execution(self, execution_id: str) -> Execution:
        """Return the execution ``execution_id``.

        :raises ApiError: if the sync has no such execution.
        """
        for each in self.executions:
            if each.id == execution_id:
                return each
        raise ApiError(404, "The execution was not found.")

    def start(
        self, now: float, behavior: Behavior, *, type: str, request: Mapping[str, Any], caller: Caller = _NO_CALLER
    ) -> Execution:
        """Start an execution.

        :raises ApiError: if another execution is running and they do not queue, or a schema is unknown.
        """
        running = self.running(now)
        if running and behavior.start_while_running == "conflict":
            raise ApiError(409, ALREADY_RUNNING)
        schema_ids = list(request.get("schemas") or [])
        unknown = set(schema_ids) - {each.id for each in self.plan.schemas}
        if unknown:
            raise ApiError(400, f"The sync has no schema {', '.join(sorted(unknown))}.")
        changes = self.next_plans.pop(0) if self.next_plans else {}
        plan = self.plan.with_changes(changes).with_schemas(schema_ids).resumed(behavior.interrupted, behavior.errors)
        execution = Execution(
            id=str(uuid4()),
            sync_id=self.id,
            kind=self.kind,
            plan=plan.as_test(behavior.model_test) if request.get("test") else plan,
            created_at=now,
            type=type,
            queued_behind=running[-1] if running else None,
            request=request,
            idempotency_key=caller.idempotency_key,
            user_agent=caller.user_agent,
            output_disposition=behavior.resync_dispositions.get(request.get("resync_mode") or "", "retain"),
        )
        self.executions.append(execution)
        return execution

    def cancel(self, now: float) -> int:
        """Request the cancellation of every running execution and return their number."""
        running = self.running(now)
        for each in running:
            each.request_cancel(now)
        return len(running)

    def activate(self, active: bool, now: float) -> None:
        """Switch the schedule on or off; switching off a bulk sync cancels its executions too."""
        self.active, self.updated_at = active, now
        if self.kind == BULK and not active:
            self.cancel(now)
