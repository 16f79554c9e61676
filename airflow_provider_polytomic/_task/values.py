"""Read the values of parameters: template fields may arrive as text, or natively as anything that prints like it."""

from __future__ import annotations

import ast
import time
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

T = TypeVar("T")

MAX_DURATION = timedelta(days=3660)
"""Longest interval or timeout; a longer one is a mistake, such as milliseconds in place of seconds."""


class InvalidParameterError(ValueError, TypeError):
    """A parameter is invalid.

    It is a ``TypeError`` too, since up to Airflow 3.2 any other error of a trigger's constructor ends the triggerer.
    """


def choice(value: T, name: str, *allowed: object) -> T:
    """Return a parameter that has a fixed set of values.

    :raises InvalidParameterError: if the value is not one of them
    """
    if value not in allowed:
        raise InvalidParameterError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
    return value


def duration(value: float | timedelta, name: str) -> float:
    """Return a duration in seconds.

    :raises InvalidParameterError: if the value is not a number or a timedelta, is not greater than 0, or is longer than
        :data:`MAX_DURATION`
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not _is_number(seconds) or not 0 < seconds <= MAX_DURATION.total_seconds():
        raise InvalidParameterError(
            f"{name} must be a number of seconds or a timedelta greater than 0 and at most {MAX_DURATION.days} days, "
            f"not {value!r}"
        )
    return float(seconds)


def optional_duration(value: float | timedelta | None, name: str) -> float | None:
    """Return a duration in seconds; None for None.

    :raises InvalidParameterError: as :func:`duration` does
    """
    return None if value is None else duration(value, name)


def optional_moment(value: float | None, name: str) -> float | None:
    """Return a moment in seconds since the epoch; None for None.

    :raises InvalidParameterError: if the value is not a number, is not greater than 0, or lies more than
        :data:`MAX_DURATION` in the future
    """
    if value is None:
        return None
    if not _is_number(value) or not 0 < value <= time.time() + MAX_DURATION.total_seconds():
        raise InvalidParameterError(
            f"{name} must be seconds since 1970 and at most {MAX_DURATION.days} days from now, not {value!r}"
        )
    return float(value)


def _is_number(value: object) -> bool:
    """Return whether a value is a number other than a bool; a comparison with NaN is false anyway."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


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
