"""The link of tasks that start or end in the triggerer, where no worker pushes it, and of tasks after a deferral."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic._task import link
from airflow_provider_polytomic.links.syncs import LINK_XCOM_KEY
from airflow_provider_polytomic.triggers import sensors
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger
from airflow_provider_polytomic.triggers.sensors import PolytomicSensorTrigger

TI = SimpleNamespace(dag_id="dag", task_id="task", run_id="run", map_index=-1, try_number=1)


@pytest.fixture
def xcoms(emulator: Any, monkeypatch: pytest.MonkeyPatch, no_waiting: None) -> dict[str, Any]:
    values: dict[str, Any] = {}

    async def read(ti: Any, key: str) -> Any:
        return values.get(key)

    async def write(ti: Any, key: str, value: Any) -> None:
        values[key] = value

    monkeypatch.setattr(sensors, "xcom_in_trigger", read)
    for module in (sensors, link):
        monkeypatch.setattr(module, "push_xcom_in_trigger", write)
    connection = {**json.loads(emulator.airflow_connection), "extra": {"link_template": "{base_url}/{sync_id}/{kind}"}}
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
    return values


async def test_a_sensor_in_the_triggerer_pushes_the_link(emulator, xcoms, wait_for_event):
    sync = emulator.add_model_sync(duration=20)
    emulator.start(sync.id)
    trigger = PolytomicSensorTrigger(
        kind="model", timeout=600, sync_id=sync.id, execution_id=None, completed_after="2026-01-01T00:00:00Z"
    )
    trigger.task_instance = TI
    await wait_for_event(trigger)
    assert xcoms[LINK_XCOM_KEY] == f"{emulator.url}/{sync.id}/model"
    assert f"polytomic_sync.waited for.model:{sync.id}" in xcoms
    kept = xcoms[link.SETTINGS_XCOM_KEY]
    assert (kept["kind"], kept["name"], kept["settings"]["id"]) == ("model", sync.name, sync.id)


@pytest.mark.parametrize("end_from_trigger", [True, False])
async def test_a_result_that_no_worker_completes_has_the_link(emulator, xcoms, end_from_trigger):
    sync = emulator.add_model_sync(duration=20)
    trigger = PolytomicExecutionTrigger(
        kind="model", sync_id=sync.id, execution_id=emulator.start(sync.id).id, end_from_trigger=end_from_trigger
    )

    async def unchanged(event):
        return event

    trigger._trigger_event = unchanged
    [event] = [event async for event in trigger.run()]
    assert event.execution["url"] == (f"{emulator.url}/{sync.id}/model" if end_from_trigger else None)


@pytest.fixture
def resumed() -> Any:
    """Return a function that resumes a task whose XComs are given, twice in one process, and returns its contexts."""

    def resume(task: Any, kept: Any) -> list[dict[str, Any]]:
        pushed = {LINK_XCOM_KEY: "", link.SETTINGS_XCOM_KEY: kept}
        ti = SimpleNamespace(task_id="task", map_index=-1, xcom_pull=lambda key, **which: pushed[key])
        contexts: list[dict[str, Any]] = [{"ti": ti}, {"ti": ti}]
        for context in contexts:
            link.restore_link(task, context)
        return contexts

    return resume


@pytest.mark.parametrize(("name", "label"), [("Contacts", "Contacts"), ("", "an-id")])
def test_the_label_of_a_mapped_task_is_known_after_a_deferral(resumed, name, label):
    kept = {"kind": "model", "sync_id": "an-id", "name": name, "settings": None}
    contexts = resumed(link.LinkedTask(), kept)
    assert [context["sync_name"] for context in contexts] == [label, label]


@pytest.mark.parametrize("kept", [None, "s3://bucket/key", ["a"], 5, {"name": ["a"], "sync_id": 5, "settings": "x"}])
def test_an_xcom_that_is_not_what_was_pushed_counts_as_none(resumed, kept):
    task = link.LinkedTask()
    resumed(task, kept)
    assert (task._sync_url, task._sync_name, task._found_sync) == ("", "", None)
