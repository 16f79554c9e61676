"""The REST adapter answers as the API does, to callers with the token."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("mcp")

from airflow_provider_polytomic.api import AsyncPolytomicClient
from airflow_provider_polytomic.api.catalogue import OPERATIONS, TOOL_NAMES, build, offered
from airflow_provider_polytomic.gateway.calls import Gateway
from airflow_provider_polytomic.gateway.rest import MAX_BODY_BYTES, rest_path
from airflow_provider_polytomic.gateway.server import rest_app
from tests.support.operation_arguments import arguments_for
from tests.support.sample_objects import unknown_objects
from tests.support.scripted_server import HANG_UP, Answer, Server, answer

from .conftest import TOKEN

KEY = "canary-5ecret-4pi-key"
SOURCE = json.loads((Path(__file__).parents[2] / "contract" / "source_operations.json").read_text())
ARGUMENTS = arguments_for(unknown_objects())
ODD = b'{"data" : [ {"id":"1e9","count": 1.0, "name":"\\u003cb\\u003e \xc3\xa9", "new":null} ],\n "pagination":{}}\n'
"""JSON that another encoder would write differently."""

NESTED = b"[" * 10_000 + b"]" * 10_000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
async def rest(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with AsyncPolytomicClient(api_key=KEY, base_url=server.url, max_retries=1) as sender:
        app = rest_app(Gateway(offered("full"), sender), TOKEN)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
            yield client


def request_for(name: str) -> dict[str, Any]:
    """Return the request of an operation to the adapter."""
    operation, arguments = OPERATIONS[name], ARGUMENTS[name]
    path = rest_path(operation)
    call = build(name, arguments)
    for argument in operation.path_arguments:
        start, _, rest = path.partition("{")
        path = start + str(arguments[argument]) + rest.partition("}")[2]
    return {"method": operation.method, "url": path, "params": call.query, "json": call.body}


def test_the_paths_are_those_of_the_documents() -> None:
    found = {f"{each.method} {rest_path(each)}" for name, each in OPERATIONS.items() if name in TOOL_NAMES}
    assert found == {each["rest"] for each in SOURCE.values()}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_the_answer_is_that_of_the_api_byte_by_byte(rest: httpx.AsyncClient, server: Server, name: str) -> None:
    server.answers(Answer(201, ODD, {"Content-Type": "application/json"}))
    response = await rest.request(**request_for(name))
    assert (response.status_code, response.content) == (201, ODD)
    [received] = server.received
    call = build(name, ARGUMENTS[name])
    expected = httpx.Request(call.method, f"{server.url}{call.path}", params=call.query)
    assert (received.method, httpx.URL(server.url + received.target)) == (call.method, expected.url)
    assert received.json == call.body
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert TOKEN not in str(received)


async def test_an_answer_without_content(rest: httpx.AsyncClient, server: Server) -> None:
    server.answers(Answer(204))
    response = await rest.delete("/v1/api/syncs/1")
    assert (response.status_code, response.content) == (204, b"")


async def test_secrets_of_an_answer_are_masked(rest: httpx.AsyncClient, server: Server) -> None:
    server.answers(answer({"data": {"id": "1", "configuration": {"password": "hunter22"}, "error": "hunter22"}}))
    body = {"name": "n", "type": "t", "configuration": {"password": "hunter22"}}
    response = await rest.post("/v1/api/connections", json=body)
    assert response.json() == {"data": {"id": "1", "configuration": {"password": "***"}, "error": "***"}}


async def test_an_answer_that_is_masked_or_describes_secrets_stays_as_it_is(
    rest: httpx.AsyncClient, server: Server
) -> None:
    content = b'{"data" : {"configuration":{"password":"********"}, "properties": {"password": {"type": "string"}}}}'
    server.answers(Answer(200, content, {"Content-Type": "application/json"}))
    response = await rest.get("/v1/api/connections/1")
    assert response.content == content


async def test_an_error_of_the_api_keeps_its_status_and_its_message(rest: httpx.AsyncClient, server: Server) -> None:
    error = {"status": 422, "key": "invalid", "message": "the sync is paused", "metadata": {"used_by": []}}
    server.answers(answer(error, 422))
    response = await rest.get("/v1/api/syncs/1")
    assert (response.status_code, response.json()) == (422, error)
    server.answers(answer({"message": "slow down"}, 429, Retry_After="0"))
    response = await rest.get("/v1/api/syncs/1")
    assert (response.status_code, response.headers["retry-after"]) == (429, "0")


@pytest.mark.parametrize("broken", [answer({"message": "down"}, 503), HANG_UP, Answer(200, b"<html>")])
async def test_a_failure_behind_the_gateway_is_a_bad_gateway(
    rest: httpx.AsyncClient, server: Server, broken: Answer
) -> None:
    server.answers(broken)
    response = await rest.get("/v1/api/syncs/1")
    assert response.status_code == 502
    assert response.json()["message"]
    assert len(server.received) == 2  # the retry policy of the client holds
    assert KEY not in response.text


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": TOKEN}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {KEY}"}]
    + [[("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]],
)
async def test_a_caller_without_the_token_is_refused(rest: httpx.AsyncClient, server: Server, headers: Any) -> None:
    server.answers(answer({"data": []}))
    rest.headers.pop("Authorization")
    response = await rest.get("/v1/api/syncs", headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert server.received == []


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "message"),
    [
        ("GET", "/v1/api/nothing", None, 404, "there is no such operation"),
        ("POST", "/v1/api/me", None, 404, "there is no such operation"),
        ("GET", "/api/syncs", None, 404, "there is no such operation"),
        ("POST", "/v1/api/nothing", b"{", 404, "there is no such operation"),
        ("GET", "/v1/api/syncs?colour=red", None, 400, "colour: is no parameter"),
        ("GET", "/v1/api/syncs?limit=many", None, 400, "limit: Input should be a valid integer"),
        ("GET", "/v1/api/syncs?idempotency_key=k", None, 400, "idempotency_key: is no parameter"),
        ("GET", "/v1/api/syncs/%20", None, 400, "is not an id"),
        ("GET", "/v1/api/connections/1/modelsync/source?params=a&params[x]=b", None, 400, "both a value and a mapping"),
        ("GET", "/v1/api/connections/1/modelsync/source?params[x]=b&params=a", None, 400, "both a value and a mapping"),
        (
            "POST",
            "/v1/api/syncs/1/activate",
            b'{"active": true, "sync_id": "2"}',
            400,
            "'sync_id' is given in two ways",
        ),
        ("POST", "/v1/api/syncs/1/activate", b'{"active"', 400, "the body is not JSON"),
        ("POST", "/v1/api/syncs/1/activate", b"\xff", 400, "the body is not JSON"),
        ("POST", "/v1/api/syncs/1/activate", b"[]", 400, "the body is not a JSON object"),
        ("POST", "/v1/api/syncs", NESTED, 400, "the body cannot be used"),
        ("POST", "/v1/api/syncs", b'{"limit": 1e999}', 400, "does not fit in 64 bits"),
        ("POST", "/v1/api/syncs", b" " * (MAX_BODY_BYTES + 1), 413, "larger than"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
async def test_a_request_that_cannot_be_sent_is_refused(
    rest: httpx.AsyncClient, server: Server, method: str, url: str, body: Any, status: int, message: str
) -> None:
    server.answers(answer({"data": []}))
    response = await rest.request(method, url, content=body)
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert message in response.json()["message"]
    assert server.received == []


async def test_what_is_not_offered_does_not_exist(server: Server) -> None:
    server.answers(answer({"data": []}))
    async with AsyncPolytomicClient(api_key=KEY, base_url=server.url) as sender:
        app = rest_app(Gateway(offered("read", ["syncs"]), sender), TOKEN)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
            statuses = [
                (await client.request(method, url)).status_code
                for method, url in [
                    ("GET", "/v1/api/syncs"),
                    ("POST", "/v1/api/syncs/1/executions"),
                    ("DELETE", "/v1/api/syncs/1"),
                    ("GET", "/v1/api/connections"),
                ]
            ]
    assert statuses == [200, 404, 404, 404]


async def test_the_scheme_of_the_token_has_no_case(rest: httpx.AsyncClient, server: Server) -> None:
    server.answers(answer({"data": []}))
    assert (await rest.get("/v1/api/syncs", headers={"Authorization": f"bearer {TOKEN}"})).status_code == 200


async def test_an_id_in_a_path_may_have_any_character(rest: httpx.AsyncClient, server: Server) -> None:
    server.answers(answer({"data": {"id": "1"}}))
    await rest.get("/v1/api/syncs/a%2Fb%20%3F%23%25%C3%A9")
    assert server.received[0].target == "/api/syncs/a%2Fb%20%3F%23%25%C3%A9"


async def test_the_most_exact_path_is_called(rest: httpx.AsyncClient, server: Server) -> None:
    server.answers(answer({"data": []}))
    for path in (
        "/v1/api/syncs/schedules",
        "/v1/api/syncs/1/executions/2/logs",
        "/v1/api/syncs/1/executions/2/errors/",
    ):
        await rest.get(path)
    assert [each.target for each in server.received] == [
        "/api/syncs/schedules",
        "/api/syncs/1/executions/2/logs",
        "/api/syncs/1/executions/2/errors",
    ]


async def test_the_log_has_who_and_what_but_nothing_of_the_content(
    rest: httpx.AsyncClient, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.answers(answer({"data": {"id": "answer-content"}}))
    await rest.get("/v1/api/syncs/request-content")
    await rest.get("/v1/api/syncs/%20")
    server.answers(answer({"message": "answer-content"}, 404))
    await rest.get("/v1/api/syncs/request-content")
    lines = [record.getMessage() for record in caplog.records if "Called" in record.getMessage()]
    outcomes = [line.rpartition(": ")[2] for line in lines]
    assert all(line.startswith("Called syncs.get for 203.0.113.7 in ") for line in lines)
    assert outcomes == ["ok", "invalid arguments", "404"]
    assert "content" not in " ".join(lines)
