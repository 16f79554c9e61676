"""Durations and ids in parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from numbers import Number
from uuid import UUID

import pytest

from airflow_provider_polytomic._task.values import (
    as_id,
    as_ids,
    as_list,
    as_mappings,
    optional_count,
    with_lists,
)
from airflow_provider_polytomic.durations import MAX_DURATION, duration, optional_duration, optional_moment
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused


@pytest.mark.parametrize("value", [90, 90.0, timedelta(seconds=90)], ids=repr)
def test_a_duration_is_in_seconds(value):
    assert duration(value, "timeout") == 90.0


@pytest.mark.parametrize(
    "value",
    [0, -1, float("inf"), float("nan"), timedelta(0), timedelta(seconds=-1), "30", True, None, 10**400, 1e-9, 5e-324],
    ids=lambda value: repr(value)[:20],
)
def test_an_invalid_duration_is_refused(value):
    with pytest.raises(ValueError, match="timeout must be a number of seconds or a timedelta greater than 0"):
        duration(value, "timeout")
    with pytest.raises(TypeError):
        duration(value, "timeout")


def test_an_absurd_duration_is_refused():
    assert duration(MAX_DURATION, "timeout") == MAX_DURATION.total_seconds()
    with pytest.raises(ValueError, match="at most 3660 days"):
        duration(MAX_DURATION + timedelta(seconds=1), "timeout")


def test_none_stands_for_no_duration_and_no_moment():
    assert optional_duration(None, "timeout") is None
    assert optional_duration(5, "timeout") == 5.0
    assert optional_moment(None, "deadline") is None
    assert optional_moment(1.5, "deadline") == 1.5


@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan"), "1764000000", True, 1.8e12], ids=repr)
def test_an_invalid_moment_is_refused(value):
    with pytest.raises(ValueError, match="deadline must be seconds since 1970"):
        optional_moment(value, "deadline")


@pytest.mark.parametrize(("value", "expected"), [("a", "a"), (" a ", "a"), (42, "42"), (UUID(int=1), str(UUID(int=1)))])
def test_an_id_is_text_without_spaces(value, expected):
    assert as_id(value, "sync_id") == expected


@pytest.mark.parametrize("value", [None, "", " ", ".", "..", "None"], ids=repr)
def test_an_invalid_id_is_refused(value):
    with pytest.raises(PolytomicRequestRefused, match="sync_id is .*not an id. Next: check what its template renders"):
        as_id(value, "sync_id")


class Lazy(Sequence):
    """A sequence that is no list, as Airflow passes the outputs of mapped tasks."""

    def __init__(self, *items):
        self._items = items

    def __getitem__(self, index):
        return self._items[index]

    def __len__(self):
        return len(self._items)

    def __repr__(self):
        return f"Lazy{self._items}"


class Array(Lazy):
    """A sequence that compares each of its items, as the arrays of NumPy do."""

    __hash__ = None

    def __eq__(self, other):
        return Array(*(item == other for item in self._items))

    def __bool__(self):
        raise ValueError("The truth value of an array with more than one element is ambiguous")


@pytest.mark.parametrize(
    "value",
    [["a", "b"], ("a", "b"), Lazy("a", "b"), Array("a", "b"), {"a": 1, "b": 2}.keys(), "['a', 'b']"],
    ids=repr,
)
def test_a_list_is_any_sequence(value):
    assert as_list(value, "schemas") == as_ids(value, "schemas") == ["a", "b"]


class Integer(Number):
    """A number that is no ``int``, as those of NumPy."""

    __hash__ = None

    def __str__(self):
        return "7"


def test_an_id_in_a_list_is_any_number():
    assert as_ids([1, Integer(), Decimal("2.5")], "identities") == ["1", "7", "2.5"]


def test_sequences_in_a_value_are_lists():
    assert with_lists({"a": Lazy(1, Lazy("b")), "c": ({"d": (2,)},), "e": "text", "f": (UUID(int=1), Decimal(5))}) == {
        "a": [1, ["b"]], "c": [{"d": [2]}], "e": "text", "f": [str(UUID(int=1)), "5"],
    }  # fmt: skip


def test_a_list_is_the_text_of_its_json():
    assert as_list('[[{"value": true, "note": null}]]', "source_identities") == [[{"value": True, "note": None}]]
    assert as_mappings(json.dumps({**RUN, "completed_at": None}), "runs") == [{**RUN, "completed_at": None}]


@pytest.mark.parametrize("value", [None, "", [], (), Lazy()], ids=repr)
def test_an_empty_list_is_none(value):
    assert as_list(value, "schemas") is None


@pytest.mark.parametrize("value", [5, b"ab", {"a": 1}, "[a", object], ids=repr)
def test_anything_else_is_refused_by_the_name_of_the_parameter(value):
    with pytest.raises(PolytomicRequestRefused, match="^schemas is .*not a list"):
        as_list(value, "schemas")


@pytest.mark.parametrize("item", ["", " ", None, "None", ["a"], {}], ids=repr)
def test_an_id_in_a_list_that_rendered_to_nothing_is_refused(item):
    with pytest.raises(PolytomicRequestRefused, match=r"^schemas\[1\] is .*not an id"):
        as_ids(["a", item], "schemas")


RUN = {"kind": "model", "sync_id": "s", "execution_id": "e"}


@pytest.mark.parametrize("value", [RUN, [RUN], (RUN,), Lazy(RUN), [RUN, None], repr(RUN), repr([RUN])], ids=repr)
def test_one_mapping_is_a_list_of_one(value):
    assert as_mappings(value, "runs") == [RUN]


@pytest.mark.parametrize("value", [None, "", "None", 5, "s", ["s"], [[RUN]], "{", b"s"], ids=repr)
def test_what_is_no_mapping_is_refused_by_the_name_of_the_parameter(value):
    with pytest.raises(PolytomicRequestRefused, match="^runs is"):
        as_mappings(value, "runs")


@pytest.mark.parametrize("value", ["2", 2.5, True, -1, float("inf")], ids=repr)
def test_a_number_that_is_no_count_is_refused(value):
    with pytest.raises(ValueError, match="max_errors must be a whole number of at least 0"):
        optional_count(value, "max_errors")
    assert [optional_count(count, "max_errors") for count in (0, 2, None)] == [0, 2, None]


class SequenceInXCom(Sequence):
    """A sequence that reads its items by index, and whose iteration Airflow would log as an error."""

    def __getitem__(self, index):
        return ["a", "b"][index]

    def __len__(self):
        return 2

    def __iter__(self):
        raise AssertionError("read by index")


def test_a_sequence_in_xcom_is_read_by_index():
    assert as_list(SequenceInXCom(), "schemas") == ["a", "b"]
