"""Values that leave for Airflow: stored and read back by Airflow's own code, or a typed error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic._task.storable import MAX_STORED_BYTES, MAX_STORED_DEPTH, RESERVED_NAMES, storable
from airflow_provider_polytomic.exceptions import PolytomicUnavailable
from tests.support.airflow_storage import CHANNELS

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
any_name = any_text | st.sampled_from(sorted(RESERVED_NAMES))
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_name, inner, max_size=4),
    max_leaves=10,
)


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize("channel", CHANNELS)
@given(value=any_value)
@settings(deadline=None, max_examples=150)
def test_airflow_stores_and_reads_back_what_is_storable(channel: str, value: Any):
    try:
        checked = storable({"value": value}, "a value")
    except PolytomicUnavailable:
        return
    assert CHANNELS[channel](checked) == {"value": value}


@pytest.mark.parametrize("channel", CHANNELS)
def test_airflow_stores_a_value_at_the_limits(channel: str):
    value = {"deep": nested(MAX_STORED_DEPTH - 1), "long": "x" * 100_000, "large": 2**63 - 1, "small": -(2**63)}
    assert CHANNELS[channel](storable(value, "a value")) == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("a\x00b", "a text has a NUL"),
        ("bad \ud800 id", "half of a surrogate pair"),
        (10**20, "does not fit in 64 bits"),
        (float("nan"), "not finite"),
        (float("-inf"), "not finite"),
        (b"bytes", "a bytes is not JSON"),
        (("a", "tuple"), "a tuple is not JSON"),
        ({1: 2}, "a name is not a text"),
        ({"__classname__": "airflow.models.Connection"}, "the name '__classname__' is reserved"),
        (nested(MAX_STORED_DEPTH + 1), "nested deeper"),
        ("x" * MAX_STORED_BYTES, "more than 8 MiB"),
    ],
    ids=lambda value: None if not isinstance(value, str) or len(value) > 40 else repr(value),
)
def test_what_cannot_be_stored_is_refused_at_any_place(value: Any, problem: str):
    for place in (value, [value], {"name": [value]}):
        with pytest.raises(
            PolytomicUnavailable, match=f"^Airflow cannot store a value: .*{problem}.*\\.\n  Next:\n    - "
        ):
            storable(place, "a value")


def test_a_name_is_checked_like_a_text():
    with pytest.raises(PolytomicUnavailable, match="NUL"):
        storable({"\x00": 1}, "a value")


def test_the_check_returns_the_value_itself():
    value = json.loads('{"a": [1, 2.5, null, true, "é😀"]}')
    assert storable(value, "a value") is value
