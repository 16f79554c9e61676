"""The first records of a file of them, fit to be read by anybody who may read a task's log."""

from __future__ import annotations

import csv
import json

from airflow_provider_polytomic.api.redaction import MASK, is_secret_name, redact

LINES = 3
LONGEST_LINE = 300


def first_records(text: str, *secrets: str | None) -> tuple[str, ...]:
    """Return the first lines of a file: comma-separated with a row of names, JSON a line, or anything else.

    What stands under a name of a secret is masked, in each of these forms.

    :param secrets: texts that must not be in them
    """
    lines = [line for line in text.splitlines() if line.strip()][: LINES + 1]
    if not lines or any(ord(letter) < 32 and letter != "\t" for line in lines for letter in line):
        return ()
    if lines[0].lstrip()[0] in "{[":
        shown = [_json_line(line, secrets) for line in lines[:LINES]]
    else:
        shown = _table(lines, secrets)
    return tuple(line[:LONGEST_LINE] for line in shown)


def _json_line(line: str, secrets: tuple[str | None, ...]) -> str:
    try:
        return json.dumps(redact(json.loads(line), *secrets), ensure_ascii=False)
    except (ValueError, RecursionError):
        return str(redact(line, *secrets))


def _table(lines: list[str], secrets: tuple[str | None, ...]) -> list[str]:
    try:
        names, *rows = csv.reader(lines)
    except csv.Error:
        return [str(redact(line, *secrets)) for line in lines]
    hidden = [is_secret_name(name.strip()) for name in names]
    shown = [[MASK if secret and cell else cell for cell, secret in _paired(row, hidden)] for row in rows]
    return [", ".join(str(redact(cell, *secrets)) for cell in row) for row in (names, *shown)]


def _paired(row: list[str], hidden: list[bool]) -> list[tuple[str, bool]]:
    """Pair cells with whether they are hidden; a cell without a name is, where any is: the row may be shifted."""
    rest = [any(hidden)] * max(0, len(row) - len(hidden))
    return list(zip(row, [*hidden, *rest]))
