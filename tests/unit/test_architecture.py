"""The floors of the house: each imports only from those below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = "airflow_provider_polytomic"
ROOT = Path(__file__).parents[2] / PACKAGE
BELOW = {
    "api": {"api"},
    "runs": {"runs", "api"},
    "emulator": {"emulator"},
    "provider_info": set(),
    "_compat": set(),
    "exceptions": {"_compat", "api", "runs"},
    "_templated": {"exceptions"},
    "_from_trigger": {"_compat"},
    "_starts": {"_templated", "exceptions", "runs", "api"},
    "hooks": {"hooks", "api", "provider_info", "exceptions", "_compat"},
    "assets": {"_compat"},
    "links": {"_compat"},
    "lineage": {"lineage", "assets", "hooks", "runs", "api", "_compat"},
    "plugins": {"plugins", "hooks", "assets", "runs", "api", "provider_info", "_compat"},
    "triggers": {"triggers", "links", "hooks", "runs", "api", "exceptions", "_compat", "_starts", "_templated"},
}
KNOW_AIRFLOW = {
    "_from_trigger",
    *("_compat", "assets", "exceptions", "hooks", "lineage", "links", "plugins"),
    *("triggers", "operators", "sensors"),
}


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(floor: str) -> list[Path]:
    return list((ROOT / floor).rglob("*.py")) or [ROOT / f"{floor}.py"]


@pytest.mark.parametrize("floor", BELOW)
def test_a_floor_imports_only_from_those_below_it(floor):
    for file in files(floor):
        ours = {name.split(".")[1] for name in imports(file) if name.startswith(f"{PACKAGE}.")} - {"__version__"}
        assert ours <= BELOW[floor], file


@pytest.mark.parametrize("floor", sorted(set(BELOW) - KNOW_AIRFLOW))
def test_airflow_is_known_upstairs_only(floor):
    for file in files(floor):
        assert not [name for name in imports(file) if name.split(".")[0] == "airflow"], file


def test_what_differs_between_versions_of_airflow_stands_in_one_module():
    for file in ROOT.rglob("*.py"):
        if file.name != "_compat.py":
            assert "except ImportError" not in file.read_text(), file


def test_no_operation_is_written_twice():
    for file in (ROOT / "api").glob("*.py"):
        drives = file.name in ("clients.py", "sharing.py")
        functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.AsyncFunctionDef)]
        assert drives or not functions, file
