"""The first records of a file of them, fit to be read by anybody who may read a task's log."""

from __future__ import annotations

import csv
import json
import re
from typing import Any

from airflow_provider_polytomic.api.redaction import MASK, is_secret_name, one_line, redact

LINES = 3
LONGEST_LINE = 300
SEPARATORS = ",;\t|"

_LINE_END = re.compile(r"\r?\n")
"""Nothing else ends a line: a record may have any other letter in it."""

_NAME = re.compile(r"[\w -]+")


def first_records(text: str, *secrets: str | None) -> tuple[str, ...]:
    """Return the first lines of a file: a table with a row of names, JSON, or anything else.

    What stands under a name of a secret is masked. Where any such name is in the file, a line that is not understood is
    left out.

    :param secrets: texts that must not be in them
    """
    lines = [line for line in _LINE_END.split(text) if line.strip()][: LINES + 1]
    if not lines or any(ord(letter) < 32 and letter not in "\t\x0c" for line in lines for letter in line):
        return ()
    guarded = any(is_secret_name(name) for name in _NAME.findall(text))
    is_json = lines[0].lstrip()[0] in "{["
    shown = _json(lines[:LINES], guarded, secrets) if is_json else _table(lines, guarded, secrets)
    return tuple(one_line(line, LONGEST_LINE) for line in shown)


def _json(lines: list[str], guarded: bool, secrets: tuple[str | None, ...]) -> list[str]:
    """Read JSON that has an object a line; after a line that is not one, the next may be a part of it."""
    shown = []
    for line in lines:
        record = _record(line)
        if record is not None:
            shown.append(json.dumps(redact(record, *secrets), ensure_ascii=False))
        elif not guarded:
            shown.append(str(redact(line, *secrets)))
        elif line.strip() != "[":
            break
    return shown


def _record(line: str) -> Any:
    for part in (line, line.strip().strip(",[]")):
        try:
            read = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if all(isinstance(each, dict) for each in (read if isinstance(read, list) else [read])):
            return read
    return None


def _table(lines: list[str], guarded: bool, secrets: tuple[str | None, ...]) -> list[str]:
    """Read a table; a row of another length than the names may be shifted."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=max(SEPARATORS, key=lines[0].count), strict=True):
            rows.append(row)
    except csv.Error:
        if not guarded:
            return [str(redact(line, *secrets)) for line in lines]
    hidden = [is_secret_name(name) for name in rows[0]] if rows else []
    shown = rows[:1]
    for row in rows[1:]:
        if len(row) == len(hidden):
            shown.append([MASK if secret and cell else cell for cell, secret in zip(row, hidden)])
        elif not guarded:
            shown.append(row)
    return [", ".join(str(redact(cell, *secrets)) for cell in row) for row in shown]
