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
        """The execution that it tells of."""
        return ExecutionRef(self.kind, self.sync_id, self.execution_id)

    def may_be_one_of(self, events: Set[str]) -> bool:
        """Tell whether it may be one of these events, as far as can be told before the execution is known."""
        return self.event in events or (self.event == COMPLETED and WITH_ERRORS in events)

    def event_of(self, execution: Execution) -> str:
        """Give what has happened: whether errors are told of beside the completion, or instead, is not documented.

        :param execution: the execution as Polytomic's API shows it
        """
        errors = execution.counts["error"] or execution.errors or execution.outcome is Outcome.PARTIAL
        return WITH_ERRORS if self.event == COMPLETED and errors else self.event

    def payload(self, execution: Execution, url: str | None) -> dict[str, Any]:
        """Give what an asset event says of it, as that of ``PolytomicEventTrigger`` does.

        :param execution: the execution as Polytomic's API shows it
        :param url: where people find it
        """
        happened = execution.completed_at or self.created_at
        return {
            "event": self.event_of(execution),
            "event_id": self.event_id,
            "kind": self.kind,
            "sync_id": self.sync_id,
            "sync_name": self.sync_name,
            "execution_id": self.execution_id,
            "created_at": happened.isoformat() if happened else None,
            "counts": dict(execution.counts),
            "url": url,
        }

    def is_told_by(self, extra: Mapping[str, Any]) -> bool:
        """Tell whether an asset event with this ``extra`` is about the same end; an execution ends but once.

        Events of this route and of ``PolytomicEventTrigger`` have a payload, those of a task's outlets what it holds.
        """
        told = extra.get("payload", extra)
        if not isinstance(told, dict) or told.get("execution_id") != self.execution_id:
            return False
        return told.get("outcome") != Outcome.RUNNING.value
