"""Watch a real Airflow run a sync: start it, free the worker slot, finish with the counts.

`python -m tests.system.demo` exits 0 only if all of that happened; with `--stay` it leaves Airflow and its UI up.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator import Emulator
from airflow_provider_polytomic.emulator.samples import MODEL_SYNC_ID

from .cluster import AIRFLOW_VERSION, REPOSITORY, Cluster
from .logs import readable
from .processes import free_port, interrupt_on_sigterm, is_running, poll

DAG_ID = "example_polytomic_sync"
TASK_ID = "sync"
RUN_SECONDS = 120
AIRFLOW_PORT = 8080
EMULATOR_PORT = 8765
EXPLANATIONS = {
    "queued": "a worker slot will take it",
    "running": "in a worker slot",
    "deferred": "the triggerer waits for Polytomic",
}


@dataclass
class Seen:
    """Collect what the task did, and what it held while it was deferred."""

    states: list[str] = field(default_factory=list)
    has_process: bool = False
    slots: int = 0


def main() -> int:
    """Run the demo, or stay up until Ctrl-C, and leave nothing running."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="run no DAG, leave Airflow up until Ctrl-C")
    stay = parser.parse_args().stay
    ports = (AIRFLOW_PORT, EMULATOR_PORT) if stay else ()
    show = invite if stay else demonstrate
    interrupt_on_sigterm()
    try:
        with running(*ports) as (cluster, emulator):
            return 0 if show(cluster, emulator) else 1
    except (TimeoutError, RuntimeError) as error:
        say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; everything that was started has been ended")
        return 0 if stay else 130


@contextlib.contextmanager
def running(airflow_port: int | None = None, emulator_port: int | None = None) -> Iterator[tuple[Cluster, Emulator]]:
    """Run the emulator and an Airflow whose connection `polytomic_default` points at it."""
    say(f"Starting a Polytomic emulator and Airflow {AIRFLOW_VERSION}; ready in about 15 seconds")
    with Emulator(port=free_port(emulator_port)) as emulator:
        emulator.add_samples()
        say(f"Polytomic emulator answers on {emulator.url}")
        with Cluster(REPOSITORY / "example_dags", port=free_port(airflow_port)) as cluster:
            say(f"Airflow answers on {cluster.url}, on {cluster.database.kind}: {', '.join(cluster.components)}")
            connection = {"connection_id": "polytomic_default", **json.loads(emulator.airflow_connection)}
            cluster.rest("POST", "connections", connection)
            say(f"Airflow connection polytomic_default points at {emulator.url}")
            yield cluster, emulator
            say("Ending everything that was started")


def invite(cluster: Cluster, emulator: Emulator) -> bool:
    """Say where everything is and wait for Ctrl-C.

    :raises RuntimeError: a part of Airflow ended by itself.
    """
    for line in (
        "",
        f"Airflow    {cluster.url}   no login is asked for: whoever reaches this address is admin",
        f"Polytomic  {emulator.url}   emulated; control it below /_emulator",
        f"DAGs       {REPOSITORY / 'example_dags'}",
        *(f"Sync       {sync.id}   {sync.name}" for sync in emulator.syncs),
        "",
        "Ctrl-C ends all of it.",
    ):
        print(line, flush=True)
    return cluster.wait_for(lambda: False, math.inf, "Ctrl-C")


def demonstrate(cluster: Cluster, emulator: Emulator) -> bool:
    """Run the example DAG, show what happens, and tell whether it was what should."""
    run_id = cluster.trigger(DAG_ID, "demo", {"sync_id": MODEL_SYNC_ID})
    say(f"DAG {DAG_ID} triggered with sync {MODEL_SYNC_ID}")
    seen = watch(cluster, run_id)
    result = cluster.xcom(DAG_ID, run_id, TASK_ID) or {}
    print(f"\nResult of task {TASK_ID}:\n{json.dumps(result, indent=2)}\n", flush=True)
    planned = next(sync for sync in emulator.syncs if sync.id == MODEL_SYNC_ID).plan.counts
    executions = [execution.id for execution in emulator.executions(MODEL_SYNC_ID)]
    problems = list(find_problems(cluster.run_state(DAG_ID, run_id), seen, result, planned, executions))
    for problem in problems:
        say(f"FAILED: {problem}")
    if problems:
        print(f"\nTask log:\n{readable(cluster.task_log(DAG_ID, run_id, TASK_ID))}\n", flush=True)
    else:
        counts = ", ".join(f"{count} {name}" for name, count in planned.items())
        say(f"OK: {' -> '.join(seen.states)}; {counts}")
    return not problems


def watch(cluster: Cluster, run_id: str) -> Seen:
    """Print each new state of the task until the DAG run ends."""
    seen = Seen()

    def is_over() -> bool:
        state = cluster.task_state(DAG_ID, run_id, TASK_ID)
        if state and seen.states[-1:] != [state]:
            seen.states.append(state)
            explanation = EXPLANATIONS.get(state, "")
            if state == "deferred":
                pid = cluster.task_instance(DAG_ID, run_id, TASK_ID).pid
                seen.has_process = not poll(lambda: not (pid and is_running(pid)), 5)
                seen.slots = cluster.rest("GET", "pools/default_pool")["running_slots"]
                process = "still runs" if seen.has_process else "ended"
                explanation += f"; task process {pid} {process}, {seen.slots} worker slots in use"
            say(f"task {TASK_ID}: {state:<9} {explanation}".rstrip())
        return cluster.run_state(DAG_ID, run_id) in ("success", "failed")

    cluster.wait_for(is_over, RUN_SECONDS, f"end of DAG run {run_id}")
    return seen


def find_problems(
    run_state: str | None, seen: Seen, result: Mapping[str, Any], planned: Mapping[str, int], executions: list[str]
) -> Iterator[str]:
    """Compare what Airflow shows with what should be and with what the emulator knows."""
    if run_state != "success":
        yield f"the DAG run ended as {run_state}"
    if "deferred" not in seen.states:
        yield "the task was never deferred"
    if seen.has_process or seen.slots:
        yield "the deferred task kept its process or its worker slot"
    counts = result.get("counts", {})
    if any(counts.get(name) != count for name, count in planned.items()):
        yield f"the result counts {counts}, Polytomic {dict(planned)}"
    if executions != [result.get("execution_id")]:
        yield f"Polytomic ran executions {executions}, the result names {result.get('execution_id')}"


def say(message: str) -> None:
    """Print a line with the time of day."""
    print(f"{time.strftime('%H:%M:%S')}  {message}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
