"""Decode JSON and texts from outside to values that Airflow can store, whatever the sender wrote.

The API client, the reader of the webhook and the readers of files call these functions, so that other code can
rely on a decoded value: texts are valid Unicode without control characters, numbers are finite and have at most 64
bits, and size and depth are bounded.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

MAX_MEMORY = 64 * 1024 * 1024
"""Bytes of memory that one document may take while it is read, by an estimate."""

MAX_CONTENT = 16 * 1024 * 1024
"""Bytes of one response, after decompression."""

MAX_TEXT = 2 * 1024 * 1024
"""Characters of one text; a longer one is cut. The longest text of the API is a proxied response of 1 MiB."""

MAX_DEPTH = 64
"""Levels of objects and lists."""

MAX_VALUES = 500_000
"""Values and escapes of one document: each takes time and memory, however few bytes it has."""

MAX_NAMES = 100_000
"""Names of one object: an object is validated in one go, while no other thread runs."""

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)

CUT = "… (cut)"
"""End of a text that was cut."""

REPLACEMENT = "\ufffd"

_CHUNK = 64 * 1024
_TEXT_CHUNK = 1024 * 1024
_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_BYTES_OF_MARK = {"{": 1200, "[": 64, ",": 64, "\\": 64}
"""Memory of an object with its model, of a list, of a value and of an escape, however few bytes each has."""
_MAX_DIGITS = 1000
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")
_UNSTORABLE_ESCAPE = re.compile(r"\\(?:[bfr]|u00[01]|u[dD][89a-fA-F])")


class DecodingError(ValueError):
    """The content exceeds a limit, or its compression is not valid."""


def decompress(content: bytes, coding: str) -> bytes:
    """Decompress the content of a response, up to the maximum size.

    :param coding: Value of the ``Content-Encoding`` header.
    :raises DecodingError: If the content is larger than the maximum, truncated, or compressed in another way.
    """
    _check_size(len(content))
    name = coding.strip().lower()
    if name in ("", "identity") or not content:
        return content
    if name not in _WINDOW_BITS:
        raise DecodingError(f"it is compressed in a way that was not requested ({clean_text(coding)[:40]})")
    has_header = len(content) > 1 and content[0] & 15 == 8 and int.from_bytes(content[:2], "big") % 31 == 0
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS if name == "deflate" and not has_header else _WINDOW_BITS[name])
    result = bytearray()
    try:
        for begin in range(0, len(content), _CHUNK):
            part = content[begin : begin + _CHUNK]
            while part and not decompressor.eof:
                result += decompressor.decompress(part, _CHUNK)
                _check_size(len(result))
                part = decompressor.unconsumed_tail
    except zlib.error:
        raise DecodingError("it cannot be decompressed; check any proxy in between") from None
    if not decompressor.eof:
        raise DecodingError("it cannot be decompressed, since it is truncated; check any proxy in between")
    return bytes(result)


def decode_json(content: bytes | str, *, exact: bool = False) -> Any:
    """Decode JSON to values that can be stored.

    Of a repeated name in an object, the last value is taken. A number that is not finite or does not fit in 64 bits
    becomes a text, which no field for a number takes: only the object that has it is invalid, not the whole list.

    :param content: JSON; as bytes it is UTF-8, and invalid bytes are replaced.
    :param exact: Whether to refuse such a number; default False.
    :raises DecodingError: If the content exceeds a limit, or has such a number and ``exact`` is True.
    :raises ValueError: If the content is not JSON.
    """
    _check_size(len(content))
    text = content if isinstance(content, str) else _decode_utf8(content)
    if sum(text.count(mark) for mark in ",[{\\") > MAX_VALUES:
        raise DecodingError(f"it has more than {MAX_VALUES:,} values")
    values = sum(size * text.count(mark) for mark, size in _BYTES_OF_MARK.items())
    _check_memory(len(content) + 2 * sys.getsizeof(text) + values)
    beyond = _refuse if exact else _as_text
    try:
        value = json.loads(
            text,
            parse_int=partial(_integer, beyond),
            parse_float=partial(_float, beyond),
            parse_constant=beyond,
            object_hook=_checked,
        )
    except RecursionError:
        raise DecodingError(_too_deep()) from None
    _check_depth(value)
    must_clean = text is content or len(text) > MAX_TEXT or _UNSTORABLE_ESCAPE.search(text)
    return _clean(value) if must_clean else value


def clean_text(text: str) -> str:
    """Return a text that can be stored.

    Control characters except line feed and tab, and halves of surrogate pairs are replaced by U+FFFD, carriage returns
    by line feeds. A text longer than 2 MiB is cut.
    """
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - len(CUT)] + CUT
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSTORABLE.sub(REPLACEMENT, text)


def _decode_utf8(content: bytes) -> str:
    """Decode a text in pieces: no other thread runs while one is decoded, and each invalid byte takes long."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    parts = [decoder.decode(content[at : at + _TEXT_CHUNK]) for at in range(0, len(content), _TEXT_CHUNK)]
    _check_memory(len(content) + 2 * sum(map(len, parts)) * max(map(_width, parts), default=1))
    return "".join([*parts, decoder.decode(b"", True)]).removeprefix("\ufeff")


def _width(text: str) -> int:
    """Return the bytes of each character in memory: four if the text has an emoji."""
    return min(4, max(1, (sys.getsizeof(text) - sys.getsizeof("")) // max(1, len(text))))


def _check_memory(size: int) -> None:
    if size > MAX_MEMORY:
        raise DecodingError(f"it would take more than {MAX_MEMORY // 2**20} MiB of memory")


def _check_size(size: int) -> None:
    if size > MAX_CONTENT:
        raise DecodingError(f"it is larger than {MAX_CONTENT // 2**20} MiB")


def _clean(value: Any) -> Any:
    """Clean all texts of a decoded value, whose depth is bounded."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(name): _clean(item) for name, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _check_depth(value: Any) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            item
            for parent in level
            for item in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return
    raise DecodingError(_too_deep())


def _too_deep() -> str:
    return f"it is nested deeper than {MAX_DEPTH} levels"


def _integer(beyond: Callable[[str], Any], digits: str) -> Any:
    number = int(digits) if len(digits) <= len(str(MIN_INTEGER)) else MAX_INTEGER + 1
    return number if MIN_INTEGER <= number <= MAX_INTEGER else beyond(digits)


def _float(beyond: Callable[[str], Any], digits: str) -> Any:
    number = float(digits) if len(digits) <= _MAX_DIGITS else math.inf
    return number if math.isfinite(number) else beyond(digits)


def _as_text(digits: str) -> str:
    return digits[:_MAX_DIGITS]


def _refuse(digits: str) -> NoReturn:
    raise DecodingError("it has a number that does not fit in 64 bits")


def _checked(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object; the call lets other threads run while a large document is decoded in this one."""
    if len(value) > MAX_NAMES:
        raise DecodingError(f"an object of it has more than {MAX_NAMES:,} names")
    return value
