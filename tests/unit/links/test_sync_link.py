"""The link from a task to its sync: pushed to XCom as soon as the execution is known, and read from there."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_polytomic._task.link import MAX_XCOM_KEY_LENGTH, read_sync_xcom_key, sync_xcoms
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicRunFailed
from airflow_provider_polytomic.executions import ExecutionRef
from airflow_provider_polytomic.links import syncs as links
from airflow_provider_polytomic.links.syncs import LINK_XCOM_KEY, PolytomicSyncLink
from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator
from airflow_provider_polytomic.provider_info import get_provider_info
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

LINKED = {
    PolytomicStartSyncOperator: "sync_id",
    PolytomicStartBulkSyncOperator: "bulk_sync_id",
    PolytomicCancelSyncOperator: "sync_id",
    PolytomicCancelBulkSyncOperator: "bulk_sync_id",
    PolytomicSyncStatusSensor: "sync_id",
    PolytomicBulkSyncStatusSensor: "bulk_sync_id",
    PolytomicWaitForSyncsSensor: "runs",
}


@pytest.fixture
def connect(emulator, monkeypatch):
    def define(**extra: Any) -> None:
        connection = {
            "conn_type": "polytomic", "host": f"{emulator.url}", "password": emulator.api_key, "extra": extra,
        }  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))

    define(
        link_template="{base_url}/org/{organization_id}/syncs/{sync_id}?run={execution_id}",
        bulk_link_template="{base_url}/bulk/{sync_id}",
    )
    return define


def url_of(emulator: Any, kind: str, sync_id: str, execution_id: str) -> str:
    if kind == "bulk":
        return f"{emulator.url}/bulk/{sync_id}"
    return f"{emulator.url}/org/{emulator.organization_id}/syncs/{sync_id}?run={execution_id}"


@pytest.fixture(params=[PolytomicStartSyncOperator, PolytomicStartBulkSyncOperator])
def operator(request, emulator):
    """Return a function that creates an operator whose sync takes a minute."""

    def make(**options: Any) -> Any:
        plan = {key: options.pop(key) for key in ("outcome",) if key in options}
        if request.param.kind == "model":
            sync = emulator.add_model_sync(duration=60, **plan)
        else:
            sync = emulator.add_bulk_sync(schemas=[{"id": "contact"}], duration=60, **plan)
        return request.param(task_id="sync", **{LINKED[request.param]: sync.id}, **options)

    return make


def test_a_deferred_task_has_the_link(connect, emulator, operator, task_instance, deferred):
    task = task_instance(operator(deferrable=True))
    with pytest.raises(deferred) as raised:
        task.execute()
    run = raised.value.trigger
    assert task.xcoms[LINK_XCOM_KEY] == url_of(emulator, run.kind, run.sync_id, run.execution_id)
    assert emulator.url not in json.dumps(run.serialize())


def test_a_waiting_worker_has_pushed_the_link(connect, operator, task_instance, monkeypatch):
    class Waiting(Exception):
        pass

    def sleep(self: Any, seconds: float) -> None:
        raise Waiting

    task = task_instance(operator())
    monkeypatch.setattr(type(task.task), "_sleep", sleep)
    with pytest.raises(Waiting):
        task.execute()
    assert task.xcoms[LINK_XCOM_KEY]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_the_result_and_the_failure_report_have_the_url(connect, emulator, operator, task_instance, deferrable):
    result = task_instance(operator(deferrable=deferrable)).finish()
    assert result["url"] == url_of(emulator, result["kind"], result["sync_id"], result["execution_id"])
    task = task_instance(operator(deferrable=deferrable, outcome="failed"))
    with pytest.raises(PolytomicRunFailed) as raised:
        task.finish()
    assert task.xcoms["return_value"]["url"] == raised.value.result["url"] == task.xcoms[LINK_XCOM_KEY]
    assert f"\n  {raised.value.result['url']}\n" in str(raised.value)


def test_a_task_that_does_not_wait_has_the_url(connect, emulator, operator, task_instance):
    result = task_instance(operator(wait_for_completion=False)).execute()
    assert result["url"] == url_of(emulator, result["kind"], result["sync_id"], result["execution_id"])


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
@pytest.mark.parametrize("sensor", [PolytomicSyncStatusSensor, PolytomicBulkSyncStatusSensor])
def test_a_sensor_pushes_the_link_at_its_first_poke(
    connect, emulator, task_instance, no_waiting, deferred, sensor, deferrable
):
    kind = "bulk" if sensor is PolytomicBulkSyncStatusSensor else "model"
    sync = getattr(emulator, f"add_{kind}_sync")(duration=600)
    execution = emulator.start(sync.id)
    task = task_instance(sensor(task_id="wait", **{LINKED[sensor]: sync.id}, deferrable=deferrable))
    if deferrable:
        with pytest.raises(deferred):
            task.execute()
    else:
        assert task.task.poke(task.context) is False
    assert task.xcoms[LINK_XCOM_KEY] == url_of(emulator, kind, sync.id, execution.id)
    emulator.finish(execution.id)
    if not deferrable:
        assert task.task.poke(task.context).xcom_value["url"] == task.xcoms[LINK_XCOM_KEY]


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_a_sensor_of_many_links_the_first_execution_and_then_the_first_failed_one(
    connect, emulator, task_instance, no_waiting, deferrable
):
    runs = []
    for outcome in ("completed", "completed", "failed"):
        sync = emulator.add_model_sync(duration=20, outcome=outcome)
        runs.append({"kind": "model", "sync_id": sync.id, "execution_id": emulator.start(sync.id).id})
    emulator.clock.advance(20)
    task = task_instance(PolytomicWaitForSyncsSensor(task_id="wait", runs=runs, deferrable=deferrable, poke_interval=5))
    with pytest.raises(PolytomicRunFailed):
        task.finish()
    urls = [value for key, value in task.xcom_history if key == LINK_XCOM_KEY]
    assert urls == [url_of(emulator, **run) for run in (runs[0], runs[2])]


@pytest.mark.parametrize(
    ("task_class", "action"),
    [
        (PolytomicStartSyncOperator, "started"),
        (PolytomicStartBulkSyncOperator, "started"),
        (PolytomicCancelSyncOperator, "canceled"),
        (PolytomicCancelBulkSyncOperator, "canceled"),
        (PolytomicSyncStatusSensor, "waited for"),
        (PolytomicBulkSyncStatusSensor, "waited for"),
    ],
)
def test_a_task_names_its_sync_and_what_it_does_in_the_key_of_an_xcom(
    emulator, connect, task_instance, no_waiting, task_class, action
):
    kind = "bulk" if "Bulk" in task_class.__name__ else "model"
    sync = getattr(emulator, f"add_{kind}_sync")()
    if action != "started":
        emulator.start(sync.id)
    task = task_instance(task_class(task_id="task", **{LINKED[task_class]: sync.id}))
    if action == "waited for":
        task.task.poke(task.context)
    else:
        task.finish()
    [execution] = emulator.executions(sync.id)
    assert task.xcoms[f"polytomic_sync.{action}.{kind}:{sync.id}"] == {f"{kind}:{sync.id}": execution.id}


def test_a_sensor_for_many_executions_names_their_syncs_in_few_keys(emulator, connect, task_instance):
    syncs = [emulator.add_model_sync(duration=math.inf) for _ in range(25)]
    runs = [{"kind": "model", "sync_id": sync.id, "execution_id": emulator.start(sync.id).id} for sync in syncs]
    task = task_instance(PolytomicWaitForSyncsSensor(task_id="wait", runs=runs))
    assert not task.task.poke(task.context)
    keys = [key for key in task.xcoms if key.startswith("polytomic_sync.")]
    assert max(map(len, keys)) <= MAX_XCOM_KEY_LENGTH
    assert len(keys) == 3
    read = [read_sync_xcom_key(key) for key in keys]
    assert {action for action, _ in read} == {"waited for"}
    assert [name for _, names in read for name in names] == [f"model:{sync.id}" for sync in syncs]
    assert task.xcoms[keys[0]][f"model:{syncs[0].id}"] == runs[0]["execution_id"]


def test_any_id_fits_in_the_key_of_an_xcom():
    targets = [ExecutionRef("bulk", "a,b:c%2C é", "e1"), ExecutionRef("model", "x", "e2")]
    [key] = sync_xcoms("started", targets)
    assert read_sync_xcom_key(key) == ("started", ["bulk:a,b:c%2C é", "model:x"])


def test_a_cancel_operator_has_the_url(connect, emulator, task_instance, no_waiting):
    sync = emulator.add_bulk_sync(duration=600)
    execution = emulator.start(sync.id)
    cancel = PolytomicCancelBulkSyncOperator(task_id="cancel", bulk_sync_id=sync.id, wait_for_completion=False)
    assert task_instance(cancel).execute()["url"] == url_of(emulator, "bulk", sync.id, execution.id)


def test_a_cancel_operator_pushes_the_link_before_its_request(connect, emulator, task_instance):
    sync = emulator.add_model_sync(duration=600)
    execution = emulator.start(sync.id)
    emulator.fault("status", status=403, method="POST", path="/**/cancel", count=None)
    task = task_instance(PolytomicCancelSyncOperator(task_id="cancel", sync_id=sync.id))
    with pytest.raises(PolytomicRequestRefused):
        task.execute()
    assert task.xcoms[LINK_XCOM_KEY] == url_of(emulator, "model", sync.id, execution.id)


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_a_freshness_sensor_links_the_sync(connect, emulator, task_instance, deferred, deferrable):
    connect(link_template="{base_url}/syncs/{sync_id}")
    sync = emulator.add_model_sync()
    task = task_instance(PolytomicFreshnessSensor(task_id="wait", sync_id=sync.id, max_age=60, deferrable=deferrable))
    if deferrable:
        with pytest.raises(deferred):
            task.execute()
    else:
        assert [task.task.poke(task.context) for _ in range(2)] == [False, False]
    urls = [value for key, value in task.xcom_history if key == LINK_XCOM_KEY]
    assert urls == [f"{emulator.url}/syncs/{sync.id}"]


def test_the_report_about_another_execution_has_its_url(connect, emulator, operator, task_instance):
    task = task_instance(operator(if_running="fail"))
    other = emulator.start(emulator.syncs[0].id)
    with pytest.raises(PolytomicRunFailed) as raised:
        task.execute()
    assert f"\n  {url_of(emulator, raised.value.result['kind'], other.sync_id, other.id)}\n" in str(raised.value)


def test_without_a_template_there_is_no_link_and_no_request(connect, emulator, operator, task_instance):
    connect()
    task = task_instance(operator(wait_for_completion=False))
    assert task.execute()["url"] is None
    assert task.xcoms[LINK_XCOM_KEY] == ""
    assert "/api/me" not in [one.path for one in emulator.requests]


def test_an_unknown_organization_fails_no_task(connect, emulator, task_instance, operator):
    emulator.fault("status", status=403, count=None, path="/api/me")
    task = task_instance(operator(wait_for_completion=False))
    result = task.execute()
    assert result["url"] is None or result["kind"] == "bulk"


@pytest.mark.parametrize("template", ["javascript:alert(1)", "{base_url}/{api_key}", "{base_url}/{sync_id.__class__}"])
def test_an_invalid_template_fails_the_task(connect, operator, task_instance, template):
    connect(link_template=template)
    with pytest.raises(PolytomicRequestRefused, match="'link_template' is not an http or https address"):
        task_instance(operator()).execute()


@pytest.mark.parametrize(("value", "url"), [("https://x.test/s", "https://x.test/s"), (None, ""), ("", "")])
def test_the_link_is_the_xcom(monkeypatch, value, url):
    monkeypatch.setattr(links, "xcom_value", lambda ti_key, key: value if (ti_key, key) == ("ti", LINK_XCOM_KEY) else 0)
    link = PolytomicSyncLink()
    assert (link.xcom_key, link.get_link(None, ti_key="ti")) == (LINK_XCOM_KEY, url)


def test_a_worker_reads_no_xcom_that_may_not_exist(monkeypatch, operator):
    monkeypatch.setattr(links, "xcom_value", lambda ti_key, key: pytest.fail("an XCom was read"))
    assert PolytomicSyncLink().get_link(operator(), ti_key="ti") == ""


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_the_name_of_the_sync_is_in_the_result_after_one_request(
    connect, emulator, operator, task_instance, no_waiting, deferrable
):
    connect()
    task = task_instance(operator(deferrable=deferrable))
    result = task.finish()
    [sync] = emulator.syncs
    assert result["sync_name"] == task.context["sync_name"] == sync.name
    assert len([one for one in emulator.requests if one.path.endswith(f"/syncs/{sync.id}")]) == 1


def test_a_name_that_polytomic_does_not_tell_is_none(connect, emulator, operator, task_instance):
    connect()
    emulator.fault("status", status=500, count=None, method="GET", path="/**/syncs/*")
    assert task_instance(operator(wait_for_completion=False)).execute()["sync_name"] is None


@pytest.mark.parametrize("kind", LINKED)
def test_a_serialized_dag_has_the_link(kind, monkeypatch):
    try:
        from airflow.sdk import DAG
    except ImportError:
        from airflow import DAG

    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization
    with DAG("linked", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), schedule=None) as dag:
        kind(task_id="sync", **{LINKED[kind]: "s"})
    stored = json.loads(json.dumps(Serialization.to_dict(dag)))
    # The scheduler's part of dag.test() in an earlier test leaves this False.
    monkeypatch.setattr(Serialization, "_load_operator_extra_links", True)
    task = Serialization.from_dict(stored).get_task("sync")
    [link] = task.operator_extra_links
    assert link.name == "Polytomic sync"
    assert getattr(link, "xcom_key", LINK_XCOM_KEY) == LINK_XCOM_KEY


def test_the_provider_metadata_lists_the_link():
    assert get_provider_info()["extra-links"] == [f"{PolytomicSyncLink.__module__}.PolytomicSyncLink"]
