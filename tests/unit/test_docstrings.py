"""Each public docstring says what a reader needs: every parameter, what is raised, and the endpoint behind it."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import Parameter, cleandoc, getmembers, isclass, isfunction, signature
from textwrap import dedent
from typing import Any

import pytest

from airflow_provider_polytomic import _compat, api, exceptions
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.provider_info import get_provider_info
from tests.support.operations import OPERATIONS, RAW

PACKAGE = "airflow_provider_polytomic"
AREAS = ("operators", "sensors", "hooks", "triggers")
FIELD = re.compile(r"^:(param|raises?) ([\w*]+):((?:.|\n(?!:))*)", re.MULTILINE)
ENDPOINT = re.compile(r"``(GET|POST|PUT|PATCH|DELETE) (/api/[^`]*)``")
VARIABLE = (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)


def public_classes() -> Iterator[type]:
    info = get_provider_info()
    modules = [name for area in AREAS for entry in info[area] for name in entry["python-modules"]]
    for name in modules:
        for found, kind in getmembers(import_module(name), isclass):
            if found.startswith("Polytomic") and kind.__module__ == name:
                yield kind
    yield from (api.PolytomicClient, api.AsyncPolytomicClient, api.ClientConfig, api.Call)


def api_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in api.__all__:
        module = getattr(api, name)
        for found, function in getmembers(module, isfunction) if inspect.ismodule(module) else ():
            if not found.startswith("_") and function.__module__ == module.__name__:
                yield f"{name}.{found}", function


def hook_methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    for base in PolytomicHook.__mro__:
        for name, member in vars(base).items() if base.__module__.startswith(PACKAGE) else ():
            if isfunction(member) and not name.startswith("_"):
                yield name, member


CLASSES = {kind.__name__: kind for kind in public_classes()}
FUNCTIONS = dict(api_functions())
METHODS = dict(hook_methods())
TASKS = [name for name, kind in CLASSES.items() if hasattr(kind, "execute")]
KNOWN = {(row.call.method, re.sub(re.escape(RAW), "{}", row.call.path)) for row in OPERATIONS.values()}


def fields(documented: Any, field: str) -> dict[str, str]:
    found = FIELD.findall(cleandoc(documented.__doc__ or ""))
    return {name: " ".join(text.split()) for kind, name, text in found if kind.startswith(field)}


def arguments(kind: type) -> tuple[set[str], set[str]]:
    """Return what a class takes, and what it takes under a common name; ``**kwargs`` are handed on to its bases."""
    named: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.startswith(PACKAGE) and "__init__" in vars(base):
            taken = list(signature(base.__init__).parameters.values())[1:]
            variable = {each.name for each in taken if each.kind in VARIABLE}
            named |= {each.name for each in taken} - variable
            if "kwargs" not in variable:
                return named, variable
    return named, {"kwargs"}


def endpoints(documented: Any) -> set[tuple[str, str]]:
    found = ENDPOINT.findall(" ".join((documented.__doc__ or "").split()))
    return {(method, re.sub(r"\{[^}]*\}", "{}", path)) for method, path in found}


def raised_by(function: Callable[..., Any]) -> set[str]:
    """Name what a function raises in its own body."""
    raises = (
        node.exc for node in ast.walk(ast.parse(dedent(inspect.getsource(function)))) if isinstance(node, ast.Raise)
    )
    return {each.func.id for each in raises if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_documents_each_parameter(name):
    named, variable = arguments(CLASSES[name])
    described = fields(CLASSES[name], "param")
    assert named - described.keys() == set()
    assert described.keys() - named - variable == set()
    assert all(described.values())


@pytest.mark.parametrize("name", [name for name in CLASSES if not name.endswith("Trigger")])
def test_a_parameter_has_the_description_of_the_base_class(name):
    described = fields(CLASSES[name], "param")
    explained: dict[str, str] = {}
    for base in CLASSES[name].__mro__[1:]:
        if base.__module__.startswith(PACKAGE):
            explained = {**fields(base, "param"), **explained}
    same = {key: text for key, text in explained.items() if key in described}
    assert {key: described[key] for key in same} == same


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_documents_what_its_constructor_raises(name):
    bases = [base for base in CLASSES[name].__mro__ if base.__module__.startswith(PACKAGE)]
    constructors = [base.__init__ for base in bases if isfunction(vars(base).get("__init__"))]
    raised = {
        error for each in constructors if "<string>" not in each.__code__.co_filename for error in raised_by(each)
    }
    assert raised - fields(CLASSES[name], "raise").keys() == set()


@pytest.mark.parametrize("name", TASKS)
def test_a_task_documents_its_exceptions_and_endpoints(name):
    described = fields(CLASSES[name], "raise")
    expected = {"PolytomicRequestRefused"}
    if name != "PolytomicWaitForSyncsSensor":
        expected |= {"PolytomicUnavailable"}
    if name.endswith("Sensor"):
        expected |= {"AirflowSensorTimeout"}
    if name.startswith("PolytomicStart") or name.endswith("StatusSensor"):
        expected |= {"PolytomicRunFailed", "PolytomicRunCanceled", "PolytomicRunIncomplete"}
    if name.startswith(("PolytomicStart", "PolytomicCancel")):
        expected |= {"PolytomicRunTimeout"}
    assert expected - described.keys() == set()
    assert endpoints(CLASSES[name])


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS])
def test_a_function_documents_each_parameter(name):
    function = FUNCTIONS.get(name) or METHODS[name]
    taken = [each for each in signature(function).parameters if each != "self"]
    assert list(fields(function, "param")) == taken
    assert all(fields(function, "param").values())


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS])
def test_a_function_documents_what_it_raises(name):
    function = FUNCTIONS.get(name) or METHODS[name]
    assert raised_by(function) - fields(function, "raise").keys() == set()


@pytest.mark.parametrize(
    "name", [name for name, method in METHODS.items() if "self.send(" in inspect.getsource(method)]
)
def test_a_method_that_sends_documents_its_endpoint_and_exceptions(name):
    assert endpoints(METHODS[name])
    assert {"PolytomicError", "PolytomicRequestRefused"} <= fields(METHODS[name], "raise").keys()


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name in OPERATIONS])
def test_a_function_of_the_api_names_the_endpoint_that_it_calls(name):
    call = OPERATIONS[name].call
    [(method, path)] = endpoints(FUNCTIONS[name])
    where = path.split("{}")
    assert method == call.method
    assert re.fullmatch("[^/]+".join(map(re.escape, where)), call.path)


def test_every_documented_endpoint_is_called():
    for name, documented in {**CLASSES, **FUNCTIONS, **METHODS}.items():
        for method, path in endpoints(documented):
            shape = re.compile("[^/]+".join(map(re.escape, path.split("{}"))))
            assert any(method == known and shape.fullmatch(at) for known, at in KNOWN), (name, method, path)


def test_every_documented_exception_exists():
    for name, documented in {**CLASSES, **FUNCTIONS, **METHODS}.items():
        for error in fields(documented, "raise"):
            homes = (exceptions, api, _compat, builtins)
            assert any(hasattr(home, error) for home in homes), (name, error)
