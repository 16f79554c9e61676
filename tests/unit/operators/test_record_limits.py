"""Executions that end well with suspiciously few records: ``min_records`` and ``max_deviation``."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.exceptions import PolytomicRunIncomplete, PolytomicUnavailable
from airflow_provider_polytomic.executions.record_limits import MIN_COMPARED_EXECUTIONS
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def build(kind, task_instance, deferrable):
    """Return a function that adds a sync after executions with these numbers of records, and builds a task for it."""

    def build(records, *, before=(), **options):
        sync_id = kind.add(duration=60, next_executions=[plan(kind, one) for one in (*before, *records)])
        for _ in before:
            kind.emulator.start(sync_id)
            kind.emulator.clock.advance(61)
        return task_instance(kind.start(sync_id, deferrable=deferrable, retries=3, **options))

    return build


def plan(kind, records):
    if kind.name == "model":
        return {"counts": {"total": records, "insert": records}}
    return {"schemas": [{"id": "contact", "records": records}]}


def list_requests(kind):
    return [one.path for one in kind.emulator.requests if one.method == "GET" and one.path.endswith("/executions")]


def test_the_result_says_how_many_records_were_expected_and_sent(kind, task_instance, deferrable):
    if kind.name == "model":
        plan = {"counts": {"total": 120, "insert": 60, "update": 20, "error": 40}}
    else:
        plan = {"schemas": [{"id": "contact", "records": 100, "errors": 20}]}
    result = task_instance(kind.start(kind.add(duration=60, **plan), deferrable=deferrable)).finish()
    assert result["records_sent"] == 80
    assert result.get("records_expected") == (120 if kind.name == "model" else None)


def test_fewer_records_than_min_records_fail_a_completed_execution(build, kind):
    task = build([9, 10], min_records=10)
    with pytest.raises(PolytomicRunIncomplete, match="has sent 9 records, fewer than min_records=10: .*'completed'"):
        task.finish()
    assert (task.xcoms["return_value"]["outcome"], task.xcoms["return_value"]["records_sent"]) == ("success", 9)
    assert task.retry().finish()["records_sent"] == 10
    assert len(kind.emulator.executions(kind.emulator.syncs[0].id)) == 2


def test_an_execution_without_any_number_has_sent_none(build):
    with pytest.raises(PolytomicRunIncomplete, match="has sent 0 records, fewer than min_records=1"):
        build([0], min_records=1).finish()


def test_a_retry_after_enough_records_starts_no_other_execution(build, kind):
    task = build([10, 9], min_records=10)
    task.finish()
    assert task.retry().finish()["records_sent"] == 10
    assert len(kind.emulator.executions(kind.emulator.syncs[0].id)) == 1


@pytest.mark.parametrize(("records", "fails"), [(49, True), (50, False), (500, False)])
def test_a_number_far_below_the_median_fails(build, records, fails):
    task = build([records], before=[1, 100, 120, 80, 100], max_deviation=0.5)
    if not fails:
        assert task.finish()["records_sent"] == records
        return
    said = (
        "has sent 49 records, more than max_deviation=0.5 below 100, the median of the 5 successful executions before"
    )
    with pytest.raises(PolytomicRunIncomplete, match=said):
        task.finish()


def test_a_retry_compares_the_execution_of_the_first_attempt_with_those_before_it(build, kind):
    task = build([45, 60], before=[45, 100, 100], max_deviation=0.5)
    with pytest.raises(PolytomicRunIncomplete, match="below 100, the median of the 3 successful executions before"):
        task.finish()
    assert task.retry().finish()["records_sent"] == 60
    assert len(kind.emulator.executions(kind.emulator.syncs[0].id)) == 5


@pytest.mark.parametrize("thin", [False, True])
def test_a_list_without_numbers_is_completed_by_single_requests(build, kind, thin):
    task = build([10], before=[100, 100, 100], max_deviation=0.5)
    sync = kind.emulator.syncs[0]
    if thin:
        rows = [
            {"id": one.id, "status": one.status, "created_at": one.created_at, "completed_at": one.completed_at}
            for one in reversed(kind.emulator.executions(sync.id))
        ]
        kind.emulator.fault("status", status=200, body={"data": rows}, count=None, method="GET", path="/**/executions")
    with pytest.raises(PolytomicRunIncomplete, match="below 100, the median of the 3 successful executions before"):
        task.finish()


@pytest.mark.parametrize(("share", "records"), [(0.7, 30), (0.29, 71), (0.35, 65)])
def test_a_number_that_is_just_as_far_below_the_median_as_allowed_is_enough(build, share, records):
    assert build([records], before=[100, 100, 100], max_deviation=share).finish()["records_sent"] == records


def test_the_message_has_all_digits_of_the_median(build):
    with pytest.raises(PolytomicRunIncomplete, match="below 1234567, the median of the 3 successful executions before"):
        build([1], before=[1234567] * 3, max_deviation=0.5).finish()


def test_with_fewer_executions_before_there_is_no_check(build, logged):
    before = [100] * (MIN_COMPARED_EXECUTIONS - 1)
    assert build([1], before=before, max_deviation=0.5).finish()["records_sent"] == 1
    assert "Skipped the check of max_deviation: it needs 3 successful executions before, and there are 2" in logged()


def test_a_history_that_cannot_be_read_is_no_failure(build, kind, logged):
    task = build([1], before=[100, 100, 100], max_deviation=0.5)
    kind.emulator.fault("status", status=403, count=None, method="GET", path="/**/executions")
    assert task.finish()["records_sent"] == 1
    assert "Skipped the check of max_deviation: the executions before are not known" in logged()


@pytest.mark.parametrize("with_store", [False, True], ids=["without_store", "with_store"])
def test_a_retry_does_not_accept_the_failed_execution_while_the_history_cannot_be_read(
    build, kind, state_store, with_store
):
    task = build([10, 90], before=[100, 100, 100], max_deviation=0.5)
    if with_store:
        task.context["task_state_store"] = state_store
    with pytest.raises(PolytomicRunIncomplete):
        task.finish()
    kind.emulator.fault("status", status=503, count=None, method="GET", path="/**/executions")
    with pytest.raises(PolytomicUnavailable):
        task.retry().finish()
    kind.emulator.clear_faults()
    assert task.retry().finish()["records_sent"] == 90
    assert len(kind.emulator.executions(kind.emulator.syncs[0].id)) == 5


def test_who_does_not_ask_sends_no_request(build, kind):
    build([0], before=[100, 100, 100]).finish()
    assert list_requests(kind) == []


@pytest.mark.parametrize(
    "options", [{"min_records": -1}, {"min_records": 1.5}, {"max_deviation": 2}, {"max_deviation": True}]
)
def test_invalid_limits_are_refused_when_the_dag_file_is_parsed(kind, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        kind.start("1", **options)


def test_a_retry_of_failed_schemas_counts_the_schemas_of_all_attempts(emulator, task_instance, deferrable):
    failed = {"id": "deal", "records": 0, "outcome": "failed"}
    sync = emulator.add_bulk_sync(duration=60, schemas=[{"id": "contact", "records": 90}, failed])
    operator = PolytomicStartBulkSyncOperator(
        task_id="sync",
        bulk_sync_id=sync.id,
        retry_failed_schemas=True,
        min_records=100,
        deferrable=deferrable,
        retries=1,
    )
    task = task_instance(operator)
    with pytest.raises(PolytomicRunIncomplete, match="is incomplete"):
        task.finish()
    emulator.plan(sync.id, schemas=[{"id": "contact", "records": 90}, {"id": "deal", "records": 10}])
    assert task.retry().finish()["records_sent"] == 100
    task.retry().finish()
    assert len(emulator.executions(sync.id)) == 2, "the second one alone has sent less, and is found again"


def test_a_retry_after_too_few_records_of_all_schemas_syncs_them_all(emulator, task_instance, deferrable):
    deal = {"id": "deal", "records": 0}
    sync = emulator.add_bulk_sync(duration=60, schemas=[{"id": "contact", "records": 9}, deal])
    operator = PolytomicStartBulkSyncOperator(
        task_id="sync",
        bulk_sync_id=sync.id,
        retry_failed_schemas=True,
        min_records=10,
        deferrable=deferrable,
        retries=1,
    )
    task = task_instance(operator)
    with pytest.raises(PolytomicRunIncomplete, match="has sent 9 records"):
        task.finish()
    emulator.plan(sync.id, schemas=[{"id": "contact", "records": 10}, deal])
    assert task.retry().finish()["records_sent"] == 10
    assert [execution.request.get("schemas") for execution in emulator.executions(sync.id)] == [None, None]
