"""Durations in parameters."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_polytomic._task.values import duration


@pytest.mark.parametrize("value", [90, 90.0, timedelta(seconds=90)], ids=repr)
def test_a_duration_is_in_seconds(value):
    assert duration(value, "timeout") == 90.0


@pytest.mark.parametrize(
    "value", [0, -1, float("inf"), float("nan"), timedelta(0), timedelta(seconds=-1), "30", True, None], ids=repr
)
def test_any_other_value_is_refused(value):
    with pytest.raises(ValueError, match="timeout must be a number of seconds or a timedelta greater than 0"):
        duration(value, "timeout")
