"""Shorten Airflow's log files to what a person reads."""

from __future__ import annotations

import json
from pathlib import Path


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a log file, readable."""
    return readable("\n".join(path.read_text(errors="replace").splitlines()[-lines:]))


def readable(text: str) -> str:
    """Reduce the JSON lines of Airflow 3's task logs to time, level, message and error; keep all other lines."""
    return "\n".join(_readable(line) for line in text.splitlines())


def _readable(line: str) -> str:
    try:
        record = json.loads(line)
        errors = [f"{error['exc_type']}: {error['exc_value']}" for error in record.get("error_detail", [])]
        return "  ".join([record["timestamp"][11:19], record["level"], record["event"], *errors])
    except (ValueError, TypeError, LookupError, AttributeError):
        return line
