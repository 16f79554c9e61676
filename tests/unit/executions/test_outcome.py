"""What an execution's words mean, what a task hands on of it, and what it says where it failed."""

from __future__ import annotations

import json
import textwrap
from datetime import datetime, timezone
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic.api.models.executions import BulkSyncExecution, SyncExecution
from airflow_provider_polytomic.executions import Execution, Outcome, SuccessCriteria, report
from airflow_provider_polytomic.executions import outcome as outcomes

profile = settings(max_examples=150, derandomize=True, database=None, deadline=None)

UNFINISHED = (
    "created", "scheduled", "queued", "waiting", "running", "processing", "exporting", "canceling", "", "a new word",
)  # fmt: skip
SYNCED = ("completed", "created", "scheduled", "running", "exporting", "processing", "", "a new word")
NOT_SYNCED = ("failed", "canceled", "interrupted")
ENDED = "2026-01-01T00:01:00Z"

# The table of the documentation: status, has it a time of completion, has a schema not been synced -> outcome.
TABLE: dict[tuple[str, bool, bool], str] = {
    **{(status, ended, bad): "running" for status in UNFINISHED for ended in (False, True) for bad in (False, True)},
    **{("completed", ended, False): "success" for ended in (False, True)},
    **{("completed", ended, True): "partial" for ended in (False, True)},
    **{("errors", ended, bad): "partial" for ended in (False, True) for bad in (False, True)},
    **{("failed", ended, bad): "failed" for ended in (False, True) for bad in (False, True)},
    **{("canceled", ended, bad): "canceled" for ended in (False, True) for bad in (False, True)},
    **{("interrupted", False, bad): "running" for bad in (False, True)},
    **{("interrupted", True, bad): "failed" for bad in (False, True)},
}
STATUSES = sorted({status for status, _, _ in TABLE})

RESULT_KEYS = {
    "kind", "sync_id", "execution_id", "status", "outcome", "created_at", "started_at", "completed_at",
    "counts", "errors", "schemas", "url",
}  # fmt: skip
COUNT_KEYS = {"total", "insert", "update", "upserts", "delete", "error", "warnings"}


def model(**told: Any) -> Execution:
    return Execution.of_model_sync("S", SyncExecution.model_validate({"id": "E", **told}))


def bulk(**told: Any) -> Execution:
    return Execution.of_bulk_sync("S", BulkSyncExecution.model_validate({"id": "E", **told}))


def schema(name: str, status: str | None, **told: Any) -> dict[str, Any]:
    return {"schema": name, "status": status, **told}


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_every_combination_of_statuses(status: str, ended: bool) -> None:
    completed_at = ENDED if ended else None
    assert model(status=status, completed_at=completed_at).outcome == TABLE[status, ended, False]
    assert bulk(status=status, completed_at=completed_at, schemas=None).outcome == TABLE[status, ended, False]
    for first, second in product(SYNCED + NOT_SYNCED, repeat=2):
        bad = first in NOT_SYNCED or second in NOT_SYNCED
        told = bulk(status=status, completed_at=completed_at, schemas=[schema("a", first), schema("b", second)])
        assert told.outcome == TABLE[status, ended, bad], (first, second)
        assert told.outcome.final == (TABLE[status, ended, bad] != "running")
        assert [row["schema"] for row in told.failed_schemas] == [
            name for name, word in (("a", first), ("b", second)) if word in NOT_SYNCED
        ]


def test_a_missing_status_is_running() -> None:
    assert model(status=None).outcome is Outcome.RUNNING
    assert bulk().outcome is Outcome.RUNNING


def test_only_canceling_is_canceling() -> None:
    assert [status for status in STATUSES if model(status=status).canceling] == ["canceling"]


def test_a_new_word_is_warned_about_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "_warned", set())
    for status in (*STATUSES, "a new word", "another"):
        model(status=status)
        bulk(status=status)
    assert ["'a new word'" in line or "''" in line or "'another'" in line for line in caplog.messages] == [True] * 3


# ---- the result

MOMENTS = st.one_of(st.none(), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(datetime.isoformat))
NUMBERS = st.one_of(st.none(), st.integers(0, 10**12))
TEXTS = st.text(max_size=40)
COUNTS = st.one_of(st.none(), st.dictionaries(st.sampled_from([*sorted(COUNT_KEYS), "something_else"]), NUMBERS))
FIELDS = {
    "status": st.one_of(st.none(), st.sampled_from(STATUSES)),
    "created_at": MOMENTS,
    "started_at": MOMENTS,
    "completed_at": MOMENTS,
}
SCHEMAS = st.fixed_dictionaries(
    {"schema": TEXTS},
    optional={
        "status": st.one_of(st.none(), st.sampled_from(SYNCED + NOT_SYNCED)),
        "output_name": st.one_of(st.none(), TEXTS),
        "status_message": st.one_of(st.none(), TEXTS),
        "record_count": NUMBERS,
        "error_count": NUMBERS,
        "warning_count": NUMBERS,
        "started_at": MOMENTS,
        "completed_at": MOMENTS,
    },
)
MODELS = st.fixed_dictionaries(
    {}, optional={**FIELDS, "counts": COUNTS, "errors": st.one_of(st.none(), st.lists(TEXTS, max_size=5))}
).map(lambda told: model(**told))
BULKS = st.fixed_dictionaries(
    {},
    optional={
        **FIELDS,
        "status_message": st.one_of(st.none(), TEXTS),
        "record_count": NUMBERS,
        "error_count": NUMBERS,
        "warning_count": NUMBERS,
        "schemas": st.one_of(st.none(), st.lists(SCHEMAS, max_size=4)),
    },
).map(lambda told: bulk(**told))


@profile
@given(st.one_of(MODELS, BULKS))
def test_the_result_has_the_same_keys_and_can_be_read_back(execution: Execution) -> None:
    result = execution.result()
    assert set(result) == RESULT_KEYS
    assert set(result["counts"]) == COUNT_KEYS
    assert all(type(number) is int for number in result["counts"].values())
    assert result["outcome"] in {"success", "partial", "failed", "canceled", "running"}
    previous_schema_results = json.loads(json.dumps(result))
    assert previous_schema_results == result
    again = Execution.from_result(previous_schema_results)
    assert again == execution
    assert again.result() == result
    for name in ("created_at", "started_at", "completed_at"):
        assert result[name] is None or datetime.fromisoformat(result[name]).utcoffset() == timezone.utc.utcoffset(None)


@pytest.mark.parametrize("broken", [{}, {"kind": "model"}])
def test_something_else_is_not_read(broken: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        Execution.from_result(broken)


def test_an_unknown_outcome_is_not_read() -> None:
    with pytest.raises(ValueError, match="perhaps"):
        Execution.from_result({**model().result(), "outcome": "perhaps"})


def test_counts_that_are_absent_or_null_are_none() -> None:
    for execution in (model(), model(counts=None), model(counts={"total": None}), bulk(), bulk(record_count=None)):
        assert execution.counts == dict.fromkeys(COUNT_KEYS, 0)


def test_the_counts_of_both_kinds() -> None:
    told = {"total": 1, "insert": 2, "update": 3, "upserts": 4, "delete": 5, "error": 6, "warnings": 7}
    assert model(counts=told).counts == told
    assert bulk(record_count=1, error_count=6, warning_count=7).counts == {
        "total": 1, "insert": 0, "update": 0, "upserts": 0, "delete": 0, "error": 6, "warnings": 7,
    }  # fmt: skip


def test_errors_are_capped_and_say_no_secret() -> None:
    secret = "password=hunter2 " + "x" * 5000
    rows = [schema(f"s{number}", "failed", status_message=secret) for number in range(500)]
    for execution in (model(status="failed", errors=[secret] * 500), bulk(status="failed", schemas=rows)):
        assert len(execution.errors) == 100
        assert {len(error) for error in execution.errors} == {2000}
        assert "hunter2" not in json.dumps(execution.result())
        assert "password=***" in execution.errors[0]


def test_the_words_of_a_bulk_execution_and_its_schemas_are_its_errors() -> None:
    rows = [
        schema("a", "failed", status_message="no table"),
        schema("b", "completed", status_message="fine"),
        schema("c", "canceled"),
    ]
    assert bulk(status="failed", status_message="lost", schemas=rows).errors == ("lost", "a: no table")
    assert bulk(status="running", status_message="on its way", schemas=rows[1:]).errors == ()
    assert bulk(status="completed", status_message="all well", schemas=rows[1:2]).errors == ()


@pytest.mark.parametrize(
    ("outcome", "errors", "standard", "met"),
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
def test_what_a_task_asks(outcome: str, errors: int, standard: SuccessCriteria, met: bool) -> None:
    assert standard.is_met_by(bulk(status=outcome, error_count=errors)) is met
    assert standard.is_met_by(model(status=outcome, counts={"error": errors})) is met


# ---- what is said

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
          Polytomic says: Traceback: File 1 File 2
          records: total 7, error 3
          Next:
            - correct the sync
            - a retry starts it again
        """,
    ),
    "a failed model sync without a cause": (
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
        Model sync S has not ended in time: execution E is 'running' since 2026-01-01 00:00:00.
          records: total 5
          Next:
            - allow more time
        """,
    ),
    "a bulk sync out of time": (
        report(bulk(status="canceling", **TIMES), "has not ended in time", ["allow more time"]),
        """
        Bulk sync S has not ended in time: execution E is 'canceling' since 2026-01-01 00:00:00.
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
    said, expected = GOLDEN[case]
    assert said == textwrap.dedent(expected).strip()


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
