"""Read the deliveries of Polytomic's webhook, and describe them in asset events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from airflow_provider_polytomic.executions import Execution, ExecutionRef, Outcome
from airflow_provider_polytomic.executions.events import EndEvent, end_fields

COMPLETED, WITH_ERRORS = "completed", "completed_with_errors"


@dataclass(frozen=True)
class Delivery(EndEvent):
    """One delivery of an event about the end of an execution."""

    @classmethod
    def read(cls, body: bytes) -> Delivery | None:
        """Read the body of a delivery; return None if its event is about something else.

        :raises ValueError: if it cannot be read
        """
        try:
            event = json.loads(body)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise ValueError("it is not an event")
        fields = end_fields(event)
        return cls(**fields) if fields else None

    @property
    def run(self) -> ExecutionRef:
        """The execution that ended."""
        return ExecutionRef(self.kind, self.sync_id, self.execution_id)

    def may_be_one_of(self, events: Set[str]) -> bool:
        """Tell whether the delivery may be one of these events, before the execution is known."""
        return self.event in events or (self.event == COMPLETED and WITH_ERRORS in events)

    def event_of(self, execution: Execution) -> str:
        """Return the event. Polytomic may send ``completed`` beside ``completed_with_errors``, or instead of it.

        :param execution: the execution, as Polytomic's API shows it
        """
        errors = execution.counts["error"] or execution.errors or execution.outcome is Outcome.PARTIAL
        return WITH_ERRORS if self.event == COMPLETED and errors else self.event

    def payload(self, execution: Execution, url: str | None) -> dict[str, Any]:
        """Return the payload of the asset event, with the fields of ``PolytomicEventTrigger``.

        :param execution: the execution, as Polytomic's API shows it
        :param url: address of the sync in Polytomic
        """
        ended_at = execution.completed_at or self.created_at
        return {
            "event": self.event_of(execution),
            "event_id": self.event_id,
            "kind": self.kind,
            "sync_id": self.sync_id,
            "sync_name": self.sync_name,
            "execution_id": self.execution_id,
            "created_at": ended_at.isoformat() if ended_at else None,
            "counts": dict(execution.counts),
            "url": url,
        }

    def is_told_by(self, extra: Mapping[str, Any]) -> bool:
        """Tell whether an asset event with this ``extra`` is about the same end; an execution ends once.

        Events of this route and of ``PolytomicEventTrigger`` have a payload; those of outlets have its fields.
        """
        payload = extra.get("payload", extra)
        if not isinstance(payload, dict) or payload.get("execution_id") != self.execution_id:
            return False
        return payload.get("outcome") != Outcome.RUNNING.value
