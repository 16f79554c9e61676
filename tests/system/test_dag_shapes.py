"""The example DAGs and a mapped task group, on real Airflow components, all at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_polytomic
from airflow_provider_polytomic._compat import can_start_from_trigger
from airflow_provider_polytomic.emulator import samples
from tests.support.organizations import add_customers

from .dags.examples import EXAMPLES, FLAG
from .dags.mapped_groups import SYNC_IDS
from .logs import readable

TIMEOUT = 300
CLEAN = {"duration": 8, "counts": {"total": 10}, "errors": []}
"""An execution without record errors, of which tasks warn."""

DAGS = "SELECT dag_id FROM dag WHERE dag_id LIKE 'example_polytomic_%%' ORDER BY dag_id"
RUNS = "SELECT dag_id, run_id, state FROM dag_run WHERE dag_id LIKE 'example_polytomic_%%' OR dag_id = 'mapped_group'"
LISTS = "SELECT state FROM task_instance WHERE operator = 'PolytomicListSyncsOperator'"

PROBLEM = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|\[(warning|error|critical) *\]")
MODULES = "|".join({path.name for path in Path(airflow_provider_polytomic.__file__).parent.rglob("[!_]*.py")})
ID_OF_A_DAG = re.compile(r"example_polytomic_\w+")
OF_THE_PROVIDER = re.compile(rf"polytomic|(model|bulk) sync|XCom|templater|\[task\]|{{({MODULES}):\d", re.IGNORECASE)
"""Problems that the provider logs or causes, as opposed to those of Airflow's components on a busy machine."""

EXPECTED = re.compile(r"XCom not found .*key='?polytomic_execution|Task [Ii]nstance .*not found")
"""See docs/sensors.md, Begin and end in the triggerer. Airflow ends an attempt that it thinks lost."""


@pytest.fixture(scope="module")
def component_log(cluster: Any) -> Callable[[], list[str]]:
    """Return a function that returns the lines that the components have logged since the first test began."""
    begins = {process.log: process.log.stat().st_size for process in cluster.components.values()}

    def lines() -> list[str]:
        return [
            f"{log.stem}: {line}"
            for log, begin in begins.items()
            for line in log.read_bytes()[begin:].decode(errors="replace").splitlines()
        ]

    return lines


def source(dag_id: str) -> str:
    """Return the text of an example; empty for the second DAG of a file."""
    file = EXAMPLES / f"{dag_id}.py"
    return file.read_text() if file.exists() else ""


def own_syncs(emulator: Any, dag_id: str) -> dict[str, Any]:
    """Add a sync for each parameter of an example that takes the id of a sync, and return the conf of its run."""
    conf: dict[str, Any] = {}
    for name in re.findall(r'"((?:bulk_)?sync_ids?)": Param\(', source(dag_id)):
        if name.startswith("bulk"):
            schemas = [{"id": "contact", "duration": CLEAN["duration"]}]
            sync_id = emulator.add_bulk_sync(name=dag_id, schemas=schemas).id
        else:
            sync_id = emulator.add_model_sync(name=dag_id, **CLEAN).id
        conf[name] = [sync_id] if name.endswith("s") else sync_id
    return conf


@pytest.fixture(scope="module")
def mapped_run(cluster: Any, emulator: Any, component_log: Callable[[], list[str]]) -> Iterator[str]:
    """Run all DAGs at once, and return the id of the run of the mapped group."""
    emulator.reset()
    emulator.add_samples()
    emulator.set_switch("start_while_running", "queue")
    for organization in (emulator, *add_customers(emulator, "customer")):
        organization.plan(samples.MODEL_SYNC_ID, **CLEAN)
    for sync_id in SYNC_IDS:
        emulator.add_model_sync(id=sync_id, duration=24)
    syncs = {"orders": samples.BULK_SYNC_ID, "contacts": samples.MODEL_SYNC_ID}
    cluster.rest("POST", "variables", {"key": "polytomic_syncs", "value": json.dumps(syncs)})
    (cluster.home / FLAG).touch()
    cluster.parse_again("examples.py")
    run_id = cluster.trigger("mapped_group")
    found = cluster.wait_for(lambda: cluster.database.rows(DAGS), TIMEOUT, "examples")
    dag_ids = [row["dag_id"] for row in found]
    listing = [dag_id for dag_id in dag_ids if "PolytomicListSyncsOperator(" in source(dag_id)]
    for dag_id in listing:
        cluster.trigger(dag_id)

    def have_listed() -> bool:
        states = [row["state"] for row in cluster.database.rows(LISTS)]
        return len(states) >= len(listing) and {*states} == {"success"}

    cluster.wait_for(have_listed, TIMEOUT, "lists of syncs")  # Later, other examples create syncs and delete them.
    for dag_id in dag_ids:
        if dag_id not in listing:
            cluster.trigger(dag_id, conf=own_syncs(emulator, dag_id))
    yield run_id
    emulator.reset()
    (cluster.home / FLAG).unlink()


def test_start_operators_and_sensors_work_in_a_mapped_group(cluster, emulator, mapped_run):
    wait_until_all_have_ended(cluster, "mapped_group")
    for map_index, sync_id in enumerate(SYNC_IDS):
        [execution] = emulator.executions(sync_id)
        for task_id in ("deferred", "rescheduled", *["starts_in_triggerer"] * can_start_from_trigger()):
            result = cluster.xcom("mapped_group", mapped_run, f"each.{task_id}", map_index=map_index)
            assert (result["sync_id"], result["execution_id"]) == (sync_id, execution.id), task_id
        [of_many] = cluster.xcom("mapped_group", mapped_run, "each.many", map_index=map_index)
        assert of_many["execution_id"] == execution.id


@pytest.mark.usefixtures("mapped_run")
def test_the_components_log_no_problem_of_the_provider_while_the_examples_run(cluster, component_log):
    wait_until_all_have_ended(cluster)
    problems = [line for line in component_log() if PROBLEM.search(line) and not EXPECTED.search(line)]
    assert "\n".join(line for line in problems if OF_THE_PROVIDER.search(ID_OF_A_DAG.sub("", line))) == ""


def wait_until_all_have_ended(cluster: Any, *dag_ids: str) -> None:
    """Wait until the runs of these DAGs have succeeded, by default of all DAGs here."""

    def ended() -> list[Any]:
        runs = [run for run in cluster.database.rows(RUNS) if not dag_ids or run["dag_id"] in dag_ids]
        return runs if {run["state"] for run in runs} <= {"success", "failed"} else []

    for run in cluster.wait_for(ended, TIMEOUT, "end of all DAG runs"):
        if run["state"] == "failed":
            tasks = [one for one in cluster.task_instances(run["dag_id"], run["run_id"]) if one.state == "failed"]
            logs = [cluster.task_log(run["dag_id"], run["run_id"], one.task_id, one.map_index) for one in tasks]
            pytest.fail("\n".join([str(run), *map(str, tasks), *(readable(log)[-2000:] for log in logs)]))
