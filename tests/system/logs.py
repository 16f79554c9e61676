"""Shorten Airflow's log files for readers."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a log file in readable form."""
    return readable("\n".join(path.read_text(errors="replace").splitlines()[-lines:]))


def readable(text: str) -> str:
    """Reduce the JSON lines of Airflow 3's task logs to time, level, message and error; keep all other lines."""
    return "\n".join(_readable(line) for line in text.splitlines())


def last_error(text: str) -> str:
    """Return the message of the last error in a task log, with all of its lines; empty if there is no error."""
    messages = [""]
    for line in text.splitlines():
        with contextlib.suppress(ValueError, TypeError, LookupError, AttributeError):
            messages += [error["exc_value"] for error in json.loads(line).get("error_detail", [])]
    return messages[-1] or _last_error_of_airflow_2(text)


def _last_error_of_airflow_2(text: str) -> str:
    """Return the text after the name of an exception, up to the next line that begins with a time."""
    found = re.findall(r"^[\w.]+\.Polytomic\w+: (.*?)(?=^\[\d{4}-|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[-1].strip() if found else ""


def _readable(line: str) -> str:
    try:
        record = json.loads(line)
        errors = [f"{error['exc_type']}: {error['exc_value']}" for error in record.get("error_detail", [])]
        return "  ".join([record["timestamp"][11:19], record["level"], record["event"], *errors])
    except (ValueError, TypeError, LookupError, AttributeError):
        return line
