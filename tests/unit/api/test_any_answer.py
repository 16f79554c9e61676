"""Read any response: the result is a model or a PolytomicResponseError, never another exception."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel

from airflow_provider_polytomic.api import (
    Call,
    ClientConfig,
    PolytomicAPIError,
    PolytomicClient,
    PolytomicResponseError,
    syncs,
)
from airflow_provider_polytomic.api.call import next_page
from airflow_provider_polytomic.api.http import Response, read_response
from airflow_provider_polytomic.api.models.base import Message
from airflow_provider_polytomic.api.models.executions import SyncStatus
from tests.support.operations import OPERATIONS
from tests.support.scripted_server import Answer
from tests.support.storable import assert_storable

from .conftest import KEY

CONFIG = ClientConfig(KEY)
DATETIMES = [
    "",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01T00:00:00Z",
    "2026-01-01",
    "24:00",
    1e300,
    -(10**30),
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(DATETIMES)
)
keys = st.text(st.characters(exclude_categories=()), max_size=8)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def shaped(kind: Any) -> st.SearchStrategy[Any]:
    """Generate payloads in the shape of a model, with any value in any field."""
    models = [*_models_in(kind)]
    if not models:
        return json_values
    [model] = models
    fields = st.fixed_dictionaries(
        {},
        optional={
            name: shaped(field.annotation) | json_values
            for own_name, field in model.model_fields.items()
            for name in _names(own_name, field)
        },
    )
    one = st.builds(lambda known, other: {**other, **known}, fields, st.dictionaries(keys, json_values, max_size=2))
    return one | st.lists(one, max_size=2) | st.dictionaries(keys, one, max_size=2)


def outcome(act: Callable[[], Any]) -> Any:
    """Return the result or the expected error; any other error fails the test."""
    try:
        return act()
    except (PolytomicAPIError, PolytomicResponseError) as error:
        return error


def _models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    else:
        for part in typing.get_args(kind):
            yield from _models_in(part)


def _names(own_name: str, field: Any) -> list[str]:
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [field.alias or own_name]


CALLS = {str(getattr(row.call.model, "__name__", None)): row.call for row in OPERATIONS.values()}
"""One call for each model."""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_value_in_any_field(call: Call[Any]):
    inner = shaped(call.model)

    @given(payload=json_values | inner | st.builds(lambda data: {"data": data}, inner))
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    def check(payload: Any) -> None:
        result = outcome(lambda: call.read(payload))
        assert isinstance(result, (PolytomicResponseError, BaseModel if call.model else type(None)))
        assert repr(result) is not None
        if hasattr(result, "cursor"):
            assert isinstance(outcome(lambda: next_page(call, result)), (Call, PolytomicResponseError, type(None)))

    check()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_value_in_any_field_is_read_as_one_that_can_be_stored(call: Call[Any]):
    inner = shaped(call.model)

    @given(payload=inner | st.builds(lambda data: {"data": data}, inner))
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    def check(payload: Any) -> None:
        body = json.dumps(payload).encode()
        result = outcome(lambda: read_response(call, CONFIG, Response(200, []), body))
        assert isinstance(result, (PolytomicResponseError, BaseModel if call.model else type(None)))
        assert_storable(result.model_dump(mode="json") if isinstance(result, BaseModel) else str(result))

    check()


def test_the_generator_makes_valid_and_invalid_payloads():
    results = set()

    @given(fields=shaped(syncs.cancel("1").model))
    @settings(deadline=None)
    def attempt(fields: Any) -> None:
        results.add(type(outcome(lambda: syncs.cancel("1").read({"data": fields}))))

    attempt()
    assert results == {Message, PolytomicResponseError}


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()),
    kind=st.sampled_from(["application/json", "text/html; charset=utf-16", "text/plain; charset=hex", "x"]),
    retry_after=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8),
)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_body_with_any_status(server, status: int, body: bytes, kind: str, retry_after: str):
    if status in (204, 205, 304):
        body = b""
    server.answers(Answer(status, body, {"Content-Type": kind, "Retry-After": retry_after}))
    with PolytomicClient(KEY, base_url=server.url, max_retries=0) as client:
        result = outcome(lambda: client.send(syncs.get_status("1")))
    if status >= 500:
        assert isinstance(result, PolytomicAPIError)
    elif status >= 400:
        assert isinstance(result, (PolytomicAPIError, PolytomicResponseError))
    else:
        assert isinstance(result, (PolytomicResponseError, SyncStatus) if status < 300 else PolytomicResponseError)


@pytest.mark.parametrize(
    ("body", "is_json"),
    [
        (b'{"data": {"id": 7}}', True),
        (b"{}", True),
        (b"[" * 100_000, True),
        (b'{"data": {"id": "e", "counts": {"total": 100000000000000000000}}}', True),
        (b"<html>", False),
        (b"", False),
        (b'{"data": ', False),
    ],
    ids=["shape", "no data", "depth", "number", "HTML", "empty", "truncated"],
)
def test_json_that_cannot_be_used_is_told_from_the_answer_of_a_proxy(body: bytes, is_json: bool):
    """The waits of a connection pause after the second, since Polytomic may be down."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    client = PolytomicClient("key", transport=transport, max_retries=0)
    with client, pytest.raises(PolytomicResponseError) as error:
        client.send(syncs.get_execution("s", "e"))
    assert error.value.is_json is is_json
