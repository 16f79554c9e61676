"""Answers that no API should send, on a real triggerer: they fail their own tasks, and no other."""

from __future__ import annotations

import json

import pytest

from airflow_provider_polytomic._compat import has_asset_watchers

from .dags.hostile import ENDS, IN_WORKER, REFUSALS, UNREADABLE

DAG_ID = "hostile_answers"
RUN_ID = "hostile"
MODELS = (*REFUSALS, *UNREADABLE, *ENDS)
DEFERRED = [("model", place) for place in range(len(MODELS))] + [("bulk", -1), ("sensor", -1)]
IN_WORKERS = [("worker", -1), ("poking_sensor", -1)]
HOSTILE = [*DEFERRED, *IN_WORKERS]
INNOCENT = [("innocent_model", -1), ("innocent_bulk", -1)]
EXPECTED = {
    "half_a_pair": "was answered 422: bad",
    "long_error": "was answered 422",
    "wrong_type": "was answered 403",
    "failed_with_control_characters": "failed",
    **dict.fromkeys(UNREADABLE, "the last 300 responses could not be understood"),
}
TIMEOUT = 240
MAX_GAP = 10.0
"""Seconds between two polls of an execution with a ``poll_interval`` of 1 second, on a machine that is busy."""


@pytest.fixture(scope="module")
def run(cluster, hostile):
    """Run the DAG until the hostile tasks have failed."""
    cluster.trigger(DAG_ID, RUN_ID)
    states = lambda: {(each.task_id, each.map_index): each for each in cluster.task_instances(DAG_ID, RUN_ID)}  # noqa: E731

    def all_wait():
        found = states()
        deferred = [found[each] for each in (*DEFERRED, *INNOCENT) if each in found]
        return (
            len(deferred) == len(DEFERRED) + len(INNOCENT)
            and all(each.state == "deferred" and each.triggerer_id for each in deferred)
            and all(found[each].state == "running" for each in IN_WORKERS)
        )

    cluster.wait_for(all_wait, TIMEOUT, "tasks that wait")
    runner = children_of(cluster.components["triggerer"].pid)
    hostile.hostile = True
    cluster.wait_for(lambda: all(states()[each].state == "failed" for each in HOSTILE), TIMEOUT, "failed tasks")
    yield states
    assert children_of(cluster.components["triggerer"].pid) == runner
    hostile.hostile = False


def children_of(pid):
    """Return the processes that a process has started: in Airflow 3, the triggers run in one."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


@pytest.mark.parametrize(("place", "kind"), enumerate(MODELS), ids=MODELS)
def test_a_hostile_answer_fails_its_task_with_a_message(run, cluster, place, kind):
    assert EXPECTED[kind] in cluster.task_log(DAG_ID, RUN_ID, "model", place)


@pytest.mark.parametrize("task_id", ["sensor", "poking_sensor"])
def test_a_hostile_answer_fails_a_sensor_with_a_message(run, cluster, task_id):
    assert "was answered 422: bad" in cluster.task_log(DAG_ID, RUN_ID, task_id)


def test_a_hostile_answer_fails_a_task_in_a_worker_with_a_message(run, cluster):
    assert EXPECTED[IN_WORKER] in cluster.task_log(DAG_ID, RUN_ID, "worker")


def test_a_hostile_answer_fails_the_test_of_a_connection_with_a_message(cluster, hostile):
    connection = {"connection_id": "hostile", "conn_type": "polytomic", "host": hostile.url, "password": "any"}
    tested = cluster.rest("POST", "connections/test", connection)
    assert tested["status"] is False
    assert "422: bad" in tested["message"]


def test_the_result_of_a_failed_execution_is_stored_and_read_back(run, cluster):
    result = cluster.xcom(DAG_ID, RUN_ID, "model", map_index=MODELS.index("failed_with_control_characters"))
    [error] = result["errors"]
    assert error.startswith("a\ufffdb \ufffd")


def test_a_long_result_is_stored_with_the_schemas_that_failed(run, cluster):
    result = cluster.xcom(DAG_ID, RUN_ID, "bulk")
    assert result["schemas"][0]["schema"] == "schema_4999"
    assert (len(result["schemas"]), result["schemas_left_out"]) == (1000, 4000)


def test_the_innocent_are_polled_in_time_and_succeed(run, cluster, hostile):
    assert {run()[each].state for each in INNOCENT} == {"deferred"}
    polls = {name: times for name, times in hostile.polls.items() if "innocent" in name}
    assert len(polls) == 2
    for times in polls.values():
        assert max(after - before for before, after in zip(times, times[1:])) < MAX_GAP
    hostile.ended.add("innocent")
    cluster.wait_for(lambda: all(run()[each].state == "success" for each in INNOCENT), TIMEOUT, "innocent tasks")


def test_the_log_of_the_triggerer_has_no_value_that_cannot_be_stored(run, cluster):
    log = (cluster.home / "triggerer.log").read_text(errors="replace")
    assert "surrogates not allowed" not in log
    assert "non-serializable" not in log


@pytest.mark.skipif(not has_asset_watchers(), reason="Airflow 2 has no AssetWatcher")
def test_an_event_is_delivered_beside_those_that_cannot_be_read(run, cluster):
    def payloads():
        extras = [row["extra"] for row in cluster.database.rows("SELECT extra FROM asset_event")]
        found = [extra["payload"] for extra in extras if "payload" in (extra or {})]
        return [payload for payload in found if payload["execution_id"] == "ended"]

    [payload] = cluster.wait_for(payloads, TIMEOUT, "an asset event")[:1]
    assert payload["sync_id"] == "innocent"
    json.dumps(payload).encode()
