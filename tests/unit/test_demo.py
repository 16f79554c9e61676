"""The output of the demo, in a log and as a picture."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from tests.system.demo.screen import Screen
from tests.system.logs import last_error

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "demo.svg"
REPORT = "Model sync 'Orders' failed\n  Polytomic says: [the session] has expired\n  Next:\n    - re-authorize it"
STORY = SimpleNamespace(
    sync=SimpleNamespace(name="Orders"),
    states=["failed"],
    statuses=["failed"],
    records="error 40",
    holds_no_worker=True,
)


def shown(console: Console, picture: Path) -> str:
    screen = Screen(console)
    screen.say("OK: " + "a long line " * 20)
    with screen.status_table([STORY]):
        screen.say("in between")
    screen.report("The task log", REPORT)
    screen.save(picture)
    return console.file.getvalue()


def test_a_log_has_plain_lines_and_the_whole_report(tmp_path):
    text = shown(Console(file=io.StringIO(), highlight=False), tmp_path / "picture.svg")
    assert "\x1b" not in text
    assert f"OK: {'a long line ' * 20}".rstrip() in text
    assert REPORT in text
    assert re.search(r"Orders +failed +error 40 +failed +free", text)


def test_a_terminal_has_a_table_that_is_redrawn(tmp_path):
    text = shown(Console(file=io.StringIO(), force_terminal=True, width=100), tmp_path / "picture.svg")
    assert "\x1b[?25l" in text
    assert text.rindex("\x1b[?25h") > text.rindex("in between")
    assert "[the session] has expired" in text


def external_parts(picture: str) -> list[str]:
    return re.findall(r"@import|@font-face|url\((?!#)|href=|src=|<script|<image|<foreignObject|<!--", picture)


def test_the_picture_loads_nothing(tmp_path):
    shown(Console(file=io.StringIO()), tmp_path / "picture.svg")
    picture = (tmp_path / "picture.svg").read_text()
    assert "re-authorize" in picture
    assert external_parts(picture) == []


def test_the_picture_in_the_readme_shows_all_three_syncs_and_loads_nothing():
    picture = PICTURE.read_text()
    assert external_parts(picture) == []
    for word in ("make&#160;demo", "completed", "canceled", "Polytomic&#160;says", "Next:"):
        assert word in picture or word.replace("&#160;", " ") in picture


@pytest.mark.parametrize(
    "log",
    [
        json.dumps({"event": "Task failed with exception", "error_detail": [{"exc_type": "E", "exc_value": REPORT}]}),
        "[2026-11-22T03:05:32.000+0000] {taskinstance.py:1} ERROR - Task failed with exception\n"
        'Traceback (most recent call last):\n  File "syncs.py", line 1, in execute\n    raise failure\n'
        f"airflow_provider_polytomic.exceptions.PolytomicRunFailed: {REPORT}\n"
        "[2026-11-22T03:05:33.000+0000] {taskinstance.py:2} INFO - Marking task as FAILED",
    ],
    ids=["Airflow 3", "Airflow 2"],
)
def test_the_report_is_found_in_the_log(log):
    assert last_error(f"no JSON\n{log}\nanother line") == REPORT


def test_a_log_without_an_error_has_no_report():
    assert last_error('[2026-11-22T03:05:32.000+0000] INFO - fine\n{"event": "fine"}') == ""
