"""Normalize executions, and write their results."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic.api.models import base
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution, SyncExecution
from airflow_provider_polytomic.executions import Execution, Outcome
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
    "kind", "sync_id", "sync_name", "execution_id", "status", "outcome", "created_at", "started_at", "completed_at",
    "counts", "errors", "schemas", "url",
}  # fmt: skip
COUNT_KEYS = {"total", "insert", "update", "upserts", "delete", "error", "warnings"}


def model(**answer: Any) -> Execution:
    return Execution.of_model_sync("S", SyncExecution.model_validate({"id": "E", **answer}))


def bulk(**answer: Any) -> Execution:
    return Execution.of_bulk_sync("S", BulkSyncExecution.model_validate({"id": "E", **answer}))


def schema(name: str, status: str | None, **answer: Any) -> dict[str, Any]:
    return {"schema": name, "status": status, **answer}


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_the_outcome_of_each_combination_of_statuses(status: str, ended: bool) -> None:
    completed_at = ENDED if ended else None
    assert model(status=status, completed_at=completed_at).outcome == TABLE[status, ended, False]
    assert bulk(status=status, completed_at=completed_at, schemas=None).outcome == TABLE[status, ended, False]
    for first, second in product(SYNCED + NOT_SYNCED, repeat=2):
        bad = first in NOT_SYNCED or second in NOT_SYNCED
        answer = bulk(status=status, completed_at=completed_at, schemas=[schema("a", first), schema("b", second)])
        assert answer.outcome == TABLE[status, ended, bad], (first, second)
        assert answer.outcome.final == (TABLE[status, ended, bad] != "running")
        assert [row["schema"] for row in answer.failed_schemas] == [
            name for name, word in (("a", first), ("b", second)) if word in NOT_SYNCED
        ]


def test_a_missing_status_is_running() -> None:
    assert model(status=None).outcome is Outcome.RUNNING
    assert bulk().outcome is Outcome.RUNNING


def test_only_canceling_is_canceling() -> None:
    assert [status for status in STATUSES if model(status=status).canceling] == ["canceling"]


def test_an_unknown_status_is_logged_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
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
).map(lambda answer: model(**answer))
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
).map(lambda answer: bulk(**answer))


@profile
@given(st.one_of(MODELS, BULKS))
def test_the_result_has_the_same_keys_and_can_be_read_back(execution: Execution) -> None:
    result = execution.result()
    ended_with_numbers = execution.counted and execution.outcome.final
    expected = {"records_sent"} if ended_with_numbers else set()
    if ended_with_numbers and execution.kind == "model":
        expected.add("records_expected")
    assert set(result) == RESULT_KEYS | expected
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
def test_a_result_without_its_keys_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        Execution.from_result(broken)


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="perhaps"):
        Execution.from_result({**model().result(), "outcome": "perhaps"})


MOMENTS = st.sampled_from(
    [
        None,
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.123456+02:00",
        "2026-01-02T03:04:05.5Z",
        "2026-W01-1",
        "",
        7,
        [],
    ]
)
NUMBERS = st.sampled_from([0, 5, 2**63 - 1, None, True, 1.5, "7", []])


@settings(max_examples=300, derandomize=True, database=None)
@given(
    payload=st.fixed_dictionaries(
        {"status": st.sampled_from(["running", "queued", "canceling", "completed", "interrupted", "x", None, []])},
        optional={
            "id": st.sampled_from(["e1", "", None, 1]),
            "created_at": MOMENTS,
            "started_at": MOMENTS,
            "completed_at": MOMENTS,
            "counts": st.one_of(st.none(), st.dictionaries(st.sampled_from(["total", "error", "other"]), NUMBERS)),
            "errors": st.sampled_from([None, [], ["e"], "e"]),
        },
    )
)
def test_an_answer_that_is_not_validated_is_read_as_if_it_were(payload: dict[str, Any]) -> None:
    execution = Execution.of_running("s1", payload)
    assert execution is None or execution == Execution.of_model_sync("s1", SyncExecution.model_validate(payload))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_out_of_range_in_utc_is_left_out(moment: str) -> None:
    payload = {"id": "e1", "status": "failed", "created_at": moment, "started_at": moment, "counts": {}}
    assert Execution.of_running("s1", payload) is None
    execution = Execution.of_model_sync("s1", SyncExecution.model_validate(payload))
    assert (execution.outcome, execution.created_at) == (Outcome.FAILED, None)


def test_an_ordinary_answer_of_a_running_execution_is_not_validated() -> None:
    payload = {
        "id": "e1",
        "status": "running",
        "created_at": "2026-01-02T03:04:05Z",
        "started_at": None,
        "completed_at": None,
        "counts": {"total": 3},
        "errors": [],
    }
    execution = Execution.of_running("s1", payload)
    assert execution is not None
    assert execution.counts["total"] == 3
    assert Execution.of_running("s1", {**payload, "status": "completed"}) is None


def test_counts_that_are_absent_or_null_are_0() -> None:
    for execution in (model(), model(counts=None), model(counts={"total": None}), bulk(), bulk(record_count=None)):
        assert execution.counts == dict.fromkeys(COUNT_KEYS, 0)


def test_the_counts_of_both_kinds() -> None:
    answer = {"total": 1, "insert": 2, "update": 3, "upserts": 4, "delete": 5, "error": 6, "warnings": 7}
    assert model(counts=answer).counts == answer
    assert bulk(record_count=1, error_count=6, warning_count=7).counts == {
        "total": 1, "insert": 0, "update": 0, "upserts": 0, "delete": 0, "error": 6, "warnings": 7,
    }  # fmt: skip


def test_errors_are_capped_and_redacted() -> None:
    secret = "password=hunter2 " + "x" * 5000
    rows = [schema(f"s{number}", "failed", status_message=secret) for number in range(500)]
    for execution in (model(status="failed", errors=[secret] * 500), bulk(status="failed", schemas=rows)):
        assert len(execution.errors) == 100
        assert {len(error) for error in execution.errors} == {2000}
        assert "hunter2" not in json.dumps(execution.result())
        assert "password=***" in execution.errors[0]


def test_the_messages_of_a_bulk_execution_and_its_schemas_are_its_errors() -> None:
    rows = [
        schema("a", "failed", status_message="no table"),
        schema("b", "completed", status_message="fine"),
        schema("c", "canceled"),
    ]
    assert bulk(status="failed", status_message="lost", schemas=rows).errors == ("lost", "a: no table")
    assert bulk(status="running", status_message="on its way", schemas=rows[1:]).errors == ()
    assert bulk(status="completed", status_message="all well", schemas=rows[1:2]).errors == ()


@pytest.mark.parametrize(
    ("errors", "read"),
    [
        ([{"message": "no access", "code": 5}], ["no access"]),
        ([{"code": 5}, None, 7], ['{"code": 5}', "7"]),
        ("all in one", ["all in one"]),
        ({"message": "an object"}, ["an object"]),
        (None, []),
    ],
)
def test_errors_in_another_form_are_read_as_texts(errors: Any, read: list[str]) -> None:
    failed = model(status="failed", errors=errors)
    assert (failed.outcome, list(failed.errors)) == (Outcome.FAILED, read)
    assert bulk(status="failed", status_message={"message": "no access"}).errors == ("no access",)


def test_a_fraction_of_a_record_counts_as_one(caplog: pytest.LogCaptureFixture) -> None:
    ended = model(status="completed", counts={"total": 1.5, "error": 0.1, "insert": 2.0})
    assert (ended.counts["total"], ended.counts["error"], ended.counts["insert"]) == (2, 1, 2)


@pytest.mark.parametrize("count", ["many", 2**63, [], {}])
def test_a_count_that_is_no_number_is_misread(count: Any) -> None:
    with pytest.raises(ValueError, match="counts.error"):
        model(status="completed", counts={"error": count})


def test_an_end_is_read_although_other_fields_cannot_be(caplog: pytest.LogCaptureFixture) -> None:
    base._warned.clear()
    for _ in range(2):
        ended = model(
            status="failed", completed_at="yesterday", started_at=[], type=5, created_at=ENDED, errors=["why"]
        )
        assert (ended.outcome, ended.completed_at, ended.errors) == (Outcome.FAILED, None, ("why",))
    assert [record.getMessage() for record in caplog.records] == [
        f"Read the field {name!r} of an answer of Polytomic as no value: its form is not documented"
        for name in ("type", "started_at", "completed_at")
    ]


# ---- the size of a result


def schema_rows(number: int, status: str = "completed", **more: Any) -> list[dict[str, Any]]:
    return [
        {"schema": f"{status}_{place}", "status": status, "record_count": place % 2, **more} for place in range(number)
    ]


def bulk_execution(rows: list[dict[str, Any]]) -> Execution:
    total = sum(row["record_count"] for row in rows)
    values = {"id": "e", "status": "completed", "record_count": total, "schemas": rows}
    answer = BulkSyncExecution.model_validate(values)
    return Execution.of_bulk_sync("s", answer)


def test_a_result_has_all_of_a_thousand_schemas_in_their_order():
    result = bulk_execution(schema_rows(1000)).result()
    assert [row["schema"] for row in result["schemas"]] == [f"completed_{place}" for place in range(1000)]
    assert "schemas_left_out" not in result


def test_a_longer_result_has_first_the_schemas_that_failed_and_then_those_with_records():
    execution = bulk_execution([*schema_rows(4000), *schema_rows(100, "failed")])
    result = execution.result()
    names = [row["schema"] for row in result["schemas"]]
    assert (len(names), result["schemas_left_out"]) == (1000, 3100)
    assert sorted(names[:100]) == sorted(f"failed_{place}" for place in range(100))
    assert all(row["record_count"] for row in result["schemas"][100:])
    assert len(execution.schemas) == 4100, "the execution itself has all"


def test_a_result_that_leaves_out_schemas_says_so_after_its_way_through_an_event():
    result = bulk_execution(schema_rows(5000)).result()
    assert Execution.from_result(json.loads(json.dumps(result))).result() == result


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_the_size_of_a_result_is_bounded_whatever_its_texts(letter):
    rows = schema_rows(2000, "failed", status_message=letter * 3000)
    assert len(json.dumps(bulk_execution(rows).result())) < 1024 * 1024


def test_results_that_are_stored_together_share_the_size():
    execution = bulk_execution(schema_rows(5000, "failed", status_message="x" * 200))
    together = json.dumps([execution.result(200)] * 200)
    assert len(together) < 8 * 1024 * 1024
    assert len(execution.result(8)["schemas"]) == len(execution.result()["schemas"])


@pytest.mark.parametrize(
    ("kind", "answer", "sent"),
    [
        ("model", {"counts": {"insert": 2**63 - 1, "update": 1}}, 2**63 - 1),
        ("model", {"counts": {"total": 2**63 - 1, "error": -1}}, 2**63 - 1),
        ("model", {"counts": {"total": -1, "insert": -5}}, 0),
        ("bulk", {"schemas": [{"schema": name, "record_count": 2**63 - 1} for name in "ab"]}, 2**63 - 1),
    ],
)
def test_the_number_of_records_sent_is_one_that_can_be_stored(kind, answer, sent):
    payload = {"id": "e", "status": "completed", **answer}
    if kind == "model":
        execution = Execution.of_model_sync("s", SyncExecution.model_validate(payload))
    else:
        execution = Execution.of_bulk_sync("s", BulkSyncExecution.model_validate(payload))
    assert execution.result()["records_sent"] == sent
