"""Read the values of parameters: template fields may arrive as text, or natively as anything that prints like it."""

from __future__ import annotations

import ast
from datetime import datetime, timezone
from typing import Any, TypeVar

from airflow_provider_polytomic.durations import (
    MAX_DURATION,
    InvalidParameterError,
    duration,
    optional_duration,
    optional_moment,
)
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

__all__ = ["MAX_DURATION", "InvalidParameterError", "as_bool", "as_datetime", "as_id", "as_ids", "as_list", "choice"]
__all__ += ["duration", "optional_duration", "optional_moment"]

T = TypeVar("T")


def choice(value: T, name: str, *allowed: object) -> T:
    """Return a parameter that has a fixed set of values.

    :raises InvalidParameterError: if the value is not one of them
    """
    if value not in allowed:
        raise InvalidParameterError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
    return value


def as_id(value: Any, name: str) -> str:
    """Return an id as text.

    :param name: name of the parameter, for the message
    :raises PolytomicRequestRefused: if the value is empty or cannot be an id
    """
    text = "" if value is None else str(value).strip()
    if text in ("", ".", "..", "None"):
        raise _refused(value, name, "which is not an id")
    return text


def as_bool(value: Any, name: str) -> bool:
    """Return a boolean.

    :raises PolytomicRequestRefused: if the value does not read as true or false
    """
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False, "none": False}
    try:
        return words[str(value).strip().lower()]
    except KeyError:
        raise _refused(value, name, "neither true nor false") from None


def as_list(value: Any, name: str) -> list[Any] | None:
    """Return a list, or None for an empty value; a text becomes a list of one, unless it is the text of a list.

    :raises PolytomicRequestRefused: if the value is not a sequence
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            raise _refused(value, name, "not a list") from None
    if value is None or value == "" or value == []:
        return None
    if isinstance(value, str):
        return [value]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    raise _refused(value, name, "not a list")


def as_ids(value: Any, name: str) -> list[str] | None:
    """Return a list of texts, such as ids; otherwise like :func:`as_list`."""
    items = as_list(value, name)
    return None if items is None else [str(item) for item in items]


def as_datetime(value: Any, name: str) -> datetime:
    """Return a datetime; one without a time zone is in UTC.

    :raises PolytomicRequestRefused: if the value is neither a datetime nor a text in ISO 8601
    """
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise _refused(value, name, "not a time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _refused(value: Any, name: str, problem: str) -> PolytomicRequestRefused:
    return PolytomicRequestRefused(f"{name} is {value!r}, {problem}. Next: check what its template renders")
