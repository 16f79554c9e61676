"""Tell what happened to syncs, as the events of the last two days.

Events are functions of the executions and the time: one where an execution starts to work, one or two where it ends.
The switches then say what of it a caller gets to see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from airflow_provider_polytomic.emulator.http.paging import Position

RETAINED_SECONDS = 48 * 60 * 60
_MODEL_ENDS = ("completed", "canceled", "failed")
_BULK_ENDS = {"errors": "completed_with_error", **{word: word for word in _MODEL_ENDS}}
TYPES = (
    *(f"sync.{word}" for word in ("running", *_MODEL_ENDS, "completed_with_errors")),
    *(f"bulk_sync.{word}" for word in ("running", *_MODEL_ENDS, "completed_with_error")),
)


@dataclass(frozen=True)
class Event:
    """One event.

    :param at: when it happened, in whole microseconds, since that is what callers see and compare.
    :param copy: 0, or 1 for the repetition of an event that stands in the list twice.
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


def visible(state: State) -> Iterator[Event]:
    """Give the events that callers can see now, in no particular order."""
    now, behavior = state.clock(), state.behavior
    for event in _all(state, now):
        seen_at = event.at + next((s for name, s in behavior.events_delayed.items() if _fits(event, [name])), 0.0)
        if not now - RETAINED_SECONDS < event.at or seen_at > now or _fits(event, behavior.events_lost):
            continue
        yield event
        if _fits(event, behavior.events_repeated):
            yield Event(event.type, event.at, event.sync, event.execution, copy=1)


def _all(state: State, now: float) -> Iterator[Event]:
    for sync in (*state.deleted_syncs, *state.syncs.values()):
        for execution in sync.executions:
            for at, word in _moments(execution, now, state.behavior):
                yield Event(
                    f"{'bulk_sync' if sync.kind == BULK else 'sync'}.{word}", _in_microseconds(at), sync, execution
                )


def _moments(execution: Execution, now: float, behavior: Behavior) -> Iterable[tuple[float, str]]:
    started_at = execution.started_at(now)
    if started_at is not None:
        yield started_at, "running"
    if execution.ended(now):
        for word in _ends(execution, behavior):
            yield execution.ending.at, word


def _ends(execution: Execution, behavior: Behavior) -> list[str]:
    """Give the words of the events that tell of the end; there are none for ``interrupted``."""
    ending = execution.ending
    if execution.kind == BULK:
        word = _BULK_ENDS.get(ending.status)
    elif ending.status == "completed" and (execution.counts(ending.at)["error"] or execution.errors(ending.at)):
        word = "completed_with_errors"
    else:
        word = ending.status if ending.status in _MODEL_ENDS else None
    beside = word is not None and word.startswith("completed_with") and behavior.completed_beside_errors
    return [each for each in ("completed" if beside else None, word) if each]


def _fits(event: Event, names: Sequence[str]) -> bool:
    return any(fnmatchcase(text, name) for name in names for text in (event.type, event.sync.id, event.execution.id))


def order(behavior: Behavior) -> Callable[[Event], Position]:
    """Give what events are sorted by."""

    def position(event: Event) -> Position:
        tie = f"{event.id} {event.copy}"
        if behavior.event_order == "shuffled":
            return (0.0, hashlib.sha256(tie.encode()).hexdigest())
        return (event.at if behavior.event_order == "oldest_first" else -event.at, tie)

    return position


def shown(event: Event, organization_id: str, behavior: Behavior) -> dict[str, Any]:
    """Write an event as the API shows it."""
    sync = event.sync
    ends = ("source_connection_id", "destination_connection_id")
    connections = (
        {name: sync.attributes[name] for name in ends}
        if sync.kind == BULK
        else {"target_connection_id": sync.attributes["target"]["connection_id"]}
    )
    return {
        "id": event.id,
        "type": event.type,
        "created_at": timestamp(event.at),
        "organization_id": organization_id,
        "event": {
            "execution_id": event.execution.id,
            "organization_id": organization_id,
            "sync_id": sync.id,
            behavior.event_sync_name: sync.name,
            **connections,
            **_facts(event),
        },
    }


def _facts(event: Event) -> dict[str, Any]:
    """Give what one type of event says beyond the others."""
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
    files = {type: logs.files(event.execution, type, at) for type in logs.TYPES}
    return {
        "status": "completed",
        "trigger": event.execution.type,
        "schedule": {"frequency": event.sync.attributes["schedule"].get("frequency")},
        "record_count": counts["total"],
        "inserted_count": counts["insert"],
        "updated_count": counts["update"],
        "upserted_count": counts["upserts"],
        "error_count": counts["error"],
        "warning_count": counts["warnings"],
        "total_records": files["records"],
        "inserted_records": files["inserts"],
        "updated_records": files["updates"],
        "deleted_records": files["deletes"],
        "errored_records": files["errors"],
        "warnings": files["warnings"],
        "logs_url": logs.signed_url(event.execution.id, "logs", at=at),
    }


def _in_microseconds(at: float) -> float:
    return datetime.fromtimestamp(at, timezone.utc).timestamp()
