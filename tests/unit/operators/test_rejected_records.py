"""Records that the target of a model sync rejects: a retry that would not send them again is no success."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic._compat import AirflowFailException
from airflow_provider_polytomic.exceptions import (
    PolytomicRecordsRejected,
    PolytomicRunFailed,
    PolytomicRunIncomplete,
)
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

pytestmark = pytest.mark.usefixtures("no_waiting")

REJECTED = {"counts": {"total": 100, "insert": 60, "error": 40}}
NOTHING_CHANGED = {"counts": {}}


@pytest.fixture
def sync(emulator):
    """A model sync whose first execution has 40 record errors, and whose next one finds nothing changed."""
    return emulator.add_model_sync(duration=60, next_executions=[REJECTED, NOTHING_CHANGED])


@pytest.fixture(params=[False, True], ids=["without_store", "with_store"])
def context(request, state_store):
    return {"task_state_store": state_store} if request.param else {}


@pytest.fixture
def build(sync, task_instance, deferrable, context):
    def build(**options):
        options = {"max_errors": 0, "retries": 2, "deferrable": deferrable, **options}
        return task_instance(PolytomicStartSyncOperator(task_id="sync", sync_id=sync.id, **options), **context)

    return build


def resyncs(emulator, sync):
    """Return for each execution whether it was started with resync."""
    return [execution.request.get("resync", False) for execution in emulator.executions(sync.id)]


def settings_read(emulator):
    return [one for one in emulator.requests if one.path.endswith("/error-handling")]


def test_the_failure_is_final_if_polytomic_does_not_send_the_records_again(build, emulator):
    emulator.set_switch("auto_retry_record_errors", "off")
    task = build()
    with pytest.raises(PolytomicRecordsRejected, match="40 record errors, more than max_errors=0") as raised:
        task.finish()
    assert isinstance(raised.value, AirflowFailException)
    assert isinstance(raised.value, PolytomicRunIncomplete)
    assert task.xcoms["return_value"]["counts"]["error"] == 40
    assert "the next execution does not send the rejected records again" in str(raised.value)
    assert "set retry_resync=True" in str(raised.value)
    assert "retry or clear" not in str(raised.value)
    assert len(settings_read(emulator)) == 1


def test_a_retry_follows_if_polytomic_sends_the_records_again(build, emulator, sync, logged):
    task = build()
    with pytest.raises(PolytomicRunIncomplete, match="the next execution sends the rejected records again") as raised:
        task.finish()
    assert not isinstance(raised.value, AirflowFailException)
    assert len(settings_read(emulator)) == 1
    assert task.retry().finish()["outcome"] == "success"
    assert resyncs(emulator, sync) == [False, False]
    assert "Could not read the error handling" not in logged()


@pytest.mark.parametrize("unknown", ["null", "absent", 403, 404, 503])
def test_a_setting_that_cannot_be_read_counts_as_on_with_a_warning(build, emulator, sync, unknown, logged):
    if isinstance(unknown, int):
        emulator.fault("status", status=unknown, count=None, path="/**/error-handling")
    else:
        emulator.set_switch("auto_retry_record_errors", unknown)
    task = build()
    with pytest.raises(PolytomicRunIncomplete) as raised:
        task.finish()
    assert not isinstance(raised.value, AirflowFailException)
    assert "the rejected records again" not in str(raised.value)
    assert "Could not read the error handling" in logged()
    assert task.retry().finish()["outcome"] == "success"
    assert resyncs(emulator, sync) == [False, False]


@pytest.mark.parametrize("setting", ["on", "off", "null"])
def test_a_retry_with_retry_resync_sends_all_records(build, emulator, sync, setting):
    emulator.set_switch("auto_retry_record_errors", setting)
    task = build(retry_resync=True)
    with pytest.raises(PolytomicRunIncomplete) as raised:
        task.finish()
    assert not isinstance(raised.value, AirflowFailException)
    assert task.retry().finish()["outcome"] == "success"
    assert resyncs(emulator, sync) == [False, True]


def test_a_retry_of_that_retry_finds_its_execution(build, emulator, sync):
    task = build(retry_resync="True")
    with pytest.raises(PolytomicRunIncomplete):
        task.finish()
    task.retry().finish()
    task.retry().finish()
    assert resyncs(emulator, sync) == [False, True]


def test_a_retry_for_another_reason_does_not_resync(build, emulator, sync):
    sync.next_plans[:] = [{"outcome": "failed", "counts": {}}, NOTHING_CHANGED]
    task = build(retry_resync=True)
    with pytest.raises(PolytomicRunFailed):
        task.finish()
    task.retry().finish()
    assert resyncs(emulator, sync) == [False, False]


@pytest.mark.parametrize("options", [{"max_errors": 40}, {"max_errors": None}])
def test_allowed_record_errors_request_no_setting(build, emulator, options):
    emulator.set_switch("auto_retry_record_errors", "off")
    assert build(**options).finish()["counts"]["error"] == 40
    assert settings_read(emulator) == []


def test_a_resync_and_a_sync_of_all_records_send_them_again(build, emulator, sync):
    emulator.set_switch("auto_retry_record_errors", "off")
    with pytest.raises(PolytomicRunIncomplete) as raised:
        build(resync=True).finish()
    assert not isinstance(raised.value, AirflowFailException)
    sync.next_plans[:] = [REJECTED]
    sync.attributes["sync_all_records"] = True
    with pytest.raises(PolytomicRunIncomplete, match="the next execution sends the rejected records again") as raised:
        build().finish()
    assert not isinstance(raised.value, AirflowFailException)


class TestLostWorker:
    """The execution has ended, and its worker was lost before it could fail the task."""

    @pytest.fixture
    def task(self, build, emulator, sync, deferrable, deferred):
        emulator.set_switch("auto_retry_record_errors", "off")
        sync.next_plans[:] = [{**REJECTED, "duration": float("inf")}, NOTHING_CHANGED]
        task = build(deferrable=True)
        with pytest.raises(deferred):
            task.execute()
        [execution] = emulator.executions(sync.id)
        emulator.finish(execution.id, "completed")
        task.task.deferrable = deferrable
        return task

    def test_its_retry_returns_the_final_failure_and_starts_nothing(self, task, emulator, sync):
        with pytest.raises(PolytomicRecordsRejected):
            task.retry().finish()
        assert resyncs(emulator, sync) == [False]

    def test_its_retry_starts_another_if_polytomic_sends_the_records_again(self, task, emulator, sync):
        emulator.set_switch("auto_retry_record_errors", "on")
        assert task.retry().finish()["outcome"] == "success"
        assert resyncs(emulator, sync) == [False, False]

    def test_its_retry_resyncs_with_retry_resync(self, task, emulator, sync):
        task.task.retry_resync = True
        assert task.retry().finish()["outcome"] == "success"
        assert resyncs(emulator, sync) == [False, True]


def test_a_failed_execution_says_whether_the_records_are_sent_again(build, emulator, sync):
    emulator.set_switch("auto_retry_record_errors", "off")
    sync.next_plans[:] = [{**REJECTED, "outcome": "failed"}]
    with pytest.raises(PolytomicRunFailed, match="the next execution does not send the rejected records again"):
        build().finish()
