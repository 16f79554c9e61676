"""Durations and ids in parameters."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_polytomic._task.values import MAX_DURATION, as_id, duration, optional_duration, optional_moment
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused


@pytest.mark.parametrize("value", [90, 90.0, timedelta(seconds=90)], ids=repr)
def test_a_duration_is_in_seconds(value):
    assert duration(value, "timeout") == 90.0


@pytest.mark.parametrize(
    "value",
    [0, -1, float("inf"), float("nan"), timedelta(0), timedelta(seconds=-1), "30", True, None, 10**400],
    ids=lambda value: repr(value)[:20],
)
def test_an_invalid_duration_is_refused(value):
    with pytest.raises(ValueError, match="timeout must be a number of seconds or a timedelta greater than 0"):
        duration(value, "timeout")
    with pytest.raises(TypeError):
        duration(value, "timeout")


def test_an_absurd_duration_is_refused():
    assert duration(MAX_DURATION, "timeout") == MAX_DURATION.total_seconds()
    with pytest.raises(ValueError, match="at most 3660 days"):
        duration(MAX_DURATION + timedelta(seconds=1), "timeout")


def test_none_stands_for_no_duration_and_no_moment():
    assert optional_duration(None, "timeout") is None
    assert optional_duration(5, "timeout") == 5.0
    assert optional_moment(None, "deadline") is None
    assert optional_moment(1.5, "deadline") == 1.5


@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan"), "1764000000", True, 1.8e12], ids=repr)
def test_an_invalid_moment_is_refused(value):
    with pytest.raises(ValueError, match="deadline must be seconds since 1970"):
        optional_moment(value, "deadline")


@pytest.mark.parametrize(("value", "expected"), [("a", "a"), (" a ", "a"), (42, "42")])
def test_an_id_is_text_without_spaces(value, expected):
    assert as_id(value, "sync_id") == expected


@pytest.mark.parametrize("value", [None, "", " ", ".", "..", "None"], ids=repr)
def test_an_invalid_id_is_refused(value):
    with pytest.raises(PolytomicRequestRefused, match="sync_id is .*not an id. Next: check what its template renders"):
        as_id(value, "sync_id")
