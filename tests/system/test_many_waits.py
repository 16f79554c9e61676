"""Lose the triggerer that waits for a hundred executions on real components."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_polytomic._compat import can_start_from_trigger

from .cluster import Cluster

WAITS = int(os.environ.get("WAITS", "100"))
WAITS_POLL_INTERVAL = 30
WAITS_TIMEOUT = 300
WINDOW = 10
DAG_ID = "many_waits"


@pytest.fixture
def executions(emulator: Any) -> dict[str, str]:
    """Start an execution of each of many syncs, and return their ids."""
    sync_ids = [f"many-{number:04}" for number in range(WAITS)]
    for sync_id in sync_ids:
        emulator.add_model_sync(id=sync_id, name=sync_id, duration=math.inf)
    return {sync_id: emulator.start(sync_id).id for sync_id in sync_ids}


@pytest.fixture
def cluster(emulator: Any, executions: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """Run an Airflow for this test alone: parsing its large DAG would delay the other tests."""
    file = tmp_path / "waits.json"
    waits = [
        {"kind": "model", "sync_id": sync_id, "execution_id": execution_id, "poll_interval": WAITS_POLL_INTERVAL}
        for sync_id, execution_id in executions.items()
    ]
    file.write_text(json.dumps(waits))
    env = {"WAITS_FILE": str(file), "AIRFLOW__TRIGGERER__CAPACITY": str(2 * WAITS)}
    connections = {"polytomic_default": json.loads(emulator.airflow_connection)}
    with Cluster(Path(__file__).parent / "dags" / DAG_ID, env=env, connections=connections) as cluster:
        yield cluster


@pytest.mark.skipif(not can_start_from_trigger(), reason="on this Airflow each wait begins in a worker")
def test_many_waits_survive_a_killed_triggerer(executions, cluster, emulator):
    execution_ids = set(executions.values())

    def polls(since: int) -> list[tuple[str, float]]:
        """Return the id of the execution and the time of each status request."""
        requests = [(request.path.rpartition("/")[2], request.at) for request in emulator.requests[since:]]
        return [request for request in requests if request[0] in execution_ids]

    def wait_until_all_are_polled(since: int) -> None:
        def are_polled() -> bool:
            return {execution_id for execution_id, _ in polls(since)} == execution_ids

        cluster.wait_for(are_polled, WAITS_TIMEOUT, "a poll of each execution")

    def instances() -> list[Any]:
        return cluster.task_instances(DAG_ID, run_id)

    run_id = cluster.trigger(DAG_ID)
    wait_until_all_are_polled(since=0)
    cluster.components["triggerer"].kill()
    cluster.start_triggerer("triggerer")
    requests_before = len(emulator.requests)
    wait_until_all_are_polled(since=requests_before)
    assert {instance.state for instance in instances()} == {"deferred"}
    times = [at for _, at in polls(since=requests_before)]
    for start in range(0, WAITS_POLL_INTERVAL, WINDOW):
        count = sum(start <= time - times[0] < start + WINDOW for time in times)
        assert count <= 2 * WAITS * WINDOW / WAITS_POLL_INTERVAL, f"a burst of polls {start} s after the first one"
    for execution_id in executions.values():
        emulator.finish(execution_id)
    cluster.wait_for(
        lambda: {instance.state for instance in instances()} == {"success"}, WAITS_TIMEOUT, "end of all tasks"
    )
    assert not any(instance.pid for instance in instances()), "a worker ran a task"
    for sync_id in executions:
        assert [execution.cancel_requests for execution in emulator.executions(sync_id)] == [0]
