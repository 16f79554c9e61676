"""Run each cell in its own process, and collect its output."""

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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.plan import Plan
from benchmarks.tls import write_certificate

KILL_TIMEOUT = 120.0
"""Seconds after the planned end of a cell until its process is killed."""


@dataclass(frozen=True)
class CellConfig:
    """The configuration of one cell.

    :param feed: when the poller reads events: ``automatic`` (its own decision), ``always``, or ``never``
    """

    system: str
    waits: int
    interval: float
    feed: str = "automatic"


class Runner:
    """Run cells with one certificate, in one empty Airflow home."""

    def __init__(self, folder: Path, earlier: Path | None = None) -> None:
        self._earlier = earlier
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
    def in_temporary_folder(cls, commit: str | None = None) -> Iterator[Runner]:
        """Create a runner, and remove its files afterwards.

        :param commit: commit whose code the cells of the system ``before`` run; None for none
        """
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            earlier = Path(folder, "earlier") if commit else None
            if commit:
                git("worktree", "add", "--quiet", "--detach", str(earlier), commit)
            try:
                yield cls(Path(folder), earlier)
            finally:
                if commit:
                    git("worktree", "remove", "--force", str(earlier))

    def run(self, configs: Sequence[CellConfig]) -> list[dict[str, Any]]:
        """Run cells at the same time, with a common start; a failed cell has its error in ``failed``."""
        cells = [_Running(config, self._start(config)) for config in configs]
        try:
            with ThreadPoolExecutor(len(cells)) as pool:
                for act in (_Running.wait_until_ready, _Running.go, _Running.finish):
                    list(pool.map(act, cells))
        finally:
            for cell in cells:
                cell.end()
        return [cell.measured for cell in cells]

    def _start(self, config: CellConfig) -> subprocess.Popen[str]:
        is_earlier = config.system == "before"
        if is_earlier:
            config = replace(config, system="model")
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.cell",
                json.dumps(asdict(config) | {"certificate": str(self._certificate)}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd=self._earlier if is_earlier else None,
        )


def git(*arguments: str) -> None:
    """Run git in this repository."""
    subprocess.run(["git", "-C", str(Path(__file__).parent), *arguments], check=True)


class _Running:
    def __init__(self, config: CellConfig, process: subprocess.Popen[str]) -> None:
        self._config, self._process = config, process
        self._stderr: list[str] = []
        threading.Thread(target=self._read_stderr, daemon=True).start()
        self._kill_timer = threading.Timer(Plan(1, config.interval).length + KILL_TIMEOUT, process.kill)
        self._kill_timer.start()
        self.measured: dict[str, Any] = {}

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._stderr = [*self._stderr[-20:], line]

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
            self.measured = asdict(self._config) | json.loads(line)
        else:
            error = "".join(self._stderr).strip() or "the process did not end in time and was killed"
            self.measured = asdict(self._config) | {"failed": error}

    def end(self) -> None:
        self._kill_timer.cancel()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
