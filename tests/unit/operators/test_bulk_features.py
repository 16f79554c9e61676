"""What only bulk syncs have: schemas, partial success, and retrying what failed."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunCanceled,
    PolytomicRunFailed,
    PolytomicRunIncomplete,
)
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator

SCHEMAS = [
    {"id": "contact", "duration": 1, "records": 10},
    {"id": "company", "duration": 1, "records": 20, "outcome": "failed", "message": "column x is gone", "errors": 2},
    {"id": "deal", "duration": 1, "records": 30},
]
MENDED = [{**schema, "outcome": "completed"} for schema in SCHEMAS]

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def bulk(emulator):
    return emulator.add_bulk_sync(name="Warehouse", schemas=SCHEMAS)


@pytest.fixture(params=[False, True], ids=["worker", "deferred"])
def begin(request, bulk, task_instance):
    """Return a function that makes the task instance of an operator for the bulk sync, in both modes."""

    def begin(**options):
        operator = PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_id=bulk.id, deferrable=request.param, poll_interval=1, **options
        )
        return task_instance(operator)

    return begin


def started_schemas(emulator, sync_id):
    return [execution.request.get("schemas") for execution in emulator.executions(sync_id)]


def test_unknown_schemas_are_refused_with_those_that_are_known(begin, bulk, emulator):
    with pytest.raises(PolytomicRequestRefused, match="'lead'.*contact, company, deal"):
        begin(schemas=["contact", "lead"]).finish()
    assert emulator.executions(bulk.id) == []


def test_only_the_chosen_schemas_are_synced(begin, bulk, emulator):
    result = begin(schemas=["contact", "deal"]).finish()
    assert result["outcome"] == "success"
    assert {row["schema"]: row["record_count"] for row in result["schemas"]} == {"contact": 10, "deal": 30}
    assert started_schemas(emulator, bulk.id) == [["contact", "deal"]]


def test_a_partial_success_fails_and_names_each_failed_schema(begin):
    ti = begin()
    with pytest.raises(PolytomicRunIncomplete, match="company failed: column x is gone"):
        ti.finish()
    assert ti.xcoms["return_value"]["outcome"] == "partial"


def test_a_partial_success_may_be_accepted_with_a_warning(begin, caplog, capsys):
    result = begin(fail_on_partial=False).finish()
    assert result["outcome"] == "partial"
    assert "company failed: column x is gone" in caplog.text + capsys.readouterr().out


def test_a_test_run_and_a_resync_exclude_each_other(begin, bulk, emulator):
    with pytest.raises(PolytomicRequestRefused, match="exclude each other"):
        begin(test="true", resync_mode="rebuild").finish()
    assert emulator.executions(bulk.id) == []


def test_modes_are_passed_on(begin, bulk, emulator):
    begin(resync_mode="refetch", fetch_mode="full", fail_on_partial=False).finish()
    [execution] = emulator.executions(bulk.id)
    assert (execution.request["resync_mode"], execution.request["fetch_mode"]) == ("refetch", "full")


def test_a_retry_syncs_only_what_failed_and_the_result_covers_all(begin, bulk, emulator):
    ti = begin(retry_failed_schemas=True, retries=2)
    with pytest.raises(PolytomicRunIncomplete):
        ti.finish()
    emulator.plan(bulk.id, schemas=MENDED)
    result = ti.retry().finish()
    assert started_schemas(emulator, bulk.id) == [None, ["company"]]
    assert result["outcome"] == "success"
    assert {row["schema"]: row["status"] for row in result["schemas"]} == {
        "contact": "completed",
        "company": "completed",
        "deal": "completed",
    }


def test_a_second_retry_still_knows_what_the_first_attempt_completed(begin, bulk, emulator):
    ti = begin(retry_failed_schemas=True, retries=3)
    with pytest.raises(PolytomicRunIncomplete):
        ti.finish()
    with pytest.raises(PolytomicRunFailed):
        ti.retry().finish()
    emulator.plan(bulk.id, schemas=MENDED)
    result = ti.retry().finish()
    assert started_schemas(emulator, bulk.id) == [None, ["company"], ["company"]]
    assert sorted(row["schema"] for row in result["schemas"]) == ["company", "contact", "deal"]


def test_a_retry_syncs_everything_where_that_is_not_asked_for(begin, bulk, emulator):
    ti = begin(retries=1)
    with pytest.raises(PolytomicRunIncomplete):
        ti.finish()
    emulator.plan(bulk.id, schemas=MENDED)
    ti.retry().finish()
    assert started_schemas(emulator, bulk.id) == [None, None]


def test_deactivating_cancels_the_running_execution(begin, bulk, emulator):
    ti = begin(wait_for_completion=False)
    ti.execute()
    emulator.activate(bulk.id, False)
    waiting = begin(if_running="join")
    with pytest.raises(PolytomicRunCanceled):
        waiting.finish()
    assert emulator.executions(bulk.id)[0].status == "canceled"


def test_what_was_completed_before_survives_a_lost_worker(begin, bulk, emulator, deferred, state_store):
    ti = begin(retry_failed_schemas=True, retries=3)
    if not ti.task.deferrable:
        pytest.skip("a lost worker is what a deferral that nobody resumes looks like")
    ti.context["task_state_store"] = state_store
    with pytest.raises(PolytomicRunIncomplete):
        ti.finish()
    emulator.plan(bulk.id, schemas=MENDED)
    with pytest.raises(deferred):
        ti.retry().execute()
    result = ti.retry().finish()
    assert started_schemas(emulator, bulk.id) == [None, ["company"]]
    assert sorted(row["schema"] for row in result["schemas"]) == ["company", "contact", "deal"]


def test_record_errors_count_in_a_partial_success_too(begin):
    with pytest.raises(PolytomicRunIncomplete, match="more than the 0"):
        begin(fail_on_partial=False, max_errors=0, schemas=["contact", "company"]).finish()
