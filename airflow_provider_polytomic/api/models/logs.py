"""What executions wrote: console lines, and files of records behind signed URLs."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import AliasChoices, Field

from airflow_provider_polytomic.api.models.base import Model, Moment, Rows


class ConsoleLine(Model):
    """One line of an execution's console log."""

    id: str | None = None
    timestamp: Moment | None = None
    level: str | None = None
    message: str | None = None
    payload: dict[str, Any] | None = None


class ConsoleLog(Model):
    """Part of an execution's console log; ``next_cursor``, sent as ``after``, asks for the lines written since."""

    grows: ClassVar[bool] = True

    rows: Rows[ConsoleLine] = Field(default_factory=list, alias="entries")
    next_cursor: str | None = None

    @property
    def cursor(self) -> tuple[str, str] | None:
        """The parameter that asks for newer lines; None where there was none to be newer than."""
        return ("after", self.next_cursor) if self.rows and self.next_cursor else None


class LogFiles(Model):
    """Files of records, each behind a URL that is signed: whoever has it can read the file until it expires."""

    urls: Rows[str] = Field(default_factory=list, validation_alias=AliasChoices("urls", "URLs"), repr=False)
    expires: Moment | None = Field(default=None, validation_alias=AliasChoices("expires", "Expires"))


class LogsIndexEntry(Model):
    """How many records one kind of log holds, and where it is."""

    count: int | None = None
    url: str | None = Field(default=None, repr=False)


class LogsIndex(Model):
    """Which logs a model sync execution left behind; a kind without records may be absent."""

    records: LogsIndexEntry | None = None
    errors: LogsIndexEntry | None = None
    warnings: LogsIndexEntry | None = None
    inserts: LogsIndexEntry | None = None
    updates: LogsIndexEntry | None = None
    deletes: LogsIndexEntry | None = None
