"""What a delivery tells, and what becomes of it in an asset event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow_provider_polytomic.executions import Execution, ExecutionRef, Outcome

COMPLETED, WITH_ERRORS = "completed", "completed_with_errors"
_KINDS = {"sync": "model", "bulk_sync": "bulk"}
_WORDS = {"completed_with_error": WITH_ERRORS}


@dataclass(frozen=True)
class Delivery:
    """One event, as it was delivered.

    :param kind: ``model`` or ``bulk``
    :param event: what has happened, in the words of model syncs: ``completed``, ``failed``, …
    :param event_id: its id in Polytomic, where the delivery has one; else made of execution and event
    :param created_at: when it happened, where the delivery says so
    """

    kind: str
    event: str
    event_id: str
    sync_id: str
    sync_name: str | None
    execution_id: str
    created_at: datetime | None

    @classmethod
    def read(cls, body: bytes) -> Delivery | None:
        """Read the body of a delivery; None: it tells of something else than syncs.

        :raises ValueError: if it cannot be read
        """
        try:
            told = json.loads(body)
        except RecursionError:
            raise ValueError("it is too deep") from None
        if not isinstance(told, dict) or not isinstance(told.get("type"), str):
            raise ValueError("it is not an event")
        prefix, _, word = told["type"].partition(".")
        if prefix not in _KINDS or not word:
            return None
        facts = told.get("event")
        if not isinstance(facts, dict):
            raise ValueError("it has no event")
        event, execution_id = _WORDS.get(word, word), _id(facts, "execution_id")
        event_id = _text(told.get("id"))
        return cls(
            kind=_KINDS[prefix],
            event=event,
            event_id=event_id or f"{execution_id}/{event}",
            sync_id=_id(facts, "sync_id"),
            sync_name=_text(facts.get("sync_name")) or _text(facts.get("name")),
            execution_id=execution_id,
            created_at=_moment(told.get("created_at")) or _moment(facts.get("created_at")),
        )

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


def _id(facts: Mapping[str, Any], name: str) -> str:
    value = _text(facts.get(name))
    if value is None or value.strip() in ("", ".", ".."):
        raise ValueError(f"it has no {name}")
    return value


def _text(value: Any) -> str | None:
    """Return a text that can be sent on; JSON can hold half a character, which no encoding can."""
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
