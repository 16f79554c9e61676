"""Polytomic's events from the emulator through the triggerer to DAGs."""

from __future__ import annotations

import math
import time

import pytest

from airflow_provider_polytomic._compat import event_trigger_base, has_asset_watchers

from .conftest import TIMEOUT
from .dags.watchers import WATCHERS, WATCHERS_INTERVAL

pytestmark = pytest.mark.skipif(not has_asset_watchers(), reason="Airflow 2 has no AssetWatcher")

shared_streams = pytest.mark.skipif(
    not hasattr(event_trigger_base(), "shared_stream_key"),
    reason="Airflow before 3.3 has neither shared streams nor an asset state store",
)


class Consumer:
    """Follow a DAG that starts when one of its syncs ends."""

    def __init__(self, cluster, emulator, dag_id):
        self.cluster, self.emulator, self.dag_id = cluster, emulator, dag_id
        cluster.wait_until_parsed(dag_id)

    @property
    def polls(self):
        return len([request for request in self.emulator.requests if request.path == "/api/events"])

    def wait_for_polls(self, count):
        target = self.polls + count
        self.cluster.wait_for(lambda: self.polls >= target, TIMEOUT, f"{count} polls of the events")

    def payloads(self):
        """Return the payloads of the events of each run; None if a run has not ended."""
        runs = self.cluster.rest("GET", f"dags/{self.dag_id}/dagRuns?order_by=id")["dag_runs"]
        if not all(run["state"] == "success" for run in runs):
            return None
        return [self.cluster.xcom(self.dag_id, run["dag_run_id"], "read") for run in runs]

    def wait_for_runs(self, count):
        def runs():
            payloads = self.payloads()
            return payloads if payloads is not None and len(payloads) >= count else None

        return self.cluster.wait_for(runs, TIMEOUT, f"{count} runs of {self.dag_id}")

    def stored(self):
        """Return all values of the asset state store."""
        return " ".join(str(row["value"]) for row in self.cluster.database.rows("SELECT value FROM asset_state_store"))

    def wait_until_stored(self, text):
        self.cluster.wait_for(lambda: text in self.stored(), TIMEOUT, f"{text} in the asset state store")

    def wait_for_watchers(self, count=1):
        """Wait until the watchers have read the events for the first time; they ignore earlier events."""
        rows = "SELECT 1 FROM asset_state_store JOIN asset ON asset.id = asset_id WHERE name LIKE %s"
        names = "watched-__" if count > 1 else self.dag_id.replace("watch_", "watched-")
        have_read = lambda: len(self.cluster.database.rows(rows, names)) == count  # noqa: E731
        self.cluster.wait_for(have_read, TIMEOUT, f"{count} watchers")


@pytest.fixture
def consumer(cluster, emulator):
    return lambda dag_id: Consumer(cluster, emulator, dag_id)


def test_a_sync_that_airflow_did_not_start_starts_the_consumer_once(consumer, emulator):
    dag = consumer("watch_once")
    dag.wait_for_polls(2)
    sync = emulator.add_model_sync(id="watched-once", duration=1, counts={"total": 42, "insert": 40, "delete": 2})
    emulator.set_switch("events_repeated", [sync.id])
    execution = emulator.start(sync.id)
    [[payload]] = dag.wait_for_runs(1)
    assert (payload["event"], payload["kind"], payload["sync_id"]) == ("completed", "model", sync.id)
    assert (payload["execution_id"], payload["sync_name"]) == (execution.id, sync.name)
    assert payload["url"].endswith(f"/model/{sync.id}?run={execution.id}")
    assert (payload["counts"]["total"], payload["counts"]["delete"]) == (42, 2)
    dag.wait_for_polls(5)
    assert len(dag.payloads()) == 1


@shared_streams
def test_a_killed_triggerer_loses_and_repeats_no_event(consumer, cluster, emulator):
    dag = consumer("watch_restarted")
    dag.wait_for_watchers()
    sync = emulator.add_model_sync(id="watched-restarted", duration=1)
    executions = [emulator.start(sync.id).id]
    dag.wait_for_runs(1)
    dag.wait_until_stored(executions[0])
    cluster.components["triggerer"].kill()
    emulator.plan(sync.id, duration=math.inf)
    for _ in range(2):
        executions.append(emulator.start(sync.id).id)
        emulator.finish(executions[-1])
    cluster.start_triggerer("triggerer")
    dag.wait_until_stored(executions[2])
    emulator.plan(sync.id, duration=1)
    executions.append(emulator.start(sync.id).id)
    dag.wait_until_stored(executions[3])

    def received():
        received = [payload["execution_id"] for run in dag.payloads() or [] for payload in run]
        return received if len(received) >= len(executions) else None

    cluster.wait_for(received, TIMEOUT, "a run for each execution")
    dag.wait_for_polls(5)
    assert sorted(received()) == sorted(executions)


@shared_streams
def test_twenty_watchers_of_a_connection_make_one_request_an_interval(consumer, emulator):
    dag = consumer("watch_many")
    dag.wait_for_watchers(WATCHERS)
    started_at = time.monotonic()
    dag.wait_for_polls(6)
    # Six polls take five intervals, but a late first poll shortens one; twenty pollers need less than one interval.
    assert time.monotonic() - started_at >= 4 * WATCHERS_INTERVAL
    executions = []
    for number in range(WATCHERS):
        executions.append(emulator.start(emulator.add_model_sync(id=f"watched-{number:02}", duration=1).id).id)
    [payloads] = dag.wait_for_runs(1)
    assert sorted(payload["execution_id"] for payload in payloads) == sorted(executions)
    dag.wait_for_polls(5)
    assert len(dag.payloads()) == 1
