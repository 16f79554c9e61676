"""Follow the README in a clean checkout, as somebody who has never seen this: install, write a DAG, test it.

`python .ci/readme.py` clones the repository, makes an empty environment and an empty project, and does what the
README's section about testing says: files are what its Python blocks begin with a name of, commands are its console
lines. Only the name of the distribution is replaced by the checkout, whose release is not on an index yet.
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
SECTIONS = ("## Use it", "## Test your DAGs")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w/]+\.py)\n")
AT_MOST = 600.0
"""Seconds that a stranger waits."""


def main() -> int:
    """Print what is done, and return 1 if it fails or takes too long."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="polytomic-stranger-") as folder:
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
    return int(done.returncode != 0 or took > AT_MOST)


def instructions(readme: str) -> tuple[dict[str, str], list[str]]:
    """Take the files and the commands out of the README.

    :raises ValueError: if it has none
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
        raise ValueError("the README does not say how to test a DAG")
    return files, commands


def environment(project: Path) -> dict[str, str]:
    """Return what a fresh shell would have, with the project's environment activated."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST", "PYTHON"))}
    kept.pop("VIRTUAL_ENV", None)
    return {**kept, "PATH": f"{project / '.venv' / 'bin'}{os.pathsep}{kept.get('PATH', '')}"}


if __name__ == "__main__":
    sys.exit(main())
