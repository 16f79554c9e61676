"""Run cells, each in a process of its own, and collect what they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.plan import Plan
from benchmarks.tls import write_certificate

PATIENCE = 120.0
"""Seconds that a cell may take beyond its own length, before it is ended."""


@dataclass(frozen=True)
class Order:
    """What one cell measures.

    :param feed: whether our watcher asks for events: ``as decided`` by itself, ``always``, or ``never``
    """

    system: str
    waits: int
    interval: float
    feed: str = "as decided"


class Runner:
    """Runs cells with one certificate, in one empty Airflow home."""

    def __init__(self, folder: Path) -> None:
        self._certificate, authorities = write_certificate(folder)
        self._environment = os.environ | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "NO_PROXY": "127.0.0.1",
            "PYTHONHASHSEED": "0",
            "PYTHONWARNINGS": "ignore",
            "SSL_CERT_FILE": str(authorities),
        }

    @classmethod
    @contextmanager
    def in_temporary_folder(cls) -> Iterator[Runner]:
        """Make a runner, and remove what it wrote afterwards."""
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            yield cls(Path(folder))

    def run(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        """Run cells at the same time, from one beginning; a cell that fails is told of in ``failed``."""
        cells = [_Running(order, self._start(order)) for order in orders]
        try:
            with ThreadPoolExecutor(len(cells)) as pool:
                for act in (_Running.wait_until_ready, _Running.go, _Running.finish):
                    list(pool.map(act, cells))
        finally:
            for cell in cells:
                cell.end()
        return [cell.measured for cell in cells]

    def _start(self, order: Order) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.cell",
                json.dumps(asdict(order) | {"certificate": str(self._certificate)}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )


class _Running:
    def __init__(self, order: Order, process: subprocess.Popen[str]) -> None:
        self._order, self._process = order, process
        self._complaints: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()
        self._overdue = threading.Timer(Plan(1, order.interval).length + PATIENCE, process.kill)
        self._overdue.start()
        self.measured: dict[str, Any] = {}

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._complaints = [*self._complaints[-20:], line]

    def wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def go(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    def finish(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self._process.wait()
        if line:
            self.measured = asdict(self._order) | json.loads(line)
        else:
            why = "".join(self._complaints).strip() or "it was ended, since it did not end by itself"
            self.measured = asdict(self._order) | {"failed": why}

    def end(self) -> None:
        self._overdue.cancel()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
