"""Start Airflow and the emulator for the demo, and stop them."""

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
    """Run the emulator and an Airflow whose connection `polytomic_default` points to it."""
    screen.say(f"Starting a Polytomic emulator and Airflow {AIRFLOW_VERSION}; this takes about 15 seconds")
    with Emulator(port=free_port(emulator_port)) as emulator:
        emulator.add_samples()
        screen.say(f"The Polytomic emulator is running at {emulator.url}")
        with Cluster(REPOSITORY / "example_dags", port=free_port(airflow_port)) as cluster:
            screen.say(f"Airflow is running at {cluster.url}, with {cluster.database.kind}")
            screen.say(f"Airflow components: {', '.join(cluster.components)}")
            connection = {"connection_id": "polytomic_default", **json.loads(emulator.airflow_connection)}
            cluster.rest("POST", "connections", connection)
            screen.say("Created the Airflow connection polytomic_default with the address of the emulator")
            yield cluster, emulator
            screen.say("Stopping Airflow and the emulator")


def wait_for_interrupt(screen: Screen, cluster: Cluster, emulator: Emulator) -> NoReturn:
    """Print the addresses and wait for Ctrl-C.

    :raises RuntimeError: if a component of Airflow ends
    """
    for line in (
        "",
        f"Airflow    {cluster.url}   no login: everyone who can open this address is an admin",
        f"Polytomic  {emulator.url}   the emulator; its control API is at /_emulator",
        f"DAGs       {REPOSITORY / 'example_dags'}",
        *(f"Sync       {sync.id}   {sync.name}" for sync in emulator.syncs),
        "",
        "Press Ctrl-C to stop.",
    ):
        screen.show(line)
    cluster.wait_for(lambda: False, math.inf, "Ctrl-C")
    raise AssertionError("this wait ends only with an exception")
