from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_polytomic.api import ClientConfig, PolytomicRateLimitError, PolytomicTransportError, syncs
from airflow_provider_polytomic.api.rate_limit import RateLimiter
from tests.support.scripted_server import answer


@given(
    per_minute=st.integers(1, 300),
    pauses=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=400),
)
def test_no_minute_has_more_requests_than_allowed(per_minute: int, pauses: list[float]):
    limiter, now, sent = RateLimiter(per_minute), 0.0, []
    for pause in pauses:
        now += pause if pause > 50 else 0.0
        sent.append(now + limiter.reserve(now))
    assert sent == sorted(sent)
    for first, beyond in zip(sent, sent[per_minute:]):
        assert beyond >= first + 60.0 - 1e-6


@pytest.mark.parametrize("per_minute", [1, 7, 60, 600])
def test_the_limit_is_used_almost_fully(per_minute: int):
    limiter = RateLimiter(per_minute)
    sent = [limiter.reserve(0.0) for _ in range(10 * per_minute)]
    assert sent[-1] <= 10 * 60.0 * 1.12
    assert sent[0] == 0.0


def test_the_burst_after_an_idle_hour_is_a_tenth_of_the_limit():
    limiter = RateLimiter(60)
    limiter.reserve(0.0)
    later = [limiter.reserve(3600.0) for _ in range(20)]
    assert later.count(0.0) == 6


def test_both_clients_keep_the_limit(server, driver):
    server.answers(answer({"data": {"id": "1"}}))

    def thrice():
        for _ in range(3):
            yield syncs.get("1")

    driver.run(thrice(), max_requests_per_minute=2)
    assert driver.pauses == [30.0, 30.0]


def test_there_is_no_limit_by_default(server, driver):
    server.answers(answer({"data": {"id": "1"}}))

    def often():
        for _ in range(30):
            yield syncs.get("1")

    driver.run(often())
    assert driver.pauses == []


class TestBestEffortCalls:
    CALL = syncs.get("1").with_timeout(5.0, best_effort=True)

    def test_are_dropped_when_other_calls_need_the_limit(self, server, driver):
        server.answers(answer({"data": {"id": "1"}}))

        def flow():
            yield syncs.get("1")
            with pytest.raises(PolytomicTransportError, match="dropped in favor of other requests"):
                yield self.CALL
            yield syncs.get("1")

        driver.run(flow(), max_requests_per_minute=20)
        assert len(server.received) == 2
        assert driver.pauses == []

    def test_are_sent_when_there_is_room(self, server, driver):
        server.answers(answer({"data": {"id": "1"}}))
        assert driver.send(self.CALL, max_requests_per_minute=2).id == "1"
        assert driver.send(self.CALL).id == "1"

    @pytest.mark.parametrize(("retry_after", "cooldown"), [(60.0, 60.0), (None, 10.0)])
    def test_are_dropped_after_a_429(self, retry_after, cooldown):
        limiter = RateLimiter(None)
        assert limiter.has_room(0.0)
        limiter.cool_down(PolytomicRateLimitError(429, method="GET", path="/", retry_after=retry_after), 0.0)
        assert [limiter.has_room(cooldown + more) for more in (-0.1, 0.1)] == [False, True]
        assert limiter.reserve(0.0) == 0.0

    def test_are_dropped_by_both_clients_after_a_429(self, server, driver):
        server.answers(answer({"message": "slow down"}, status=429), answer({"data": {"id": "1"}}))

        def flow():
            with pytest.raises(PolytomicRateLimitError):
                yield syncs.get("1").without_retries()
            with pytest.raises(PolytomicTransportError, match="dropped"):
                yield self.CALL

        driver.run(flow())
        assert len(server.received) == 1


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int):
    with pytest.raises(ValueError, match="max_requests_per_minute"):
        ClientConfig("k", max_requests_per_minute=limit)
