"""Delays of an exponential back-off."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.api.retry import Backoff


def test_each_delay_is_the_one_before_times_the_factor():
    assert [Backoff(0.5, 60.0).delay(attempt) for attempt in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert [Backoff(1.0, 60.0, factor=3.0).delay(attempt) for attempt in range(3)] == [1.0, 3.0, 9.0]


@pytest.mark.parametrize("attempt", [4, 10_000])
def test_a_delay_never_exceeds_the_maximum(attempt):
    assert Backoff(1.0, 10.0).delay(attempt) == 10.0


def test_a_first_delay_above_the_maximum_is_cut():
    assert Backoff(5.0, 2.0).delay(0) == 2.0
