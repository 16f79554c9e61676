"""The command line of the gateway."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import Any

import httpx
import pytest

pytest.importorskip("mcp")

from airflow_provider_polytomic.gateway.__main__ import _options

from .conftest import COMMAND, TOKEN, environment, running


@pytest.mark.parametrize(
    ("arguments", "stdio", "mcp_port", "rest_port"),
    [
        ([], False, 9090, None),
        (["--stdio"], True, None, None),
        (["--mcp-port", "1"], False, 1, None),
        (["--rest-port"], False, None, 8080),
        (["--rest-port", "2", "--mcp-port"], False, 9090, 2),
        (["--stdio", "--rest-port", "2"], True, None, 2),
    ],
)
def test_transports(arguments: list[str], stdio: bool, mcp_port: int | None, rest_port: int | None) -> None:
    options = _options(arguments)
    assert (options.stdio, options.mcp_port, options.rest_port) == (stdio, mcp_port, rest_port)
    assert (options.access, options.areas, options.host) == ("read", None, "127.0.0.1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_new_token_is_printed_and_a_signal_ends_it_at_once(served: Any, number: signal.Signals) -> None:
    with running(environment(served), "--mcp-port", "0", "--rest-port", "0", "--areas", "syncs") as gateway:
        token = gateway.url("token")
        assert len(token) >= 32
        assert gateway.printed.startswith(f"Polytomic gateway: 12 operations, access read, to {served.url}\n")
        assert f'"Authorization": "Bearer {token}"' in gateway.printed
        url = gateway.url("REST") + "/api/syncs"
        assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert httpx.get(url).status_code == 401
        assert httpx.post(gateway.url("MCP"), json={}).status_code == 401
        gateway.process.send_signal(number)
        assert gateway.process.wait(10) == 0


def test_a_given_token_is_not_printed(served: Any) -> None:
    with running(environment(served, POLYTOMIC_GATEWAY_TOKEN=TOKEN), "--mcp-port", "0") as gateway:
        assert TOKEN not in gateway.printed
        assert gateway.url("MCP").startswith("http://127.0.0.1:")
        too_large = httpx.post(gateway.url("MCP"), headers=gateway.headers, content=b" " * (4 * 1024 * 1024 + 1))
        assert too_large.status_code == 413


def test_the_end_of_the_input_ends_stdio(served: Any) -> None:
    command = [*COMMAND, "--stdio"]
    done = subprocess.run(command, env=environment(served), input="", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("Polytomic gateway: 42 operations, access read")


def test_a_gateway_that_cannot_start_says_why(served: Any) -> None:
    def problem(env: dict[str, str], *options: str) -> str:
        done = subprocess.run([*COMMAND, *options], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        return done.stderr

    env = environment(served)
    assert "there is no area 'sync'" in problem(env, "--areas", "sync")
    assert problem(env, "--rest-port", "65536").startswith("Could not start the gateway: ")
    assert "there is no API key" in problem({name: env[name] for name in env if name != "POLYTOMIC_API_KEY"})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "Could not start the gateway: " in problem(env, "--mcp-port", str(taken.getsockname()[1]))
