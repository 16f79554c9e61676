"""DAG files are parsed all day: what they import must not bring the HTTP client and the API's models with it."""

from __future__ import annotations

import subprocess
import sys

from airflow_provider_polytomic.provider_info import get_provider_info

PACKAGE = "airflow_provider_polytomic"
HEAVY = ("httpx", "pydantic", f"{PACKAGE}.api", f"{PACKAGE}.runs", f"{PACKAGE}.emulator")

WATCH = """
import importlib, sys
try:
    import airflow.sdk
except ImportError:
    import airflow.models.baseoperator, airflow.sensors.base, airflow.hooks.base
import airflow.triggers.base

wanted = set()

class Watch:
    def find_spec(self, name, path=None, target=None):
        wanted.add(name)

sys.meta_path.insert(0, Watch())
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(wanted))
"""

LISTED = [
    module.removeprefix(f"{PACKAGE}.")
    for folder in ("hooks", "operators", "sensors", "triggers")
    for listed in get_provider_info()[folder]
    for module in listed["python-modules"]
]
MODULES = [*LISTED, "links.syncs", "assets", "lineage", "exceptions"]


def test_modules_that_dag_files_import_import_nothing_heavy():
    names = [f"{PACKAGE}.{module}" for module in MODULES]
    ran = subprocess.run([sys.executable, "-c", WATCH, *names], capture_output=True, text=True, check=True)
    wanted = ran.stdout.splitlines()[-1].split()
    assert set(names) <= set(wanted)
    assert [one for one in wanted if one in HEAVY or one.startswith(tuple(f"{heavy}." for heavy in HEAVY))] == []
