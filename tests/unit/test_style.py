"""Public classes and functions have complete docstrings, and names and prose use the terms of the field."""

from __future__ import annotations

import ast
import inspect
import re
from ast import literal_eval
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import Parameter, cleandoc, getmembers, isclass, isfunction, signature
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_polytomic import api, exceptions
from airflow_provider_polytomic._compat import BaseOperator, BaseSensorOperator
from airflow_provider_polytomic.emulator import Emulator
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.provider_info import get_provider_info
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.triggers.events import PolytomicEventTrigger

PACKAGE = "airflow_provider_polytomic"
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))
PAGES = sorted(DOCS.rglob("*.md"))
FIELD = re.compile(r"^:param ([\w*]+):((?:.|\n(?!:))*)", re.MULTILINE)
PAGE = re.compile(r"``docs/([\w/]+\.md)``")
VARIABLE = (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)

RELATIVE_CLAUSE = re.compile(r"(What|Whether|Where|Which|Who|Whom|Whose|Why|When|How|That)\b")
PRIVATE_WORDS = {
    r"\b(Ledger|Vigil|Agenda|Journal|Watcher|Watches|Hub|Loan|Glance)\b": "names of classes",
    r"\b_?(MOST|LONGEST|SHORTEST)_[A-Z]|\w*PATIENCE\b|\bPEACE\b": "names of constants",
    r"\b(hand(s|ed|ing)? (it |them |the result )?on|hand_on|tell_outlets|tell(s|ing)? outlets)\b": "publish, emit",
    r"\b(told|heard|news)\b": "published, received, poll result",
    r"\bstints?\b": "use of a worker slot",
    r'"""(Tell|Say) (whether|if)\b': "Return whether",
    r"\bverdicts?\b": "outcome",
    r"\bin (the|its|our|their) way\b": "blocking",
    r"\b(ours|peace)\b": "owned, cooldown",
    r"\bstrangers?\b": "user",
    r"\b(glances?|lends?|lent|borrows?)\b": "status request, acquire",
    r"\bmend(s|ed|ing)?\b": "correct",
    r"\b(ails|a piece of)\b": "plain words",
    r"\bcom(e|es|ing) to (its|an|their) end\b": "end",
}
"""Words that only this project used, and the terms that replace them."""

SEPARATE_CONSTANTS = {"HANDLERS": "each module of the emulator's routes has its own table of handlers"}

AIRFLOWS_OWN = {"poke_interval", "timeout", "mode", "soft_fail"}
"""Parameters that every sensor of Airflow has; a sensor may take them through ``**kwargs``."""


def public_classes() -> Iterator[type]:
    info = get_provider_info()
    modules = [
        name
        for area in ("operators", "sensors", "hooks", "triggers")
        for entry in info[area]
        for name in entry["python-modules"]
    ]
    for name in modules:
        for found, kind in getmembers(import_module(name), isclass):
            if found.startswith("Polytomic") and kind.__module__ == name:
                yield kind
    for path in info["extra-links"]:
        module, _, found = path.rpartition(".")
        yield getattr(import_module(module), found)
    yield from (api.PolytomicClient, api.AsyncPolytomicClient, Emulator)
    yield from (exceptions.PolytomicTaskError, api.PolytomicError)


def asset_functions() -> Iterator[Callable[..., Any]]:
    assets = import_module(f"{PACKAGE}.assets")
    for name in re.findall(rf"^::: {PACKAGE}\.assets\.(\w+)$", reference(), re.MULTILINE):
        yield getattr(assets, name)


def reference() -> str:
    return "\n".join(page.read_text() for page in sorted((DOCS / "reference").glob("*.md")))


CLASSES = {kind.__name__: kind for kind in public_classes()}
FUNCTIONS = {function.__name__: function for function in asset_functions()}
API_MODULES = {name: getattr(api, name) for name in api.__all__ if inspect.ismodule(getattr(api, name))}
PUBLIC = {**CLASSES, **FUNCTIONS, **{f"api.{name}": module for name, module in API_MODULES.items()}}
CONSTRUCTED = [name for name in CLASSES if re.search("(Operator|Sensor|Trigger)$", name)]
HOOK_METHODS = {
    name: member for name, member in vars(PolytomicHook).items() if isfunction(member) and not name.startswith("_")
}


def documented(subject: Any) -> dict[str, str]:
    """Return the parameters in the docstring of a class or function, with their descriptions."""
    return {name: " ".join(text.split()) for name, text in FIELD.findall(cleandoc(subject.__doc__ or ""))}


def visible(subject: Any) -> dict[str, Parameter]:
    """Return the named parameters in the signature of a class or function, without ``self``."""
    parameters = signature(subject).parameters.items()
    return {name: each for name, each in parameters if each.kind not in VARIABLE and name != "self"}


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT / PACKAGE)))
def test_the_docstring_of_a_module_or_class_begins_with_a_main_clause(file):
    tree = ast.parse(file.read_text())
    for node in (tree, *(each for each in ast.walk(tree) if isinstance(each, ast.ClassDef))):
        assert not RELATIVE_CLAUSE.match(ast.get_docstring(node) or ""), getattr(node, "name", file.name)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_docstring_has_an_example_and_a_link_to_its_page(name):
    text = cleandoc(PUBLIC[name].__doc__ or "")
    assert ".. code-block:: python" in text or ">>> " in text
    _, _, links = text.partition(".. seealso::")
    assert PAGE.findall(links)


def test_each_page_that_a_docstring_names_exists():
    for file in MODULES:
        for page in PAGE.findall(file.read_text()):
            assert (DOCS / page).exists(), f"{file.relative_to(ROOT)}: {page}"


@pytest.mark.parametrize("name", [name for name, kind in CLASSES.items() if not issubclass(kind, Exception)])
def test_a_docstring_gives_each_default(name):
    optional = {each for each, parameter in visible(CLASSES[name]).items() if parameter.default is not Parameter.empty}
    texts = documented(CLASSES[name])
    assert [each for each in texts if each in optional and "default" not in texts[each].lower()] == []


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_the_signature_of_a_class_shows_each_documented_parameter(name):
    kind = CLASSES[name]
    airflows = AIRFLOWS_OWN if issubclass(kind, BaseSensorOperator) else set()
    assert visible(kind).keys() - airflows == documented(kind).keys() - airflows
    if not issubclass(kind, BaseOperator):
        assert not [each for each in signature(kind).parameters.values() if each.kind in VARIABLE]


@pytest.mark.parametrize("name", HOOK_METHODS)
def test_the_signature_of_a_hook_method_shows_each_documented_parameter(name):
    method = HOOK_METHODS[name]
    variable = [each.name for each in signature(method).parameters.values() if each.kind in VARIABLE]
    assert [*visible(method), *variable] == list(documented(method))
    assert not variable or name == "call", "only the arguments of any operation cannot be in a signature"


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    section = (DOCS / page).read_text().split(f"{heading}\n")[1].split("\n## ")[0]
    table = section[section.index("\n|") :].lstrip().partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("row", rows("model_syncs.md", "## Time limits and cancellation"), ids=lambda row: row[0])
def test_the_how_to_page_of_model_syncs_has_the_defaults_of_the_signature(row):
    parameter = visible(PolytomicStartSyncOperator)[row[0].strip("`")]
    if "default_deferrable" not in row[1]:
        assert parameter.default == (None if row[1] == "none" else literal_eval(row[1].strip("`")))


def test_the_how_to_page_of_sensors_names_parameters():
    taken = visible(PolytomicBulkSyncStatusSensor).keys() | AIRFLOWS_OWN
    named = {name for row in rows("sensors.md", "## Parameters") for name in re.findall(r"`(\w+)", row[0])}
    assert named - taken == set()


def test_the_how_to_page_of_events_has_the_parameters_of_the_signature():
    named = {row[0].strip("`") for row in rows("events.md", "## Start a DAG by an event")}
    assert visible(PolytomicEventTrigger).keys() == named


@pytest.mark.parametrize("path", [*MODULES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_names_and_prose_use_the_terms_of_the_field(path):
    text = path.read_text()
    found = {match[0]: instead for word, instead in PRIVATE_WORDS.items() for match in re.finditer(word, text)}
    assert found == {}


@pytest.mark.parametrize("in_emulator", [False, True], ids=["package", "emulator"])
def test_a_constant_has_one_value(in_emulator):
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for file in MODULES:
        if ("emulator" in file.parts) is in_emulator:
            for name, value in constants(ast.parse(file.read_text())):
                values[name].setdefault(value, str(file.relative_to(ROOT)))
    several = {name: found for name, found in values.items() if len(found) > 1 and name not in SEPARATE_CONSTANTS}
    assert several == {}


def constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """List the constants of a module with the source of their values, without type variables."""
    for node in tree.body:
        targets = (
            [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and re.fullmatch("_?[A-Z][A-Z0-9_]*", target.id) and node.value:
                value = ast.unparse(node.value)
                if not value.startswith("TypeVar("):
                    yield target.id, value
