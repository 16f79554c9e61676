"""Test both clients with scripted responses: unusable ones, retries, timeouts and settings."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import os
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import httpx
import pytest

from airflow_provider_polytomic.api import (
    AsyncPolytomicClient,
    Call,
    ClientConfig,
    Pause,
    PolytomicClient,
    PolytomicConflictError,
    PolytomicError,
    PolytomicResponseError,
    PolytomicServerError,
    PolytomicTransportError,
    connections,
    events,
    send,
    syncs,
)
from airflow_provider_polytomic.api.clients import MAX_CONNECTIONS
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
    "not UTF-8": (Answer(200, b'{"data": "\xff"}', JSON), "another shape"),
    "charset that is no charset": (Answer(200, b"\x00", {"Content-Type": "text/plain; charset=hex"}), "malformed"),
    "nested too deeply": (Answer(200, b"[" * 100_000, JSON), "deeper than 64 levels"),
    "number too large": (Answer(200, b'{"data": {"id": "1", "active": 1e999}}', JSON), "another shape"),
    "bad gzip": (Answer(200, b"\x1f\x8b not gzip", {**JSON, "Content-Encoding": "gzip"}), "cannot be decompressed"),
    "another shape": (answer({"data": {"name": "n"}}), "another shape"),
    "a list": (answer([1]), "no 'data'"),
}


@pytest.mark.parametrize(("unusable", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_response_is_an_error(unusable: Answer, words: str, server, sync_driver):
    server.answers(unusable)
    with pytest.raises(PolytomicResponseError, match=f"GET /api/syncs/1: .*{words}"):
        sync_driver.send(READ, max_retries=0)


def test_an_event_with_a_number_beyond_64_bits_does_not_hide_the_others(server, sync_driver):
    server.answers(Answer(200, b'{"data": [{"id": "odd", "event": {"total": 1e999}}, {"id": "good"}]}', JSON))
    assert [event.id for event in sync_driver.send(events.list())] == ["odd", "good"]


@pytest.mark.parametrize("call", [READ, KEYED_START], ids=lambda call: call.method)
def test_a_redirect_is_neither_followed_nor_retried(call: Call, server, driver):
    server.answers(Answer(307, headers={"Location": f"{server.url}/elsewhere?signature=canary"}))
    with pytest.raises(PolytomicResponseError, match=r"redirect \(307\)") as caught:
        driver.send(call)
    assert len(server.received) == 1
    assert "canary" not in str(caught.value)


def test_compressed_responses_are_decompressed(server, driver):
    server.answers(Answer(200, gzip.compress(SYNC.body), {**JSON, "Content-Encoding": "gzip"}))
    assert driver.send(READ).name == "n"


@pytest.mark.parametrize("nothing", [Answer(200), Answer(202, b"{}", JSON), Answer(204), answer({"data": None})])
def test_a_response_without_content_is_none(nothing: Answer, server, sync_driver):
    server.answers(nothing)
    assert sync_driver.send(syncs.delete("1")) is None


def test_an_html_page_is_an_error_even_where_no_content_is_expected(server, sync_driver):
    server.answers(UNUSABLE["HTML"][0])
    with pytest.raises(PolytomicResponseError):
        sync_driver.send(connections.test("postgresql", {}), max_retries=0)


def test_a_read_is_retried_until_it_succeeds(server, driver):
    server.answers(HANG_UP, Answer(502, b"<html>"), answer({}, 429, Retry_After="3"), UNUSABLE["truncated"][0], SYNC)
    assert driver.send(READ).name == "n"
    assert len(server.received) == 5
    assert driver.pauses[2] == 3
    assert all(0 <= pause <= most for pause, most in zip(driver.pauses, [0.5, 1, 3, 4]))


def test_a_start_with_a_key_is_retried_with_the_same_key(server, driver):
    server.answers(HANG_UP, answer({"message": "busy"}, 503), STARTED)
    assert driver.send(KEYED_START).id == "1"
    assert [request.headers["idempotency-key"] for request in server.received] == ["the-key-1"] * 3
    assert len({request.body for request in server.received}) == 1


@pytest.mark.parametrize("failure", [HANG_UP, answer({}, 500), Answer(200, b"<p>")])
def test_a_start_without_a_key_is_not_retried_once_it_may_have_arrived(failure: Answer, server, driver):
    server.answers(failure, STARTED)
    with pytest.raises(PolytomicError):
        driver.send(START)
    assert len(server.received) == 1
    assert driver.pauses == []


def test_a_start_without_a_key_is_retried_while_the_connection_is_refused(driver):
    with pytest.raises(PolytomicTransportError, match="ConnectError") as caught:
        driver.send(START, base_url=f"http://127.0.0.1:{free_port()}", max_retries=2)
    assert caught.value.sent is False
    assert len(driver.pauses) == 2


def test_a_conflict_is_not_retried(server, driver):
    server.answers(answer({"message": "already running"}, 409))
    with pytest.raises(PolytomicConflictError, match="already running"):
        driver.send(KEYED_START)
    assert len(server.received) == 1


def test_max_retries_limits_the_requests(server, driver):
    server.answers(answer({}, 500))
    with pytest.raises(PolytomicServerError):
        driver.send(READ, max_retries=2)
    assert len(server.received) == 3


def test_a_request_may_have_arrived_when_the_connection_is_closed(server, driver):
    server.answers(HANG_UP)
    with pytest.raises(PolytomicTransportError, match="GET /api/syncs/1 got no answer") as caught:
        driver.send(READ, max_retries=0)
    assert caught.value.sent is True


def test_an_error_has_no_context_that_leads_to_the_key(server, driver):
    for failure in (HANG_UP, answer({}, 500), UNUSABLE["truncated"][0], UNUSABLE["another shape"][0]):
        server.answers(failure)
        with pytest.raises(PolytomicError) as caught:
            driver.send(READ, max_retries=0)
        assert caught.value.__context__ is None
        assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_flow_is_run_to_its_result(server, driver):
    def both():
        first = yield from send(READ)
        yield Pause(30)
        second = yield from send(READ)
        return first.id, second.id

    server.answers(SYNC)
    assert driver.run(both()) == ("1", "1")
    assert driver.pauses == [30]


def test_a_flow_can_handle_errors(server, driver):
    def forgiving():
        try:
            yield from send(READ)
        except PolytomicServerError as error:
            return error.status_code

    server.answers(answer({}, 500))
    assert driver.run(forgiving(), max_retries=0) == 500


def test_a_flow_is_closed_when_its_own_code_fails(server, driver):
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
        client.send(READ)
    assert len({request.port for request in server.received}) == 1


def test_a_closed_client_cannot_be_used(server):
    client = PolytomicClient(KEY, base_url=server.url)
    client.close()
    with pytest.raises(RuntimeError):
        client.send(READ)


async def test_an_async_client_can_be_closed_without_a_with_block(server):
    client = AsyncPolytomicClient(KEY, base_url=server.url)
    server.answers(SYNC)
    assert (await client.send(READ)).id == "1"
    await client.aclose()


def test_requests_go_through_the_given_transport():
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        return httpx.Response(200, json={"data": {"id": request.url.path}})

    with PolytomicClient(KEY, proxy="http://proxy.test:1", transport=httpx.MockTransport(respond)) as client:
        assert client.send(READ).id == "/api/syncs/1"


def test_retries_end_with_the_budget_by_the_given_clock():
    now, requests = [0.0], []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        now[0] += 100.0
        return httpx.Response(503)

    with (
        PolytomicClient(
            KEY, transport=httpx.MockTransport(respond), clock=lambda: now[0], sleep=lambda seconds: None
        ) as client,
        pytest.raises(PolytomicServerError),
    ):
        client.send(READ)
    assert len(requests) == 2


async def test_an_endless_response_times_out():
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    transport = httpx.MockTransport(never)
    async with AsyncPolytomicClient(KEY, transport=transport, timeout=0.001, max_retries=0) as client:
        with pytest.raises(PolytomicTransportError, match="did not end in time") as raised:
            await client.send(READ)
    assert raised.value.sent
    assert KEY not in repr(raised.value)


async def test_the_number_of_requests_at_once_is_limited():
    in_flight: list[int] = [0]
    most = 0

    async def respond(request: httpx.Request) -> httpx.Response:
        nonlocal most
        in_flight[0] += 1
        most = max(most, in_flight[0])
        await asyncio.sleep(0)
        in_flight[0] -= 1
        return httpx.Response(200, json={"data": {"id": "1"}})

    async with AsyncPolytomicClient(KEY, transport=httpx.MockTransport(respond)) as client:
        syncs = await asyncio.gather(*(client.send(READ) for _ in range(5 * MAX_CONNECTIONS)))
    assert {sync.id for sync in syncs} == {"1"}
    assert most == MAX_CONNECTIONS


async def test_a_cancellation_that_arrives_together_with_the_response_is_not_lost():
    arrived: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
    requested = asyncio.Event()

    async def respond(request: httpx.Request) -> httpx.Response:
        requested.set()
        return await arrived

    async with AsyncPolytomicClient(KEY, transport=httpx.MockTransport(respond)) as client:
        sending = asyncio.ensure_future(client.send(READ))
        await requested.wait()
        arrived.set_result(httpx.Response(200, json={"data": {"id": "1"}}))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


@pytest.mark.parametrize("client", [PolytomicClient, AsyncPolytomicClient])
def test_each_setting_of_the_config_is_a_parameter_of_the_client(client: type):
    own = ["retry_timeout", "config", "transport", "clock", "sleep"]
    parameters = inspect.signature(client).parameters
    settings = {
        name: setting
        for name, setting in inspect.signature(ClientConfig).parameters.items()
        if name not in ("source", "meter")
    }
    assert list(parameters) == [*settings, *own]
    for name, setting in settings.items():
        assert (parameters[name].annotation, parameters[name].default) == (setting.annotation, setting.default), name


def test_settings_are_passed_to_the_config():
    settings = {"base_url": "https://polytomic.test", "timeout": 1.0, "max_retries": 0, "trust_events": True}
    with PolytomicClient(KEY, **settings) as client:
        assert client.config == ClientConfig(KEY, **settings)
    with PolytomicClient(config=client.config) as other:
        assert other.config is client.config


def test_mypy_finds_a_misspelled_setting(tmp_path: Path):
    lines = ["from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicClient"]
    lines += [f"{client}(base_ulr='https://x.test')" for client in ("PolytomicClient", "AsyncPolytomicClient")]
    (tmp_path / "misspelled.py").write_text("\n".join(lines))
    options = [
        "--cache-dir",
        str(tmp_path),
        "--follow-imports=silent",
        "--no-site-packages",
        "--ignore-missing-imports",
    ]
    command = [sys.executable, "-m", "mypy", *options, "misspelled.py"]
    environment = {**os.environ, "MYPYPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    for line in (2, 3):
        assert f'misspelled.py:{line}: error: Unexpected keyword argument "base_ulr"' in ended.stdout, ended.stderr


def test_sending_a_flow_says_how_to_run_it(server, driver):
    with pytest.raises(TypeError, match=r"send\(\) takes a call, not a generator: run a flow with client\.run"):
        driver.send(syncs.change("1", name="n"))
    assert server.received == []


def test_running_a_call_says_how_to_send_it(server, driver):
    with pytest.raises(TypeError, match=r"run\(\) takes a flow, not a Call: send a call with client\.send"):
        driver.run(READ)
    assert server.received == []


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
