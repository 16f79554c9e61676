"""Console logs and record files of executions, which are functions of the execution and the time too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.executions import Execution

MAX_LINES = 50
URL_SECONDS = 15 * 60
LOG_TYPES = {
    "records": "total",
    "errors": "error",
    "warnings": "warnings",
    "inserts": "insert",
    "updates": "update",
    "deletes": "delete",
}
"""Record logs of a model execution, and the count that gives the size of each."""

_HOST = "https://files.emulator.invalid"
_RECORDS_PER_FILE = 1000
_CREATED, _STARTED, _PROGRESS, _SCHEMA, _CANCEL, _ERROR, _ENDED = range(7)


@dataclass(frozen=True)
class LogLine:
    """One line of a console log.

    :param rank: order among the lines of one moment.
    :param level: None for an ordinary line.
    """

    at: float
    rank: tuple[int, int]
    message: str
    level: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id, which is also a cursor: later lines have greater ids."""
        return f"{int(self.at * 1000):014}-{self.rank[0]}{self.rank[1]:08}"

    def to_json(self, default_level: str) -> dict[str, Any]:
        """Return the line as the API shows it."""
        level = self.level or default_level
        common = {"id": self.id, "timestamp": timestamp(self.at), "level": level}
        return {**common, "message": self.message, "payload": self.payload}


def console(execution: Execution, now: float) -> list[LogLine]:
    """Return the latest lines of a console log, oldest first."""
    lines = [*_status_lines(execution, now), *_progress_lines(execution, now), *_schema_lines(execution, now)]
    return sorted(lines, key=lambda line: line.id)[-MAX_LINES:]


def _status_lines(execution: Execution, now: float) -> Iterator[LogLine]:
    yield LogLine(execution.created_at, (_CREATED, 0), "Execution created.", payload={"type": execution.type})
    started_at = execution.started_at(now)
    if started_at is not None:
        yield LogLine(started_at, (_STARTED, 0), "Execution started.")
    if execution.cancel_requested_at is not None:
        yield LogLine(execution.cancel_requested_at, (_CANCEL, 0), "Cancellation requested.", "warning")
    if execution.ended(now):
        ending = execution.ending
        for number, error in enumerate(execution.errors(now)):
            yield LogLine(ending.at, (_ERROR, number), error, "error")
        yield LogLine(ending.at, (_ENDED, 0), f"Execution ended: {ending.status}.", _level(ending.status))


def _progress_lines(execution: Execution, now: float) -> Iterator[LogLine]:
    started_at = execution.started_at(now)
    if started_at is None:
        return
    interval = execution.plan.log_every
    last = int((min(now, execution.ending.at) - started_at) / interval)
    for number in range(max(1, last - MAX_LINES), last + 1):
        at, message = started_at + number * interval, f"Working, part {number}."
        yield LogLine(at, (_PROGRESS, number), message, payload={"part": number})


def _schema_lines(execution: Execution, now: float) -> Iterator[LogLine]:
    for number, schema in enumerate(execution.schemas(now)):
        if schema.completed_at is not None:
            message, level = f"Schema {schema.id}: {schema.status}.", _level(schema.status)
            payload = {"schema": schema.id, "record_count": schema.records}
            yield LogLine(schema.completed_at, (_SCHEMA, number), message, level, payload)


def _level(status: str) -> str | None:
    return None if status == "completed" else "error"


def files(execution: Execution, log_type: str, now: float) -> list[str]:
    """Return the URLs of the files of one record log of a model execution at ``now``."""
    count = -(-execution.counts(now)[LOG_TYPES[log_type]] // _RECORDS_PER_FILE)
    return [signed_url(execution.id, log_type, f"{number:04}.csv", at=now) for number in range(count)]


def schema_files(execution: Execution, now: float) -> list[str]:
    """Return the URLs of the files of a bulk execution, one for each schema that has ended."""
    ended = (each for each in execution.schemas(now) if each.completed_at is not None)
    return [signed_url(execution.id, "logs", f"{each.id}.json", at=now) for each in ended]


def signed_url(*path: str, at: float) -> str:
    """Return a URL that looks signed at ``at``; no server answers it."""
    joined = "/".join(path)
    signature = hashlib.sha256(f"{joined} {at}".encode()).hexdigest()
    return f"{_HOST}/{joined}?X-Amz-Expires={URL_SECONDS}&X-Amz-Signature={signature}"
