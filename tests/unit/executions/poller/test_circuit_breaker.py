"""Open and close the circuit breaker by failed and answered requests."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.api.errors import PolytomicServerError, class_of_status
from airflow_provider_polytomic.executions.poller.circuit_breaker import FAILURES_TO_OPEN, CircuitBreaker

DOWN = PolytomicServerError(503, method="GET", path="/")


def throttling(seconds: float | None = None):
    return class_of_status(429)(429, method="GET", path="/", retry_after=seconds)


def test_a_few_failures_open_it_and_one_answer_closes_it():
    breaker = CircuitBreaker()
    for number in range(1, FAILURES_TO_OPEN + 1):
        assert not breaker.open
        breaker.failed(DOWN, number, 10.0)
    assert breaker.open
    assert breaker.answered(99.0, 98.0)
    assert not breaker.open
    assert not breaker.answered(100.0, 99.0)


def test_failures_between_answers_do_not_open_it():
    breaker = CircuitBreaker()
    for now in range(100):
        breaker.failed(DOWN, now, 10.0)
        breaker.answered(now, now)
    assert not breaker.open


def test_trial_requests_become_rarer_up_to_a_limit():
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(DOWN, 0.0, 6.0)
    pauses = []
    for _ in range(5):
        now = breaker.retry_at
        breaker.failed(DOWN, now, 6.0)
        pauses.append(breaker.retry_at - now)
    assert pauses == [2.0, 4.0, 6.0, 6.0, 6.0]


def test_requests_in_flight_do_not_extend_the_pause():
    down, rate_limited = CircuitBreaker(), CircuitBreaker()
    for number in range(10):
        down.failed(DOWN, 0.1 * number, 60.0)
        rate_limited.failed(throttling(), 0.1 * number, 60.0)
    assert down.retry_at == pytest.approx(1.4)
    assert rate_limited.retry_at == 1.0


@pytest.mark.parametrize(("asked", "granted"), [(0.0, 1.0), (25.0, 25.0), (3600.0, 60.0), (None, 1.0)])
def test_a_429_opens_it_for_as_long_as_it_asks_within_bounds(asked, granted):
    breaker = CircuitBreaker()
    breaker.failed(throttling(asked), 100.0, 5.0)
    assert (breaker.open, breaker.rate_limited, breaker.retry_at) == (True, True, 100.0 + granted)


def test_an_answer_that_was_in_flight_does_not_end_a_pause():
    breaker = CircuitBreaker()
    breaker.failed(throttling(25.0), 100.0, 5.0)
    assert not breaker.answered(100.2, 99.9)
    assert (breaker.open, breaker.retry_at) == (True, 125.0)
    assert breaker.answered(125.2, 125.0)


def test_trial_requests_in_an_outage_after_a_429():
    breaker = CircuitBreaker()
    breaker.failed(throttling(25.0), 100.0, 5.0)
    breaker.failed(DOWN, 100.1, 5.0)
    assert (breaker.rate_limited, breaker.retry_at) == (True, 125.0), "what was in flight"
    pauses = []
    for _ in range(5):
        now = breaker.retry_at
        breaker.failed(DOWN, now, 5.0)
        assert (breaker.open, breaker.rate_limited, breaker.error) == (True, False, DOWN)
        pauses.append(breaker.retry_at - now)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    breaker.failed(throttling(30.0), breaker.retry_at, 5.0)
    assert breaker.rate_limited


def test_pauses_begin_anew_after_some_time_without_a_429():
    breaker = CircuitBreaker()
    for now in (0.0, 10.0, 20.0):
        breaker.failed(throttling(), now, 5.0)
        breaker.answered(now + 9.0, now + 8.0)
    assert breaker.retry_at == 24.0
    breaker.failed(throttling(), 1000.0, 5.0)
    assert breaker.retry_at == 1001.0
