"""Run the gateway from the command line: ``python -m airflow_provider_polytomic.gateway``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence

from airflow_provider_polytomic.api import AsyncPolytomicClient
from airflow_provider_polytomic.api.catalogue import ACCESS, offered
from airflow_provider_polytomic.api.config import DEFAULT_BASE_URL, is_loopback
from airflow_provider_polytomic.api.redaction import register_secrets
from airflow_provider_polytomic.gateway.calls import Gateway
from airflow_provider_polytomic.gateway.server import MCP_PATH, HttpServer, listen, mcp_app, rest_app, run_servers

TOKEN_VARIABLE = "POLYTOMIC_GATEWAY_TOKEN"
URL_VARIABLE = "POLYTOMIC_URL"
DEFAULT_MCP_PORT = 9090
DEFAULT_REST_PORT = 8080

EXAMPLES = """\
environment:
  POLYTOMIC_API_KEY        API key, which only the gateway sees
  POLYTOMIC_URL            URL of Polytomic (default: https://app.polytomic.com)
  POLYTOMIC_GATEWAY_TOKEN  token that callers show over HTTP (default: a new one, printed at the start)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM, or over stdio until the input ends."""
    options = _options(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Nothing is kept, and a thread that reads the input would keep the process.
        signal.signal(number, lambda *_: os._exit(0))
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("mcp", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(_serve(options))
    except (OSError, OverflowError, ValueError) as error:
        print(f"Could not start the gateway: {error}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_polytomic.gateway",
        description="Offer the operations of the Polytomic API as MCP tools, and as a REST API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    transport = parser.add_mutually_exclusive_group()
    transport.add_argument("--stdio", action="store_true", help="serve MCP on standard input and output")
    transport.add_argument(
        "--mcp-port",
        type=int,
        nargs="?",
        const=DEFAULT_MCP_PORT,
        help="serve MCP at this TCP port, 0 for a free one (default: 9090, if neither --stdio nor a port is given)",
    )
    parser.add_argument(
        "--rest-port",
        type=int,
        nargs="?",
        const=DEFAULT_REST_PORT,
        help="serve REST at this TCP port, 0 for a free one (default: 8080 if no number is given)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)")
    parser.add_argument(
        "--access",
        choices=ACCESS,
        default="read",
        help="offer operations that change nothing, that delete nothing, or all of them (default: read)",
    )
    parser.add_argument("--areas", help="offer only these areas, such as syncs,connections (default: all)")
    options = parser.parse_args(arguments)
    if not options.stdio and options.mcp_port is None and options.rest_port is None:
        options.mcp_port = DEFAULT_MCP_PORT
    return options


async def _serve(options: argparse.Namespace) -> None:
    areas = None if options.areas is None else [each.strip() for each in options.areas.split(",")]
    operations = offered(options.access, areas)
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    is_new, token = not token, token or secrets.token_urlsafe(32)
    register_secrets(token)
    async with AsyncPolytomicClient(base_url=os.environ.get(URL_VARIABLE) or DEFAULT_BASE_URL) as client:
        gateway = Gateway(operations, client)
        servers, urls = [], {}
        if options.mcp_port is not None:
            listener = listen(options.host, options.mcp_port)
            servers.append(HttpServer(mcp_app(gateway, token, options.host), listener, lifespan="on"))
            urls["MCP"] = _url(options.host, listener) + MCP_PATH
        if options.rest_port is not None:
            listener = listen(options.host, options.rest_port)
            servers.append(HttpServer(rest_app(gateway, token), listener))
            urls["REST"] = _url(options.host, listener) + "/v1"
        lines = [
            f"Polytomic gateway: {len(operations)} operations, access {options.access}, to {client.config.base_url}"
        ]
        if urls:
            lines += _instructions(urls, token if is_new else None)
        if not is_loopback(options.host):
            lines.append(f"{options.host} is not loopback: put TLS in front, since the token is sent unencrypted")
        print("\n".join(lines), file=sys.stderr if options.stdio else sys.stdout, flush=True)
        await run_servers(servers, stdio=gateway if options.stdio else None)


def _url(host: str, listener: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _instructions(urls: dict[str, str], token: str | None) -> list[str]:
    """Return how to connect clients; the token is shown only if it is new."""
    shown = token or f"${TOKEN_VARIABLE}"
    lines = [f"  {name:<5} {url}" for name, url in urls.items()]
    lines.append(f"  token {token}" if token else f"  token as in {TOKEN_VARIABLE}")
    if "MCP" in urls:
        client = {"type": "http", "url": urls["MCP"], "headers": {"Authorization": f"Bearer {shown}"}}
        lines += ["Connect an MCP client with:", f"  {json.dumps({'mcpServers': {'polytomic': client}})}"]
    if "REST" in urls:
        lines += ["Call REST with:", f'  curl -H "Authorization: Bearer {shown}" {urls["REST"]}/api/me']
    return [*lines, "Stop it with Ctrl-C."]


if __name__ == "__main__":
    sys.exit(main())
