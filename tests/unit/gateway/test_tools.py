"""The official MCP client lists and calls every tool, over HTTP and stdio."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

import httpx2
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from airflow_provider_polytomic.api import AsyncPolytomicClient
from airflow_provider_polytomic.api.catalogue import OPERATIONS, offered
from airflow_provider_polytomic.gateway.calls import Gateway
from airflow_provider_polytomic.gateway.tools import mcp_server
from tests.support.operation_arguments import PARTNER_OPERATIONS, arguments_for
from tests.support.sample_objects import create_sample_objects

from .conftest import COMMAND, environment, plain

GOLDEN = Path(__file__).parents[2] / "golden" / "tools.json"
BY_TOOL = offered("full")


@pytest.fixture(params=["http", "http, older client", "stdio", "stdio, older client"])
def connect(request: pytest.FixtureRequest, gateway: Any, served: Any) -> Any:
    """Return a function that connects the official client to a gateway with an API key."""
    transport, _, older = request.param.partition(", ")
    mode = "legacy" if older else "auto"

    @asynccontextmanager
    async def client(key: str) -> AsyncIterator[Client]:
        if transport == "stdio":
            options = [*COMMAND[1:], "--stdio", "--access", "full"]
            server: Any = StdioServerParameters(command=COMMAND[0], args=options, env=environment(served, key))
            async with Client(server, mode=mode) as connected:
                yield connected
        else:
            process = gateway(key)
            async with httpx2.AsyncClient(headers=process.headers) as http:
                server = streamable_http_client(process.url("MCP"), http_client=http)
                async with Client(server, mode=mode) as connected:
                    yield connected

    return client


async def test_every_tool_is_listed_and_called(connect: Any, served: Any) -> None:
    called: dict[str, Any] = {}
    for key, is_partner in ((served.api_key, False), (served.partner_key, True)):
        async with connect(key) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == BY_TOOL.keys()
            for tool in sorted(tools):
                name = BY_TOOL[tool].name
                if (name in PARTNER_OPERATIONS) == is_partner:
                    arguments = arguments_for(create_sample_objects(served))[name]
                    if name == "webhooks.create":  # an organization can have one
                        served.reset()
                    called[name] = await client.call_tool(tool, arguments)
    assert {name: result.content[0].text for name, result in called.items() if result.is_error} == {}
    assert called.keys() == OPERATIONS.keys()
    values = {name: json.loads(result.content[0].text) for name, result in called.items()}
    assert {name for name, value in values.items() if isinstance(value, list)} >= {"syncs.list", "events.list_types"}
    assert values["connections.create"]["configuration"]["hostname"] == "db.example.com"
    assert "hunter22" not in json.dumps(values)
    for name, result in called.items():
        assert result.structured_content in (values[name], None), name


def test_the_list_of_tools_is_the_one_in_the_repository() -> None:
    tools = [plain(tool) for tool in _tools("full")]
    text = json.dumps(tools, indent=1, sort_keys=True) + "\n"
    assert GOLDEN.read_text() == text, f"if the change of the tools is meant, write this to {GOLDEN}:\n{text}"


@pytest.mark.parametrize("access", ["read", "write", "full"])
def test_access_decides_which_tools_exist(access: str) -> None:
    hints = {tool.name: tool.annotations for tool in _tools(access)}
    assert all(hint.read_only_hint for hint in hints.values()) == (access == "read")
    assert any(hint.destructive_hint for hint in hints.values()) == (access == "full")
    assert {"list-syncs", "test-connection"} <= hints.keys()
    assert ("start-sync" in hints) == (access != "read")
    assert ("delete-model-sync" in hints) == (access == "full")


def test_areas_decide_which_tools_exist() -> None:
    assert {BY_TOOL[tool.name].area for tool in _tools("full", ["syncs", "jobs"])} == {"syncs", "jobs"}
    with pytest.raises(ValueError, match="there is no area 'sync'; the areas are bulk_syncs"):
        offered("read", ["sync"])
    with pytest.raises(ValueError, match="access must be one of read, write, full"):
        offered("all")


@asynccontextmanager
async def read_only_client(served: Any) -> AsyncIterator[Client]:
    served.reset()
    async with (
        AsyncPolytomicClient(api_key=served.api_key, base_url=served.url, max_retries=0) as sender,
        Client(mcp_server(Gateway(offered("read"), sender))) as client,
    ):
        yield client


async def test_what_is_not_offered_does_not_exist(served: Any) -> None:
    async with read_only_client(served) as client:
        for tool in ("start-sync", "no-such-tool"):
            with pytest.raises(MCPError, match=f"there is no tool '{tool}'"):
                await client.call_tool(tool, {"sync_id": "1"})
    assert served.requests == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "sync_id: is missing"),
        ({"sync_id": "1", "idempotency_key": "k"}, "idempotency_key: is no parameter"),
        ({"sync_id": ""}, "is not an id"),
        ({"sync_id": "unknown"}, "404: The sync was not found"),
    ],
)
async def test_a_refused_call_is_an_error_of_the_tool(served: Any, arguments: Any, text: str) -> None:
    async with read_only_client(served) as client:
        result = await client.call_tool("get-sync", arguments)
    assert result.is_error
    assert text in result.content[0].text


def _tools(access: str, areas: Any = None) -> Any:
    from airflow_provider_polytomic.gateway.tools import _tool

    return [_tool(each) for each in offered(access, areas).values()]
