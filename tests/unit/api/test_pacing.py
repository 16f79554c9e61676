from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_polytomic.api import ClientConfig, syncs
from airflow_provider_polytomic.api.pacing import Pace

from .server import answer


@given(
    per_minute=st.integers(1, 300),
    pauses=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=400),
)
def test_no_minute_has_more_requests_than_allowed(per_minute: int, pauses: list[float]):
    pace, now, sent = Pace(per_minute), 0.0, []
    for pause in pauses:
        now += pause if pause > 50 else 0.0
        sent.append(now + pace.reserve(now))
    assert sent == sorted(sent)
    for first, beyond in zip(sent, sent[per_minute:]):
        assert beyond >= first + 60.0 - 1e-6


@pytest.mark.parametrize("per_minute", [1, 7, 60, 600])
def test_nearly_all_that_is_allowed_is_used(per_minute: int):
    pace = Pace(per_minute)
    sent = [pace.reserve(0.0) for _ in range(10 * per_minute)]
    assert sent[-1] <= 10 * 60.0 * 1.12
    assert sent[0] == 0.0


def test_a_pause_does_not_save_up_more_than_may_go_at_once():
    pace = Pace(60)
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


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_allows_nothing_is_refused(limit: int):
    with pytest.raises(ValueError, match="max_requests_per_minute"):
        ClientConfig("k", max_requests_per_minute=limit)
