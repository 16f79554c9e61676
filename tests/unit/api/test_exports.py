"""Each module of operations offers its operations and nothing else, and each list can be continued."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from airflow_provider_polytomic import api

MODULES = {name: getattr(api, name) for name in api.__all__ if inspect.ismodule(getattr(api, name))}
LISTS = {
    f"{name}.{found}": function
    for name, module in MODULES.items()
    for found, function in inspect.getmembers(module, inspect.isfunction)
    if "Page[" in inspect.signature(function).return_annotation and found != "update_schemas"
}


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_a_module_shows_all_of_its_operations_and_nothing_else(module: ModuleType):
    own = {name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    operations = {name for name in own if not name.startswith("_") and inspect.isfunction(vars(module)[name])}
    assert dir(module) == sorted(module.__all__) == sorted(operations)
    namespace: dict[str, object] = {}
    exec(f"from {module.__name__} import *", namespace)
    assert namespace.keys() - {"__builtins__"} == operations


def test_there_are_lists():
    assert len(LISTS) >= 16


@pytest.mark.parametrize("function", LISTS.values(), ids=LISTS)
def test_each_list_takes_the_token_of_the_next_page(function):
    required = [
        name for name, one in inspect.signature(function).parameters.items() if one.default is inspect.Parameter.empty
    ]
    call = function(*(["1"] * len(required)), page_token="t/1")
    assert call.query == (("page_token", "t/1"),)
    assert function(*(["1"] * len(required))).query == ()
