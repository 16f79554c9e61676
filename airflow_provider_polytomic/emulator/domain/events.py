"""Events of the last two days.

Events are functions of the executions and the time: one when an execution starts to work, one or two at its end. The
switches then decide which of them a caller sees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from airflow_provider_polytomic.emulator.domain import logs
from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.domain.syncs import BULK, Sync
from airflow_provider_polytomic.emulator.domain.webhooks import PendingDelivery

RETAINED_SECONDS = 48 * 60 * 60
_OUTCOMES = ("completed", "canceled", "failed")
TYPES = (
    *(f"sync.{word}" for word in ("running", *_OUTCOMES, "completed_with_errors")),
    *(f"bulk_sync.{word}" for word in ("running", *_OUTCOMES, "completed_with_error")),
)
_COUNT_FIELDS = {
    **{"record_count": "total", "inserted_count": "insert", "updated_count": "update"},
    **{"upserted_count": "upserts", "error_count": "error", "warning_count": "warnings"},
}
_FILE_FIELDS = {
    **{"total_records": "records", "inserted_records": "inserts", "updated_records": "updates"},
    **{"deleted_records": "deletes", "errored_records": "errors", "warnings": "warnings"},
}


@dataclass(frozen=True)
class Event:
    """One event.

    :param at: its time in whole microseconds, the precision of the API.
    :param copy: 1 for the second copy of an event that is listed twice, else 0.
    """

    type: str
    at: float
    sync: Sync
    execution: Execution
    copy: int = 0

    @property
    def id(self) -> str:
        """The id, the same for each copy."""
        return str(uuid5(NAMESPACE_URL, f"{self.execution.id}/{self.type}"))

    def matches(self, names: Sequence[str]) -> bool:
        """Return whether one of ``names`` matches its type, sync id or execution id."""
        return any(fnmatchcase(text, name) for name in names for text in (self.type, self.sync.id, self.execution.id))

    def to_json(self, state: State) -> dict[str, Any]:
        """Return the event as the API shows it."""
        return {
            "id": self.id,
            "type": self.type,
            "created_at": timestamp(self.at),
            "organization_id": state.organization_id,
            "event": {
                "execution_id": self.execution.id,
                "organization_id": state.organization_id,
                "sync_id": self.sync.id,
                state.behavior.event_sync_name: self.sync.name,
                **self.sync.connections,
                **_details(self),
            },
        }


def visible(state: State) -> Iterator[Event]:
    """Return the events that callers can see now, in no particular order."""
    now, behavior = state.clock(), state.behavior
    for event in _all(state, now):
        delays = (seconds for name, seconds in behavior.events_delayed.items() if event.matches([name]))
        too_early = event.at + next(delays, 0.0) > now
        if not now - RETAINED_SECONDS < event.at or too_early or event.matches(behavior.events_lost):
            continue
        yield event
        if event.matches(behavior.events_repeated):
            yield replace(event, copy=1)


def _all(state: State, now: float) -> Iterator[Event]:
    for sync in (*state.deleted_syncs, *state.syncs.values()):
        prefix = "bulk_sync" if sync.kind == BULK else "sync"
        for execution in sync.executions:
            for at, word in _occurrences(execution, now, state.behavior):
                in_microseconds = datetime.fromtimestamp(at, timezone.utc).timestamp()
                yield Event(f"{prefix}.{word}", in_microseconds, sync, execution)


def _occurrences(execution: Execution, now: float, behavior: Behavior) -> Iterator[tuple[float, str]]:
    """Return the times and words of an execution's events; the end of an ``interrupted`` one has no event."""
    started_at, ending = execution.started_at(now), execution.ending
    if started_at is not None:
        yield started_at, "running"
    if not execution.ended(now):
        return
    word = ending.status if ending.status in _OUTCOMES else None
    if execution.kind == BULK:
        word = "completed_with_error" if ending.status == "errors" else word
    elif word == "completed" and (execution.counts(ending.at)["error"] or execution.errors(ending.at)):
        word = "completed_with_errors"
    if word and word.startswith("completed_with") and behavior.completed_beside_errors:
        yield ending.at, "completed"
    if word:
        yield ending.at, word


def sort_key(behavior: Behavior) -> Callable[[Event], tuple[float, str]]:
    """Return the key by which events are sorted."""

    def key(event: Event) -> tuple[float, str]:
        tie = f"{event.id} {event.copy}"
        if behavior.event_order == "shuffled":
            return (0.0, hashlib.sha256(tie.encode()).hexdigest())
        return (event.at if behavior.event_order == "oldest_first" else -event.at, tie)

    return key


def _details(event: Event) -> dict[str, Any]:
    """Return the fields that only this type of event has."""
    kind, _, word = event.type.partition(".")
    if word == "running" or event.type == "bulk_sync.canceled":
        return {}
    if word == "canceled":
        return {"status": "canceled"}
    execution, at = event.execution, event.execution.ending.at
    error = {"error": "; ".join(execution.errors(at)) or execution.message(at) or "The execution failed."}
    if kind == "bulk_sync":
        schedule = {"frequency": event.sync.attributes["default_schedule"].get("frequency")}
        return {"trigger_source": execution.type, "schedule": schedule, **(error if word == "failed" else {})}
    if word == "failed":
        return error
    counts = execution.counts(at)
    if word == "completed_with_errors":
        return {**error, "number_of_errors": counts["error"], "number_of_warnings": counts["warnings"]}
    return _completed(event, counts, at)


def _completed(event: Event, counts: dict[str, int], at: float) -> dict[str, Any]:
    return {
        "status": "completed",
        "trigger": event.execution.type,
        "schedule": {"frequency": event.sync.attributes["schedule"].get("frequency")},
        **{name: counts[count] for name, count in _COUNT_FIELDS.items()},
        **{name: logs.files(event.execution, log_type, at) for name, log_type in _FILE_FIELDS.items()},
        "logs_url": logs.signed_url(event.execution.id, "logs", at=at),
    }


def queue_new_events(state: State) -> None:
    """Queue for delivery the events that have become visible; skip them if the webhook is disabled."""
    webhook = state.webhook
    if webhook is None:
        return
    new = [each for each in visible(state) if each not in webhook.known]
    webhook.known.update(new)
    if webhook.disabled_at is None:
        new.sort(key=sort_key(state.behavior))
        webhook.pending.extend(PendingDelivery(each.to_json(state), state.clock()) for each in new)
