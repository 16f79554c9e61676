"""Check the files of a built wheel, and that Airflow finds the provider in it.

`python .ci/wheel.py ENVIRONMENT WHEEL`, with the wheel installed in the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

DISTRIBUTION = "airflow-provider-polytomic"
PACKAGE = "airflow_provider_polytomic"
EXPECTED = {
    ("providers", "list"): [DISTRIBUTION],
    ("providers", "get", DISTRIBUTION): [DISTRIBUTION],
    ("providers", "hooks"): ["polytomic", "PolytomicHook"],
}


def unexpected_files(names: list[str]) -> list[str]:
    """List the unexpected files of the wheel, and the missing one."""
    unexpected = [name for name in names if not name.startswith((f"{PACKAGE}/", f"{PACKAGE}-"))]
    return unexpected if f"{PACKAGE}/py.typed" in names else [*unexpected, "no py.typed"]


def main() -> int:
    """Print the result of each check, and return 1 at the first one that fails."""
    environment, wheel = map(Path, sys.argv[1:])
    names = zipfile.ZipFile(wheel).namelist()
    if unexpected := unexpected_files(names):
        print(f"{wheel.name}: {', '.join(unexpected)}")
        return 1
    print(f"{wheel.name}: {len(names)} files, all of {PACKAGE}")
    with tempfile.TemporaryDirectory() as home:
        for arguments, words in EXPECTED.items():
            command = [str(environment.absolute() / "bin" / "airflow"), *arguments]
            env = {**os.environ, "AIRFLOW_HOME": home, "COLUMNS": "300"}
            done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True)
            missing = [word for word in words if word not in done.stdout]
            if done.returncode or missing or "polytomic" in done.stderr.lower():
                print(f"airflow {' '.join(arguments)}: lacks {missing}\n{done.stdout}\n{done.stderr}")
                return 1
            print(f"airflow {' '.join(arguments)}: prints {', '.join(words)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
