"""Durations and ids in parameters."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_polytomic._task.values import as_id, duration
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused


@pytest.mark.parametrize("value", [90, 90.0, timedelta(seconds=90)], ids=repr)
def test_a_duration_is_in_seconds(value):
    assert duration(value, "timeout") == 90.0


@pytest.mark.parametrize(
    "value", [0, -1, float("inf"), float("nan"), timedelta(0), timedelta(seconds=-1), "30", True, None], ids=repr
)
def test_an_invalid_duration_is_refused(value):
    with pytest.raises(ValueError, match="timeout must be a number of seconds or a timedelta greater than 0"):
        duration(value, "timeout")


@pytest.mark.parametrize(("value", "expected"), [("a", "a"), (" a ", "a"), (42, "42")])
def test_an_id_is_text_without_spaces(value, expected):
    assert as_id(value, "sync_id") == expected


@pytest.mark.parametrize("value", [None, "", " ", ".", "..", "None"], ids=repr)
def test_an_invalid_id_is_refused(value):
    with pytest.raises(PolytomicRequestRefused, match="sync_id is .*not an id. Next: check what its template renders"):
        as_id(value, "sync_id")
