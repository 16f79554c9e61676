"""Rotate the key, and put a proxy in front of the API, while tasks wait on real Airflow components."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from .cluster import Cluster
from .dags.scenarios import ROTATED_SENSORS, ROTATED_STARTS

TIMEOUT = 120
MANY_TIMEOUT = 900
"""Seconds for the processes of all tasks, of which few run at once."""

PROXY_SECONDS = 60
NEW_KEY = "new-emulator-key-not-a-secret"


@pytest.fixture
def rotate(cluster: Cluster, emulator: Any) -> Iterator[Any]:
    """Return a function that rotates the key, first in the Airflow connection and then in Polytomic."""
    old_key, place = emulator.api_key, "connections/polytomic_rotated"
    fields = {"connection_id": "polytomic_rotated", "conn_type": "polytomic", "host": emulator.url}
    cluster.rest("POST", "connections", {**fields, "password": old_key})

    def rotate() -> None:
        cluster.rest("PATCH", place, {**fields, "password": NEW_KEY})
        emulator.api_key = NEW_KEY

    yield rotate
    emulator.api_key = old_key
    cluster.rest("DELETE", place)


@pytest.mark.timeout(2400)
def test_waits_go_on_when_the_key_is_rotated_and_a_proxy_answers(cluster, emulator, rotate):
    tasks = 1 + ROTATED_STARTS + ROTATED_SENSORS
    sync_ids = [emulator.add_model_sync(name="rotated", duration=math.inf).id for _ in range(tasks)]
    for sync_id in sync_ids[-ROTATED_SENSORS:]:
        emulator.start(sync_id)
    run_id = cluster.trigger("rotated_key", conf={"sync_ids": sync_ids})

    def executions() -> list[Any]:
        return [execution for sync_id in sync_ids for execution in emulator.executions(sync_id)]

    def all_are_polled(since: int, status: int) -> bool:
        polls = [one for one in emulator.requests[since:] if one.method == "GET" and one.status == status]
        polled = {one.path.rpartition("/")[2] for one in polls}
        return len(executions()) == len(sync_ids) and {execution.id for execution in executions()} <= polled

    def states() -> set[str | None]:
        return {instance.state for instance in cluster.task_instances("rotated_key", run_id)}

    def all_wait() -> bool:
        return states() == {"deferred", "running"} and all_are_polled(0, 200)

    cluster.wait_for(all_wait, MANY_TIMEOUT, "waits in the triggerer and in a worker")
    rotate()
    rotated = len(emulator.requests)
    cluster.wait_for(lambda: all_are_polled(rotated, 200), TIMEOUT, "a poll of each execution with the new key")
    emulator.fault("status", status=404, html=True, path="/api/**", count=None, seconds=PROXY_SECONDS)
    behind_proxy = len(emulator.requests)
    refused = lambda: any(one.status == 404 for one in emulator.requests[behind_proxy:])  # noqa: E731
    cluster.wait_for(refused, TIMEOUT, "a poll that the proxy answers")
    answered = len(emulator.requests)
    cluster.wait_for(lambda: all_are_polled(answered, 200), TIMEOUT, "a poll of each execution without the proxy")
    assert states() == {"deferred", "running"}
    for execution in executions():
        emulator.finish(execution.id)
    cluster.wait_for(lambda: states() == {"success"}, MANY_TIMEOUT, "success of all tasks")
    assert len(executions()) == len(sync_ids)
    assert {execution.cancel_requests for execution in executions()} == {0}
