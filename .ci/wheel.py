"""Check a built wheel as a user gets it: what is in it, and what Airflow reads of it.

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


def strangers_in(names: list[str]) -> list[str]:
    """List what does not belong into the wheel, and what is missing in it."""
    foreign = [name for name in names if not name.startswith((f"{PACKAGE}/", f"{PACKAGE}-"))]
    return foreign if f"{PACKAGE}/py.typed" in names else [*foreign, "no py.typed"]


def main() -> int:
    """Print what is checked, and return 1 at the first thing that is not as it should be."""
    environment, wheel = map(Path, sys.argv[1:])
    names = zipfile.ZipFile(wheel).namelist()
    if strangers := strangers_in(names):
        print(f"{wheel.name}: {', '.join(strangers)}")
        return 1
    print(f"{wheel.name}: {len(names)} files, all of {PACKAGE}")
    with tempfile.TemporaryDirectory() as home:
        for arguments, words in EXPECTED.items():
            command = [environment.absolute() / "bin" / "airflow", *arguments]
            env = {**os.environ, "AIRFLOW_HOME": home, "COLUMNS": "300"}
            done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True)
            missing = [word for word in words if word not in done.stdout]
            if done.returncode or missing or "polytomic" in done.stderr.lower():
                print(f"airflow {' '.join(arguments)}: lacks {missing}\n{done.stdout}\n{done.stderr}")
                return 1
            print(f"airflow {' '.join(arguments)}: names {', '.join(words)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
