"""Plans of executions: duration, outcome, counts. Seconds of a plan count from the moment the execution begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

WAITING_STATUSES = frozenset({"created", "scheduled", "queued", "waiting"})
END_STATUSES = ("completed", "errors", "failed", "canceled", "interrupted")
"""Statuses with which an execution or a schema ends; ``errors`` is one of bulk executions only."""

STATUSES = (*sorted(WAITING_STATUSES), "running", "processing", "exporting", "canceling", *END_STATUSES)
"""All statuses that the API documents."""

COUNTS = ("total", "insert", "update", "upserts", "delete", "error", "warnings")
TEST_RECORDS = 5


@dataclass(frozen=True)
class SchemaPlan:
    """Plan one schema of a bulk execution.

    :param id: id of the schema.
    :param duration: seconds until it ends; default None, the duration of the plan.
    :param records: record count at the end; default 100.
    :param errors: error count at the end; default 0.
    :param warnings: warning count at the end; default 0.
    :param outcome: last status of the schema, one of :data:`END_STATUSES`; default ``completed``.
    :param message: ``status_message`` of the schema once it ended; default None.
    :param output_name: name at the destination; default None, its id.
    :param enabled: whether executions move it; default True.
    :param settings: other settings of the schema, as the API names them; default none.
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


@dataclass(frozen=True)
class Plan:
    """Plan one execution.

    :param duration: seconds until it ends; ``math.inf`` (JSON: ``"inf"``) never ends by itself. Default 10.
    :param outcome: its last status, one of :data:`END_STATUSES`; default None: ``completed``, or the sum of the
        schemas' outcomes.
    :param counts: counts at the end of a model execution; they grow evenly while it runs. Default 100 records.
    :param errors: ``errors`` of a model execution once it ended; default none.
    :param message: ``status_message`` of a bulk execution once it ended; default None.
    :param statuses: pairs of a status of :data:`STATUSES` and the second it begins at, in order; a status may repeat.
        Default None: ``created`` for a tenth of the duration (at most a second), then ``running``.
    :param cancel_takes: seconds from the first cancel request to the end; default 2.
    :param cancel_ends: last status of a canceled execution, since a cancel may come too late; default ``canceled``.
    :param schemas: the schemas of a bulk execution; default none, as for a model execution.
    :param log_every: seconds between two lines of progress in the console log; default 1.
    :param unknown_statuses: words that the API does not document and that this plan uses as statuses, to test what
        happens when Polytomic adds one; default none.
    """

    duration: float = 10.0
    outcome: str | None = None
    counts: Mapping[str, int] = field(default_factory=lambda: {"total": 100, "insert": 60, "update": 40})
    errors: tuple[str, ...] = ()
    message: str | None = None
    statuses: tuple[tuple[str, float], ...] | None = None
    cancel_takes: float = 2.0
    cancel_ends: str = "canceled"
    schemas: tuple[SchemaPlan, ...] = ()
    log_every: float = 1.0
    unknown_statuses: tuple[str, ...] = ()

    def with_changes(self, changes: Mapping[str, Any]) -> Plan:
        """Return the plan with ``changes``, which may be plain JSON.

        :raises ValueError: if a plan has no such field, or the field does not take the value.
        """
        _reject_unknown("A plan", changes, [each.name for each in fields(self)])
        changed = replace(self, **{name: _converted(name, value) for name, value in changes.items()})
        ends = {
            "outcome": "completed" if changed.outcome is None else changed.outcome,
            "cancel_ends": changed.cancel_ends,
        }
        for name, status in (ends | {f"outcome of schema {each.id}": each.outcome for each in changed.schemas}).items():
            changed.check_status(name, status, END_STATUSES)
        for status, _ in changed.statuses or ():
            changed.check_status("statuses", status, STATUSES)
        return changed

    def check_status(self, name: str, status: str, known: tuple[str, ...] = END_STATUSES) -> None:
        """Check a status that is given for an execution of this plan.

        :raises ValueError: if it is neither one of ``known`` nor of ``unknown_statuses``.
        """
        if status not in (*known, *self.unknown_statuses):
            raise ValueError(
                f"{name} has {status!r}, which is not a status here. Use {', '.join(known)}; to emulate a word that "
                "the API does not document, list it in unknown_statuses, too."
            )

    def with_schemas(self, ids: list[str]) -> Plan:
        """Keep only the schemas ``ids``; all enabled ones if ``ids`` is empty."""
        return replace(self, schemas=tuple(each for each in self.schemas if (each.id in ids if ids else each.enabled)))

    def as_test(self, model_test: str = "whole") -> Plan:
        """Limit each schema to the records of a test execution, and the counts as the switch ``model_test`` says."""
        limit = {"few": TEST_RECORDS, "nothing": 0}.get(model_test)
        counts = {name: count if limit is None else min(count, limit) for name, count in self.counts.items()}
        schemas = tuple(replace(each, records=min(each.records, TEST_RECORDS)) for each in self.schemas)
        return replace(self, schemas=schemas, counts=counts)

    def resumed(self, interrupted: str, errors: str) -> Plan:
        """Let an execution that would end ``interrupted`` or with ``errors`` complete, if that switch is ``resumes``.

        It shows that status for as long as it took to reach it.
        """
        status, length = self.final_status, self.length
        if {"interrupted": interrupted, "errors": errors}.get(status) != "resumes":
            return self
        schemas = tuple(replace(each, duration=2 * length, outcome="completed") for each in self.schemas)
        timeline = (*self.timeline, (status, length))
        return replace(self, outcome="completed", duration=2 * length, schemas=schemas, statuses=timeline)

    def schema_duration(self, schema: SchemaPlan) -> float:
        """Return the seconds that ``schema`` takes."""
        return self.duration if schema.duration is None else schema.duration

    @cached_property
    def length(self) -> float:
        """Seconds until the execution ends by itself: those of its longest schema, if it has any."""
        return max((self.schema_duration(each) for each in self.schemas), default=self.duration)

    @cached_property
    def timeline(self) -> tuple[tuple[str, float], ...]:
        """The statuses before the end, each with the second it begins at."""
        if self.statuses is not None:
            return self.statuses
        return (("created", 0.0), ("running", min(1.0, self.length / 10)))

    @cached_property
    def starts_after(self) -> float:
        """Seconds until the execution stops waiting and works."""
        return min((second for status, second in self.timeline if status not in WAITING_STATUSES), default=self.length)

    @cached_property
    def final_status(self) -> str:
        """The last status, if the execution is neither canceled nor finished by hand."""
        if self.outcome is not None:
            return self.outcome
        outcomes = {each.outcome for each in self.schemas}
        if outcomes <= {"completed"}:
            return "completed"
        return outcomes.pop() if len(outcomes) == 1 else "errors"


def _reject_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    unknown = set(given) - set(known)
    if unknown:
        raise ValueError(f"{owner} has no {', '.join(sorted(unknown))}. Use {', '.join(known)}.")


def _converted(name: str, value: Any) -> Any:
    if name in ("duration", "cancel_takes"):
        return _seconds(name, value)
    if name == "log_every":
        if float(value) <= 0:
            raise ValueError(f"{name} must be greater than 0.")
        return float(value)
    if name == "counts":
        _reject_unknown(name, value, COUNTS)
        return {key: int(count) for key, count in value.items()}
    if name in ("errors", "unknown_statuses"):
        return tuple(str(each) for each in value)
    if name == "statuses" and value is not None:
        return tuple((str(status), _seconds("The begin of a status", second)) for status, second in value)
    if name == "schemas":
        return tuple(_schema(each) for each in value)
    return value


def _schema(value: SchemaPlan | Mapping[str, Any]) -> SchemaPlan:
    if isinstance(value, SchemaPlan):
        return value
    if not isinstance(value, Mapping) or "id" not in value:
        raise ValueError(f"A schema is a mapping with an id, such as {{'id': 'contact', 'records': 7}}, not {value!r}.")
    _reject_unknown("A schema", value, [each.name for each in fields(SchemaPlan)])
    duration = value.get("duration")
    return SchemaPlan(**{**value, "duration": None if duration is None else _seconds("duration", duration)})


def _seconds(name: str, value: Any) -> float:
    seconds = float(value)
    if not seconds >= 0:
        raise ValueError(f"{name} must be a number of seconds, at least 0.")
    return seconds
