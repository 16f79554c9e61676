"""Serve MCP and REST over HTTP to callers that send the token, or MCP over stdio."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn
from mcp.server.stdio import stdio_server
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_polytomic.gateway.calls import Gateway
from airflow_provider_polytomic.gateway.rest import MAX_BODY_BYTES, RestAdapter
from airflow_provider_polytomic.gateway.tools import mcp_server

MCP_PATH = "/mcp"

log = logging.getLogger(__name__)


class RequireToken:
    """Pass on only requests with the token as ``Authorization: Bearer``.

    :param app: Application for these requests.
    :param token: Token of the gateway.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._is_allowed(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            log.warning("Refused a request of %s without the token of the gateway", (scope["client"] or ["unknown"])[0])
            message = "show the token of the gateway as 'Authorization: Bearer <token>'"
            refusal = JSONResponse({"status": 401, "message": message}, 401, {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = shown[0].partition(b" ") if len(shown) == 1 else (b"", b"", b"")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token, self._token)


def mcp_app(gateway: Gateway, token: str, host: str) -> ASGIApp:
    """Build the application that serves MCP at ``/mcp``."""
    app = mcp_server(gateway).streamable_http_app(
        streamable_http_path=MCP_PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=MAX_BODY_BYTES,
        host=host,
    )
    return RequireToken(app, token)


def rest_app(gateway: Gateway, token: str) -> ASGIApp:
    """Build the application that serves REST below ``/v1``."""
    return RequireToken(RestAdapter(gateway), token)


async def serve_stdio(gateway: Gateway) -> None:
    """Serve MCP on standard input and output until the input ends."""
    server = mcp_server(gateway)
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


class HttpServer(uvicorn.Server):
    """Serve one application until ``should_exit`` is set, and then close all connections at once.

    :param app: Application to serve.
    :param listener: Socket that listens for connections.
    :param lifespan: ``on`` if the application has a lifespan, otherwise ``off``.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, lifespan: Any = "off") -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan=lifespan,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self.listener = listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the command line."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    :raises OSError: If the address is in use or not one of this host.
    :raises OverflowError: If there is no such port.
    """
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family)


async def run_servers(servers: Sequence[HttpServer], *, stdio: Gateway | None = None) -> None:
    """Run servers without end, or until the input of the one for stdio ends.

    :param stdio: Gateway to serve over stdio, too; default None.
    """
    running = [asyncio.ensure_future(server.serve(sockets=[server.listener])) for server in servers]
    if stdio is not None:
        await serve_stdio(stdio)
        for server in servers:
            server.should_exit = True
    await asyncio.gather(*running)
