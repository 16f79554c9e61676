"""Report on executions."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_polytomic.executions import Diagnostics, Execution, Outcome, SuccessCriteria, report
from tests.unit.executions.test_execution import BULKS, ENDED, MODELS, bulk, model, profile, schema

TIMES = {"created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z"}
TABLES = [
    schema("public.orders", "completed", record_count=10),
    schema("public.customers", "failed", status_message="permission denied for table customers"),
    schema("public.items", "canceled"),
]

GOLDEN = {
    "a failed model sync": (
        report(
            model(
                status="failed", **TIMES, completed_at=ENDED, counts={"total": 7, "error": 3},
                errors=["the target refuses the key", "Traceback:\n  File 1\n  File 2"],
            ),
            "failed", ["correct the sync", "a retry starts it again"],
        ),
        """
        Model sync S failed: execution E is 'failed' after 1 min 0 s.
          Polytomic says: the target refuses the key
          Polytomic says: Traceback:\\n  File 1\\n  File 2
          records: total 7, error 3
          Next:
            - correct the sync
            - a retry starts it again
        """,
    ),
    "a failed model sync without a message": (
        report(model(status="failed"), "failed"),
        """
        Model sync S failed: execution E is 'failed'.
          Polytomic gives no reason.
          records: none
        """,
    ),
    "a failed bulk sync": (
        report(bulk(status="failed", status_message="the warehouse is asleep", **TIMES), "failed", ["resume it"]),
        """
        Bulk sync S failed: execution E is 'failed'.
          Polytomic says: the warehouse is asleep
          records: none
          Next:
            - resume it
        """,
    ),
    "a partial bulk sync": (
        report(
            bulk(
                status="errors", **TIMES, completed_at=ENDED, schemas=TABLES, record_count=10, error_count=1,
                status_message="two schemas failed",
            ),
            "is incomplete", ["correct the named schemas"],
        ),
        """
        Bulk sync S is incomplete: execution E is 'errors' after 1 min 0 s.
          schema public.customers failed: permission denied for table customers
          schema public.items canceled: no message
          Polytomic says: two schemas failed
          records: total 10, error 1
          Next:
            - correct the named schemas
        """,
    ),
    "a canceled model sync": (
        report(model(status="canceled", **TIMES, completed_at=ENDED), "was canceled",
            ["clear the task to run it again"],
        ),
        """
        Model sync S was canceled: execution E is 'canceled' after 1 min 0 s.
          records: none
          Next:
            - clear the task to run it again
        """,
    ),
    "a canceled bulk sync": (
        report(bulk(status="canceled", schemas=TABLES[2:], record_count=4), "was canceled"),
        """
        Bulk sync S was canceled: execution E is 'canceled'.
          schema public.items canceled: no message
          records: total 4
        """,
    ),
    "a model sync out of time": (
        report(model(status="running", **TIMES, counts={"total": 5}), "has not ended in time", ["allow more time"]),
        """
        Model sync S has not ended in time: execution E has been 'running' since 2026-01-01 00:00:00.
          records: total 5
          Next:
            - allow more time
        """,
    ),
    "a bulk sync out of time": (
        report(bulk(status="canceling", **TIMES), "has not ended in time", ["allow more time"]),
        """
        Bulk sync S has not ended in time: execution E has been 'canceling' since 2026-01-01 00:00:00.
          records: none
          Next:
            - allow more time
        """,
    ),
    "a model sync with too many errors": (
        report(
            model(status="completed", counts={"total": 9, "error": 8}, errors=[f"row {n}" for n in range(8)]),
            "has 8 record errors, more than max_errors=1", ["correct the records"],
        ),
        """
        Model sync S has 8 record errors, more than max_errors=1: execution E is 'completed'.
          Polytomic says: row 0
          Polytomic says: row 1
          Polytomic says: row 2
          Polytomic says: row 3
          Polytomic says: row 4
          and 3 more errors, in the task's XCom
          records: total 9, error 8
          Next:
            - correct the records
        """,
    ),
    "a bulk sync with too many errors": (
        report(bulk(status="completed", record_count=9, error_count=2), "has 2 record errors, more than max_errors=1"),
        """
        Bulk sync S has 2 record errors, more than max_errors=1: execution E is 'completed'.
          records: total 9, error 2
        """,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GOLDEN)
def test_the_report(case: str) -> None:
    text, expected = GOLDEN[case]
    assert text == textwrap.dedent(expected).strip()


def test_the_report_names_every_failed_schema_and_stays_short() -> None:
    rows = [
        schema(f"t{number}", "failed", status_message="a long\nstory " * 500, error_count=1) for number in range(40)
    ]
    execution = bulk(status="failed", status_message="no " * 3000, schemas=rows, record_count=1, **TIMES)
    lines = report(execution, "failed", ["correct it"]).splitlines()
    assert len(lines) < 30
    assert max(map(len, lines)) < 400
    for number in range(40):
        assert any(f"schema t{number} " in line or f" t{number}," in f"{line}," for line in lines), number
    assert lines[16].startswith("  and 25 more schemas: t15, t16, ")


def test_the_report_has_the_link() -> None:
    execution = Execution.from_result({**model(status="failed").result(), "url": "https://app.polytomic.com/x"})
    assert report(execution, "failed").splitlines()[-1] == "  https://app.polytomic.com/x"


@profile
@given(st.one_of(MODELS, BULKS))
def test_no_report_is_long(execution: Execution) -> None:
    assert len(report(execution, "failed", ["correct it"]).splitlines()) < 30


def test_a_report_has_printable_lines_whatever_the_api_says():
    forged = "x\x1b[2J\n::error::\u2028" + "y" * 5000
    row = {"schema": forged, "status": "failed", "status_message": forged}
    execution = Execution("bulk", "sync", forged, forged, Outcome.FAILED, errors=(forged,), schemas=(row,), url=forged)
    diagnostics = Diagnostics(
        sync_name=forged, unhealthy_connections=(("connection", forged),), problems=(forged,), console=(forged,)
    )
    text = report(execution, "failed", ["advice"], diagnostics)
    assert all(line.isprintable() for line in text.split("\n"))
    assert not [line for line in text.split("\n") if line.startswith("::") or len(line) > 2100]
    assert len(text.split("\n")) == 10


@pytest.mark.parametrize(
    ("outcome", "errors", "criteria", "met"),
    [
        ("completed", 0, SuccessCriteria(), True),
        ("completed", 9, SuccessCriteria(), True),
        ("completed", 9, SuccessCriteria(max_errors=9), True),
        ("completed", 9, SuccessCriteria(max_errors=8), False),
        ("completed", 0, SuccessCriteria(max_errors=0), True),
        ("errors", 0, SuccessCriteria(), False),
        ("errors", 9, SuccessCriteria(fail_on_partial=False), True),
        ("failed", 0, SuccessCriteria(fail_on_partial=False), False),
        ("canceled", 0, SuccessCriteria(fail_on_partial=False), False),
        ("running", 0, SuccessCriteria(fail_on_partial=False), False),
    ],
)
def test_success_criteria(outcome: str, errors: int, criteria: SuccessCriteria, met: bool) -> None:
    assert criteria.is_met_by(bulk(status=outcome, error_count=errors)) is met
    assert criteria.is_met_by(model(status=outcome, counts={"error": errors})) is met
