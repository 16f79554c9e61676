"""Start, cancel and find the executions of one sync, model or bulk."""

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
    """Who asked for an execution, as far as the request tells."""

    idempotency_key: str | None = None
    user_agent: str | None = None


_NOBODY = Caller()


@dataclass(eq=False)
class Sync:
    """One sync and its executions, oldest first.

    :param kind: ``model`` or ``bulk``.
    :param plan: how its executions go.
    :param next_plans: changes to the plan for the next executions, one each, first come first served.
    :param attributes: what the API shows of the sync besides the fields here.
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

    def running(self, now: float) -> list[Execution]:
        """Give the executions that have not ended, oldest first."""
        return [each for each in self.executions if not each.ended(now)]

    def ended(self, now: float) -> list[Execution]:
        """Give the executions that have ended, in the order they ended."""
        return sorted((each for each in self.executions if each.ended(now)), key=lambda each: each.ending.at)

    def execution(self, execution_id: str) -> Execution:
        """Give the execution ``execution_id``."""
        for each in self.executions:
            if each.id == execution_id:
                return each
        raise ApiError(404, "The execution was not found.")

    def start(
        self, now: float, behavior: Behavior, *, type: str, request: Mapping[str, Any], caller: Caller = _NOBODY
    ) -> Execution:
        """Start an execution, or refuse to while another runs, unless they queue."""
        running = self.running(now)
        if running and behavior.start_while_running == "conflict":
            raise ApiError(409, ALREADY_RUNNING)
        schema_ids = list(request.get("schemas") or [])
        self._refuse_unknown_schemas(schema_ids)
        changes = self.next_plans.pop(0) if self.next_plans else {}
        plan = self.plan.changed(changes).of_schemas(schema_ids).resumed(behavior.interrupted, behavior.errors)
        execution = Execution(
            id=str(uuid4()),
            sync_id=self.id,
            kind=self.kind,
            plan=plan.as_test(behavior.model_test) if request.get("test") else plan,
            created_at=now,
            type=type,
            behind=running[-1] if running else None,
            request=request,
            idempotency_key=caller.idempotency_key,
            user_agent=caller.user_agent,
            disposition=behavior.resync_dispositions.get(request.get("resync_mode") or "", "retain"),
        )
        self.executions.append(execution)
        return execution

    def _refuse_unknown_schemas(self, schema_ids: list[str]) -> None:
        unknown = set(schema_ids) - {each.id for each in self.plan.schemas}
        if unknown:
            raise ApiError(400, f"The sync has no schema {', '.join(sorted(unknown))}.")

    def cancel(self, now: float, behavior: Behavior) -> None:
        """Request the end of every execution that has not ended."""
        running = self.running(now)
        if not running:
            refuse_cancel_without_execution(behavior)
        for each in running:
            each.request_cancel(now)

    def cancel_execution(self, execution_id: str, now: float, behavior: Behavior) -> None:
        """Request the end of one execution."""
        execution = self.execution(execution_id)
        if execution.ended(now):
            refuse_cancel_without_execution(behavior)
        else:
            execution.request_cancel(now)

    def activate(self, active: bool, now: float) -> None:
        """Switch the schedule on or off; switching a bulk sync off also cancels what it runs."""
        self.active, self.updated_at = active, now
        if self.kind == BULK and not active:
            for each in self.running(now):
                each.request_cancel(now)


def refuse_cancel_without_execution(behavior: Behavior) -> None:
    """Refuse a cancel that finds nothing to cancel, where the switches say so."""
    if behavior.cancel_idle != 200:
        raise ApiError(behavior.cancel_idle, "The sync has no execution in progress.")
