"""A gateway as a process, and an emulator behind it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("mcp")

from airflow_provider_polytomic.emulator import Emulator, ManualClock

COMMAND = [sys.executable, "-m", "airflow_provider_polytomic.gateway"]
TOKEN = "canary-g4teway-token"


def environment(emulator: Emulator, key: str | None = None, **more: str) -> dict[str, str]:
    """Return the environment of a gateway to an emulator."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("POLYTOMIC_")}
    return {**own, "POLYTOMIC_API_KEY": key or emulator.api_key, "POLYTOMIC_URL": emulator.url, **more}


@dataclass
class Process:
    """A running gateway, what it printed at the start, and its addresses."""

    process: subprocess.Popen[str]
    printed: str

    def url(self, name: str) -> str:
        found = re.search(rf"^  {name} +(\S+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def running(environment: dict[str, str], *options: str) -> Iterator[Process]:
    """Run a gateway until the block ends."""
    process = subprocess.Popen([*COMMAND, *options], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process:
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Stop it"):
                break
        try:
            yield Process(process, "".join(lines))
        finally:
            process.kill()


@pytest.fixture(scope="module")
def served() -> Iterator[Emulator]:
    with Emulator(clock=ManualClock()) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def gateway(served: Emulator) -> Iterator[Callable[..., Process]]:
    """Return a function that runs a gateway with all operations, one for each API key."""
    with ExitStack() as stack:
        found: dict[str, Process] = {}

        def run(key: str) -> Process:
            if key not in found:
                env = environment(served, key, POLYTOMIC_GATEWAY_TOKEN=TOKEN)
                options = ("--mcp-port", "0", "--rest-port", "0", "--access", "full")
                found[key] = stack.enter_context(running(env, *options))
            return found[key]

        yield run


def plain(value: Any) -> Any:
    """Return a tool of MCP as JSON."""
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)
