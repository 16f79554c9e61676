"""The table of operations has what the API documents, and nothing else.

``source_operations.json`` has the tools, paths and hints of the 28 operations that Polytomic describes as tools.
``api_requests.json`` has the parameters of every endpoint, from the OpenAPI description.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airflow_provider_polytomic.api.catalogue import AREAS, OPERATIONS, TOOL_NAMES

from .test_requests import CONTRACT, LEFT_OUT, NAMED_IN_PROSE_ONLY, REQUESTS, endpoint_of, operations, with_everything

SOURCE: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "source_operations.json").read_text())
BY_ENDPOINT = {f"{each.method} {each.path_template}": each for each in OPERATIONS.values()}
PAGE_TOKEN = "page_token"
"""Every list takes it, also those for which the API does not document pages."""

every_operation = pytest.mark.parametrize("name", OPERATIONS)


def test_every_function_that_builds_a_call_is_an_operation() -> None:
    assert OPERATIONS.keys() == dict(operations()).keys()
    assert all(operation.function is dict(operations())[name] for name, operation in OPERATIONS.items())


@pytest.mark.parametrize("endpoint", SOURCE)
def test_a_source_operation_has_the_name_hints_and_path_of_the_documents(endpoint: str) -> None:
    operation, source = BY_ENDPOINT[endpoint], SOURCE[endpoint]
    assert operation.tool_name == source["tool"]
    assert (operation.read_only, operation.idempotent, operation.destructive) == (
        source["read_only"],
        source["idempotent"],
        source["destructive"],
    )


@pytest.mark.parametrize("endpoint", SOURCE)
def test_a_source_operation_takes_the_inputs_of_the_documents(endpoint: str) -> None:
    operation = BY_ENDPOINT[endpoint]
    in_path = [name for name in SOURCE[endpoint]["inputs"] if f"{{{name}}}" in endpoint]
    assert len(operation.path_arguments) == len(in_path)
    assert {*SOURCE[endpoint]["inputs"]} - {*in_path} <= operation.parameters["properties"].keys()


def test_the_source_operations_are_those_of_the_contract() -> None:
    assert {BY_ENDPOINT[endpoint].name for endpoint in SOURCE} == set(CONTRACT.split()) == TOOL_NAMES.keys()


def test_names_of_tools_are_unique_and_those_of_other_operations_follow_the_name() -> None:
    assert len({each.tool_name for each in OPERATIONS.values()}) == len(OPERATIONS)
    others = {name: each.tool_name for name, each in OPERATIONS.items() if name not in TOOL_NAMES}
    assert others == {name: name.replace(".", "-").replace("_", "-") for name in others}
    assert {each.area for each in OPERATIONS.values()} == {area.__name__.rpartition(".")[2] for area in AREAS}


@every_operation
def test_arguments_are_the_parameters_of_the_endpoint(name: str) -> None:
    operation = OPERATIONS[name]
    endpoint = endpoint_of(with_everything(operation.function))
    request = REQUESTS[endpoint]
    documented = {*request["query"], *request.get("body", ())} - {field for at, field in LEFT_OUT if at == endpoint}
    in_prose = {field for at, field in NAMED_IN_PROSE_ONLY if at == endpoint}
    taken = operation.parameters["properties"].keys()
    assert taken - {PAGE_TOKEN} == {*operation.path_arguments, *documented, *in_prose} - {PAGE_TOKEN}
    assert documented & {PAGE_TOKEN} <= taken
    required = {*operation.path_arguments, *request.get("required", ())}
    assert required <= {*operation.parameters.get("required", ())} <= taken


@every_operation
def test_fixed_values_are_those_of_the_api(name: str) -> None:
    operation = OPERATIONS[name]
    documented = REQUESTS[endpoint_of(with_everything(operation.function))].get("enums", {})
    found = {
        argument: sorted(one["enum"])
        for argument, schema in operation.parameters["properties"].items()
        for one in (schema, *schema.get("anyOf", ()))
        if "enum" in one
    }
    assert {argument: values for argument, values in found.items() if name != "jobs.get"} == documented


@every_operation
def test_the_schema_of_the_arguments_is_valid_and_describes_each(name: str) -> None:
    operation = OPERATIONS[name]
    Draft202012Validator.check_schema(operation.parameters)
    assert operation.description.endswith(".")
    for text in (operation.description, *(each["description"] for each in operation.parameters["properties"].values())):
        assert text
        assert "``" not in text
        assert ":func:" not in text
