"""Migrate an Airflow database for the session, and run DAGs in this process."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import write_dag_files

HERE = Path(__file__).parent
FOLDERS = {
    "examples": HERE.parents[1] / "example_dags",
    "tests": HERE / "dags",
    "pages": Path(os.environ["AIRFLOW_HOME"]) / "pages",
}

write_dag_files(FOLDERS["pages"])

os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps(
    [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path)},
        }
        for name, path in FOLDERS.items()
    ]
)


def parse(folder: Path) -> Any:
    """Parse the DAG files of a folder as Airflow does."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag
    return DagBag(str(folder))


@dataclass
class DagRun:
    """The states of a DAG run and its tasks, and their XComs."""

    state: str
    tasks: dict[str, str]
    xcoms: dict[tuple[str, str], Any]

    def result(self, task_id: str = "task") -> Any:
        return self.xcoms.get((task_id, "return_value"))


@pytest.fixture(scope="session")
def database() -> Path:
    from airflow.utils.db import initdb

    initdb()
    _build_the_api_once()
    return Path(os.environ["AIRFLOW_HOME"]) / "airflow.db"


def _build_the_api_once() -> None:
    """Keep the API that ``dag.test()`` builds for each step of each task, as Airflow from 3.3 on does itself."""
    try:
        from airflow.sdk.execution_time import supervisor
    except ImportError:
        return
    supervisor.in_process_api_server = lru_cache(supervisor.in_process_api_server)


def _activate_assets(bundle: str, dags: list[Any]) -> None:
    """Activate the assets of DAGs, as the scheduler does; from Airflow 3.1 on ``dag.test()`` does it too."""
    from airflow.models.dag import DAG
    from airflow.serialization.serialized_objects import SerializedDAG

    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
    except ImportError:
        DAG.bulk_write_to_db(dags)
        return
    if hasattr(DAG, "bulk_write_to_db"):
        DagBundlesManager().sync_bundles_to_db()
        stored = [SerializedDAG.from_dict(SerializedDAG.to_dict(dag)) for dag in dags]
        DAG.bulk_write_to_db(bundle, None, stored)


@pytest.fixture(scope="session")
def dags(database: Path) -> dict[str, Any]:
    bags = [parse(folder) for folder in FOLDERS.values()]
    assert [bag.import_errors for bag in bags] == [{}] * len(FOLDERS)
    for bundle, bag in zip(FOLDERS, bags):
        _activate_assets(bundle, list(bag.dags.values()))
    return {dag_id: dag for bag in bags for dag_id, dag in bag.dags.items()}


@pytest.fixture
def run_dag(database: Path, dags: dict[str, Any], no_waiting: None) -> Callable[..., DagRun]:
    """Return a function that runs a DAG by ``dag.test()``."""

    def run(dag_id: str, date: datetime | None = None, **conf: Any) -> DagRun:
        if getattr(dags[dag_id], "deadline", None):  # dag.test() of Airflow 3.3 looks it up by a value that is no id
            dags[dag_id].deadline = None
        test = dags[dag_id].test
        name = "logical_date" if "logical_date" in signature(test).parameters else "execution_date"
        dag_run = test(run_conf=conf or None, **({name: date} if date else {}))
        with closing(sqlite3.connect(database)) as connection:
            where = "dag_id = ? AND run_id = ?", (dag_id, dag_run.run_id)
            tasks = connection.execute(f"SELECT task_id, state FROM task_instance WHERE {where[0]}", where[1])
            xcoms = connection.execute(f"SELECT task_id, key, value FROM xcom WHERE {where[0]}", where[1])
            return DagRun(
                state=str(getattr(dag_run.state, "value", dag_run.state)),
                tasks=dict(tasks.fetchall()),
                xcoms={(task_id, key): plain(value) for task_id, key, value in xcoms.fetchall()},
            )

    return run


def plain(value: Any) -> Any:
    """Read an XCom; Airflow 3 keeps JSON in a JSON column, so that it is JSON twice."""
    while isinstance(value, (str, bytes)):
        try:
            value = json.loads(value)
        except ValueError:
            break
    return value


@pytest.fixture
def everything_stored(database: Path, logged: Callable[[], str]) -> Callable[[], bytes]:
    """Return a function that reads the database, the log files and the log."""

    def read() -> bytes:
        # Airflow 3.0 itself logs, at DEBUG, the secrets to mask, and the rendered fields before it masks them.
        lines = [line for line in logged().splitlines() if not re.search(r"(MaskSecret|SetRenderedFields)\(", line)]
        files = [*database.parent.glob("airflow.db*"), *(database.parent / "logs").rglob("*.log")]
        return b"\n".join(["\n".join(lines).encode(), *(path.read_bytes() for path in files)])

    return read
