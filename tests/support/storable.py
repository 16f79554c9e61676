"""Check that a value can be stored by Airflow on every database."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 64


def assert_storable(value: Any, depth: int = 0) -> None:
    """Assert that a decoded value holds only what JSONB, UTF-8 and 64-bit numbers can hold."""
    if depth == 0:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    if isinstance(value, str):
        assert not [letter for letter in value if ord(letter) < 32 and letter not in "\n\t"]
        value.encode()
    elif isinstance(value, dict):
        assert depth < MAX_DEPTH
        for name, item in value.items():
            assert isinstance(name, str)
            assert_storable(name, depth + 1)
            assert_storable(item, depth + 1)
    elif isinstance(value, list):
        assert depth < MAX_DEPTH
        for item in value:
            assert_storable(item, depth + 1)
    elif isinstance(value, int) and not isinstance(value, bool):
        assert -(2**63) <= value < 2**63
