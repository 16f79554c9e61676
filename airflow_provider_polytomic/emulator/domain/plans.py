"""Say in advance how an execution goes: how long it takes, how it ends, what it counts.

All seconds of a plan are measured from the moment the execution begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

WAITING = frozenset({"created", "scheduled", "queued", "waiting"})
COUNTS = ("total", "insert", "update", "upserts", "delete", "error", "warnings")
TEST_RECORDS = 5


@dataclass(frozen=True)
class SchemaPlan:
    """How one schema of a bulk execution goes.

    :param duration: seconds; None takes the duration of the plan.
    :param outcome: the schema's last status.
    :param message: its ``status_message`` once it ended.
    :param settings: what else the API lets a caller set of it.
    """

    id: str
    duration: float | None = None
    records: int = 100
    errors: int = 0
    warnings: int = 0
    outcome: str = "completed"
    message: str | None = None
    output_name: str | None = None
    enabled: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)


def _default_counts() -> dict[str, int]:
    return {"total": 100, "insert": 60, "update": 40}


@dataclass(frozen=True)
class Plan:
    """How one execution goes.

    :param duration: seconds until it ends; ``math.inf`` (JSON: ``"inf"``) never ends by itself.
    :param outcome: its last status, any word; None: ``completed``, or what the schemas add up to.
    :param counts: counts at the end of a model execution; they grow evenly while it runs.
    :param errors: ``errors`` of a model execution once it ended.
    :param message: ``status_message`` of a bulk execution once it ended.
    :param statuses: pairs of a status word and the second it begins at, in order; words may repeat.
        None: ``created`` for a tenth of the duration (at most a second), then ``running``.
    :param cancel_takes: seconds from the first cancel request to the end.
    :param cancel_ends: last status of a canceled execution, as a cancel may come too late.
    :param schemas: the schemas of a bulk execution; empty for a model execution.
    :param log_every: seconds between two lines of progress in the console log.
    """

    duration: float = 10.0
    outcome: str | None = None
    counts: Mapping[str, int] = field(default_factory=_default_counts)
    errors: tuple[str, ...] = ()
    message: str | None = None
    statuses: tuple[tuple[str, float], ...] | None = None
    cancel_takes: float = 2.0
    cancel_ends: str = "canceled"
    schemas: tuple[SchemaPlan, ...] = ()
    log_every: float = 1.0

    def changed(self, changes: Mapping[str, Any]) -> Plan:
        """Give the plan with ``changes``, which may come as plain JSON."""
        unknown = set(changes) - {each.name for each in fields(self)}
        if unknown:
            raise ValueError(f"A plan has no {', '.join(sorted(unknown))}.")
        return replace(self, **{name: _converted(name, value) for name, value in changes.items()})

    def of_schemas(self, ids: list[str]) -> Plan:
        """Keep only the schemas ``ids``; all enabled ones where ``ids`` is empty."""
        return replace(self, schemas=tuple(each for each in self.schemas if (each.id in ids if ids else each.enabled)))

    def as_test(self, reading: str = "whole") -> Plan:
        """Limit every schema to the few records that a test run moves, and a model sync as ``reading`` says."""
        schemas = tuple(replace(each, records=min(each.records, TEST_RECORDS)) for each in self.schemas)
        if reading == "whole":
            return replace(self, schemas=schemas)
        most = TEST_RECORDS if reading == "few" else 0
        return replace(self, schemas=schemas, counts={name: min(count, most) for name, count in self.counts.items()})

    def resumed(self, interrupted: str, errors: str) -> Plan:
        """Let an execution go on and complete that would end ``interrupted`` or with ``errors``, where these say so.

        It shows the word for as long as it took to come to it.
        """
        word, length = self.final_status, self.length
        if {"interrupted": interrupted, "errors": errors}.get(word) != "resumes":
            return self
        schemas = tuple(replace(each, duration=2 * length, outcome="completed") for each in self.schemas)
        words = (*self.words, (word, length))
        return replace(self, outcome="completed", duration=2 * length, schemas=schemas, statuses=words)

    def schema_duration(self, schema: SchemaPlan) -> float:
        """Give the seconds ``schema`` takes."""
        return self.duration if schema.duration is None else schema.duration

    @property
    def length(self) -> float:
        """Seconds until the execution ends by itself: those of its longest schema, if it has any."""
        return max((self.schema_duration(each) for each in self.schemas), default=self.duration)

    @property
    def words(self) -> tuple[tuple[str, float], ...]:
        """The status words before the end, each with the second it begins at."""
        if self.statuses is not None:
            return self.statuses
        return (("created", 0.0), ("running", min(1.0, self.length / 10)))

    @property
    def starts_after(self) -> float:
        """Seconds until the execution stops waiting and works."""
        return min((second for word, second in self.words if word not in WAITING), default=self.length)

    @property
    def final_status(self) -> str:
        """The last status when nobody interferes."""
        if self.outcome is not None:
            return self.outcome
        outcomes = {each.outcome for each in self.schemas}
        if outcomes <= {"completed"}:
            return "completed"
        return outcomes.pop() if len(outcomes) == 1 else "errors"


def _converted(name: str, value: Any) -> Any:
    if name in ("duration", "cancel_takes"):
        return float(value)
    if name == "log_every":
        return _positive(name, float(value))
    if name == "counts":
        unknown = set(value) - set(COUNTS)
        if unknown:
            raise ValueError(f"counts has no {', '.join(sorted(unknown))}; it has {', '.join(COUNTS)}.")
        return {key: int(count) for key, count in value.items()}
    if name == "errors":
        return tuple(str(each) for each in value)
    if name == "statuses" and value is not None:
        return tuple((str(word), float(second)) for word, second in value)
    if name == "schemas":
        return tuple(_schema(each) for each in value)
    return value


def _positive(name: str, value: float) -> float:
    if value <= 0:
        raise ValueError(f"{name} must be greater than 0.")
    return value


def _schema(value: SchemaPlan | Mapping[str, Any]) -> SchemaPlan:
    if isinstance(value, SchemaPlan):
        return value
    duration = value.get("duration")
    return SchemaPlan(**{**value, "duration": None if duration is None else float(duration)})
