"""Modules that DAG files import load neither the HTTP client nor the models of the API."""

from __future__ import annotations

import subprocess
import sys

from airflow_provider_polytomic.provider_info import get_provider_info

PACKAGE = "airflow_provider_polytomic"
HEAVY = ("httpx", "pydantic", f"{PACKAGE}.api", f"{PACKAGE}.executions", f"{PACKAGE}.emulator")

RECORD_IMPORTS = """
import importlib, sys
try:
    import airflow.sdk
except ImportError:
    import airflow.models.baseoperator, airflow.sensors.base, airflow.hooks.base
import airflow.triggers.base

requested = set()

class ImportRecorder:
    def find_spec(self, name, path=None, target=None):
        requested.add(name)

sys.meta_path.insert(0, ImportRecorder())
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(requested))
"""

PUBLIC = [
    module.removeprefix(f"{PACKAGE}.")
    for folder in ("hooks", "operators", "sensors", "triggers")
    for entry in get_provider_info()[folder]
    for module in entry["python-modules"]
]
MODULES = [*PUBLIC, "links.syncs", "assets", "lineage", "exceptions"]


def test_modules_that_dag_files_import_import_nothing_heavy():
    names = [f"{PACKAGE}.{module}" for module in MODULES]
    ran = subprocess.run([sys.executable, "-c", RECORD_IMPORTS, *names], capture_output=True, text=True, check=True)
    requested = ran.stdout.splitlines()[-1].split()
    assert set(names) <= set(requested)
    assert [one for one in requested if one in HEAVY or one.startswith(tuple(f"{heavy}." for heavy in HEAVY))] == []
