"""Both clients over a real socket: answers that are none, retries, and how they end."""

from __future__ import annotations

import asyncio
import gzip
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from airflow_provider_polytomic.api import (
    AsyncPolytomicClient,
    Call,
    Pause,
    PolytomicClient,
    PolytomicConflictError,
    PolytomicError,
    PolytomicResponseError,
    PolytomicServerError,
    PolytomicTransportError,
    connections,
    send,
    syncs,
)
from airflow_provider_polytomic.api.clients import MAX_CONNECTIONS, _with_timeout
from tests.support.scripted_server import HANG_UP, Answer, answer

from .conftest import KEY

SYNC = answer({"data": {"id": "1", "name": "n"}})
STARTED = answer({"data": {"id": "1"}})
READ = syncs.get("1")
START = syncs.start("1")
KEYED_START = syncs.start("1", idempotency_key="the-key-1")

JSON = {"Content-Type": "application/json"}
UNUSABLE = {
    "HTML": (Answer(200, b"<!doctype html><title>Log in</title>", {"Content-Type": "text/html"}), "an HTML page"),
    "HTML called JSON": (Answer(200, b"\n <html>", JSON), "an HTML page"),
    "truncated": (Answer(200, b'{"data": {"id": "1", "na', JSON), "truncated or malformed"),
    "empty": (Answer(200, b"", JSON), "empty"),
    "blank": (Answer(200, b" \n", JSON), "empty"),
    "no content": (Answer(204), "empty"),
    "not UTF-8": (Answer(200, b'{"data": "\xff"}', JSON), "malformed"),
    "charset that is no charset": (Answer(200, b"\x00", {"Content-Type": "text/plain; charset=hex"}), "malformed"),
    "nested too deeply": (Answer(200, b"[" * 100_000, JSON), "malformed"),
    "number too long": (Answer(200, b"9" * 5000, JSON), "malformed"),
    "bad gzip": (Answer(200, b"\x1f\x8b not gzip", {**JSON, "Content-Encoding": "gzip"}), "cannot be decompressed"),
    "another shape": (answer({"data": {"name": "n"}}), "another shape"),
    "a list": (answer([1]), "no 'data'"),
}


@pytest.mark.parametrize(("unusable", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_answer_that_is_none(unusable: Answer, words: str, server, driver):
    server.answers(unusable)
    with pytest.raises(PolytomicResponseError, match=f"GET /api/syncs/1: .*{words}"):
        driver.send(READ, max_retries=0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", [READ, KEYED_START, syncs.delete("1")], ids=lambda call: call.method)
def test_a_redirect_is_neither_followed_nor_repeated(call: Call, status: int, server, driver):
    server.answers(Answer(status, headers={"Location": f"{server.url}/elsewhere?signature=canary"}))
    with pytest.raises(PolytomicResponseError, match=rf"redirect \({status}\)") as caught:
        driver.send(call)
    assert len(server.received) == 1
    assert "canary" not in str(caught.value)


def test_compressed_answers_are_unpacked(server, driver):
    server.answers(Answer(200, gzip.compress(SYNC.body), {**JSON, "Content-Encoding": "gzip"}))
    assert driver.send(READ).name == "n"


@pytest.mark.parametrize("nothing", [Answer(200), Answer(202, b"{}", JSON), Answer(204), answer({"data": None})])
def test_an_answer_that_says_nothing_where_nothing_is_to_be_said(nothing: Answer, server, driver):
    server.answers(nothing)
    assert driver.send(syncs.delete("1")) is None


def test_a_page_of_html_is_no_success_even_where_nothing_is_to_be_said(server, driver):
    server.answers(UNUSABLE["HTML"][0])
    with pytest.raises(PolytomicResponseError):
        driver.send(connections.test("postgresql", {}), max_retries=0)


def test_a_read_is_repeated_until_it_is_answered(server, driver):
    server.answers(HANG_UP, Answer(502, b"<html>"), answer({}, 429, Retry_After="3"), UNUSABLE["truncated"][0], SYNC)
    assert driver.send(READ).name == "n"
    assert len(server.received) == 5
    assert driver.pauses[2] == 3
    assert all(0 <= pause <= most for pause, most in zip(driver.pauses, [0.5, 1, 3, 4]))


def test_a_keyed_start_is_repeated_with_its_key(server, driver):
    server.answers(HANG_UP, answer({"message": "busy"}, 503), STARTED)
    assert driver.send(KEYED_START).id == "1"
    assert [request.headers["idempotency-key"] for request in server.received] == ["the-key-1"] * 3
    assert len({request.body for request in server.received}) == 1


@pytest.mark.parametrize("failure", [HANG_UP, answer({}, 500), answer({}, 429), answer({}, 408), Answer(200, b"<p>")])
def test_a_start_without_a_key_is_never_repeated_once_it_may_have_arrived(failure: Answer, server, driver):
    server.answers(failure, STARTED)
    with pytest.raises(PolytomicError):
        driver.send(START)
    assert len(server.received) == 1
    assert driver.pauses == []


def test_a_start_without_a_key_is_repeated_while_nobody_listens(driver):
    with pytest.raises(PolytomicTransportError, match="ConnectError") as caught:
        driver.send(START, base_url=f"http://127.0.0.1:{free_port()}", max_retries=2)
    assert caught.value.sent is False
    assert len(driver.pauses) == 2


def test_a_conflict_is_not_repeated(server, driver):
    server.answers(answer({"message": "already running"}, 409))
    with pytest.raises(PolytomicConflictError, match="already running"):
        driver.send(KEYED_START)
    assert len(server.received) == 1


def test_max_retries_is_a_setting(server, driver):
    server.answers(answer({}, 500))
    with pytest.raises(PolytomicServerError):
        driver.send(READ, max_retries=2)
    assert len(server.received) == 3


def test_a_hang_up_may_have_arrived(server, driver):
    server.answers(HANG_UP)
    with pytest.raises(PolytomicTransportError, match="GET /api/syncs/1 got no answer") as caught:
        driver.send(READ, max_retries=0)
    assert caught.value.sent is True


def test_an_error_refers_to_no_request_by_which_the_key_could_be_found(server, driver):
    for failure in (HANG_UP, answer({}, 500), UNUSABLE["truncated"][0], UNUSABLE["another shape"][0]):
        server.answers(failure)
        with pytest.raises(PolytomicError) as caught:
            driver.send(READ, max_retries=0)
        assert caught.value.__context__ is None
        assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_protocol_is_run_to_its_result(server, driver):
    def both():
        first = yield from send(READ)
        yield Pause(30)
        second = yield from send(READ)
        return first.id, second.id

    server.answers(SYNC)
    assert driver.run(both()) == ("1", "1")
    assert driver.pauses == [30]


def test_a_protocol_is_told_of_failures(server, driver):
    def forgiving():
        try:
            yield from send(READ)
        except PolytomicServerError as error:
            return error.status_code

    server.answers(answer({}, 500))
    assert driver.run(forgiving(), max_retries=0) == 500


def test_a_protocol_is_closed_when_its_own_code_fails(server, driver):
    closed = []

    def failing():
        try:
            yield from send(READ)
            raise LookupError("a bug")
        finally:
            closed.append(True)

    server.answers(SYNC)
    with pytest.raises(LookupError):
        driver.run(failing())
    assert closed == [True]


def test_connections_are_kept_alive(server):
    server.answers(SYNC)
    with PolytomicClient(KEY, base_url=server.url) as client:
        client.send(READ)
        pool = client._http._transport._pool  # type: ignore[attr-defined]
        client.send(READ)
        assert len(pool.connections) == 1


def test_a_closed_client_is_of_no_use(server):
    client = PolytomicClient(KEY, base_url=server.url)
    client.close()
    with pytest.raises(RuntimeError):
        client.send(READ)


async def test_an_async_client_can_be_closed_without_a_with_block(server):
    client = AsyncPolytomicClient(KEY, base_url=server.url)
    server.answers(SYNC)
    assert (await client.send(READ)).id == "1"
    await client.aclose()


async def test_an_answer_that_drips_comes_to_an_end():
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)

    async with serving(drip) as url, AsyncPolytomicClient(KEY, base_url=url, timeout=0.1, max_retries=0) as client:
        with pytest.raises(PolytomicTransportError, match="did not end in time") as raised:
            await client.send(READ)
    assert raised.value.sent
    assert KEY not in repr(raised.value)


async def test_many_requests_at_once_wait_outside_of_the_http_library():
    in_library: list[int] = []

    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(0.01)
                in_library.append(len(client._http._transport._pool._requests))  # type: ignore[attr-defined]
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{"data": {"id": "1"}}')
        writer.close()

    async with serving(answer_late) as url, AsyncPolytomicClient(KEY, base_url=url, max_retries=0) as client:
        answers = await asyncio.gather(*(client.send(READ) for _ in range(5 * MAX_CONNECTIONS)))
    assert {answer.id for answer in answers} == {"1"}
    assert max(in_library) == MAX_CONNECTIONS


@asynccontextmanager
async def serving(handle: Callable[..., Awaitable[None]]) -> AsyncIterator[str]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


async def test_a_cancellation_that_comes_with_the_answer_is_not_forgotten() -> None:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def request() -> str:
        return await told

    waiting = asyncio.ensure_future(_with_timeout(5.0, request()))
    await asyncio.sleep(0)
    told.set_result("in time")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
