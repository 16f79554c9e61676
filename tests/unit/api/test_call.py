from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_polytomic.api import Call, PolytomicResponseError, connections, syncs
from airflow_provider_polytomic.api.call import drop_none, path, query, validated
from airflow_provider_polytomic.api.models import base
from airflow_provider_polytomic.api.models.base import Message, Page
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution, SyncStatus
from airflow_provider_polytomic.api.models.syncs import Sync


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        (None, ()),
        (True, (("p", "true"),)),
        (False, (("p", "false"),)),
        (0, (("p", "0"),)),
        ("", (("p", ""),)),
        (["a", None, "b"], (("p", "a"), ("p", "b"))),
        ({"k": True, "l": ["x", "y"], "m": None}, (("p[k]", "true"), ("p[l]", "x"), ("p[l]", "y"))),
        (datetime(2026, 1, 1), (("p", "2026-01-01T00:00:00Z"),)),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-2))), (("p", "2026-01-01T02:00:00Z"),)),
    ],
)
def test_query_parameters_are_encoded(value, pairs):
    assert query(p=value) == pairs


def test_only_none_is_dropped_from_a_body():
    empty = {"b": False, "c": [], "d": {"e": None}, "f": 0}
    assert drop_none({"a": None, **empty}) == empty


def test_a_read_only_mapping_in_a_body_becomes_a_dict():
    body = connections.create("n", "s3", MappingProxyType({"bucket": "b"})).body
    assert body is not None
    assert json.dumps(body["configuration"]) == '{"bucket": "b"}'


def test_ids_are_percent_encoded():
    assert path("/a/{}/b/{}", "x/../y", "%2e") == "/a/x%2F..%2Fy/b/%252e"


@pytest.mark.parametrize("id", [None, "", " ", ".", ".."])
def test_what_is_not_an_id_is_refused(id: Any):
    with pytest.raises(ValueError, match="is not an id"):
        syncs.get(id)


def test_a_call_is_immutable_and_shows_no_body():
    call = syncs.start("1", identities=["somebody@example.com"])
    with pytest.raises(AttributeError):
        call.method = "GET"  # type: ignore[misc]
    assert "somebody" not in repr(call)


def test_without_retries_changes_nothing_else():
    call = syncs.get("1")
    assert (call.repeatable, call.without_retries().repeatable) == (True, False)
    assert call.without_retries().path == call.path


def test_unknown_fields_and_values_are_accepted():
    sync = syncs.get("1").read({"data": {"id": "1", "mode": "mirror", "color": "blue"}})
    assert (sync.mode, sync.color) == ("mirror", "blue")


def test_a_long_list_is_validated_in_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(base, "MAX_LIST_ROWS", 5)
    assert [sync.id for sync in validated(Page[Sync], {"data": [{"id": each} for each in "abcde"]})] == list("abcde")
    with pytest.raises(ValidationError) as raised:
        validated(Page[Sync], {"data": [{}] * 5})
    assert raised.value.error_count() == 2  # one would be enough, and a million take seconds and a gigabyte
    with pytest.raises(ValidationError, match="it has more than 5 rows"):
        validated(Page[Sync], {"data": [{"id": "a"}] * 6})


def test_null_is_read_as_an_empty_list_or_a_count_of_zero():
    execution = Call("GET", "/", BulkSyncExecution).read({"data": {"id": "1", "schemas": None, "record_count": None}})
    assert (execution.schemas, execution.record_count) == ([], 0)
    assert syncs.list().read({"data": None}).data == []


def test_an_absent_execution_is_none():
    status = Call("GET", "/", SyncStatus).read({"data": {}})
    assert (status.current_execution, status.last_execution) == (None, None)


@pytest.mark.parametrize("moment", ["2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00"])
def test_datetimes_are_in_utc(moment: str):
    sync = syncs.get("1").read({"data": {"id": "1", "created_at": moment}})
    assert sync.created_at == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert sync.created_at.tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("call", "payload"),
    [
        (Call("GET", "/x", Sync), {}),
        (Call("GET", "/x", Sync), []),
        (Call("GET", "/x", Sync), None),
        (Call("GET", "/x", Sync), {"data": None}),
        (Call("GET", "/x", Sync), {"data": {"name": "without an id"}}),
        (Call("GET", "/x", Sync), {"data": {"id": ""}}),
        (Call("GET", "/x", Sync), {"data": {"id": 7}}),
        (Call("GET", "/x", Message), {"data": "text"}),
        (Call("GET", "/x", Page[Sync]), {}),
        (Call("GET", "/x", Page[Sync]), {"status": "ok"}),
        (Call("GET", "/x", Page[Sync]), {"data": {"id": "1"}}),
        (Call("GET", "/x", Sync), {"data": {"id": "1", "created_at": "0001-01-01T00:00:00+14:00"}}),
    ],
)
def test_another_shape_is_refused(call, payload):
    with pytest.raises(PolytomicResponseError, match="GET /x: ") as caught:
        call.read(payload)
    assert caught.value.__context__ is None


def test_the_message_names_the_place_and_not_the_value():
    with pytest.raises(PolytomicResponseError, match=r"data\.1\.name: ") as caught:
        syncs.list().read({"data": [{"id": "1"}, {"id": "2", "name": {"personal": "data"}}]})
    assert "personal" not in str(caught.value)


def test_errors_survive_a_process_boundary():
    error = PolytomicResponseError("odd", method="GET", path="/x", transient=False)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (type(error), str(error), error.__dict__)
