"""The event that crosses the boundary between a trigger and the task that it resumes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError, PolytomicUnavailable
from airflow_provider_polytomic.results import ExecutionResult, Ownership, SchemaResult


class EventStatus(str, Enum):
    """The reason why a trigger resumes its task."""

    ENDED = "ended"
    DEADLINE = "deadline"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class ExecutionEvent:
    """The event of a trigger that waits for executions; it has JSON values only.

    :param status: ended, the deadline has passed, Polytomic has refused a request, or the wait has failed otherwise
    :param try_number: the attempt that the trigger waited for
    :param message: the reason of a refusal or a failure
    :param sync_id: the sync whose execution the trigger waited for; None if it was many syncs, or not yet known
    :param execution_id: the execution that the trigger waited for; None if it had no id yet
    :param execution: result of an execution that has ended, or was canceled at the deadline
    :param executions: results of many executions in the order given to the trigger; a text instead of a result is the
        reason why the execution cannot be waited for, None means that it had not ended at the deadline
    :param runs: kind, sync_id and execution_id of each of ``executions``
    :param ownership: relation of the execution to the task
    :param latest_end: end of the task's ``execution_timeout``, in seconds since the epoch
    :param previous_schema_results: schema results of earlier executions that belong to the result
    """

    status: EventStatus
    try_number: int | None = None
    message: str = ""
    sync_id: str | None = None
    execution_id: str | None = None
    execution: ExecutionResult | None = None
    executions: list[ExecutionResult | str | None] | None = None
    runs: list[dict[str, str]] | None = None
    ownership: Ownership = Ownership.JOINED
    latest_end: float | None = None
    previous_schema_results: list[SchemaResult] | None = None

    def serialize(self) -> dict[str, Any]:
        """Return the event as JSON values."""
        return {**vars(self), "status": self.status.value, "ownership": self.ownership.value}

    @property
    def error(self) -> PolytomicTaskError | None:
        """The exception for an event without an outcome: a refusal is final, another failure may be retried."""
        if self.status is EventStatus.REFUSED:
            return PolytomicRequestRefused(self.message)
        return PolytomicUnavailable(self.message) if self.status is EventStatus.UNAVAILABLE else None


def validate_execute_complete_event(event: dict[str, Any] | None) -> ExecutionEvent:
    """Return the event that a trigger of this provider has sent.

    :raises PolytomicTaskError: if it is anything else, so that no other event can end a task as a success
    """
    known = {each.name for each in fields(ExecutionEvent)}
    try:
        values = {name: value for name, value in (event or {}).items() if name in known}
        values["status"] = EventStatus(values["status"])
        values["ownership"] = Ownership(values.get("ownership", Ownership.JOINED))
        parsed = ExecutionEvent(**values)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise unexpected_event_error(event) from None
    if parsed.status is EventStatus.ENDED and not parsed.execution and parsed.executions is None:
        raise unexpected_event_error(event)
    return parsed


def unexpected_event_error(event: Any) -> PolytomicTaskError:
    """Return the exception for an event that no trigger of this provider sends."""
    return PolytomicTaskError(
        f"Unexpected trigger event: {event!r}. Next: retry the task, which continues to wait for the same execution"
    )
