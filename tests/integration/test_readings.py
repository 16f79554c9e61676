"""Operators and sensors under each reading of what nobody knows of Polytomic, one switch of the emulator at a time.

Whatever Polytomic turns out to do: one execution, and its result or an error that says what is the matter.
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

OF_RUNS = {
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
"""What may concern a run, and the readings of each that are not the first one."""

OF_OTHERS = {
    "start_inactive": "test_the_start_of_a_sync_that_cannot_run",
    "start_broken": "test_the_start_of_a_sync_that_cannot_run",
    "default_active": "test_a_saved_sync_without_active",
    "model_test": "test_the_meaning_of_test",
    "cancel_idle": "test_a_cancel_that_comes_too_late",
    "retry_after": "test_a_rate_limit_is_waited_for",
    "deployment_key_forms": "test_the_forms_of_a_deployment_key",
    "batch_status_too_many": "test_many_bulk_syncs_are_waited_for_together",
    "no_body_status": "test_connections_as_code",
    "connection_status": "test_connections_as_code",
    "connection_failure": "test_a_connection_that_does_not_work",
    "connection_failure_status": "test_a_connection_that_does_not_work",
    "masked_secret": "test_connections_as_code",
    "schema_refresh_seconds": "test_a_refresh_of_schemas",
    "schema_refresh_lag": "test_a_refresh_of_schemas",
    "schema_refresh_ends": "test_a_refresh_of_schemas",
    "schema_refresh_finishes": "test_a_refresh_of_schemas",
}
"""What has a test of its own, here or in the module about connections."""

OF_NO_TASK = (
    *("idempotency_seconds", "proxy_body", "job_seconds"),
    *("signature_hash", "signature_encoding", "signature_prefix", "delivery_body", "delivery_backoff"),
)
"""What no operator and no sensor asks for; tests/unit/plugins has those of deliveries."""

READINGS = [(name, value) for name, values in OF_RUNS.items() for value in values]
OF_STARTS = [
    each
    for each in READINGS
    if each[0].startswith(
        (
            *("start", "record", "idempotency", "in_flight", "replay", "malformed"),
            *("no_exec", "status", "empty", "rate_limit", "page"),
        )
    )
]
OF_LOOKS = [
    each
    for each in READINGS
    if each[0].startswith(
        ("no_exec", "status", "empty", "list_order", "only_completed", "execution_type", "page", "event", "batch")
    )
]


def named(reading):
    return f"{reading[0]}={reading[1]}"


def test_every_switch_is_looked_at():
    assert sorted([*OF_RUNS, *OF_OTHERS, *OF_NO_TASK]) == sorted(each.name for each in fields(Behavior))
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_readings*.py"))
    assert [name for name in OF_OTHERS.values() if f"def {name}(" not in tests] == []


KINDS = {
    "model": (PolytomicStartSyncOperator, PolytomicCancelSyncOperator, PolytomicSyncStatusSensor, "sync_id"),
    "bulk": (PolytomicStartBulkSyncOperator, PolytomicCancelBulkSyncOperator, PolytomicBulkSyncStatusSensor,
             "bulk_sync_id"),
}  # fmt: skip


class World:
    """The emulator with syncs of one kind, and what runs, senses and cancels them in one mode."""

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
def world(emulator, kind, deferrable, task_instance):
    return World(emulator, kind, deferrable, task_instance)


@pytest.fixture
def reading(request, emulator):
    """Turn the switch that the test is given, and return it with its reading."""
    emulator.set_switch(*request.param)
    return request.param


def under(readings):
    return pytest.mark.parametrize("reading", readings, ids=map(named, readings), indirect=True)


@under(READINGS)
def test_from_start_to_result(world, reading):
    sync_id = world.add()
    world.assert_is_result(world.start(sync_id).finish(), sync_id)
    assert world.statuses(sync_id) == ["completed"]
    assert {request.version for request in world.emulator.requests} == {"2025-09-18"}


@under(OF_STARTS)
class TestStarts:
    """One start, however it goes, is one execution."""

    def test_an_answer_that_is_lost(self, world, reading):
        sync_id = world.add()
        world.emulator.fault("reset", when="after", method="POST", path="/api/**/executions")
        world.assert_is_result(world.start(sync_id).finish(), sync_id)
        assert world.statuses(sync_id) == ["completed"]

    def test_a_worker_that_is_lost(self, world, reading, deferred):
        sync_id = world.add()
        task = world.start(sync_id, deferrable=True)
        with pytest.raises(deferred):
            task.execute()
        task.task.deferrable = world.deferrable
        world.assert_is_result(task.retry().finish(), sync_id)
        assert world.statuses(sync_id) == ["completed"]

    def test_a_failure_and_a_retry(self, world, reading):
        sync_id = world.add(next_executions=[{"outcome": "failed"}])
        task = world.start(sync_id)
        with pytest.raises(PolytomicRunFailed):
            task.finish()
        assert world.statuses(sync_id) == ["failed"]
        world.assert_is_result(task.retry().finish(), sync_id)
        assert world.statuses(sync_id) == ["failed", "completed"]

    def test_an_execution_of_somebody_else(self, world, reading):
        sync_id = world.add()
        world.emulator.start(sync_id)
        world.assert_is_result(world.start(sync_id).finish(), sync_id)
        assert world.statuses(sync_id) == ["completed", "completed"]

    def test_a_server_that_breaks_within_the_start(self, world, reading):
        if reading[0] == "rate_limit":
            pytest.skip("which of the two refusals is the last one is up to chance")
        sync_id = world.add()
        world.emulator.fault("status", status=500, when="within", method="POST", path="/api/**/executions")
        world.assert_is_result(world.start(sync_id).finish(), sync_id)
        assert world.statuses(sync_id) == ["completed"]

    def test_a_start_that_comes_too_often(self, world, reading):
        sync_id = world.add()
        world.emulator.fault("status", status=429, when="within", method="POST", path="/api/**/executions")
        task = world.start(sync_id)
        if reading == ("record_rate_limits", True):
            with pytest.raises(PolytomicUnavailable, match="429"):
                task.finish()
            assert world.statuses(sync_id) == []
            task.retry()
        world.assert_is_result(task.finish(), sync_id)
        assert world.statuses(sync_id) == ["completed"]

    def test_a_run_that_takes_too_long(self, world, reading):
        sync_id = world.add(duration=NEVER)
        task = world.start(sync_id, timeout=0.01)
        with pytest.raises(PolytomicRunTimeout):
            task.finish()
        [execution] = world.emulator.executions(sync_id)
        assert (execution.status, task.xcoms["return_value"]["execution_id"]) == ("canceled", execution.id)


STATUSES = [
    ("completed", {}, None, None),
    ("failed", {"outcome": "failed"}, None, PolytomicRunFailed),
    ("canceled", {"outcome": "canceled"}, None, PolytomicRunCanceled),
    ("errors", {"outcome": "errors"}, None, PolytomicRunIncomplete),
    ("errors, to be resumed", {"outcome": "errors"}, ("errors", "resumes"), PolytomicRunIncomplete),
    ("interrupted", {"outcome": "interrupted"}, None, PolytomicRunFailed),
    ("interrupted, to be resumed", {"outcome": "interrupted"}, ("interrupted", "resumes"), None),
    ("an unknown word", {"statuses": [("created", 0), ("mulling_over", 5), ("running", 40)]}, None, None),
    ("waiting", {"statuses": [("queued", 0), ("waiting", 5), ("scheduled", 10), ("processing", 20)]}, None, None),
    ("a detour", {"statuses": [("running", 0), ("interrupted", 10), ("canceling", 20), ("running", 30)]}, None, None),
]


@pytest.mark.parametrize(
    ("plan", "switch", "error"), [each[1:] for each in STATUSES], ids=[each[0] for each in STATUSES]
)
class TestStatuses:
    """The words that an execution shows on its way and at its end."""

    def test_of_a_run(self, world, plan, switch, error):
        self.check(world, plan, switch, error, lambda sync_id: world.start(sync_id).finish())

    def test_of_an_execution_that_a_sensor_waits_for(self, world, plan, switch, error, monkeypatch):
        monkeypatch.setattr("time.sleep", world.emulator.clock.advance)

        def sense(sync_id):
            world.emulator.start(sync_id)
            return world.sensor(sync_id).finish()

        self.check(world, plan, switch, error, sense)

    @staticmethod
    def check(world, plan, switch, error, act):
        if switch:
            world.emulator.set_switch(*switch)
        sync_id = world.add(**plan)
        if error:
            with pytest.raises(error) as raised:
                act(sync_id)
            assert raised.value.result["execution_id"] == world.emulator.executions(sync_id)[0].id
        else:
            world.assert_is_result(act(sync_id), sync_id)
        assert len(world.statuses(sync_id)) == 1


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
    world = World(emulator, "model", deferrable, task_instance)
    emulator.set_switch("start_inactive" if "active" in attributes else "start_broken", answer)
    sync_id = world.add(**attributes)
    if error is None:
        world.assert_is_result(world.start(sync_id).finish(), sync_id)
        return
    with pytest.raises(error, match="not active" if "active" in attributes else "problems"):
        world.start(sync_id).finish()
    assert world.statuses(sync_id) == []


def test_an_inactive_bulk_sync_runs(emulator, task_instance, deferrable):
    world = World(emulator, "bulk", deferrable, task_instance)
    sync_id = world.add(active=False)
    world.assert_is_result(world.start(sync_id).finish(), sync_id)


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


@pytest.mark.parametrize(("reading", "total"), [("whole", 100), ("few", 5), ("nothing", 0)])
def test_the_meaning_of_test(emulator, task_instance, deferrable, reading, total):
    emulator.set_switch("model_test", reading)
    world = World(emulator, "model", deferrable, task_instance)
    result = world.start(world.add(), test=True).finish()
    assert (result["outcome"], result["counts"]["total"]) == ("success", total)


@pytest.mark.parametrize("answer", [200, 400, 404, 409, 422])
def test_a_cancel_that_comes_too_late(emulator, task_instance, kind, answer):
    emulator.set_switch("cancel_idle", answer)
    world = World(emulator, kind, False, task_instance)
    sync_id = world.add(duration=0)
    assert world.cancel(sync_id).finish() is None
    execution = emulator.start(sync_id)
    with PolytomicClient(emulator.api_key, base_url=emulator.url) as client:
        assert client.run(cancel(ExecutionRef(kind, sync_id, execution.id), timeout=1.0)) is (answer == 200)


@pytest.mark.parametrize("retry_after", ["seconds", "date", "absent"])
def test_a_rate_limit_is_waited_for(world, retry_after):
    world.emulator.set_switch("rate_limit", 2)
    world.emulator.set_switch("retry_after", retry_after)
    sync_id = world.add(duration=600)
    world.assert_is_result(world.start(sync_id).finish(), sync_id)
    assert world.statuses(sync_id) == ["completed"]


@pytest.mark.parametrize("answer", [400, 404, 414, "cut"])
@pytest.mark.parametrize("most", [1, 2])
def test_many_bulk_syncs_are_waited_for_together(emulator, task_instance, deferred, wait_for_event, answer, most):
    emulator.set_switch("batch_status_most_ids", most)
    emulator.set_switch("batch_status_too_many", answer)
    world = World(emulator, "bulk", True, task_instance)
    tasks = {sync_id: world.start(sync_id) for sync_id in [world.add(duration=30 * n) for n in (1, 2, 3, 4)]}
    triggers = []
    for task in tasks.values():
        with pytest.raises(deferred) as raised:
            task.execute()
        triggers.append(raised.value.trigger)

    async def together():
        return await asyncio.gather(*map(wait_for_event, triggers))

    for (sync_id, task), event in zip(tasks.items(), asyncio.run(together())):
        world.assert_is_result(task.resume(event), sync_id)
        assert world.statuses(sync_id) == ["completed"]


@under(OF_LOOKS)
def test_a_sensor_finds_what_runs_and_what_has_ended(world, reading, monkeypatch):
    monkeypatch.setattr("time.sleep", world.emulator.clock.advance)
    sync_id = world.add()
    world.emulator.start(sync_id)
    since = datetime.now(timezone.utc) - timedelta(hours=1)
    for _ in range(2):
        world.assert_is_result(world.sensor(sync_id, completed_after=since).finish(), sync_id)
    assert len(world.statuses(sync_id)) == 1


@under([("empty_list", "null"), ("page_size", 1), ("rate_limit", 1)])
@pytest.mark.parametrize("number", [0, 3])
def test_syncs_are_listed(emulator, kind, task_instance, reading, number):
    world = World(emulator, kind, False, task_instance)
    ids = [world.add() for _ in range(number)]
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
    told, message = PolytomicHook().test_connection()
    assert (told, emulator.deployment_key in message) == (False, False)
