from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import httpx
import pytest

from airflow_provider_polytomic.api import (
    Call,
    PolytomicClient,
    PolytomicResponseError,
    bulk_syncs,
    connections,
    data_models,
    events,
    flow,
    syncs,
    webhooks,
)
from airflow_provider_polytomic.api import call as call_module
from airflow_provider_polytomic.api.call import next_page
from tests.support.scripted_server import answer

from .conftest import KEY


def page(*ids: str, token: str | None = None) -> dict[str, object]:
    return {"data": [{"id": one} for one in ids], "pagination": {"next_page_token": token}}


def lines(*ids: str, cursor: str | None) -> dict[str, object]:
    return {"data": {"entries": [{"id": one} for one in ids], "next_cursor": cursor}}


PAGED = {
    "syncs": syncs.list(active=True),
    "model executions": syncs.list_executions("1", ascending=True),
    "bulk syncs": bulk_syncs.list(active=True),
    "bulk executions": bulk_syncs.list_executions("1", limit=2),
    "models": data_models.list(limit=2),
    "events": events.list(limit=2),
    "deliveries": webhooks.list_deliveries("1", success=True),
}


@pytest.mark.parametrize("call", PAGED.values(), ids=PAGED)
def test_pages_are_requested_with_all_parameters(call: Call, server, sync_driver):
    server.answers(answer(page("1", "2", token="t/1 &")), answer(page(token="t2")), answer(page("3")))
    assert [row.id for row in sync_driver.pages(call)] == ["1", "2", "3"]
    first, second, third = [request.target for request in server.received]
    assert "page_token" not in first
    assert second == f"{first}&page_token=t%2F1%20%26"
    assert third == f"{first}&page_token=t2"


@pytest.mark.parametrize(
    "last", [{"data": [{"id": "1"}]}, page("1"), page("1", token=""), {"data": [{"id": "1"}], "pagination": None}]
)
def test_the_last_page(last, server, driver):
    server.answers(answer(last))
    assert [row.id for row in driver.pages(syncs.list())] == ["1"]
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "end",
    [
        lines("3", cursor="c2"),
        lines("3", cursor=None),
        lines(cursor="c2"),
        lines(cursor="c3"),
        {"data": {"entries": None}},
    ],
)
def test_a_console_log_ends_whatever_its_last_cursor_is(end, server, sync_driver):
    call = syncs.get_console_log("1", "2", limit=2)
    server.answers(answer(lines("1", cursor="c1")), answer(lines("2", cursor="c2")), answer(end))
    shown = [row.id for row in sync_driver.pages(call)]
    assert shown == ["1", "2", *(line["id"] for line in end["data"]["entries"] or [])]
    path = server.received[0].target
    assert [request.target for request in server.received] == [path, f"{path}&after=c1", f"{path}&after=c2"]


def test_a_console_log_can_be_continued_after_its_end():
    log = syncs.get_console_log("1", "2").read(lines(cursor="c9"))
    assert (log.cursor, log.next_cursor) == (None, "c9")


def test_a_page_with_a_cursor_to_itself_is_an_error(server, driver):
    server.answers(answer(page("1", token="t")))
    with pytest.raises(PolytomicResponseError, match="is the page itself"):
        driver.pages(syncs.list())
    assert len(server.received) == 2


def test_a_page_is_requested_when_its_first_row_is_needed(server):
    server.answers(answer(page("1", "2", token="t")), answer(page("3")))
    with PolytomicClient(KEY, base_url=server.url) as client:
        rows = client.pages(syncs.list())
        assert server.received == []
        assert [next(rows).id, next(rows).id] == ["1", "2"]
        assert len(server.received) == 1
        assert next(rows).id == "3"


def test_next_page_does_not_change_the_call():
    call = syncs.list(limit=2)
    following = next_page(call, call.read(page("1", token="t")))
    assert following is not None
    assert (call.query, following.query) == ((("limit", "2"),), (("limit", "2"), ("page_token", "t")))


def test_a_page_is_a_sequence_of_its_rows(server, driver):
    server.answers(answer(page("1", "2", "3", token="t")))
    shown = driver.send(connections.list())
    assert isinstance(shown, Sequence)
    assert [row.id for row in shown] == [row.id for row in shown.data] == ["1", "2", "3"]
    assert (len(shown), shown[0].id, shown[-1].id) == (3, "1", "3")
    assert [row.id for row in shown[1:]] == ["2", "3"]
    assert [row.id for row in reversed(shown)] == ["3", "2", "1"]
    assert shown.data[1] in shown
    assert shown.next_page_token == "t"
    assert [row["id"] for row in shown.model_dump()["data"]] == ["1", "2", "3"]


@pytest.mark.parametrize("last", [{"data": None}, {"data": [], "pagination": None}, page(token=""), page()])
def test_an_empty_page_is_an_empty_sequence_without_a_next_page(last, server, sync_driver):
    server.answers(answer(last))
    shown = sync_driver.send(connections.list())
    assert (shown.data, [*shown], len(shown), bool(shown), shown.next_page_token) == ([], [], 0, False, None)


def test_a_console_log_is_a_sequence_of_its_lines():
    log = syncs.get_console_log("1", "2").read(lines("1", "2", cursor="c"))
    assert [line.id for line in log] == [line.id for line in log.entries] == ["1", "2"]


@pytest.mark.parametrize("call", [connections.get("1"), syncs.change("1", name="n"), connections.delete("1")])
def test_pages_refuses_what_is_not_the_call_of_a_list(call, server, driver):
    with pytest.raises(
        TypeError, match=r"pages\(\) takes the call of a list.*send\(…\) any other call, run\(…\) a flow"
    ):
        driver.pages(call)
    assert server.received == []


def test_a_list_that_repeats_earlier_tokens_is_an_error(server, driver):
    server.answers(*(answer(page("1", token=token)) for token in ("a", "b", "c", "a")))
    with pytest.raises(PolytomicResponseError, match="GET /api/syncs: the list repeats the token of a page"):
        driver.pages(syncs.list())
    assert len(server.received) == 4


@pytest.mark.parametrize(
    "read_all",
    [lambda driver: driver.pages(syncs.list()), lambda driver: driver.run(flow.all_rows(syncs.list()))],
    ids=["pages", "all_rows"],
)
def test_a_list_with_endless_new_tokens_is_an_error(read_all, driver, monkeypatch):
    monkeypatch.setattr(call_module, "MAX_PAGES", 20)
    tokens = count()

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=page("1", token=f"t{next(tokens)}"))

    driver.settings["transport"] = httpx.MockTransport(respond)
    with pytest.raises(PolytomicResponseError, match="GET /api/syncs: the list has more than 20 pages"):
        read_all(driver)
    assert next(tokens) == 21


def test_a_list_that_is_kept_in_memory_has_a_limit(server, sync_driver, monkeypatch):
    monkeypatch.setattr(flow, "MAX_ALL_ROWS", 2)
    server.answers(answer(page("1", "2", token="t")), answer(page("3")))
    with pytest.raises(PolytomicResponseError, match="GET /api/syncs: the list has more than 2 rows"):
        sync_driver.run(flow.all_rows(syncs.list()))


def test_a_token_has_a_limit(server, sync_driver):
    server.answers(answer(page("1", token="t" * 4097)))
    with pytest.raises(PolytomicResponseError, match="token of the next page is longer than 4,096 characters"):
        sync_driver.pages(syncs.list())
    assert len(server.received) == 1
