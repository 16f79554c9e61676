"""Test the retry policy without clients, sockets and real clocks."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_polytomic.api import (
    Call,
    Pause,
    PolytomicError,
    PolytomicResponseError,
    PolytomicTransportError,
    send,
)
from airflow_provider_polytomic.api.errors import class_of_status
from airflow_provider_polytomic.api.retry import (
    Backoff,
    RetryPolicy,
    is_transient,
    may_retry,
    read_retry_after,
    retrying,
)

CALLS = {
    "get": Call("GET", "/x"),
    "put": Call("PUT", "/x"),
    "delete": Call("DELETE", "/x"),
    "keyed post": Call("POST", "/x", idempotency_key="the-key-1"),
    "reading post": Call("POST", "/x", read_only=True),
    "post": Call("POST", "/x"),
    "patch": Call("PATCH", "/x"),
}
SAFE = ["get", "put", "delete", "keyed post", "reading post"]


def api_error(status: int, retry_after: float | None = None) -> PolytomicError:
    return class_of_status(status)(status, method="GET", path="/x", retry_after=retry_after)


def lost(sent: bool) -> PolytomicTransportError:
    return PolytomicTransportError("reset", method="GET", path="/x", sent=sent)


def odd(transient: bool = True) -> PolytomicResponseError:
    return PolytomicResponseError("odd", method="GET", path="/x", transient=transient)


TRANSIENT = [lost(True), lost(False), odd(), *map(api_error, (408, 425, 429, 500, 599))]
LASTING = [odd(transient=False), *map(api_error, (400, 404, 409))]


@pytest.mark.parametrize("error", TRANSIENT, ids=str)
def test_a_retry_may_help_after_a_transient_error(error: PolytomicError):
    assert is_transient(error)
    assert may_retry(CALLS["get"], error)


@pytest.mark.parametrize("error", LASTING, ids=str)
def test_a_retry_does_not_help_after_a_lasting_error(error: PolytomicError):
    assert not is_transient(error)
    assert not may_retry(CALLS["get"], error)


@pytest.mark.parametrize("name", CALLS)
def test_only_a_safe_call_is_retried_once_it_may_have_arrived(name: str):
    for error in (lost(True), odd(), api_error(503), api_error(429)):
        assert may_retry(CALLS[name], error) == (name in SAFE)
    assert may_retry(CALLS[name], lost(False))


def test_a_call_without_retries_is_sent_once():
    assert RetryPolicy().delay(CALLS["get"].without_retries(), 1, lost(False)) is None


def test_delays_double_up_to_the_maximum():
    policy = RetryPolicy(max_retries=10, backoff=Backoff(0.5, 60))
    delays = [policy.delay(CALLS["get"], attempt, lost(True), draw=lambda: 1.0) for attempt in range(1, 12)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, None]


@given(attempt=st.integers(1, 10**6), draw=st.floats(0, 1))
def test_jitter_is_full_and_bounded(attempt: int, draw: float):
    wait = RetryPolicy(max_retries=10**6).delay(CALLS["get"], attempt, lost(True), draw=lambda: draw)
    assert wait is not None
    assert 0 <= wait <= min(60.0, 0.5 * 2.0 ** min(attempt - 1, 32))
    assert (wait == 0) == (draw == 0 or draw * 2.0 ** min(attempt - 1, 32) * 0.5 == 0)


@pytest.mark.parametrize(("asked", "wait"), [(0.0, 0.0), (7.0, 7.0), (3600.0, 60.0)])
def test_retry_after_replaces_jitter_and_is_bounded(asked: float, wait: float):
    assert RetryPolicy().delay(CALLS["get"], 1, api_error(429, asked), draw=lambda: 0.5) == wait


NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("0", 0),
        ("12", 12),
        ("1.5", 1.5),
        ("-3", 0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30),
        ("Thu, 01 Jan 2026 13:00:30 +0100", 30),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
        ("Thu, 99 Jan 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None):
    assert read_retry_after(value, now=lambda: NOON) == seconds


@given(st.text())
def test_retry_after_is_never_fatal(value: str):
    seconds = read_retry_after(value)
    assert seconds is None or seconds >= 0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def drive(call: Call, errors: list[PolytomicError], policy: RetryPolicy) -> tuple[int, list[float], object]:
    """Answer each request with the next error, then with success; return requests, pauses and the result."""
    clock, requests, pauses = Clock(), 0, []
    steps = retrying(send(call), policy, clock)
    step = next(steps)
    while True:
        try:
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                clock.now += step.seconds
                step = steps.send(None)
            else:
                requests += 1
                step = steps.throw(errors[requests - 1]) if requests <= len(errors) else steps.send("answer")
        except StopIteration as stop:
            return requests, pauses, stop.value
        except PolytomicError as error:
            return requests, pauses, error


def test_success_after_failures():
    assert drive(CALLS["get"], [api_error(503, 1), api_error(429, 2)], RetryPolicy()) == (3, [1, 2], "answer")


def test_the_last_failure_is_raised():
    errors = [api_error(500 + n, 0) for n in range(9)]
    requests, pauses, result = drive(CALLS["get"], errors, RetryPolicy(max_retries=3))
    assert (requests, pauses, result) == (4, [0, 0, 0], errors[3])


def test_no_retries():
    assert drive(CALLS["get"], [lost(False)], RetryPolicy(max_retries=0))[0] == 1


def test_no_retry_begins_after_the_budget():
    errors = [api_error(503, 50) for _ in range(9)]
    requests, pauses, result = drive(CALLS["get"], errors, RetryPolicy(max_retries=8, budget=180))
    assert (requests, pauses, result) == (4, [50, 50, 50], errors[3])


def test_each_call_of_a_flow_has_its_own_attempts():
    def twice():
        yield from send(CALLS["get"])
        yield Pause(7)
        return (yield from send(CALLS["get"]))

    policy = RetryPolicy(max_retries=1)
    steps = retrying(twice(), policy, Clock())
    next(steps)
    assert steps.throw(api_error(503, 1)) == Pause(1)
    assert steps.send(None) is CALLS["get"]
    assert steps.send("first") == Pause(7)
    assert steps.send(None) is CALLS["get"]
    assert steps.throw(api_error(503, 2)) == Pause(2)
    steps.close()


def test_a_flow_can_handle_the_last_error():
    def patient():
        try:
            yield from send(CALLS["get"])
        except PolytomicError:
            return "handled"

    steps = retrying(patient(), RetryPolicy(), Clock())
    next(steps)
    with pytest.raises(StopIteration) as stop:
        steps.throw(api_error(404))
    assert stop.value.value == "handled"


def test_an_abandoned_flow_is_closed():
    closed = []

    def flow():
        try:
            yield from send(CALLS["get"])
        finally:
            closed.append(True)

    steps = retrying(flow(), RetryPolicy(), Clock())
    next(steps)
    steps.close()
    assert closed == [True]


def test_every_retry_is_one_log_line(caplog: pytest.LogCaptureFixture):
    call = Call("GET", "/api/syncs/1")
    with caplog.at_level(logging.INFO, "airflow_provider_polytomic"):
        drive(call, [api_error(503, 2), lost(True)], RetryPolicy(max_retries=4, backoff=Backoff(0.0, 60.0)))
    assert [record.getMessage() for record in caplog.records] == [
        "Retrying GET /api/syncs/1 in 2.0 s after attempt 1 of 5: 503",
        "Retrying GET /api/syncs/1 in 0.0 s after attempt 2 of 5: PolytomicTransportError",
    ]


def test_a_retry_after_date_is_relative_to_now():
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    seconds = read_retry_after(later.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert seconds is not None
    assert 3500 < seconds <= 3600
