"""The documentation agrees with the code and the tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import import_module
from inspect import getmembers, isclass
from pathlib import Path

import pytest

from airflow_provider_polytomic.api.catalogue import OPERATIONS
from airflow_provider_polytomic.executions.outcome import outcome_of
from airflow_provider_polytomic.metrics import METRICS
from airflow_provider_polytomic.provider_info import CONNECTION_FIELDS, get_provider_info
from tests.support.pages import blocks

PACKAGE = "airflow_provider_polytomic"
AREAS = ("hooks", "operators", "sensors", "triggers")
ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def table(file: str, heading: str) -> list[list[str]]:
    lines = (ROOT / "docs" / file).read_text().split(heading)[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return rows[2:]


def test_each_row_of_the_reliability_table_names_an_existing_test():
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    rows = table("reliability.md", "## Failure scenarios")
    assert len(rows) > 15
    for row in rows:
        assert f"def {row[-1].strip('`').rpartition(' ')[2]}(" in tests, row


@pytest.mark.parametrize("row", table("bulk_syncs.md", "## Outcomes"), ids=lambda row: row[0][:20])
def test_the_table_of_outcomes_agrees_with_the_code(row):
    statuses, schemas, outcome = row
    known = re.findall(r"`([a-z]+)`", statuses.partition(" with")[0]) or ["a_new_status"]
    completed = datetime.now(timezone.utc) if "with `completed_at`" in statuses else None
    given = {"any": ["failed", "completed"], "one or more of these": ["canceled"]}.get(
        schemas, ["completed", "running"]
    )
    for status in known:
        assert outcome_of(status, completed, given) == re.findall(r"`([a-z]+)`", outcome)[0], status


def test_the_table_of_metrics_is_that_of_the_code():
    rows = {tuple(cell.replace("`", "") for cell in row[:3]) for row in table("metrics.md", "## Names")}
    assert rows == {(each.name, each.instrument.value, ", ".join(each.tags)) for each in METRICS}


def tools_table() -> str:
    """Return the table of all operations as it stands in docs/agents.md."""
    rows = ["| operation | tool | hints | arguments |", "|---|---|---|---|"]
    for name, operation in sorted(OPERATIONS.items()):
        flags = {
            "read-only": operation.read_only,
            "idempotent": operation.idempotent,
            "destructive": operation.destructive,
        }
        required = operation.parameters.get("required", ())
        arguments = [f"`{each}`" if each in required else f"[`{each}`]" for each in operation.parameters["properties"]]
        hints = ", ".join(hint for hint, is_set in flags.items() if is_set)
        rows.append(f"| `{name}` | `{operation.tool_name}` | {hints} | {' '.join(arguments)} |")
    return "\n".join(rows) + "\n"


def test_the_table_of_operations_is_made_from_the_catalogue():
    text = (ROOT / "docs" / "agents.md").read_text()
    assert tools_table() in text, f"replace the table under '## All operations' by:\n{tools_table()}"


def test_links_between_pages_have_a_target():
    for page in [*ROOT.glob("*.md"), *PAGES]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_addresses_of_the_project_agree():
    [source] = re.findall(r'^Source = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert f"\n  source: {source}\n" in (ROOT / "mkdocs.yml").read_text()


def test_the_oldest_tested_dependencies_are_those_of_the_package():
    wanted = re.findall(r'"(httpx|pydantic|starlette|uvicorn)>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    [tested] = re.findall(r"^OLDEST := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {f"'{name}=={version}.0'" for name, version in wanted} == set(tested.split())


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize("block", list(blocks("python")), ids=lambda block: block.name)
def test_the_python_on_a_page_compiles(block):
    compile(block.code, block.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", list(blocks("python")), ids=lambda block: block.name)
def test_a_block_imports_the_classes_that_it_uses(block):
    lines = re.findall(rf"^from ({PACKAGE}\S*) import (.+)$", block.code, re.MULTILINE)
    listed = re.findall(rf"^from ({PACKAGE}\S*) import \(\n(.+?)\)$", block.code, re.MULTILINE | re.DOTALL)
    imported = {f"{module}.{name.strip()}" for module, names in lines + listed for name in names.split(",")}
    used = {path for name, path in public_classes().items() if re.search(rf"\b{name}(\.partial)?\(", block.code)}
    assert used <= imported


def public_classes() -> dict[str, str]:
    info = get_provider_info()
    modules = [name for area in AREAS for entry in info[area] for name in entry["python-modules"]]
    return {
        name: f"{module}.{name}"
        for module in modules
        for name, kind in getmembers(import_module(module), isclass)
        if name.startswith("Polytomic") and kind.__module__ == module
    }


def test_every_public_class_is_in_the_reference():
    shown = {name for page in PAGES for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)}
    assert set(public_classes().values()) - shown == set()


@pytest.mark.parametrize("name", [name for name in public_classes() if name.endswith(("Operator", "Sensor"))])
def test_every_operator_and_sensor_has_an_example_on_a_page(name):
    included = "".join(block.code for block in blocks("python"))
    assert f"{name}(" in included or f"{name}.partial(" in included


def test_every_field_of_the_connection_is_explained():
    text = (ROOT / "docs" / "connection.md").read_text()
    for name, field in CONNECTION_FIELDS.items():
        assert f"\n| extra `{name}` | {field['label']} | " in text


def about_errors() -> str:
    return "\n".join(page.read_text() for page in sorted((ROOT / "docs" / "errors").glob("*.md")))


def test_every_exception_is_explained():
    text = about_errors()
    for module in ("exceptions", "api.errors"):
        home = import_module(f"{PACKAGE}.{module}")
        for name, kind in getmembers(home, isclass):
            assert kind.__module__ != home.__name__ or re.search(f"^##? `{name}`$", text, re.M), name


def test_every_message_with_a_next_step_is_on_an_error_page():
    text = " ".join(about_errors().split())
    for message in messages():
        missing = [part for part in re.split("…", message) if len(part) > 8 and part.strip(" .,;:") not in text]
        assert not missing, message


def messages() -> Iterator[str]:
    """List each message with a next step, and the texts of all functions that build errors; … is a variable part."""
    yield from (text for tree in modules() for text in texts(tree) if "Next: " in text)
    tree = ast.parse((ROOT / PACKAGE / "_task" / "errors.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and re.search("_error|error_|_translate|_steps|_advice", node.name):
            yield from texts(ast.Module(node.body[bool(ast.get_docstring(node)) :], []))


def test_every_log_line_on_the_page_about_them_is_logged():
    strings = "\n".join(text for tree in modules() for text in texts(tree))
    logged = re.sub("%[sdr]|%[.]1f", "…", strings)
    for [line, _] in table("errors/log.md", "# Log lines"):
        for part in line.strip("`").split("…"):
            assert part.strip(" .;:") in logged, line


def modules() -> Iterator[ast.Module]:
    """Parse every module of the package except the emulator's."""
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        if "emulator" not in file.parts:
            yield ast.parse(file.read_text())


def texts(tree: ast.AST) -> Iterator[str]:
    """List the strings of a module, f-strings with … for their expressions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (each.value if isinstance(each, ast.Constant) else "…" for each in node.values)
            yield " ".join("".join(map(str, parts)).split())
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield " ".join(node.value.split())
