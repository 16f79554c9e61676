"""Measure the page in Airflow's UI with 500 syncs: ``python -m benchmarks.page``.

It prints the seconds from the request of the page to its first row and to all rows, and the number of requests to the
emulator in the first minute.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from rich.console import Console

from airflow_provider_polytomic.emulator import Emulator
from tests.system.browser import Browser, browsing
from tests.system.cluster import Cluster

SYNCS = 500
MINUTE = 60.0
ROWS = "document.querySelectorAll('tr.sync').length"
SECONDS = "performance.now() / 1000"


def main() -> None:
    """Measure and print the figures."""
    with Emulator() as emulator:
        for number in range(SYNCS):
            add = emulator.add_bulk_sync if number % 3 == 0 else emulator.add_model_sync
            emulator.finish(emulator.start(add(name=f"Sync {number}").id).id)
        connections = {"polytomic_default": json.loads(emulator.airflow_connection)}
        with tempfile.TemporaryDirectory() as no_dags:
            cluster = Cluster(Path(no_dags), connections=connections)
            with cluster, tempfile.TemporaryDirectory() as folder, browsing(Path(folder)) as browser:
                _measure(browser, cluster, emulator)


def _measure(browser: Browser, cluster: Cluster, emulator: Emulator) -> None:
    browser.open(f"{cluster.url}/polytomic-ui/")
    began = time.monotonic()
    first, _ = browser.wait(lambda: browser.evaluate(f"{ROWS} > 0 && [{SECONDS}, 0]"), "row")
    complete, _ = browser.wait(lambda: browser.evaluate(f"{ROWS} === {SYNCS} && [{SECONDS}, 0]"), "last row")
    time.sleep(max(0.0, MINUTE - (time.monotonic() - began)))
    console = Console()
    console.print(f"{SYNCS} syncs: first row after {first:.2f} s, all rows after {complete:.2f} s")
    sent_at = [request.at for request in emulator.requests]
    first_minute = [at for at in sent_at if at < sent_at[0] + MINUTE]
    console.print(f"{len(first_minute)} requests to Polytomic in the first minute")


if __name__ == "__main__":
    main()
