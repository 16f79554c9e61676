"""Whether Polytomic is asked at the moment, judged by how it has answered."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.api.errors import PolytomicServerError, class_of_status
from airflow_provider_polytomic.executions.poller.circuit_breaker import FAILURES_TO_CLOSE, CircuitBreaker

DOWN = PolytomicServerError(503, method="GET", path="/")


def throttling(seconds: float | None = None):
    return class_of_status(429)(429, method="GET", path="/", retry_after=seconds)


def test_a_few_failures_close_it_and_one_answer_opens_it():
    health = CircuitBreaker()
    for number in range(1, FAILURES_TO_CLOSE + 1):
        assert not health.open
        health.failed(DOWN, number, 10.0)
    assert health.open
    assert health.answered(99.0, 98.0)
    assert not health.open
    assert not health.answered(100.0, 99.0)


def test_failures_in_between_answers_do_not():
    health = CircuitBreaker()
    for now in range(100):
        health.failed(DOWN, now, 10.0)
        health.answered(now, now)
    assert not health.open


def test_tries_become_rarer_up_to_a_limit():
    health = CircuitBreaker()
    for _ in range(FAILURES_TO_CLOSE):
        health.failed(DOWN, 0.0, 6.0)
    pauses = []
    for _ in range(5):
        now = health.retry_at
        health.failed(DOWN, now, 6.0)
        pauses.append(health.retry_at - now)
    assert pauses == [2.0, 4.0, 6.0, 6.0, 6.0]


def test_what_was_in_flight_makes_no_pause_longer():
    down, rate_limited = CircuitBreaker(), CircuitBreaker()
    for number in range(10):
        down.failed(DOWN, 0.1 * number, 60.0)
        rate_limited.failed(throttling(), 0.1 * number, 60.0)
    assert down.retry_at == pytest.approx(1.4)
    assert rate_limited.retry_at == 1.0


@pytest.mark.parametrize(("asked", "granted"), [(0.0, 1.0), (25.0, 25.0), (3600.0, 60.0), (None, 1.0)])
def test_a_429_closes_it_for_as_long_as_it_asks_within_reason(asked, granted):
    health = CircuitBreaker()
    health.failed(throttling(asked), 100.0, 5.0)
    assert (health.open, health.rate_limited, health.retry_at) == (True, True, 100.0 + granted)


def test_an_answer_that_was_in_flight_does_not_end_a_pause():
    health = CircuitBreaker()
    health.failed(throttling(25.0), 100.0, 5.0)
    assert not health.answered(100.2, 99.9)
    assert (health.open, health.retry_at) == (True, 125.0)
    assert health.answered(125.2, 125.0)


def test_an_outage_after_a_429_is_tried_with_pauses():
    health = CircuitBreaker()
    health.failed(throttling(25.0), 100.0, 5.0)
    health.failed(DOWN, 100.1, 5.0)
    assert (health.rate_limited, health.retry_at) == (True, 125.0), "what was in flight"
    pauses = []
    for _ in range(5):
        now = health.retry_at
        health.failed(DOWN, now, 5.0)
        assert (health.open, health.rate_limited, health.error) == (True, False, DOWN)
        pauses.append(health.retry_at - now)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    health.failed(throttling(30.0), health.retry_at, 5.0)
    assert health.rate_limited


def test_after_a_calm_time_pauses_begin_anew():
    health = CircuitBreaker()
    for now in (0.0, 10.0, 20.0):
        health.failed(throttling(), now, 5.0)
        health.answered(now + 9.0, now + 8.0)
    assert health.retry_at == 24.0
    health.failed(throttling(), 1000.0, 5.0)
    assert health.retry_at == 1001.0
