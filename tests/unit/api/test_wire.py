"""What each operation sends, and what it makes of a plain answer."""

from __future__ import annotations

import inspect
import typing
from types import ModuleType

import pytest

from airflow_provider_polytomic import api
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.base import Model
from tests.support.operations import KEY, NOTHING, OPERATIONS, Row
from tests.support.scripted_server import answer

BODILESS = {"GET", "DELETE"}

by_name = pytest.mark.parametrize(("name", "row"), OPERATIONS.items(), ids=OPERATIONS)


def offered() -> set[str]:
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


def test_every_operation_has_its_row():
    assert offered() == OPERATIONS.keys()


@by_name
def test_request(name: str, row: Row, server, driver):
    server.answers(answer(row.answer))
    driver.send(row.call)
    [request] = server.received
    assert (request.method, request.target) == (row.method, row.target)
    assert request.json == row.body
    assert ("content-type" in request.headers) == (row.body is not None)
    assert request.headers.get("idempotency-key") == (KEY if row.method == "POST" else None)
    assert request.headers["x-polytomic-version"] == "2025-09-18"


@by_name
def test_answer(name: str, row: Row, server, driver):
    server.answers(answer(row.answer))
    result = driver.send(row.call)
    if row.answer is NOTHING:
        assert result is None
    else:
        assert isinstance(result, typing.get_origin(row.call.model) or row.call.model)
        assert isinstance(result, Model)


@by_name
def test_what_the_call_says_of_itself(name: str, row: Row):
    call = row.call
    assert call.read_only == (call.method == "GET" or name == "connections.test")
    assert call.destructive == (call.method == "DELETE")
    assert call.idempotent == (call.method in ("GET", "PUT", "DELETE") or call.idempotency_key is not None)


@pytest.mark.parametrize(
    "function",
    [function for name in OPERATIONS for function in [getattr(getattr(api, name.split(".")[0]), name.split(".")[1])]],
    ids=OPERATIONS,
)
def test_only_posts_take_an_idempotency_key(function: typing.Callable[..., Call[object]]):
    row = OPERATIONS[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"]
    assert ("idempotency_key" in inspect.signature(function).parameters) == (row.method == "POST")


@by_name
def test_no_operation_without_a_docstring_that_names_its_endpoint(name: str, row: Row):
    area, _, function = name.partition(".")
    text = getattr(getattr(api, area), function).__doc__
    assert f"``{row.method} /api/" in text


@pytest.mark.parametrize("unusable", ["", " ", ".", ".."])
def test_ids_that_would_leave_their_place(unusable: str):
    with pytest.raises(ValueError, match="not an id"):
        api.syncs.get(unusable)


@pytest.mark.parametrize("unusable", ["", "a\nb", "schlüssel"])
def test_idempotency_keys_that_no_header_can_carry(unusable: str):
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


def test_a_start_without_options_sends_an_empty_object(server, driver):
    server.answers(answer({"data": {"id": "1"}}))
    driver.send(api.syncs.start("s"))
    assert server.received[0].body == b"{}"
    assert "idempotency-key" not in server.received[0].headers


def test_a_path_prefix_is_kept(server, driver):
    server.answers(answer({"data": {"id": "1"}}))
    driver.send(api.syncs.get("s"), base_url=f"{server.url}/behind/a/proxy/")
    assert server.received[0].target == "/behind/a/proxy/api/syncs/s"
