"""Syncs that are named by their names: resolved when the task runs, and the same sync until the task is cleared."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_polytomic._compat import AirflowSensorTimeout
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError, PolytomicUnavailable
from airflow_provider_polytomic.executions import sync_kind
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors import _status
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from tests.support.sync_kinds import Kind

NEVER = float("inf")
LIST = {"model": "/api/syncs", "bulk": "/api/bulk/syncs"}

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def named(kind) -> Kind:
    kind.by_name = True
    return kind


def lists(kind):
    """Count the requests that list the syncs."""
    return sum(one.path == LIST[kind.name] for one in kind.emulator.requests)


def gets(kind, sync_id):
    """Count the requests for a sync itself."""
    return sum(one.path == f"{LIST[kind.name]}/{sync_id}" for one in kind.emulator.requests)


def another_process(task, operator):
    """Let a task instance go on in a process that has its own operator."""
    task.task = task.context["task"] = operator
    return task


def swap_names(kind, first, second):
    """Rename two syncs, so that each has the name of the other."""
    syncs = {sync.id: sync for sync in kind.emulator.syncs}
    syncs[first].name, syncs[second].name = syncs[second].name, syncs[first].name


def test_the_name_is_found_on_any_page_and_is_in_the_result(named, task_instance, deferrable):
    sync_id = named.add(duration=60, name="Nightly")
    for _ in range(55):
        named.add(name="Nightly 2")
    result = task_instance(named.start(sync_id, deferrable=deferrable)).finish()
    assert (result["sync_id"], result["sync_name"]) == (sync_id, "Nightly")
    assert lists(named) == 2
    assert gets(named, sync_id) == 1


@pytest.mark.parametrize("make", ["start", "cancel", "sensor"])
def test_a_name_that_no_sync_has_is_refused_with_the_nearest_names(named, task_instance, make):
    for number in range(7):
        named.add(name=f"Nightly {number}")
    named.add(name="Something else")
    name = named.id_name[:-2] + "name"
    operator = getattr(named, f"{make}_class")(task_id="t", **{name: "nightly"})
    with pytest.raises(PolytomicRequestRefused, match="No (model|bulk) sync has the name 'nightly'") as raised:
        task_instance(operator).execute()
    assert str(raised.value).count("'Nightly ") == 5
    assert "Something" not in str(raised.value)
    assert named.starts == named.cancels == []


@pytest.mark.parametrize("make", ["start", "cancel", "sensor"])
def test_a_list_that_is_not_found_is_no_matter_of_an_id(named, task_instance, make):
    named.emulator.fault("status", status=404, count=None, method="GET", path=LIST[named.name])
    with pytest.raises(PolytomicRequestRefused, match="404.* Next: check the host of the Airflow connection"):
        task_instance(getattr(named, make)(named.add())).execute()


def test_a_name_of_several_syncs_is_refused_with_their_ids(named, task_instance):
    sync_ids = [named.add(name="Nightly") for _ in range(2)]
    with pytest.raises(PolytomicRequestRefused, match="2 (model|bulk) syncs have the name 'Nightly'") as raised:
        task_instance(named.start(sync_ids[0])).execute()
    assert all(sync_id in str(raised.value) for sync_id in sync_ids)
    assert named.starts == []


@pytest.mark.parametrize("values", [("a", "b"), (None, None)])
@pytest.mark.parametrize("make", ["start_class", "cancel_class", "sensor_class"])
def test_the_dag_file_gives_either_an_id_or_a_name(kind, make, values):
    names = kind.id_name, kind.id_name[:-2] + "name"
    with pytest.raises(ValueError, match="set exactly one of"):
        getattr(kind, make)(task_id="t", **dict(zip(names, values)))


@pytest.mark.parametrize(
    ("rendered", "message"),
    [(("", " "), "which is not an id"), (("a", "b"), "exclude each other"), ((None, "None"), "which is not a name")],
)
def test_templates_render_to_either_an_id_or_a_name(task_instance, emulator, rendered, message):
    operator = PolytomicStartSyncOperator(task_id="t", sync_id="{{ x }}", sync_name="{{ y }}")
    operator.sync_id, operator.sync_name = rendered
    with pytest.raises(PolytomicRequestRefused, match=message):
        task_instance(operator).execute()
    assert emulator.requests == []


def test_the_template_of_the_name_counts_where_that_of_the_id_renders_to_nothing(task_instance, emulator):
    sync = emulator.add_model_sync(name="Nightly", duration=0)
    operator = PolytomicStartSyncOperator(task_id="t", sync_id="{{ x }}", sync_name="{{ y }}")
    operator.sync_id, operator.sync_name = "", "Nightly"
    assert task_instance(operator).finish()["sync_id"] == sync.id


class TestRenamedSyncs:
    def test_a_retry_goes_on_with_the_sync_of_the_first_attempt(self, named, task_instance, deferred, state_store):
        first, second = named.add(duration=NEVER), named.add(duration=NEVER)
        options = {"deferrable": True, "retries": 1}
        retried = named.start(first, **options)
        task = task_instance(named.start(first, **options), task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        swap_names(named, first, second)
        with pytest.raises(deferred) as raised:
            another_process(task, retried).retry().execute()
        [execution] = named.emulator.executions(first)
        assert raised.value.trigger.execution_id == execution.id
        assert (lists(named), len(named.starts)) == (1, 1)
        assert named.emulator.executions(second) == []

    def test_a_retry_after_a_death_before_the_start_starts_the_same_sync(self, named, task_instance, state_store):
        first, second = named.add(duration=0), named.add(duration=0)
        operators = [named.start(first, retries=1) for _ in range(2)]
        task = task_instance(operators[0], task_state_store=state_store)
        fault = named.emulator.fault("reset", count=None, method="GET", path="/**/status")
        with pytest.raises(Exception, match="could not be started"):
            task.execute()
        named.emulator.clear_faults()
        assert fault.hits
        swap_names(named, first, second)
        assert another_process(task, operators[1]).retry().finish()["sync_id"] == first

    def test_a_deleted_sync_is_not_replaced_before_a_clear(self, named, task_instance, state_store):
        deleted = named.add(duration=0, name="Nightly")
        operators = [named.start(deleted, retries=1) for _ in range(3)]
        task = task_instance(operators[0], task_state_store=state_store)
        named.emulator.fault("reset", count=None, method="GET", path="/**/status")
        with pytest.raises(PolytomicUnavailable):
            task.execute()
        named.emulator.clear_faults()
        PolytomicHook().send(sync_kind(named.name).api.delete(deleted))
        created = named.add(duration=0, name="Nightly")
        with pytest.raises(PolytomicRequestRefused, match="404.* Next: clear the task, which then resolves the name"):
            another_process(task, operators[1]).retry().execute()
        assert named.emulator.executions(created) == []
        assert another_process(task, operators[2]).clear().finish()["sync_id"] == created

    def test_a_clear_resolves_the_name_again_and_cancels_what_was_running(
        self, named, task_instance, deferred, state_store
    ):
        first, second = named.add(duration=NEVER), named.add(duration=0)
        operators = [named.start(first, deferrable=True) for _ in range(2)]
        task = task_instance(operators[0], task_state_store=state_store)
        with pytest.raises(deferred):
            task.execute()
        swap_names(named, first, second)
        assert another_process(task, operators[1]).clear().finish()["sync_id"] == second
        assert [one.path.split("/executions/")[0] for one in named.cancels] == [f"{LIST[named.name]}/{first}"]

    def test_another_name_is_resolved(self, named, task_instance, state_store):
        first, second = named.add(duration=0), named.add(duration=0)
        task = task_instance(named.start(first, retries=1), task_state_store=state_store)
        assert task.finish()["sync_id"] == first
        assert another_process(task, named.start(second, retries=1)).retry().finish()["sync_id"] == second

    @pytest.mark.parametrize("make", ["start", "sensor"])
    def test_a_resumed_wait_does_not_resolve_again(self, named, task_instance, deferred, wait_for_event, make):
        first, second = named.add(duration=60), named.add(duration=60)
        execution = named.emulator.start(first) if make == "sensor" else None
        operators = [getattr(named, make)(first, deferrable=True) for _ in range(2)]
        task = task_instance(operators[0])
        with pytest.raises(deferred) as raised:
            task.execute()
        event = asyncio.run(wait_for_event(raised.value.trigger))
        swap_names(named, first, second)
        result = another_process(task, operators[1]).resume(event)
        assert result["sync_id"] == first
        assert execution is None or result["execution_id"] == execution.id
        assert lists(named) == 1

    @pytest.mark.parametrize("make", ["start", "sensor", "freshness"])
    @pytest.mark.parametrize(
        "event",
        [
            {"status": "deadline", "execution_id": "e", "ownership": "owned"},
            {"status": "unavailable", "execution_id": "e", "ownership": "owned"},
            {"status": "ended", "execution_id": "e", "execution": {"execution_id": "e"}},
        ],
        ids=lambda event: event["status"],
    )
    def test_an_event_without_the_sync_fails_the_task(self, named, task_instance, make, event):
        sync_id = named.add(name="Nightly")
        if make == "freshness":
            task = PolytomicFreshnessSensor(task_id="t", kind=named.name, sync_name="Nightly", max_age=600)
        else:
            task = getattr(named, make)(sync_id, deferrable=True)
        message = "message of the trigger|Unexpected trigger event"
        with pytest.raises(PolytomicTaskError, match=message) as raised:
            task_instance(task).resume({"message": "message of the trigger", **event})
        assert ("Unexpected" in str(raised.value)) == (make == "start" or event["status"] != "unavailable")
        assert named.emulator.requests == []

    def test_airflows_deferral_timeout_cancels_the_execution_of_the_first_sync(self, named, task_instance, deferred):
        first, second = named.add(duration=NEVER), named.add(duration=NEVER)
        operators = [named.start(first, deferrable=True) for _ in range(2)]
        task = task_instance(operators[0])
        with pytest.raises(deferred):
            task.execute()
        swap_names(named, first, second)
        with pytest.raises(Exception, match="canceled by this task"):
            operators[1].resume_execution(
                "__fail__", {"error": "Trigger timeout"}, another_process(task, operators[1]).context
            )
        assert [one.path.split("/executions/")[0] for one in named.cancels] == [f"{LIST[named.name]}/{first}"]

    def test_a_rescheduled_sensor_resolves_once(self, named, task_instance, state_store, monkeypatch):
        first, second = named.add(duration=NEVER), named.add(duration=NEVER)
        named.emulator.start(first)
        monkeypatch.setattr(_status, "first_poke_date", lambda context: None)
        sensors = [named.sensor(first, mode="reschedule") for _ in range(2)]
        task = task_instance(sensors[0], task_state_store=state_store)
        for sensor in sensors:
            assert not sensor.poke(another_process(task, sensor).context)
            swap_names(named, first, second)
        assert lists(named) == 1


class TestSensors:
    def test_a_failed_request_for_the_name_changes_nothing(self, named, task_instance):
        sync_id = named.add(duration=60)
        named.emulator.start(sync_id)
        named.emulator.fault("status", status=503, count=7, method="GET", path=LIST[named.name])
        assert task_instance(named.sensor(sync_id, deferrable=True)).finish()["sync_id"] == sync_id

    def test_freshness(self, named, task_instance, deferrable):
        sync_id = named.add(duration=0, name="Nightly")
        named.emulator.start(sync_id)
        sensor = PolytomicFreshnessSensor(
            task_id="t", kind=named.name, sync_name="Nightly", max_age=600, deferrable=deferrable,
            poke_interval=5, timeout=600,
        )  # fmt: skip
        result = task_instance(sensor).finish()
        assert (result["sync_id"], result["sync_name"]) == (sync_id, "Nightly")
        assert lists(named) == 1

    def test_a_name_that_is_never_resolved_is_in_the_message(self, named, task_instance, monkeypatch):
        named.emulator.fault("status", status=503, count=None, method="GET", path=LIST[named.name])
        sensor = PolytomicFreshnessSensor(
            task_id="t", kind=named.name, sync_name="Nightly", max_age=600, poke_interval=0.01, timeout=0.02
        )
        with pytest.raises(AirflowSensorTimeout, match="passed without a response about (Model|Bulk) sync 'Nightly'"):
            task_instance(sensor).finish()
