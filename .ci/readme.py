"""Follow the README in a clean environment: install the provider, write a DAG, test it.

`python .ci/readme.py` clones the repository, creates an empty environment and an empty project, and follows the
sections about the quick start and about tests: it writes each Python block that begins with a file name to that file,
and runs the console lines. It replaces the name of the distribution by the clone, so that it tests this commit instead
of a release.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
DISTRIBUTION = "airflow-provider-polytomic"
SECTIONS = ("## Quick start", "## Test your DAGs")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w/]+\.py)\n")
TIMEOUT = 600.0
"""Seconds after which following the README counts as failed."""


def main() -> int:
    """Follow the README, and return 1 if a command fails or all of it takes longer than ``TIMEOUT``."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="polytomic-readme-") as folder:
        checkout, project = Path(folder, "checkout"), Path(folder, "project")
        project.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        subprocess.run([sys.executable, "-m", "venv", str(project / ".venv")], check=True)
        files, commands = instructions((checkout / "README.md").read_text())
        for name, text in files.items():
            (project / name).parent.mkdir(exist_ok=True)
            (project / name).write_text(text)
            print(f"--- {name}, {len(text.splitlines())} lines")
        script = "\n".join(line.replace(DISTRIBUTION, str(checkout)) for line in commands)
        done = subprocess.run(["bash", "-euxc", script], cwd=project, env=environment(project))
    took = time.monotonic() - began
    print(f"--- {'done' if done.returncode == 0 else 'failed'} after {took:.0f} s")
    return int(done.returncode != 0 or took > TIMEOUT)


def instructions(readme: str) -> tuple[dict[str, str], list[str]]:
    """Extract the files and the commands from the README.

    :raises ValueError: if there are none
    """
    sections = re.split(r"^(?=## )", readme, flags=re.MULTILINE)
    wanted = "".join(section for section in sections if section.startswith(SECTIONS))
    files, commands = {}, []
    for language, text in BLOCK.findall(wanted):
        named = FILE_NAME.match(text)
        if language == "python" and named:
            files[named[1]] = text
        if language == "console":
            commands += [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    if not files or not any("pytest" in command for command in commands):
        raise ValueError("the README has no instructions for testing a DAG")
    return files, commands


def environment(project: Path) -> dict[str, str]:
    """Return the variables of a new shell in which the project's environment is activated."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST", "PYTHON"))}
    kept.pop("VIRTUAL_ENV", None)
    return {**kept, "PATH": f"{project / '.venv' / 'bin'}{os.pathsep}{kept.get('PATH', '')}"}


if __name__ == "__main__":
    sys.exit(main())
