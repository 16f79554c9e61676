"""Options of bulk syncs only: schemas, partial success, and a retry of the failed schemas."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.exceptions import (
    PolytomicRequestRefused,
    PolytomicRunFailed,
    PolytomicRunIncomplete,
)
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator

SCHEMAS = [
    {"id": "contact", "duration": 1, "records": 10},
    {"id": "company", "duration": 1, "records": 20, "outcome": "failed", "message": "column x is gone", "errors": 2},
    {"id": "deal", "duration": 1, "records": 30},
]
CORRECTED = [{**schema, "outcome": "completed"} for schema in SCHEMAS]

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def bulk(emulator):
    return emulator.add_bulk_sync(name="Warehouse", schemas=SCHEMAS)


@pytest.fixture(params=[False, True], ids=["worker", "deferred"])
def build(request, bulk, task_instance):
    """Return a function that builds a task instance with an operator for the bulk sync, in both modes."""

    def build(**options):
        operator = PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_id=bulk.id, deferrable=request.param, poll_interval=1, **options
        )
        return task_instance(operator)

    return build


def started_schemas(emulator, sync_id):
    return [execution.request.get("schemas") for execution in emulator.executions(sync_id)]


def test_unknown_schemas_are_refused_with_those_that_are_known(build, bulk, emulator):
    with pytest.raises(PolytomicRequestRefused, match="'lead'.*contact, company, deal"):
        build(schemas=["contact", "lead"]).finish()
    assert emulator.executions(bulk.id) == []


def test_only_the_chosen_schemas_are_synced(build, bulk, emulator):
    result = build(schemas=["contact", "deal"]).finish()
    assert result["outcome"] == "success"
    assert {row["schema"]: row["record_count"] for row in result["schemas"]} == {"contact": 10, "deal": 30}
    assert started_schemas(emulator, bulk.id) == [["contact", "deal"]]


def test_a_partial_success_fails_and_names_each_failed_schema(build):
    ti = build()
    with pytest.raises(PolytomicRunIncomplete, match="company failed: column x is gone"):
        ti.finish()
    assert ti.xcoms["return_value"]["outcome"] == "partial"


def test_a_partial_success_may_be_accepted_with_a_warning(build, caplog, capsys):
    result = build(fail_on_partial=False).finish()
    assert result["outcome"] == "partial"
    assert "company failed: column x is gone" in caplog.text + capsys.readouterr().out


def test_test_and_resync_mode_exclude_each_other(build, bulk, emulator):
    with pytest.raises(PolytomicRequestRefused, match="exclude each other"):
        build(test="true", resync_mode="rebuild").finish()
    assert emulator.executions(bulk.id) == []


def test_modes_are_in_the_request(build, bulk, emulator):
    build(resync_mode="refetch", fetch_mode="full", fail_on_partial=False).finish()
    [execution] = emulator.executions(bulk.id)
    assert (execution.request["resync_mode"], execution.request["fetch_mode"]) == ("refetch", "full")


def test_a_retry_syncs_only_failed_schemas_and_returns_all_schemas(build, bulk, emulator):
    ti = build(retry_failed_schemas=True, retries=2)
    with pytest.raises(PolytomicRunIncomplete):
        ti.finish()
    emulator.plan(bulk.id, schemas=CORRECTED)
    result = ti.retry().finish()
    assert started_schemas(emulator, bulk.id) == [None, ["company"]]
    assert result["outcome"] == "success"
    assert {row["schema"]: row["status"] for row in result["schemas"]} == {
        "contact": "completed",
        "company": "completed",
        "deal": "completed",
    }


def test_a_second_retry_returns_the_schemas_of_the_first_attempt_too(build, bulk, emulator):
    ti = build(retry_failed_schemas=True, retries=3)
    with pytest.raises(PolytomicRunIncomplete):
        ti.finish()
    with pytest.raises(PolytomicRunFailed):
        ti.retry().finish()
    emulator.plan(bulk.id, schemas=CORRECTED)
    result = ti.retry().finish()
    assert started_schemas(emulator, bulk.id) == [None, ["company"], ["company"]]
    assert sorted(row["schema"] for row in result["schemas"]) == ["company", "contact", "deal"]


def test_without_retry_failed_schemas_a_retry_syncs_all_schemas(build, bulk, emulator):
    ti = build(retries=1)
    with pytest.raises(PolytomicRunIncomplete):
        ti.finish()
    emulator.plan(bulk.id, schemas=CORRECTED)
    ti.retry().finish()
    assert started_schemas(emulator, bulk.id) == [None, None]


def test_deactivating_cancels_the_running_execution_and_another_task_waits_for_its_end(build, bulk, emulator):
    build(wait_for_completion=False).execute()
    emulator.activate(bulk.id, False)
    with pytest.raises(PolytomicRunIncomplete):
        build(if_running="join").finish()
    assert [execution.status for execution in emulator.executions(bulk.id)] == ["canceled", "errors"]


def test_schemas_completed_before_a_lost_worker_are_in_the_result(build, bulk, emulator, deferred, state_store):
    ti = build(retry_failed_schemas=True, retries=3)
    if not ti.task.deferrable:
        pytest.skip("a lost worker is simulated by a deferral that is not resumed")
    ti.context["task_state_store"] = state_store
    with pytest.raises(PolytomicRunIncomplete):
        ti.finish()
    emulator.plan(bulk.id, schemas=CORRECTED)
    with pytest.raises(deferred):
        ti.retry().execute()
    result = ti.retry().finish()
    assert started_schemas(emulator, bulk.id) == [None, ["company"]]
    assert sorted(row["schema"] for row in result["schemas"]) == ["company", "contact", "deal"]


def test_record_errors_count_in_a_partial_success_too(build):
    with pytest.raises(PolytomicRunIncomplete, match="more than max_errors=0 allows"):
        build(fail_on_partial=False, max_errors=0, schemas=["contact", "company"]).finish()


def test_the_advice_after_each_attempt_is_what_is_left_to_do(build):
    ti = build(retry_failed_schemas=True, retries=1)
    with pytest.raises(PolytomicRunIncomplete) as first:
        ti.finish()
    with pytest.raises(PolytomicRunFailed) as last:
        ti.retry().finish()
    assert "- wait for the next attempt, which syncs only the failed schemas; a clear syncs all schemas" in str(
        first.value
    )
    assert "- clear the task, which syncs all schemas, or start them in another task with schemas=['company']" in str(
        last.value
    )
    for raised in (first, last):
        assert "set retry_failed_schemas" not in str(raised.value)


def test_no_advice_is_to_set_what_is_set(build):
    with pytest.raises(PolytomicRunIncomplete) as raised:
        build(fail_on_partial=False, max_errors=0, schemas=["contact", "company"]).finish()
    assert "set fail_on_partial" not in str(raised.value)
