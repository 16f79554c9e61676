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
    pace, now, sent = RateLimiter(per_minute), 0.0, []
    for pause in pauses:
        now += pause if pause > 50 else 0.0
        sent.append(now + pace.reserve(now))
    assert sent == sorted(sent)
    for first, beyond in zip(sent, sent[per_minute:]):
        assert beyond >= first + 60.0 - 1e-6


@pytest.mark.parametrize("per_minute", [1, 7, 60, 600])
def test_nearly_all_that_is_allowed_is_used(per_minute: int):
    pace = RateLimiter(per_minute)
    sent = [pace.reserve(0.0) for _ in range(10 * per_minute)]
    assert sent[-1] <= 10 * 60.0 * 1.12
    assert sent[0] == 0.0


def test_a_pause_does_not_save_up_more_than_may_go_at_once():
    pace = RateLimiter(60)
    pace.reserve(0.0)
    later = [pace.reserve(3600.0) for _ in range(20)]
    assert later.count(0.0) == 6


def test_both_clients_keep_to_it(server, driver):
    server.answers(answer({"data": {"id": "1"}}))

    def thrice():
        for _ in range(3):
            yield syncs.get("1")

    driver.run(thrice(), max_requests_per_minute=2)
    assert driver.pauses == [pytest.approx(30.0, abs=1.0), pytest.approx(60.0, abs=1.0)]


def test_there_is_no_limit_by_default(server, driver):
    server.answers(answer({"data": {"id": "1"}}))

    def often():
        for _ in range(30):
            yield syncs.get("1")

    driver.run(often())
    assert driver.pauses == []


class TestWhatNobodyMisses:
    """A spare call is one that is left out rather than delay another."""

    SPARE = syncs.get("1").with_timeout(5.0, best_effort=True)

    def test_is_left_out_where_the_others_need_the_limit(self, server, driver):
        server.answers(answer({"data": {"id": "1"}}))

        def protocol():
            yield syncs.get("1")
            with pytest.raises(PolytomicTransportError, match="dropped in favor of other requests"):
                yield self.SPARE
            yield syncs.get("1")

        driver.run(protocol(), max_requests_per_minute=20)
        assert len(server.received) == 2
        assert driver.pauses == []

    def test_is_sent_where_nobody_needs_it(self, server, driver):
        server.answers(answer({"data": {"id": "1"}}))
        assert driver.send(self.SPARE, max_requests_per_minute=2).id == "1"
        assert driver.send(self.SPARE).id == "1"

    @pytest.mark.parametrize(("asked", "peace"), [(60.0, 60.0), (None, 10.0)])
    def test_is_left_out_while_polytomic_wants_peace(self, asked, peace):
        pace = RateLimiter(None)
        assert pace.has_room(0.0)
        pace.cool_down(PolytomicRateLimitError(429, method="GET", path="/", retry_after=asked), 0.0)
        assert [pace.has_room(peace + more) for more in (-0.1, 0.1)] == [False, True]
        assert pace.reserve(0.0) == 0.0

    def test_a_429_is_noted_by_the_clients(self, server, driver):
        server.answers(answer({"message": "slow down"}, status=429), answer({"data": {"id": "1"}}))

        def protocol():
            with pytest.raises(PolytomicRateLimitError):
                yield syncs.get("1").without_retries()
            with pytest.raises(PolytomicTransportError, match="dropped"):
                yield self.SPARE

        driver.run(protocol())
        assert len(server.received) == 1


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_allows_nothing_is_refused(limit: int):
    with pytest.raises(ValueError, match="max_requests_per_minute"):
        ClientConfig("k", max_requests_per_minute=limit)
