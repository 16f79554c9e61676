"""What the documentation promises is what the code and the tests do."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_provider_polytomic.runs.outcome import outcome_of

ROOT = Path(__file__).parents[2]


def table(file: str, heading: str) -> list[list[str]]:
    lines = (ROOT / "docs" / file).read_text().split(heading)[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return rows[2:]


def test_each_row_about_reliability_names_a_test_that_there_is():
    tests = "".join(file.read_text() for file in (ROOT / "tests" / "system").glob("test_*.py"))
    rows = table("reliability.md", "## What happens")
    assert len(rows) > 15
    for row in rows:
        assert f"def {row[-1].strip('`').rpartition(' ')[2]}(" in tests, row


@pytest.mark.parametrize("row", table("bulk_syncs.md", "## Outcomes"), ids=lambda row: row[0][:20])
def test_the_table_of_outcomes_is_what_the_code_does(row):
    statuses, schemas, outcome = row
    words = re.findall(r"`([a-z]+)`", statuses.partition(" with")[0]) or ["a_new_word"]
    completed = datetime.now(timezone.utc) if "with `completed_at`" in statuses else None
    given = {"any": ["failed", "completed"], "one or more of these": ["canceled"]}.get(
        schemas, ["completed", "running"]
    )
    for word in words:
        assert outcome_of(word, completed, given) == re.findall(r"`([a-z]+)`", outcome)[0], word


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
