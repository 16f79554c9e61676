"""Check the request and the result of each operation."""

from __future__ import annotations

import inspect
import typing
from types import ModuleType

import pytest

from airflow_provider_polytomic import api
from airflow_provider_polytomic.api.models.base import Model
from tests.support.operations import KEY, NOTHING, OPERATIONS, Row
from tests.support.scripted_server import answer

by_name = pytest.mark.parametrize(("name", "row"), OPERATIONS.items(), ids=OPERATIONS)


def operations() -> set[str]:
    areas = {name: area for name, area in vars(api).items() if name in api.__all__ and isinstance(area, ModuleType)}
    return {
        f"{name}.{function.__name__}"
        for name, area in areas.items()
        for function in vars(area).values()
        if inspect.isfunction(function)
        and function.__module__ == area.__name__
        and not function.__name__.startswith("_")
        and function.__annotations__["return"].startswith("Call[")
    }


def test_every_operation_is_listed():
    assert operations() == OPERATIONS.keys()


@by_name
def test_the_request_and_the_result_of_each_operation(name: str, row: Row, server, sync_driver):
    server.answers(answer(row.answer))
    result = sync_driver.send(row.call)
    [request] = server.received
    assert (request.method, request.target) == (row.method, row.target)
    assert request.json == row.body
    assert ("content-type" in request.headers) == (row.body is not None)
    assert request.headers.get("idempotency-key") == (KEY if row.method == "POST" else None)
    assert request.headers["x-polytomic-version"] == "2025-09-18"
    if row.answer is NOTHING:
        assert result is None
    else:
        assert isinstance(result, typing.get_origin(row.call.model) or row.call.model)
        assert isinstance(result, Model)


@by_name
def test_the_attributes_of_each_operation(name: str, row: Row):
    call, (area, _, function) = row.call, name.partition(".")
    assert call.read_only == (call.method == "GET" or name == "connections.test")
    assert call.destructive == (call.method == "DELETE")
    assert call.idempotent == (call.method in ("GET", "PUT", "DELETE") or call.idempotency_key is not None)
    parameters = inspect.signature(getattr(getattr(api, area), function)).parameters
    assert ("idempotency_key" in parameters) == (row.method == "POST")


@pytest.mark.parametrize("unusable", ["", " ", ".", ".."])
def test_an_id_that_would_change_the_path_is_refused(unusable: str):
    with pytest.raises(ValueError, match="not an id"):
        api.syncs.get(unusable)


@pytest.mark.parametrize("unusable", ["", "a\nb", "schlüssel"])
def test_an_idempotency_key_that_is_not_a_valid_header_is_refused(unusable: str):
    with pytest.raises(ValueError, match="Idempotency-Key"):
        api.syncs.start("1", idempotency_key=unusable)


@pytest.mark.parametrize("build", [api.syncs.create, api.bulk_syncs.create])
def test_a_misspelled_option_is_refused(build):
    required = {
        name: "x"
        for name, parameter in inspect.signature(build).parameters.items()
        if parameter.default is inspect.Parameter.empty and parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    with pytest.raises(TypeError, match="'polices'"):
        build(**required, polices=[])


def test_a_start_without_options_sends_an_empty_object(server, sync_driver):
    server.answers(answer({"data": {"id": "1"}}))
    sync_driver.send(api.syncs.start("s"))
    assert server.received[0].body == b"{}"
    assert "idempotency-key" not in server.received[0].headers


def test_a_path_prefix_is_kept(server, sync_driver):
    server.answers(answer({"data": {"id": "1"}}))
    sync_driver.send(api.syncs.get("s"), base_url=f"{server.url}/behind/a/proxy/")
    assert server.received[0].target == "/behind/a/proxy/api/syncs/s"
