"""Check values before Airflow stores them in a database or sends them to another of its processes.

Responses are cleaned when they are decoded (``api/decoding.py``), so the check fails only for values from elsewhere.
Without it, such a value ends the triggerer, and again after each restart.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeVar

from airflow_provider_polytomic.exceptions import PolytomicUnavailable

T = TypeVar("T")

MAX_STORED_BYTES = 8 * 1024 * 1024
"""Size of one value as JSON. Airflow keeps it in a column, sends it through a pipe, and logs trigger events."""

MAX_STORED_DEPTH = 100
"""Levels of dicts and lists: Airflow serializes them recursively."""

RESERVED_NAMES = frozenset({"__classname__", "__version__", "__data__", "__type", "__var", "__source", "__id__"})
"""Names by which Airflow recognizes a serialized object, which it would build when it reads the value."""

_UNSTORABLE_TEXT = re.compile("[\x00\ud800-\udfff]")


def storable(value: T, name: str) -> T:
    """Return a value if Airflow can store it on PostgreSQL, MySQL and SQLite, send it, and read the same value back.

    :param value: JSON, without ``inf`` and ``nan``
    :param name: what the value is, for the message
    :raises PolytomicUnavailable: if Airflow cannot
    """
    problem = _problem(value, 0)
    if problem is None and len(json.dumps(value)) > MAX_STORED_BYTES:
        problem = f"it has more than {MAX_STORED_BYTES // 2**20} MiB"
    if problem is None:
        return value
    raise PolytomicUnavailable(
        f"Airflow cannot store {name}: {problem}.\n  Next:\n    - report this with the logs of the task: no answer of "
        "Polytomic may lead to it\n    - retry the task, which continues where this attempt stopped"
    )


def _problem(value: Any, depth: int) -> str | None:
    """Return why a value cannot be stored; None if it can."""
    kind = type(value)
    if kind is str:
        return "a text has a NUL or half of a surrogate pair" if _UNSTORABLE_TEXT.search(value) else None
    if kind is int:
        return None if -(2**63) <= value < 2**63 else "a number does not fit in 64 bits"
    if kind is float:
        return None if math.isfinite(value) else "a number is not finite"
    if kind is dict or kind is list:
        return _problem_of_items(value, depth)
    return None if value is None or kind is bool else f"a {kind.__name__} is not JSON"


def _problem_of_items(value: dict[Any, Any] | list[Any], depth: int) -> str | None:
    if depth == MAX_STORED_DEPTH:
        return f"it is nested deeper than {MAX_STORED_DEPTH} levels"
    items: Any = value
    if isinstance(value, dict):
        if reserved := RESERVED_NAMES & value.keys():
            return f"the name {min(reserved)!r} is reserved"
        if any(type(key) is not str for key in value):
            return "a name is not a text"
        items = (*value, *value.values())
    return next((problem for item in items if (problem := _problem(item, depth + 1))), None)
