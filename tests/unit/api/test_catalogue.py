"""The table of operations: build calls by name, and read their answers as plain JSON."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from airflow_provider_polytomic.api import Call, catalogue
from airflow_provider_polytomic.api.catalogue import OPERATIONS, answer, build
from tests.support.operations import OPERATIONS as EXPECTED
from tests.support.operations import SYNC
from tests.support.scripted_server import Server
from tests.support.scripted_server import answer as reply

from .conftest import Driver

ARGUMENTS: dict[str, dict[str, Any]] = {
    "syncs.activate": {"sync_id": "a/b ?#%é", "active": True},
    "syncs.create": {**SYNC, "active": False, "policies": None},
    "syncs.list": {"active": False, "mode": "append", "target_connection_id": "248df4b7-aa70-47b8-a036-33ac447e668d"}
    | {"limit": 2},
    "bulk_syncs.list_schemas": {"sync_id": "a/b ?#%é", "filters": {"enabled": True}},
    "connections.execute_proxy": {
        "connection_id": "a/b ?#%é",
        "request": {"method": "GET", "path": "/v1/x", "query": {"limit": 1}},
        "async": True,
    },
    "connections.test": {
        "type": "postgresql",
        "configuration": {"port": 1},
        "connection_id": "248df4b7-aa70-47b8-a036-33ac447e668d",
    },
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_call_built_by_name_is_that_of_the_function(name: str) -> None:
    assert build(name, ARGUMENTS[name]) == replace(EXPECTED[name].call, idempotency_key=None)


def test_an_idempotency_key_is_no_argument() -> None:
    assert {name for name, each in OPERATIONS.items() if each.takes_idempotency_key} == {
        name for name, row in EXPECTED.items() if row.call.idempotency_key
    }
    with pytest.raises(ValueError, match="idempotency_key: is no parameter"):
        build("syncs.start", {"sync_id": "1", "idempotency_key": "the-key"})


def test_texts_that_a_template_renders_are_read_as_what_they_stand_for() -> None:
    assert build("syncs.activate", {"sync_id": 7, "active": "True"}) == build(
        "syncs.activate", {"sync_id": "7", "active": True}
    )
    assert build("syncs.list", {"limit": "5"}) == build("syncs.list", {"limit": 5})


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "sync_id: is missing"),
        ({"sync_id": "1", "resynk": True}, "resynk: is no parameter"),
        ({"sync_id": "1", "resync": "perhaps"}, "resync: Input should be a valid boolean"),
        ({"sync_id": "1", "identities": "a"}, "identities: "),
        ({"sync_id": ""}, "is not an id"),
        ({"sync_id": None}, "sync_id: Input should be a valid string"),
    ],
)
def test_invalid_arguments_are_refused_without_repeating_them(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        build("syncs.start", arguments)
    assert "perhaps" not in str(refused.value)


def test_a_value_that_the_api_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="mode: Input should be 'create', 'update'"):
        build("syncs.list", {"mode": "upsert"})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("sync.start", "the nearest names are syncs.start"),
        ("start-sync", "the nearest names are syncs.start"),
        ("syncs.change", "syncs.create"),
        ("%", "the areas are bulk_syncs, connections"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_ones(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=nearest):
        build(name, {})


def test_the_table_cannot_be_changed() -> None:
    operation = OPERATIONS["syncs.start"]
    with pytest.raises(TypeError):
        OPERATIONS["syncs.start"] = operation  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        operation.read_only = True  # type: ignore[misc]
    operation.parameters["properties"].clear()
    assert operation.parameters["properties"]


def test_a_description_leaves_out_functions_that_are_no_operations() -> None:
    description = OPERATIONS["syncs.update"].description
    assert description == (
        "Replace a model sync as a whole. Fields that are left out are cleared or get their default."
    )
    assert "`get_execution`" in OPERATIONS["syncs.list_executions"].description


def test_an_unknown_attribute_of_the_module_is_missing() -> None:
    with pytest.raises(AttributeError, match="OPERATION"):
        catalogue.OPERATION  # noqa: B018


def test_the_answer_of_a_list_has_the_rows_of_all_pages(driver: Driver, server: Server) -> None:
    server.answers(
        reply({"data": [{"id": "1", "name": "n"}], "pagination": {"next_page_token": "2"}}), reply({"data": None})
    )
    assert driver.run(answer(build("syncs.list", {}))) == [{"id": "1", "name": "n"}]


def test_an_answer_has_the_fields_of_the_api_and_no_secret(driver: Driver, server: Server) -> None:
    call: Call[Any] = build("connections.create", {"name": "n", "type": "t", "configuration": {"password": "hunter22"}})
    server.answers(reply({"data": {"id": "1", "new": None, "error": "hunter22", "configuration": {"password": "x"}}}))
    assert driver.run(answer(call)) == {"id": "1", "new": None, "error": "***", "configuration": {"password": "***"}}


def test_a_later_attempt_gets_the_answer_of_an_earlier_one(sync_driver: Driver, server: Server) -> None:
    start = build("syncs.start", {"sync_id": "1"})
    server.answers(reply({"message": "down"}, 502), reply({"data": {"id": "e"}}))
    assert sync_driver.run(answer(start, key_facts=("run",)), max_retries=0) == {"id": "e"}
    first, second = [request.headers["idempotency-key"] for request in server.received]
    server.answers(reply({"message": "down"}, 502), reply({"data": {"id": "e"}}))
    assert sync_driver.run(answer(start, key_facts=("run",), attempts_before=1), max_retries=0) == {"id": "e"}
    assert [request.headers["idempotency-key"] for request in server.received] == [first, second]
    assert first != second


def test_a_value_that_is_not_known_yet_is_not_checked() -> None:
    operation = OPERATIONS["syncs.activate"]
    operation.check({"sync_id": "1", "active": "{{ x }}"}, unknown_values=["active"])
    with pytest.raises(ValueError, match="activ: is no parameter"):
        operation.check({"sync_id": "1", "active": True, "activ": "{{ x }}"}, unknown_values=["activ"])
    with pytest.raises(ValueError, match="active: is missing"):
        operation.check({"sync_id": "{{ x }}"}, unknown_values=["sync_id"])


def test_the_answer_without_content_is_null(driver: Driver, server: Server) -> None:
    server.answers(reply({}))
    assert driver.run(answer(build("syncs.delete", {"sync_id": "1"}))) is None
