"""Decode hostile JSON: the result can be stored, or the error says which limit it exceeds."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic.api import decoding
from airflow_provider_polytomic.api.decoding import MAX_MEMORY, DecodingError, clean_text, decode_json
from tests.support.storable import assert_storable

any_text = st.text(st.characters(exclude_categories=()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


@given(value=json_values, ascii=st.booleans())
@settings(deadline=None)
def test_any_json_is_decoded_to_what_can_be_stored_or_exceeds_a_limit(value: Any, ascii: bool):
    document = json.dumps(value, ensure_ascii=ascii)
    for content in (document, document.encode("utf-8", "surrogatepass")):
        try:
            decoded = decode_json(content)
        except DecodingError:
            continue
        assert_storable(decoded)


@given(content=st.binary(max_size=60))
def test_any_bytes_are_decoded_or_a_value_error(content: bytes):
    try:
        decoded = decode_json(content)
    except ValueError:
        return
    assert_storable(decoded)


@given(text=any_text)
def test_a_clean_text_can_be_stored_and_keeps_every_other_character(text: str):
    cleaned = clean_text(text)
    assert_storable(cleaned)
    assert clean_text(cleaned) == cleaned
    before, after = (
        [letter for letter in each if letter.isprintable() and letter != "\ufffd"] for each in (text, cleaned)
    )
    assert before == after


@pytest.mark.parametrize(
    ("escaped", "decoded"),
    [
        (r"bad \ud800 id", "bad � id"),
        (r"\udc00\ud83d\ude00", "�😀"),
        (r"nul \u0000, escape \u001b[31m, bell \b", "nul �, escape �[31m, bell �"),
        (r"one\r\ntwo\rthree\nfour\tfive", "one\ntwo\nthree\nfour\tfive"),
        (r"\\ud800 \\u0000", r"\ud800 \u0000"),
    ],
)
def test_what_cannot_be_stored_is_replaced(escaped: str, decoded: str):
    document = f'{{"{escaped}": ["{escaped}"]}}'.encode()
    assert decode_json(document) == {decoded: [decoded]}


def test_bytes_that_are_not_utf_8_are_replaced():
    assert decode_json(b'\xef\xbb\xbf{"a": "\xff"}') == {"a": "�"}


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", str(2**63), str(-(2**63) - 1), "9" * 5000, "1e5000"]
)
def test_a_number_that_does_not_fit_in_64_bits_becomes_a_text_or_is_refused(number: str):
    assert decode_json(f'{{"count": {number}}}') == {"count": number[:1000]}
    with pytest.raises(DecodingError, match="does not fit in 64 bits"):
        decode_json(f'{{"count": {number}}}', exact=True)


def test_the_largest_numbers_are_kept():
    assert decode_json(f"[{2**63 - 1}, {-(2**63)}, 1.5, 1e300]") == [2**63 - 1, -(2**63), 1.5, 1e300]


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_the_depth_is_limited(opening: str):
    closing = "]" if opening == "[" else "}"
    for depth in (64, 65, 1_000, 50_000):
        document = opening * depth + "1" + closing * depth
        if depth == 64:
            assert decode_json(document)
        else:
            with pytest.raises(DecodingError, match="nested deeper than 64 levels"):
                decode_json(document)


def test_the_number_of_values_is_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "MAX_VALUES", 100)
    assert len(decode_json("[" + "{}," * 49 + "1]")) == 50
    with pytest.raises(DecodingError, match="more than 100 values"):
        decode_json("[" + "{}," * 50 + "1]")
    with pytest.raises(DecodingError, match="more than 100 values"):
        decode_json('"' + r"\n" * 101 + '"')


@pytest.mark.parametrize(
    "document",
    [
        b"[" + b'{"a": 1},' * 60_000 + b"1]",
        b"[" + b'{"a": {"a": {"a": 1}}},' * 20_000 + b"1]",
        b'"' + b"x" * 10_000_000 + "😀".encode() + b'"',
        b"\xff" * 16_000_000,
    ],
    ids=["objects", "nested objects", "an emoji", "invalid bytes"],
)
def test_a_document_that_would_take_much_memory_is_refused(document: bytes):
    with pytest.raises(DecodingError, match="it would take more than 64 MiB of memory"):
        decode_json(document)


@pytest.mark.parametrize(
    "document",
    [
        b"[" + b'{"a": 1},' * 50_000 + b"1]",
        b'["' + b"x" * 16_000_000 + b'"]',
        b'["' + b"x" * 6_000_000 + '😀"]'.encode(),
        b'["' + "é".encode() * 8_000_000 + b'"]',
    ],
    ids=["objects", "a text", "an emoji", "letters"],
)
def test_a_document_that_is_read_takes_less(document: bytes):
    tracemalloc.start()
    try:
        decode_json(document)
        assert len(document) + tracemalloc.get_traced_memory()[1] < MAX_MEMORY
    finally:
        tracemalloc.stop()


def test_the_number_of_names_in_an_object_is_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "MAX_NAMES", 2)
    assert decode_json('[{"a": 1, "b": 2}, {"c": 3}]')
    with pytest.raises(DecodingError, match="an object of it has more than 2 names"):
        decode_json('[{"a": 1, "b": 2, "c": 3}]')


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_text_is_decoded_in_pieces(size: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "_TEXT_CHUNK", size)
    assert decode_json('\ufeff["a€😀", "é"]'.encode() + b" ") == ["a€😀", "é"]
    assert decode_json(b'["\xf0\x9f\x98", "\xe2"]') == ["\ufffd", "\ufffd"]


def test_a_long_text_is_cut_and_a_larger_document_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "MAX_TEXT", 20)
    monkeypatch.setattr(decoding, "MAX_CONTENT", 1000)
    assert decode_json(b'["' + b"x" * 500 + b'"]') == ["x" * 13 + "… (cut)"]
    with pytest.raises(DecodingError, match="larger than"):
        decode_json(b'["' + b"x" * 1000 + b'"]')


def test_the_last_value_of_a_repeated_name_is_taken():
    assert decode_json('{"status": "running", "status": "failed"}') == {"status": "failed"}
