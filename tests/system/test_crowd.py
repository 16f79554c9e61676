"""Many waits on real components, and the triggerer that has them is lost."""

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

WAITS = int(os.environ.get("CROWD_WAITS", "300"))
POLL_INTERVAL = 30
WINDOW = 10
TIMEOUT = 300


@pytest.fixture
def executions(emulator: Any) -> dict[str, str]:
    """Start an execution of each of many syncs, and return their ids."""
    sync_ids = [f"crowd-{number:04}" for number in range(WAITS)]
    for sync_id in sync_ids:
        emulator.add_model_sync(id=sync_id, name=sync_id, duration=math.inf)
    return {sync_id: emulator.start(sync_id).id for sync_id in sync_ids}


@pytest.fixture
def cluster(emulator: Any, executions: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """Run an Airflow of our own: the others' would be busy with parsing so large a DAG."""
    crowd = tmp_path / "crowd.json"
    waits = [
        {"kind": "model", "sync_id": sync_id, "execution_id": execution_id, "poll_interval": POLL_INTERVAL}
        for sync_id, execution_id in executions.items()
    ]
    crowd.write_text(json.dumps(waits))
    env = {"CROWD": str(crowd), "AIRFLOW__TRIGGERER__CAPACITY": str(2 * WAITS)}
    connections = {"polytomic_default": json.loads(emulator.airflow_connection)}
    with Cluster(Path(__file__).parent / "dags" / "crowd", env=env, connections=connections) as cluster:
        yield cluster


@pytest.mark.skipif(not can_start_from_trigger(), reason="on this Airflow each wait begins in a worker")
def test_many_waits_survive_their_triggerer(executions, cluster, emulator):
    ours = set(executions.values())

    def looks(since: int) -> list[tuple[str, float]]:
        """Return which of our executions was looked at when."""
        seen = [(request.path.rpartition("/")[2], request.at) for request in emulator.requests[since:]]
        return [look for look in seen if look[0] in ours]

    def wait_for_looks_at_all(since: int) -> None:
        def done() -> bool:
            return {execution_id for execution_id, _ in looks(since)} == ours

        cluster.wait_for(done, TIMEOUT, "a look at each execution")

    def instances() -> list[Any]:
        return cluster.task_instances("crowd", run_id)

    run_id = cluster.trigger("crowd")
    wait_for_looks_at_all(since=0)
    cluster.components["triggerer"].kill()
    cluster.start_triggerer("triggerer")
    lost = len(emulator.requests)
    wait_for_looks_at_all(since=lost)
    assert {instance.state for instance in instances()} == {"deferred"}
    moments = [at for _, at in looks(since=lost)]
    for begin in range(0, POLL_INTERVAL, WINDOW):
        asked = sum(begin <= moment - moments[0] < begin + WINDOW for moment in moments)
        assert asked <= 2 * WAITS * WINDOW / POLL_INTERVAL, f"a stampede {begin} s after the first look"
    for execution_id in executions.values():
        emulator.finish(execution_id)
    cluster.wait_for(lambda: {instance.state for instance in instances()} == {"success"}, TIMEOUT, "all ends")
    assert not any(instance.pid for instance in instances()), "no worker has had a part in it"
    for sync_id in executions:
        assert [execution.cancel_requests for execution in emulator.executions(sync_id)] == [0]
