"""Compare the operations with the OpenAPI description of the API: methods, paths, and the names of all fields.

``api_requests.json`` has the names of the fields of requests, ``api_shapes.json`` the schemas of responses; both are
taken from the OpenAPI description, without its texts.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel

from airflow_provider_polytomic import api
from airflow_provider_polytomic.api import Call

HERE = Path(__file__).parent
REQUESTS: dict[str, dict[str, list[str]]] = json.loads((HERE / "api_requests.json").read_text())
SHAPES: dict[str, Any] = json.loads((HERE / "api_shapes.json").read_text())

NAMED_IN_PROSE_ONLY = {("GET /api/bulk/syncs", "limit"), ("GET /api/models", "limit")}
"""Parameters that only the text of the API describes."""

OF_EACH_LIST = {"page_token"}
"""Parameters that every list takes: the API pages some lists whose parameters do not have it."""

LEFT_OUT = {
    ("GET /api/models/{id}", "async"),
    ("DELETE /api/bulk/syncs/{id}", "refresh_schemas"),
}
"""Parameters that are not supported: responses as jobs, and one without a meaning for a DELETE."""

NOWHERE_IN_THE_SCHEMAS = {("ModelField", "example")}
"""Fields that ``api_shapes.json`` does not have, because it has no examples."""

CONTRACT = """
    connections.list_types connections.get_type connections.get_type_parameter_values connections.list
    connections.create connections.connect connections.test connections.get connections.update connections.delete
    connections.get_parameter_values connections.execute_proxy connections.get_proxy_info connections.list_shared
    connections.list_shared_for_partner connections.create_shared
    syncs.get_source syncs.get_source_fields syncs.list syncs.create syncs.get_schedule_options syncs.get syncs.update
    syncs.delete syncs.activate syncs.cancel syncs.start syncs.get_status
"""


def operations() -> Iterator[tuple[str, Callable[..., Call[Any]]]]:
    for area_name in api.__all__:
        area = getattr(api, area_name)
        if not isinstance(area, ModuleType):
            continue
        for name, function in vars(area).items():
            defined_here = inspect.isfunction(function) and function.__module__ == area.__name__
            if defined_here and not name.startswith("_") and function.__annotations__["return"].startswith("Call["):
                yield f"{area_name}.{name}", function


OPERATIONS = dict(operations())


def with_everything(function: Callable[..., Call[Any]]) -> Call[Any]:
    """Call an operation with a value for each of its parameters, including the options."""
    positional, named = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            options = re.fullmatch(r"Unpack\[(\w+)\]", parameter.annotation)
            assert options
            for option, kind in vars(inspect.getmodule(function))[options[1]].__annotations__.items():
                named[option] = value_for(option, kind.__forward_arg__)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value_for(name, parameter.annotation)
        else:
            positional.append(value_for(name, parameter.annotation))
    return function(*positional, **named)


def value_for(name: str, annotation: str) -> Any:
    """Return a value for an annotation, by its first word; a text for the name of a type alias."""
    text = f"the-{name}"
    values = {"Mapping": {"key": "v"}, "Sequence": [text], "bool": True, "int": 1}
    return values.get(re.findall(r"\w+", annotation)[0], text)


def endpoint_of(call: Call[Any]) -> str:
    """Return the matching path template of the API with the fewest parameters."""
    matching = [
        known for known in REQUESTS if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), f"{call.method} {call.path}")
    ]
    assert matching, f"the API has no {call.method} {call.path}"
    return min(matching, key=lambda known: known.count("{"))


every_operation = pytest.mark.parametrize("name", OPERATIONS)


def test_the_operations_of_the_contract_exist():
    expected = CONTRACT.split()
    assert len(expected) == 28
    assert set(expected) <= OPERATIONS.keys()


def test_each_endpoint_has_one_operation():
    served = [endpoint_of(with_everything(function)) for function in OPERATIONS.values()]
    assert sorted(served) == sorted(REQUESTS)


@every_operation
def test_names_of_query_parameters(name: str):
    call = with_everything(OPERATIONS[name])
    endpoint = endpoint_of(call)
    supported = {query.partition("[")[0] for query, _ in call.query}
    documented = set(REQUESTS[endpoint]["query"])
    undocumented = supported - documented - OF_EACH_LIST
    assert {query for query in undocumented if (endpoint, query) not in NAMED_IN_PROSE_ONLY} == set()
    assert {query for query in documented - supported if (endpoint, query) not in LEFT_OUT} == set()


@every_operation
def test_names_of_body_fields(name: str):
    call = with_everything(OPERATIONS[name])
    request = REQUESTS[endpoint_of(call)]
    assert sorted(call.body or {}) == request.get("body", [])


@every_operation
def test_required_fields_are_required_parameters(name: str):
    function = OPERATIONS[name]
    required = {
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    }
    assert set(REQUESTS[endpoint_of(with_everything(function))].get("required", [])) <= required


def test_each_field_of_a_model_is_in_a_response_of_the_api():
    found: dict[tuple[str, str], bool] = {}
    for function in OPERATIONS.values():
        call = with_everything(function)
        answers = SHAPES["answers"][endpoint_of(call)]["answers"]
        [schema] = [shape for status, shape in answers.items() if status.startswith("2")]
        if call.model is None:
            assert schema is None or "properties" not in resolved(schema)
            continue
        for field, known in compared(call.model, within(schema, "data") if call.enveloped else schema):
            found[field] = found.get(field, False) or known
    assert {field for field, known in found.items() if not known} <= NOWHERE_IN_THE_SCHEMAS
    assert len(found) > 150


def compared(kind: Any, schema: dict[str, Any] | None) -> Iterator[tuple[tuple[str, str], bool]]:
    """Tell for each field of a model whether the schema has it; skip schemas without properties."""
    schema = resolved(schema)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        properties = schema.get("properties")
        for own_name, field in kind.model_fields.items() if properties is not None else ():
            known = [name for name in _names(own_name, field) if name in properties]
            yield (kind.__name__.partition("[")[0], own_name), bool(known)
            if known:
                yield from compared(field.annotation, properties[known[0]])
        return
    inner = schema.get("items") or schema.get("additionalProperties")
    for part in typing.get_args(kind):
        below = inner if typing.get_origin(kind) in (list, dict) else schema
        yield from compared(part, below if isinstance(below, dict) else None)


def within(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return typing.cast("dict[str, Any]", resolved(schema)["properties"][name])


def resolved(schema: dict[str, Any] | None) -> dict[str, Any]:
    """Resolve references, and drop null from alternatives."""
    if schema is None:
        return {}
    if "$ref" in schema:
        return resolved(SHAPES["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    alternatives = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    return resolved(alternatives[0]) if len(alternatives) == 1 else schema


def _names(own_name: str, field: Any) -> list[str]:
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [field.alias or own_name]
