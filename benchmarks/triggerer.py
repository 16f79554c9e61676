"""Measure waits in a real ``airflow triggerer`` with PostgreSQL: ``make benchmark OPTIONS=--triggerer``.

Each system has a triggerer of its own: empty at first, then with all waits. No other component of Airflow runs. The
task instances are written directly into the database.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.cell import LoopbackApi
from benchmarks.deferred import dag_id
from benchmarks.figures import delay
from benchmarks.price import MANY_INTERVAL, MANY_WAITS, MAX_CPU_SHARE, MAX_MEMORY_MIB
from benchmarks.report import Table, number
from benchmarks.systems import SYSTEMS
from benchmarks.tls import write_certificate
from tests.system.database import MetadataDatabase
from tests.system.processes import Process, poll, stop_all

ENDS = 100
MAX_AGE = 1_800.0

START_TIMEOUT = 60.0
LOAD_TIMEOUT = 300.0
STOP_TIMEOUT = 10.0
EMPTY_WINDOW = 15.0
SETTLE_TIME = 5.0
SLEEPING_WINDOW = 30.0
ALLOWANCE = 5.0
"""Seconds after the poll interval that the triggerer has to report an end to the database."""

MAX_SELECTED = 500
"""Triggers that the triggerer takes in one iteration, of about a second. Airflow's default, 50, would take minutes."""

STARTED = "SELECT 1 FROM job WHERE job_type = 'TriggererJob' AND latest_heartbeat > start_date + interval '1 s'"
RESUMED = """
    SELECT map_index, EXTRACT(EPOCH FROM scheduled_dttm) AS at FROM task_instance
    WHERE dag_id = %s AND state = 'scheduled'
"""

TRIGGERER = ("supervisor", "runner")
PARTS = {
    "triggerer": TRIGGERER,
    "its supervisor": ("supervisor",),
    "its runner": ("runner",),
    "database": ("database",),
}

Sample = dict[str, dict[str, float]]
Measured = dict[str, Any]


class Airflow:
    """The database of an Airflow, and its triggerer.

    :param folder: folder for all files
    :param api: the API that the triggers poll
    :param waits: number of triggers that the triggerer can run
    """

    def __init__(self, folder: Path, api: LoopbackApi, authorities: Path, waits: int) -> None:
        self._home, self._waits = folder / "airflow", waits
        self._home.mkdir()
        self.database = MetadataDatabase(version("apache-airflow"), folder / "postgres.log")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        connection = SYSTEMS["model"](MANY_INTERVAL).connection(api.port)
        self._environment = inherited | {
            "AIRFLOW_HOME": str(self._home),
            "AIRFLOW_CONN_POLYTOMIC_DEFAULT": json.dumps({"conn_type": "polytomic", **connection}),
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": str(MAX_SELECTED),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_PROXY": "127.0.0.1",
            "PYTHONWARNINGS": "ignore",
            "SSL_CERT_FILE": str(authorities),
        }

    def run(self, *module: str) -> None:
        """Run a Python module to its end.

        :raises RuntimeError: if it fails; the message has its output
        """
        done = subprocess.run(
            [sys.executable, "-m", *module], env=self._with_database(), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(module)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")

    @contextmanager
    def triggerer(self) -> Iterator[Process]:
        """Run a triggerer, which has sent a heartbeat."""
        command = [
            sys.executable,
            "-m",
            "airflow",
            "triggerer",
            "--skip-serve-logs",
            "--capacity",
            str(2 * self._waits),
        ]
        process = Process("triggerer", command, self._home / "triggerer.log", self._with_database())
        try:
            if not poll(lambda: self.database.rows(STARTED), START_TIMEOUT):
                raise RuntimeError(f"the triggerer sends no heartbeat:\n{process.tail()}")
            yield process
        finally:
            stop_all([process], STOP_TIMEOUT)

    def started(self, system: str) -> int:
        """Return the number of triggers that have written their first log line."""
        folder = self._home / "logs" / f"dag_id={dag_id(system)}" / "run_id=run" / "task_id=wait"
        return len(os.listdir(folder)) if folder.exists() else 0

    def _with_database(self) -> dict[str, str]:
        return self._environment | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.url}


def measure(waits: int = MANY_WAITS, interval: float = MANY_INTERVAL) -> list[Measured]:
    """Measure sleeping triggers, then the triggers of model syncs.

    :param waits: number of triggers
    :param interval: seconds between two polls of a trigger
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return [_measure(name, waits, interval) for name in ("sleep", "model")]


def _measure(name: str, waits: int, interval: float) -> Measured:
    with TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as path:
        folder = Path(path)
        certificate, authorities = write_certificate(folder)
        api = LoopbackApi(kind="model", events=True, certificate=str(certificate))
        airflow = Airflow(folder, api, authorities, waits)
        try:
            airflow.database.start(lambda: airflow.run("airflow", "db", "migrate"))
            return _System(airflow, api, name, waits, interval).measure()
        finally:
            if airflow.database.process:
                stop_all([airflow.database.process], STOP_TIMEOUT)
            airflow.database.remove()
            api.close()


class _System:
    def __init__(self, airflow: Airflow, api: LoopbackApi, name: str, waits: int, interval: float) -> None:
        self._airflow, self._api, self._name, self._waits, self._interval = airflow, api, name, waits, interval
        self._ages = [(number * 7919) % MAX_AGE for number in range(waits)]

    def measure(self) -> Measured:
        """Measure the empty triggerer, the start of the triggers, and the waits."""
        with self._airflow.triggerer() as process:
            time.sleep(SETTLE_TIME)
            first = self._sample(process)
            time.sleep(EMPTY_WINDOW)
            empty = self._sample(process)
            self._plan(time.time(), [None] * self._waits)
            self._airflow.run("benchmarks.deferred", self._name, str(self._waits), str(self._interval))
            before = self._sample(process)
            poll(lambda: self._airflow.started(self._name) == self._waits, LOAD_TIMEOUT, 1)
            after = self._sample(process)
            return {
                "system": self._name,
                "waits": self._waits,
                "interval": self._interval,
                "started": self._airflow.started(self._name),
                "start_seconds": after["at"]["time"] - before["at"]["time"],
                "start_cpu": _difference(before, after),
                "empty": _shares(first, empty),
                **self._wait(process, empty),
            }

    def _wait(self, process: Process, empty: Sample) -> Measured:
        """Measure the waits over one interval, and then the delays of the ends."""
        ends = SYSTEMS[self._name].ends
        time.sleep(self._interval if ends else SETTLE_TIME)
        planned = self._planned_ends() if ends else {}
        begin = time.time()
        self._plan(begin, [planned.get(number) for number in range(self._waits)])
        requests = self._requests()
        first = self._sample(process)
        time.sleep(self._interval if ends else SLEEPING_WINDOW)
        last = self._sample(process)
        measured = {
            "waiting": _shares(first, last),
            "requests": self._requests() - requests,
            "memory": {name: last[name]["memory"] - empty[name]["memory"] for name in TRIGGERER},
        }
        if ends:
            poll(lambda: len(self._resumed()) == len(planned), self._interval / 2 + ALLOWANCE, 1)
        noticed = self._resumed()
        delays = sorted(noticed[number] - begin - end for number, end in planned.items() if number in noticed)
        return measured | {
            "delays": delays,
            "unnoticed": [time.time() - begin - end for number, end in planned.items() if number not in noticed],
        }

    def _planned_ends(self) -> dict[int, float]:
        """Return the ends, spread evenly over half an interval, so that each is noticed within the rest of the cell."""
        ending = min(ENDS, self._waits)
        step = self._waits // ending
        return {rank * step: self._interval / 2 * (rank + 0.5) / ending for rank in range(ending)}

    def _plan(self, begin: float, ends: Sequence[float | None]) -> None:
        self._api.command(do="plan", begin=begin, ends=list(ends), ages=self._ages)

    def _requests(self) -> int:
        return sum(self._api.command(do="count")["requests"].values())

    def _resumed(self) -> dict[int, float]:
        rows = self._airflow.database.rows(RESUMED, dag_id(self._name))
        return {row["map_index"]: float(row["at"]) for row in rows}

    def _sample(self, process: Process) -> Sample:
        """Return the processor time and the memory of the triggerer's processes and of the database."""
        postgres = self._airflow.database.process
        assert postgres
        supervisor = psutil.Process(process.pid)
        [runner] = supervisor.children()
        database = psutil.Process(postgres.pid)
        groups = {
            "supervisor": [supervisor],
            "runner": [runner, *runner.children(recursive=True)],
            "database": [database, *database.children()],
        }
        usage = {name: _usage(processes) for name, processes in groups.items()}
        return usage | {"at": {"time": time.time()}}


def _usage(processes: Sequence[psutil.Process]) -> dict[str, float]:
    times = [each.cpu_times() for each in processes]
    return {
        "cpu": sum(each.user + each.system for each in times),
        "memory": sum(each.memory_info().rss for each in processes) / 2**20,
    }


def _difference(first: Sample, last: Sample) -> dict[str, float]:
    return {name: last[name]["cpu"] - first[name]["cpu"] for name in ("supervisor", "runner", "database")}


def _shares(first: Sample, last: Sample) -> dict[str, float]:
    seconds = last["at"]["time"] - first["at"]["time"]
    return {name: cpu / seconds for name, cpu in _difference(first, last).items()}


def table(cells: Sequence[Measured]) -> Table:
    """Return the figures of the empty triggerer, of sleeping triggers and of model syncs, and the targets."""
    sleeping, model = cells
    waits = f"{model['waits']:,}"
    columns = ("figure", "empty", f"{waits} sleeping", f"{waits} model syncs", "difference", "target", "reached")
    rows = [
        *(_cpu_row(sleeping, model, label, parts) for label, parts in PARTS.items()),
        *(_memory_row(sleeping, model, label, parts) for label, parts in PARTS.items() if parts != ("database",)),
        _row("start: seconds until the last trigger runs", None, *(each["start_seconds"] for each in cells)),
        _row(
            "start: processor time per trigger, ms",
            None,
            *(sum(each["start_cpu"][part] for part in TRIGGERER) * 1000 / each["waits"] for each in cells),
        ),
        _row("requests / min", None, None, model["requests"] * 60 / model["interval"]),
        *(_delay_row(model, quantile, label) for label, quantile in (("median", 0.5), ("longest", 1.0))),
    ]
    return Table("Waits in one triggerer of Airflow", columns, rows)


def remarks(cells: Sequence[Measured]) -> list[str]:
    """Return remarks on triggers that did not start, and on ends that were not noticed."""
    found = []
    for each in cells:
        label = SYSTEMS[each["system"]].label
        if each["started"] < each["waits"]:
            found.append(f"{label}: only {each['started']:,} of {each['waits']:,} triggers were started.")
        if each["unnoticed"]:
            found.append(f"{label}: {len(each['unnoticed'])} ends were not noticed within the cell.")
    return found


def _cpu_row(sleeping: Measured, model: Measured, label: str, parts: Sequence[str]) -> list[str]:
    states = sleeping["empty"], sleeping["waiting"], model["waiting"]
    shares = [sum(each[part] for part in parts) * 100 for each in states]
    bound = MAX_CPU_SHARE * 100 if parts == TRIGGERER else None
    return _row(f"processor time, % of a core: {label}", *shares, bound=bound)


def _memory_row(sleeping: Measured, model: Measured, label: str, parts: Sequence[str]) -> list[str]:
    sizes = [sum(each["memory"][part] for part in parts) for each in (sleeping, model)]
    bound = MAX_MEMORY_MIB if parts == TRIGGERER else None
    return _row(f"memory over the empty triggerer, MiB: {label}", None, *sizes, bound=bound)


def _delay_row(model: Measured, quantile: float, label: str) -> list[str]:
    value = delay(model, quantile)
    bound = model["interval"] if quantile == 1.0 else None
    return _row(f"delay from end to resumed task, s: {label}", None, None, value, bound=bound)


def _row(
    label: str, empty: float | None, sleeping: float | None, model: float, *, bound: float | None = None
) -> list[str]:
    values = ["" if each is None else number(each) for each in (empty, sleeping, model)]
    difference = "" if sleeping is None else number(model - sleeping)
    reached = "" if bound is None else "yes" if model <= bound else "no"
    return [label, *values, difference, "" if bound is None else f"≤ {bound:g}", reached]
