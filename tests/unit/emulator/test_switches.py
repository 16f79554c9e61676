"""The switches, and the page that says what each is for."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from airflow_provider_polytomic.emulator import switches
from airflow_provider_polytomic.emulator.switches import Switches

PAGE = Path(__file__).parents[3] / "docs" / "emulator.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("| `")
]
NAMES = [each.name for each in fields(Switches)]


def test_the_page_names_every_switch_once_in_order_and_no_other():
    assert [row[0].strip("`") for row in ROWS] == NAMES


def test_the_docstring_describes_every_switch():
    assert re.findall(r":param (\w+):", Switches.__doc__) == NAMES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip("`"))
def test_the_page_names_every_reading_and_the_first_one_first(row):
    name, _, readings = row
    default = getattr(Switches(), name.strip("`"))
    words = switches._WORDS.get(name.strip("`"), ())
    named = re.findall(r"[\w-]+", readings)
    assert {str(word) for word in words} <= set(named)
    if words:
        assert named[0] == str(words[0]) == str(default)
    elif isinstance(default, bool):
        assert readings == f"`{default}`, `{not default}`"
