"""Follow the README and the quick start literally, with the wheel of this commit in the place of the index.

`python .ci/readme.py UV NEWEST OLDEST`, with the path of uv, and the interpreters of two environments that `make` has
created. It writes the files and runs the commands of

* the README, beside an existing Airflow as in NEWEST, with its test;
* the quick start, in a fresh folder with `airflow standalone`, until the DAG has run there by itself;
* the quick start, beside an existing Airflow as in OLDEST.

What it replaces: the index by the wheel and by uv's cache, Airflow's constraints by the versions of those environments,
and ports by free ones.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r'(?:^<!-- needs: ([^\n]*) -->\n)?^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
FILE_NAME = re.compile(r"# ([\w/]+\.py)\n")
CONSTRAINTS = re.compile(r"^CONSTRAINTS=.*", re.MULTILINE)
SYNC_ID = "00000000-0000-4000-8000-000000000001"
TIMEOUT = 600.0
"""Seconds after which following one of them counts as failed; it takes about one minute on an idle machine."""

PORTS = (
    "API__PORT",
    "WEBSERVER__WEB_SERVER_PORT",
    "LOGGING__WORKER_LOG_SERVER_PORT",
    "LOGGING__TRIGGER_LOG_SERVER_PORT",
)
"""Options of Airflow for the ports at which its parts listen."""

STANDALONE = """airflow standalone > standalone.log 2>&1 &
until curl --silent --fail --output /dev/null "$AIRFLOW__API__BASE_URL/api/v2/monitor/health"; do sleep 1; done"""
"""The command of the quick start that does not end by itself, and the pause until its page opens."""

PIP_OF_UV = """
pip() { "$UV" pip "$1" --quiet --offline --find-links "$WHEELS" --python "$(command -v python)" "${@:2}"; }
"""
"""A `pip` that installs from uv's cache, since the environment begins without Airflow."""


def main() -> int:
    """Follow each text, and return 1 if a command fails or one of them takes too long."""
    if sys.argv[1] == "--wait":
        return wait_for_two_executions(int(sys.argv[2]))
    uv, newest, oldest = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="polytomic-readme-") as created:
        folder = Path(created)
        checkout, wheels = folder / "checkout", folder / "wheels"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", str(wheels)], cwd=checkout, check=True)
        readme, quick_start = (checkout / "README.md").read_text(), (checkout / "docs" / "quickstart.md").read_text()
        existing, fresh = paragraph(quick_start, "**Into an existing"), paragraph(quick_start, "**Into a fresh folder")
        steps = quick_start[quick_start.index("Airflow has found the provider") :]
        once = steps.replace("airflow standalone\n", "").replace("airflow dags unpause crm\n", "")
        of_readme = section(readme, "## Quick start") + section(readme, "## Test your DAGs")
        for name, text, interpreter in (
            ("the README", of_readme, newest),
            ("the quick start beside an old Airflow", existing + once, oldest),
            ("the quick start in a fresh folder", fresh + steps, newest),
        ):
            project = Project(folder / name.replace(" ", "-"), wheels, uv, interpreter)
            if text.startswith(fresh):
                project.create()
            else:
                project.create_beside_airflow()
            took = project.follow(text)
            print(f"--- {name}: done after {took:.0f} s", flush=True)
    return 0


@dataclass
class Project:
    """A folder in which a text is followed.

    :param folder: Path of the folder.
    :param wheels: Folder of the wheel.
    :param uv: Path of uv.
    :param interpreter: Interpreter of an environment with the same Airflow.
    """

    folder: Path
    wheels: Path
    uv: str
    interpreter: str

    def create(self) -> None:
        """Create the folder, and the environment of the shell."""
        self.folder.mkdir()
        self.constraints = self.folder.with_suffix(".txt")
        command = [self.uv, "pip", "freeze", "--quiet", "--python", self.interpreter]
        frozen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.constraints.write_text("\n".join(re.findall(r"^[\w.-]+==.*", frozen, re.MULTILINE)) + "\n")
        self.port = free_port()
        airflow = {f"AIRFLOW__{option}": str(free_port()) for option in PORTS}
        address = f"http://localhost:{airflow['AIRFLOW__API__PORT']}"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST", "PYTHON"))
        }
        kept.pop("VIRTUAL_ENV", None)
        self.environment = {
            **kept,
            **airflow,
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "HOME": str(self.folder),
            "UV": self.uv,
            "UV_CACHE_DIR": subprocess.run([self.uv, "cache", "dir"], capture_output=True, text=True).stdout.strip(),
            "WHEELS": str(self.wheels),
        }

    def create_beside_airflow(self) -> None:
        """Create the folder with an environment that has Airflow and pytest, and activate it."""
        self.create()
        environment = self.folder / ".venv"
        subprocess.run(
            [self.uv, "venv", "--quiet", "--seed", str(environment), "--python", self.interpreter], check=True
        )
        wanted = ["apache-airflow", "pytest", "starlette", "uvicorn"]
        command = [
            self.uv,
            "pip",
            "install",
            "--quiet",
            "--constraint",
            str(self.constraints),
            "--python",
            str(environment),
        ]
        subprocess.run([*command, *wanted], check=True)
        self.environment |= {
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }
        del self.environment["UV"]

    def follow(self, text: str) -> float:
        """Write the files and run the commands in the order of the text, and return the seconds that this took.

        :raises SystemExit: if a command fails
        """
        began = time.monotonic()
        script = "\n".join(["set -euo pipefail", *([PIP_OF_UV] if "UV" in self.environment else []), *commands(text)])
        script = CONSTRAINTS.sub(f"CONSTRAINTS={self.constraints}", script.replace("8765", str(self.port)))
        if "\nairflow standalone\n" in script:
            script = script.replace("\nairflow standalone\n", f"\n{STANDALONE}\n")
            script += f"\n{sys.executable} {Path(__file__).resolve()} --wait {self.port}\n"
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = shell.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
        if code:
            log = self.folder / "polytomic-quickstart" / "standalone.log"
            print(script, log.read_text()[-5000:] if log.exists() else "", f"--- failed: {code}", sep="\n")
            raise SystemExit(1)
        return time.monotonic() - began


def commands(text: str) -> Iterator[str]:
    """List the commands of a text, and those that write its files."""
    for needs, language, title, code in BLOCK.findall(text):
        named = FILE_NAME.match(code)
        name = title or (named[1] if named else "")
        if language == "python" and name:
            yield f"mkdir -p {Path(name).parent}\ncat > {name} <<'END_OF_FILE'\n{code}END_OF_FILE"
        elif language == "bash" and not needs:
            yield code.rstrip()


def paragraph(text: str, begin: str) -> str:
    """Return the paragraph that begins so, with its block."""
    found = text[text.index(begin) :]
    return found[: found.index("\n```\n", found.index("```") + 3) + 5]


def section(text: str, heading: str) -> str:
    """Return a section of a Markdown text."""
    return text[text.index(f"{heading}\n") :].partition("\n## ")[0]


def wait_for_two_executions(port: int) -> int:
    """Wait until a second execution has completed: the first is that of `airflow dags test`."""
    address = f"http://127.0.0.1:{port}/_emulator/syncs/{SYNC_ID}/executions"
    while True:
        with urlopen(address) as response:
            states = [execution["status"] for execution in json.load(response)["data"]]
        if states.count("completed") >= 2:
            return 0
        time.sleep(1)


def free_port() -> int:
    """Return a port of loopback that nothing listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
