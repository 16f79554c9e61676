"""The operations as tools of an MCP server."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_polytomic import __version__
from airflow_provider_polytomic.api import PolytomicError
from airflow_provider_polytomic.api.catalogue import Operation
from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.gateway.calls import Gateway

INSTRUCTIONS = "Tools for syncs, connections and events of Polytomic. A list has the rows of all its pages."


def mcp_server(gateway: Gateway) -> Server[Any]:
    """Build the MCP server of a gateway."""
    tools = [_tool(each) for each in gateway.operations.values()]

    async def list_tools(context: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        operation = gateway.operations.get(params.name)
        if operation is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {one_line(params.name, 100)!r}")
        try:
            value = await gateway.value(operation, params.arguments or {}, _caller(context))
        except (PolytomicError, ValueError) as error:
            return types.CallToolResult(content=[types.TextContent(text=str(error))], is_error=True)
        except RecursionError:
            text = "the arguments are nested too deeply"
            return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
        return types.CallToolResult(
            content=[types.TextContent(text=json.dumps(value, ensure_ascii=False))],
            structured_content=value if _is_structured(value, context.protocol_version) else None,
        )

    return Server(
        "polytomic", version=__version__, instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool
    )


def _is_structured(value: Any, protocol_version: str) -> bool:
    """Return whether a version of the protocol has a value as structured content; older ones have only objects."""
    return isinstance(value, dict) or protocol_version in MODERN_PROTOCOL_VERSIONS


def _tool(operation: Operation) -> types.Tool:
    return types.Tool(
        name=operation.tool_name,
        description=operation.description,
        input_schema=operation.parameters,
        annotations=types.ToolAnnotations(
            read_only_hint=operation.read_only,
            idempotent_hint=operation.idempotent,
            destructive_hint=operation.destructive,
        ),
    )


def _caller(context: Any) -> str:
    """Return the address of a caller and the name of its client, as far as they are known."""
    peer = getattr(context.request, "client", None)
    about = getattr(context.session.client_params, "client_info", None)
    return " ".join(filter(None, [peer.host if peer else "stdio", getattr(about, "name", None)]))
