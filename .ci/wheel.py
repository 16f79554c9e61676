"""Check the files of a built wheel, that Airflow finds the provider in it, and that it needs none of its extras.

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

OF_EXTRAS = ("emulator", "gateway", "toolsets")
IMPORT_THE_REST = f"""
import importlib, pkgutil, sys
of_extras = tuple("{PACKAGE}." + name for name in {OF_EXTRAS})
names = ["{PACKAGE}"]
for name in names:
    module = importlib.import_module(name)
    found = pkgutil.iter_modules(getattr(module, "__path__", []), name + ".")
    names += [each.name for each in found if not each.name.startswith(of_extras)]
print(len(names), *[name for name in sys.modules if name.startswith((*of_extras, "mcp", "pydantic_ai"))])
"""
"""Import each module that needs no extra, and print their number and the modules of extras that this has imported."""


def imports_of_extras(environment: Path, home: str) -> str | None:
    """Describe what importing all modules that need no extra has imported of them, or how it failed."""
    command = [str(environment.absolute() / "bin" / "python"), "-W", "ignore", "-c", IMPORT_THE_REST]
    env = {**os.environ, "AIRFLOW_HOME": home}
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True)
    number, *imported = (done.stdout.splitlines() or [""])[-1].split() or ["0"]
    print(f"imports of {number} modules without extras")
    return done.stderr if done.returncode else ", ".join(imported) or None


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
        if problem := imports_of_extras(environment, home):
            print(f"modules of extras are imported, or needed: {problem}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
