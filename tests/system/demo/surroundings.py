"""Start what the demo needs, and end all of it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from typing import NoReturn

from airflow_provider_polytomic.emulator import Emulator
from tests.system.cluster import AIRFLOW_VERSION, REPOSITORY, Cluster
from tests.system.processes import free_port

from .screen import Screen


@contextlib.contextmanager
def running(
    screen: Screen, airflow_port: int | None = None, emulator_port: int | None = None
) -> Iterator[tuple[Cluster, Emulator]]:
    """Run the emulator and an Airflow whose connection `polytomic_default` points at it."""
    screen.say(f"Starting a Polytomic emulator and Airflow {AIRFLOW_VERSION}; ready in about 15 seconds")
    with Emulator(port=free_port(emulator_port)) as emulator:
        emulator.add_samples()
        screen.say(f"Polytomic emulator answers on {emulator.url}")
        with Cluster(REPOSITORY / "example_dags", port=free_port(airflow_port)) as cluster:
            screen.say(f"Airflow answers on {cluster.url}, on {cluster.database.kind}")
            screen.say(f"Its parts run: {', '.join(cluster.components)}")
            connection = {"connection_id": "polytomic_default", **json.loads(emulator.airflow_connection)}
            cluster.rest("POST", "connections", connection)
            screen.say(f"Airflow connection polytomic_default points at {emulator.url}")
            yield cluster, emulator
            screen.say("Ending everything that was started")


def invite(screen: Screen, cluster: Cluster, emulator: Emulator) -> NoReturn:
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
        screen.show(line)
    cluster.wait_for(lambda: False, math.inf, "Ctrl-C")
    raise AssertionError("nothing ends this wait but an error")
