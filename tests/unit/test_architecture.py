"""The floors: a module imports only from the floors below it, type-only imports included."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "airflow_provider_polytomic"
REPOSITORY = Path(__file__).parents[2]
ROOT = REPOSITORY / PACKAGE
FLOORS: dict[str, set[str]] = {
    "provider_info": set(),
    "results": set(),
    "_compat": set(),
    "durations": set(),
    "metrics": set(),
    "api": {"metrics"},
    "exceptions": {"_compat", "results"},
    "assets": {"_compat"},
    "executions": {"api", "durations", "metrics", "results"},
    "links": {"_compat", "api"},
    "hooks": {"_compat", "api", "exceptions", "executions", "links", "metrics", "provider_info", "results"},
    "snapshot": {"_compat", "api", "assets", "executions", "hooks"},
    "_task": {"_compat", "api", "assets", "durations", "exceptions", "executions", "hooks", "links", "results"},
    "triggers": {"_compat", "_task", "api", "durations", "exceptions", "executions", "hooks", "results"},
    "lineage": {"_compat", "_task", "api", "assets", "executions"},
    "operators": {
        "_compat",
        "_task",
        "api",
        "durations",
        "exceptions",
        "executions",
        "hooks",
        "lineage",
        "links",
        "results",
        "snapshot",
        "triggers",
    },
    "sensors": {
        "_compat",
        "_task",
        "api",
        "durations",
        "exceptions",
        "executions",
        "lineage",
        "links",
        "results",
        "triggers",
    },
    "gateway": {"api"},
    "toolsets": {"_compat", "_task", "api", "hooks"},
    "ui": {"_compat", "_task", "api", "assets", "exceptions", "executions", "hooks", "results"},
    "plugins": {"_compat", "_task", "api", "assets", "executions", "hooks", "links", "provider_info", "ui"},
    "emulator": set(),
}
"""Each folder or module of the package from the lowest to the highest, and what it imports from those below it."""

WITHOUT_AIRFLOW = {"provider_info", "api", "durations", "metrics", "results", "executions", "gateway", "emulator"}
NOT_PART_OF_A_FLOOR = {"__init__"}


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name within it."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = file
    return found


MODULES = modules()


def imports(file: Path) -> Iterator[str]:
    """List the names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_imports(file: Path) -> Iterator[str]:
    """List the modules of the package that a file imports."""
    for name in imports(file):
        if name.startswith(f"{PACKAGE}."):
            inner = name.removeprefix(f"{PACKAGE}.")
            yield inner if inner in MODULES else inner.rpartition(".")[0]


def floor_of(module: str) -> str:
    return module.partition(".")[0]


def test_every_folder_has_its_floor():
    assert {floor_of(name) for name in MODULES} - NOT_PART_OF_A_FLOOR == FLOORS.keys()


def test_a_floor_is_below_those_that_import_from_it():
    below: dict[str, set[str]] = {}
    for floor, allowed in FLOORS.items():
        assert allowed <= below.keys() or floor == "emulator", f"{floor} is listed before {allowed - below.keys()}"
        below[floor] = allowed


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_what_the_table_says_and_nothing_else(floor):
    files = [file for name, file in MODULES.items() if floor_of(name) == floor]
    assert {floor_of(each) for file in files for each in package_imports(file) if each} - {floor} == FLOORS[floor]


@pytest.mark.parametrize("floor", sorted(WITHOUT_AIRFLOW))
def test_the_lower_floors_do_not_import_airflow(floor):
    for name, file in MODULES.items():
        if floor_of(name) == floor:
            assert not [each for each in imports(file) if each.split(".")[0] == "airflow"], name


def test_no_module_imports_itself_through_others():
    graph = {
        name: {each for each in package_imports(file) if each in MODULES} - {name} for name, file in MODULES.items()
    }
    state: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        state[name] = 1
        for each in sorted(graph[name]):
            assert state.get(each) != 1, " -> ".join((*path[path.index(each) :], each))
            if each not in state:
                visit(each, (*path, each))
        state[name] = 2

    for name in sorted(graph):
        if name not in state:
            visit(name, (name,))


def test_one_floor_has_what_differs_between_versions_of_airflow():
    for file in ROOT.rglob("*.py"):
        if file.parent.name != "_compat":
            assert "except ImportError" not in file.read_text(), file


def test_no_operation_is_written_twice():
    for file in (ROOT / "api").glob("*.py"):
        drives = file.name in ("async_transport.py", "clients.py", "sharing.py")
        functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.AsyncFunctionDef)]
        assert drives or not functions, file


def test_the_table_in_the_docs_is_the_one_that_is_tested():
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)(?:\.py|/)` \|.*\| (.*?) \|$", text, re.MULTILINE)
    documented = {floor: set(re.findall(r"`(\w+)`", below)) for floor, below in rows}
    assert documented == FLOORS
