"""Read durations of parameters, which are seconds or a timedelta."""

from __future__ import annotations

import time
from datetime import timedelta

MAX_DURATION = timedelta(days=3660)
"""Longest interval or timeout; a longer one is a mistake, such as milliseconds in place of seconds."""


MIN_DURATION = timedelta(milliseconds=1)
"""Shortest interval or timeout; a shorter one would send requests without a pause."""


class InvalidParameterError(ValueError, TypeError):
    """A parameter is invalid.

    It is a ``TypeError`` too, since up to Airflow 3.2 any other error of a trigger's constructor ends the triggerer.
    """


def duration(value: float | timedelta, name: str) -> float:
    """Return a duration in seconds.

    :raises InvalidParameterError: if the value is not a number or a timedelta, is shorter than :data:`MIN_DURATION`, or
        is longer than :data:`MAX_DURATION`
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not _is_number(seconds) or not MIN_DURATION.total_seconds() <= seconds <= MAX_DURATION.total_seconds():
        raise InvalidParameterError(
            f"{name} must be a number of seconds or a timedelta greater than 0, at least a millisecond and at "
            f"most {MAX_DURATION.days} days, not {value!r}"
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
