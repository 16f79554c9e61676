"""Run operators and sensors under each behavior that Polytomic does not document, one behavior at a time.

Under each there is one execution, and its result or an error that names the problem.
"""

from __future__ import annotations

import asyncio
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_polytomic.api import PolytomicClient, syncs
from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.exceptions import (
    PolytomicRecordsRejected,
    PolytomicRequestRefused,
    PolytomicRunCanceled,
    PolytomicRunFailed,
    PolytomicRunIncomplete,
    PolytomicRunTimeout,
    PolytomicUnavailable,
)
from airflow_provider_polytomic.executions import ExecutionRef, cancel
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.listing import PolytomicListSyncsOperator
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

pytestmark = pytest.mark.usefixtures("no_waiting")

NEVER = float("inf")

EXECUTION_BEHAVIORS = {
    "start_while_running": ["queue"],
    "resync_dispositions": [{"refetch": "rebuild"}],
    "interrupted": ["resumes"],
    "errors": ["resumes"],
    "no_execution": ["null"],
    "status_lag": [600],
    "empty_list": ["null"],
    "list_order": ["reversed"],
    "only_completed": ["completed"],
    "execution_type": ["scheduled", "api", ""],
    "page_size": [1],
    "error_body": ["message", "empty"],
    "error_key": ["a.word"],
    "rate_limit": [3],
    "default_version": ["2021-05-23"],
    "idempotency_mismatch": ["refuse"],
    "in_flight": ["as_running"],
    "replay_header": ["Idempotent-Replayed"],
    "idempotency_scope": ["credential", "path"],
    "malformed_idempotency_key": [422, "accept"],
    "record_conflicts": [False],
    "record_rate_limits": [True],
    "record_unauthorized": [True],
    "record_client_errors": [False],
    "batch_status_unknown_id": ["refuse"],
    "batch_status_most_ids": [1],
    "console_level": ["TRACE"],
    "console_order": ["newest_first"],
    "console_end": ["absent", "null"],
    "event_order": ["oldest_first", "shuffled"],
    "event_paging": ["none"],
    "event_sync_name": ["name"],
    "events_lost": [["*"]],
    "events_repeated": [["*"]],
    "events_delayed": [{"*": 600}],
    "completed_beside_errors": [True],
}
"""Behaviors that concern executions, and their values beside the default."""

OTHER_BEHAVIORS = {
    "start_inactive": "test_the_start_of_a_sync_that_cannot_run",
    "start_broken": "test_the_start_of_a_sync_that_cannot_run",
    "default_active": "test_a_saved_sync_without_active",
    "model_test": "test_the_meaning_of_test",
    "auto_retry_record_errors": "test_rejected_records_that_are_sent_again_or_not",
    "cancel_idle": "test_a_cancel_that_comes_too_late",
    "retry_after": "test_a_rate_limit_is_waited_for",
    "deployment_key_forms": "test_the_forms_of_a_deployment_key",
    "batch_status_too_many": "test_waits_for_many_bulk_syncs",
    "no_body_status": "test_connections_as_code",
    "connection_status": "test_connections_as_code",
    "connection_failure": "test_a_connection_that_does_not_work",
    "connection_failure_status": "test_a_connection_that_does_not_work",
    "masked_secret": "test_connections_as_code",
    "schema_refresh_seconds": "test_a_refresh_of_schemas",
    "schema_refresh_lag": "test_a_refresh_of_schemas",
    "schema_refresh_ends": "test_a_refresh_of_schemas",
    "schema_refresh_finishes": "test_a_refresh_of_schemas",
    "schemas_while_refreshing": "test_a_bulk_start_during_a_refresh",
    "start_while_refreshing": "test_a_bulk_start_during_a_refresh",
}
"""Behaviors with a test of their own, here or in ``test_behaviors_of_connections``."""

UNUSED_BEHAVIORS = (
    *("idempotency_seconds", "proxy_body", "job_seconds"),
    *("signature_hash", "signature_encoding", "signature_prefix", "delivery_body", "delivery_backoff"),
)
"""Behaviors that no operator or sensor meets; tests/unit/plugins has those of deliveries."""

VARIANTS = [(name, value) for name, values in EXECUTION_BEHAVIORS.items() for value in values]
START_VARIANTS = [
    each
    for each in VARIANTS
    if each[0].startswith(
        (
            *("start", "record", "idempotency", "in_flight", "replay", "malformed"),
            *("no_exec", "status", "empty", "rate_limit", "page"),
        )
    )
]
POLL_VARIANTS = [
    each
    for each in VARIANTS
    if each[0].startswith(
        ("no_exec", "status", "empty", "list_order", "only_completed", "execution_type", "page", "event", "batch")
    )
]


def variant_id(variant):
    return f"{variant[0]}={variant[1]}"


def test_every_behavior_has_a_test():
    assert sorted([*EXECUTION_BEHAVIORS, *OTHER_BEHAVIORS, *UNUSED_BEHAVIORS]) == sorted(
        each.name for each in fields(Behavior)
    )
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_behaviors*.py"))
    assert [name for name in OTHER_BEHAVIORS.values() if f"def {name}(" not in tests] == []


KINDS = {
    "model": (PolytomicStartSyncOperator, PolytomicCancelSyncOperator, PolytomicSyncStatusSensor, "sync_id"),
    "bulk": (PolytomicStartBulkSyncOperator, PolytomicCancelBulkSyncOperator, PolytomicBulkSyncStatusSensor,
             "bulk_sync_id"),
}  # fmt: skip


class Scenario:
    """The emulator with syncs of one kind, and the operators and sensors for them in one mode."""

    def __init__(self, emulator, kind, deferrable, task_instance):
        self.emulator, self.kind, self.deferrable = emulator, kind, deferrable
        self.starter, self.canceler, self.sensor_class, self.id_name = KINDS[kind]
        self.task_instance = task_instance

    def add(self, **plan):
        plan = {"duration": 60, **plan}
        if self.kind == "model":
            return self.emulator.add_model_sync(**plan).id
        return self.emulator.add_bulk_sync(**{"schemas": [{"id": "contact"}, {"id": "account"}], **plan}).id

    def start(self, sync_id, **options):
        options = {"poll_interval": 7, "retries": 3, "deferrable": self.deferrable, **options}
        return self.task_instance(self.starter(task_id="start", **{self.id_name: sync_id}, **options))

    def sensor(self, sync_id, **options):
        options = {"poke_interval": 7, "timeout": 900, "deferrable": self.deferrable, **options}
        return self.task_instance(self.sensor_class(task_id="sense", **{self.id_name: sync_id}, **options))

    def cancel(self, sync_id, **options):
        return self.task_instance(self.canceler(task_id="cancel", **{self.id_name: sync_id}, **options))

    def statuses(self, sync_id):
        return [execution.status for execution in self.emulator.executions(sync_id)]

    def assert_is_result(self, result, sync_id):
        """Check that a result is that of the last execution."""
        last = self.emulator.executions(sync_id)[-1]
        assert (result["kind"], result["sync_id"], result["execution_id"]) == (self.kind, sync_id, last.id)
        assert (result["status"], result["outcome"]) == ("completed", "success")
        assert result["counts"]["total"] > 0


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["worker", "deferrable"])
def deferrable(request):
    return request.param


@pytest.fixture
def scenario(emulator, kind, deferrable, task_instance):
    return Scenario(emulator, kind, deferrable, task_instance)


@pytest.fixture
def variant(request, emulator):
    """Set a behavior of the emulator, and return its name and value."""
    emulator.set_switch(*request.param)
    return request.param


def with_variants(variants):
    return pytest.mark.parametrize("variant", variants, ids=map(variant_id, variants), indirect=True)


@with_variants(VARIANTS)
def test_from_start_to_result(scenario, variant):
    sync_id = scenario.add()
    scenario.assert_is_result(scenario.start(sync_id).finish(), sync_id)
    assert scenario.statuses(sync_id) == ["completed"]
    assert {request.version for request in scenario.emulator.requests} == {"2025-09-18"}


@with_variants(START_VARIANTS)
class TestStarts:
    """A start is one execution, whatever happens."""

    def test_an_answer_that_is_lost(self, scenario, variant):
        sync_id = scenario.add()
        scenario.emulator.fault("reset", when="after", method="POST", path="/api/**/executions")
        scenario.assert_is_result(scenario.start(sync_id).finish(), sync_id)
        assert scenario.statuses(sync_id) == ["completed"]

    def test_a_worker_that_is_lost(self, scenario, variant, deferred):
        sync_id = scenario.add()
        task = scenario.start(sync_id, deferrable=True)
        with pytest.raises(deferred):
            task.execute()
        task.task.deferrable = scenario.deferrable
        scenario.assert_is_result(task.retry().finish(), sync_id)
        assert scenario.statuses(sync_id) == ["completed"]

    def test_a_failure_and_a_retry(self, scenario, variant):
        sync_id = scenario.add(next_executions=[{"outcome": "failed"}])
        task = scenario.start(sync_id)
        with pytest.raises(PolytomicRunFailed):
            task.finish()
        assert scenario.statuses(sync_id) == ["failed"]
        scenario.assert_is_result(task.retry().finish(), sync_id)
        assert scenario.statuses(sync_id) == ["failed", "completed"]

    def test_an_execution_of_another_party(self, scenario, variant):
        sync_id = scenario.add()
        scenario.emulator.start(sync_id)
        scenario.assert_is_result(scenario.start(sync_id).finish(), sync_id)
        assert scenario.statuses(sync_id) == ["completed", "completed"]

    def test_a_server_that_breaks_within_the_start(self, scenario, variant):
        if variant[0] == "rate_limit":
            pytest.skip("which of the two refusals is the last one is up to chance")
        sync_id = scenario.add()
        scenario.emulator.fault("status", status=500, when="within", method="POST", path="/api/**/executions")
        scenario.assert_is_result(scenario.start(sync_id).finish(), sync_id)
        assert scenario.statuses(sync_id) == ["completed"]

    def test_a_start_that_comes_too_often(self, scenario, variant):
        sync_id = scenario.add()
        scenario.emulator.fault("status", status=429, when="within", method="POST", path="/api/**/executions")
        task = scenario.start(sync_id)
        if variant == ("record_rate_limits", True):
            with pytest.raises(PolytomicUnavailable, match="429"):
                task.finish()
            assert scenario.statuses(sync_id) == []
            task.retry()
        scenario.assert_is_result(task.finish(), sync_id)
        assert scenario.statuses(sync_id) == ["completed"]

    def test_an_execution_that_takes_too_long(self, scenario, variant):
        sync_id = scenario.add(duration=NEVER)
        task = scenario.start(sync_id, timeout=0.01)
        with pytest.raises(PolytomicRunTimeout):
            task.finish()
        [execution] = scenario.emulator.executions(sync_id)
        assert (execution.status, task.xcoms["return_value"]["execution_id"]) == ("canceled", execution.id)


STATUSES = [
    ("completed", {}, None, None),
    ("failed", {"outcome": "failed"}, None, PolytomicRunFailed),
    ("canceled", {"outcome": "canceled"}, None, PolytomicRunCanceled),
    ("errors", {"outcome": "errors"}, None, PolytomicRunIncomplete),
    ("errors, to be resumed", {"outcome": "errors"}, ("errors", "resumes"), PolytomicRunIncomplete),
    ("interrupted", {"outcome": "interrupted"}, None, PolytomicRunFailed),
    ("interrupted, to be resumed", {"outcome": "interrupted"}, ("interrupted", "resumes"), None),
    (
        "an unknown word",
        {"statuses": [("created", 0), ("mulling_over", 5), ("running", 40)], "unknown_statuses": ["mulling_over"]},
        None,
        None,
    ),
    ("waiting", {"statuses": [("queued", 0), ("waiting", 5), ("scheduled", 10), ("processing", 20)]}, None, None),
    ("a detour", {"statuses": [("running", 0), ("interrupted", 10), ("canceling", 20), ("running", 30)]}, None, None),
]


@pytest.mark.parametrize(
    ("plan", "behavior", "error"), [each[1:] for each in STATUSES], ids=[each[0] for each in STATUSES]
)
class TestStatuses:
    """Statuses of an execution while it runs and at its end."""

    def test_of_an_operator(self, scenario, plan, behavior, error):
        self.check(scenario, plan, behavior, error, lambda sync_id: scenario.start(sync_id).finish())

    def test_of_a_sensor(self, scenario, plan, behavior, error, monkeypatch):
        monkeypatch.setattr("time.sleep", scenario.emulator.clock.advance)

        def sense(sync_id):
            scenario.emulator.start(sync_id)
            return scenario.sensor(sync_id).finish()

        self.check(scenario, plan, behavior, error, sense)

    @staticmethod
    def check(scenario, plan, behavior, error, act):
        if behavior:
            scenario.emulator.set_switch(*behavior)
        sync_id = scenario.add(**plan)
        if error:
            with pytest.raises(error) as raised:
                act(sync_id)
            assert raised.value.result["execution_id"] == scenario.emulator.executions(sync_id)[0].id
        else:
            scenario.assert_is_result(act(sync_id), sync_id)
        assert len(scenario.statuses(sync_id)) == 1


@pytest.mark.parametrize("attributes", [{"active": False}, {"problems": [{"code": "x", "message": "no such field"}]}])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (400, PolytomicRequestRefused),
        (403, PolytomicRequestRefused),
        (409, PolytomicUnavailable),
        (422, PolytomicRequestRefused),
        ("accept", None),
    ],
)
def test_the_start_of_a_sync_that_cannot_run(emulator, task_instance, deferrable, attributes, answer, error):
    scenario = Scenario(emulator, "model", deferrable, task_instance)
    emulator.set_switch("start_inactive" if "active" in attributes else "start_broken", answer)
    sync_id = scenario.add(**attributes)
    if error is None:
        scenario.assert_is_result(scenario.start(sync_id).finish(), sync_id)
        return
    with pytest.raises(error, match="not active" if "active" in attributes else "problems"):
        scenario.start(sync_id).finish()
    assert scenario.statuses(sync_id) == []


def test_an_inactive_bulk_sync_runs(emulator, task_instance, deferrable):
    scenario = Scenario(emulator, "bulk", deferrable, task_instance)
    sync_id = scenario.add(active=False)
    scenario.assert_is_result(scenario.start(sync_id).finish(), sync_id)


@pytest.mark.parametrize("active", [True, False])
def test_a_saved_sync_without_active(emulator, task_instance, active):
    emulator.set_switch("default_active", active)
    target = emulator.add_connection(name="CRM", type="salesforce")
    with PolytomicClient(emulator.api_key, base_url=emulator.url) as client:
        made = client.send(
            syncs.create(
                name="n",
                mode="create",
                fields=[],
                schedule={"frequency": "manual"},
                target={"connection_id": target.id},
            )
        )
    [listed] = task_instance(PolytomicListSyncsOperator(task_id="list")).finish()
    assert (listed["sync_id"], listed["active"]) == (made.id, active)


@pytest.mark.parametrize(("variant", "total"), [("whole", 100), ("few", 5), ("nothing", 0)])
def test_the_meaning_of_test(emulator, task_instance, deferrable, variant, total):
    emulator.set_switch("model_test", variant)
    scenario = Scenario(emulator, "model", deferrable, task_instance)
    result = scenario.start(scenario.add(), test=True).finish()
    assert (result["outcome"], result["counts"]["total"]) == ("success", total)


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("on", PolytomicRunIncomplete),
        ("off", PolytomicRecordsRejected),
        ("null", PolytomicRunIncomplete),
        ("absent", PolytomicRunIncomplete),
    ],
)
def test_rejected_records_that_are_sent_again_or_not(emulator, task_instance, deferrable, setting, error):
    emulator.set_switch("auto_retry_record_errors", setting)
    scenario = Scenario(emulator, "model", deferrable, task_instance)
    with pytest.raises(PolytomicRunIncomplete) as raised:
        scenario.start(scenario.add(counts={"total": 10, "error": 4}), max_errors=0).finish()
    assert type(raised.value) is error


@pytest.mark.parametrize("answer", [200, 400, 404, 409, 422])
def test_a_cancel_that_comes_too_late(emulator, task_instance, kind, answer):
    emulator.set_switch("cancel_idle", answer)
    scenario = Scenario(emulator, kind, False, task_instance)
    sync_id = scenario.add(duration=0)
    assert scenario.cancel(sync_id).finish() is None
    execution = emulator.start(sync_id)
    with PolytomicClient(emulator.api_key, base_url=emulator.url) as client:
        assert client.run(cancel(ExecutionRef(kind, sync_id, execution.id), timeout=1.0)) is (answer == 200)


@pytest.mark.parametrize("retry_after", ["seconds", "date", "absent"])
def test_a_rate_limit_is_waited_for(scenario, retry_after):
    scenario.emulator.set_switch("rate_limit", 2)
    scenario.emulator.set_switch("retry_after", retry_after)
    sync_id = scenario.add(duration=600)
    scenario.assert_is_result(scenario.start(sync_id).finish(), sync_id)
    assert scenario.statuses(sync_id) == ["completed"]


@pytest.mark.parametrize("answer", [400, 404, 414, "cut"])
@pytest.mark.parametrize("most", [1, 2])
def test_waits_for_many_bulk_syncs(emulator, task_instance, deferred, wait_for_event, answer, most):
    emulator.set_switch("batch_status_most_ids", most)
    emulator.set_switch("batch_status_too_many", answer)
    scenario = Scenario(emulator, "bulk", True, task_instance)
    tasks = {sync_id: scenario.start(sync_id) for sync_id in [scenario.add(duration=30 * n) for n in (1, 2, 3, 4)]}
    triggers = []
    for task in tasks.values():
        with pytest.raises(deferred) as raised:
            task.execute()
        triggers.append(raised.value.trigger)

    async def together():
        return await asyncio.gather(*map(wait_for_event, triggers))

    for (sync_id, task), event in zip(tasks.items(), asyncio.run(together())):
        scenario.assert_is_result(task.resume(event), sync_id)
        assert scenario.statuses(sync_id) == ["completed"]


@with_variants(POLL_VARIANTS)
def test_a_sensor_finds_running_and_ended_executions(scenario, variant, monkeypatch):
    monkeypatch.setattr("time.sleep", scenario.emulator.clock.advance)
    sync_id = scenario.add()
    scenario.emulator.start(sync_id)
    since = datetime.now(timezone.utc) - timedelta(hours=1)
    for _ in range(2):
        scenario.assert_is_result(scenario.sensor(sync_id, completed_after=since).finish(), sync_id)
    assert len(scenario.statuses(sync_id)) == 1


@with_variants([("empty_list", "null"), ("page_size", 1), ("rate_limit", 1)])
@pytest.mark.parametrize("number", [0, 3])
def test_syncs_are_listed(emulator, kind, task_instance, variant, number):
    scenario = Scenario(emulator, kind, False, task_instance)
    ids = [scenario.add() for _ in range(number)]
    listed = task_instance(PolytomicListSyncsOperator(task_id="list", kind=kind)).finish()
    assert sorted(each["sync_id"] for each in listed) == sorted(ids)


@pytest.mark.parametrize(("form", "with_login"), [("bearer", False), ("basic_organization", True)])
def test_the_forms_of_a_deployment_key(emulator, monkeypatch, form, with_login):
    monkeypatch.setenv(
        "AIRFLOW_CONN_POLYTOMIC_DEFAULT",
        emulator.airflow_connection.replace(emulator.api_key, emulator.deployment_key).replace(
            '"host"', f'"login": "{emulator.organization_id}", "host"' if with_login else '"host"'
        ),
    )
    emulator.set_switch("deployment_key_forms", [form])
    assert PolytomicHook().test_connection()[0] is True
    emulator.set_switch("deployment_key_forms", ["basic_key"])
    ok, message = PolytomicHook().test_connection()
    assert (ok, emulator.deployment_key in message) == (False, False)
