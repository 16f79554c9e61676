"""Write what executions leave behind: console lines, and files of records behind URLs that look signed.

Lines are functions of the execution and the time, as the execution itself is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.executions import Execution

RETAINED = 50
URL_SECONDS = 15 * 60
TYPES = {
    "records": "total",
    "errors": "error",
    "warnings": "warnings",
    "inserts": "insert",
    "updates": "update",
    "deletes": "delete",
}
"""Kinds of record logs of a model execution, and the count that says how much each holds."""

_HOST = "https://files.emulator.invalid"
_RECORDS_OF_A_FILE = 1000
_CREATED, _STARTED, _PROGRESS, _SCHEMA, _CANCEL, _ERROR, _ENDED = range(7)


@dataclass(frozen=True)
class Line:
    """One line of a console log.

    :param place: what orders lines of one instant.
    :param level: None for an ordinary line.
    """

    at: float
    place: tuple[int, int]
    message: str
    level: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id, which is a cursor too: later lines have greater ones."""
        return f"{int(self.at * 1000):014}-{self.place[0]}{self.place[1]:08}"


def console(execution: Execution, now: float) -> list[Line]:
    """Give the lines that are kept of a console log, oldest first."""
    lines = [*_life(execution, now), *_progress(execution, now), *_schemas(execution, now)]
    return sorted(lines, key=lambda line: line.id)[-RETAINED:]


def _life(execution: Execution, now: float) -> Iterator[Line]:
    yield Line(execution.created_at, (_CREATED, 0), "Execution created.", payload={"type": execution.type})
    started_at = execution.started_at(now)
    if started_at is not None:
        yield Line(started_at, (_STARTED, 0), "Execution started.")
    if execution.cancel_requested_at is not None:
        yield Line(execution.cancel_requested_at, (_CANCEL, 0), "Cancellation requested.", "warning")
    if execution.ended(now):
        ending = execution.ending
        for number, error in enumerate(execution.errors(now)):
            yield Line(ending.at, (_ERROR, number), error, "error")
        level = None if ending.status == "completed" else "error"
        yield Line(ending.at, (_ENDED, 0), f"Execution ended: {ending.status}.", level)


def _progress(execution: Execution, now: float) -> Iterator[Line]:
    started_at = execution.started_at(now)
    if started_at is None:
        return
    every = execution.plan.log_every
    last = int((min(now, execution.ending.at) - started_at) / every)
    for number in range(max(1, last - RETAINED), last + 1):
        yield Line(
            started_at + number * every, (_PROGRESS, number), f"Working, part {number}.", payload={"part": number}
        )


def _schemas(execution: Execution, now: float) -> Iterator[Line]:
    for number, schema in enumerate(execution.schemas(now)):
        if schema.completed_at is not None:
            level = None if schema.status == "completed" else "error"
            payload = {"schema": schema.id, "record_count": schema.records}
            yield Line(schema.completed_at, (_SCHEMA, number), f"Schema {schema.id}: {schema.status}.", level, payload)


def shown(line: Line, level: str) -> dict[str, Any]:
    """Write a line as the API shows it; ``level`` is that of ordinary ones."""
    return {
        "id": line.id,
        "timestamp": timestamp(line.at),
        "level": line.level or level,
        "message": line.message,
        "payload": line.payload,
    }


def files(execution: Execution, type: str, now: float) -> list[str]:
    """Give the URLs of the files that hold the log ``type`` of a model execution, as it is now."""
    count = execution.counts(now)[TYPES[type]]
    return [
        signed_url(execution.id, type, f"{number:04}.csv", at=now) for number in range(-(-count // _RECORDS_OF_A_FILE))
    ]


def schema_files(execution: Execution, now: float) -> list[str]:
    """Give the URLs of the files of a bulk execution, one a schema that has ended."""
    ended = (each for each in execution.schemas(now) if each.completed_at is not None)
    return [signed_url(execution.id, "logs", f"{each.id}.json", at=now) for each in ended]


def signed_url(*path: str, at: float) -> str:
    """Give a URL that looks signed at ``at``; nothing answers there."""
    place = "/".join(path)
    signature = hashlib.sha256(f"{place} {at}".encode()).hexdigest()
    return f"{_HOST}/{place}?X-Amz-Expires={URL_SECONDS}&X-Amz-Signature={signature}"
