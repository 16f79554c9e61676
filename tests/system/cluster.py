"""Run the components of a real Airflow on this machine, with a database of their own.

It is the Airflow of the running interpreter, and may be any supported version. User actions call Airflow's REST API, as
its UI does. States are read from the metadata database, so that reading them does not influence the components.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from .database import MetadataDatabase
from .logs import tail
from .processes import Process, free_port, interrupt_on_sigterm, poll, stop_all

REPOSITORY = Path(__file__).resolve().parents[2]
AIRFLOW_VERSION = version("apache-airflow")
IS_AIRFLOW_2 = AIRFLOW_VERSION.startswith("2.")
API_ROOT = "/api/v1" if IS_AIRFLOW_2 else "/api/v2"
HEALTH = "/api/v1/health" if IS_AIRFLOW_2 else "/api/v2/monitor/health"
START_TIMEOUT = 240
STOP_TIMEOUT = 3
TASK_INSTANCES = """
    SELECT ti.task_id, ti.map_index, ti.state, ti.try_number, ti.max_tries, ti.pid, ti.next_method,
           ti.trigger_id, t.triggerer_id
    FROM task_instance ti LEFT JOIN "trigger" t ON t.id = ti.trigger_id
    WHERE ti.dag_id = %s AND ti.run_id = %s ORDER BY ti.task_id, ti.map_index
"""

PARSE_INTERVAL = 300
"""Seconds between two parses of a DAG file that has not been modified; each takes processor time."""

T = TypeVar("T")


@dataclass(frozen=True)
class TaskInstance:
    """Hold one row of the task instance table.

    `pid` is the process that runs the operator. `triggerer_id` is the job id of the triggerer that runs the trigger,
    see :attr:`Cluster.triggerers`.
    """

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    max_tries: int
    pid: int | None
    next_method: str | None
    trigger_id: int | None
    triggerer_id: int | None


class Cluster:
    """Run the components of one Airflow, each a process in its own session, from `start` to `stop`.

    Use it as a context manager. `components` holds the processes by name, `triggerers` the job id of each triggerer.

    :param dags_folder: Folder of the DAG files.
    :param env: Environment variables for all components; they override the cluster's own. Default: none.
    :param connections: Airflow connections by id, as the dictionaries that `AIRFLOW_CONN_...` takes as JSON. Default:
        none.
    :param parallelism: Number of worker slots; default 4.
    :param port: Port of the API server and its UI; default None, which finds a free one.
    """

    def __init__(
        self,
        dags_folder: Path,
        env: Mapping[str, str] | None = None,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        parallelism: int = 4,
        port: int | None = None,
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="airflow-home-", ignore_cleanup_errors=True)
        self.home = Path(self._directory.name)
        self._dags = dags_folder
        self.database = MetadataDatabase(AIRFLOW_VERSION, self.home / "postgres.log")
        self.components: dict[str, Process] = {}
        self.triggerers: dict[str, int] = {}
        self._port = port or free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        conns = {f"AIRFLOW_CONN_{key.upper()}": json.dumps(value) for key, value in (connections or {}).items()}
        self._env = {**self._settings(dags_folder, parallelism), **conns, **(env or {})}

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the database and all components, and wait until Airflow reports that it is healthy.

        :raises RuntimeError: if a component ends; the message has the end of its log
        :raises TimeoutError: if Airflow is not healthy in time; the message has the end of every log
        """
        interrupt_on_sigterm()
        atexit.register(self.stop)
        try:
            self.database.start(self._migrate)
            for command in self._commands():
                self._start_component(command[0], *command)
            self.wait_for(self._healthy, START_TIMEOUT, "a healthy Airflow")
            [self.triggerers["triggerer"]] = self._triggerer_ids()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all components and the database, and delete their files."""
        stop_all(self.components.values(), timeout=STOP_TIMEOUT)
        if self.database.process:
            stop_all([self.database.process], timeout=STOP_TIMEOUT)
        self._http.close()
        self.database.remove()
        self._directory.cleanup()
        atexit.unregister(self.stop)

    def start_triggerer(self, name: str) -> Process:
        """Start one more triggerer and wait until it has a job id."""
        earlier = self._triggerer_ids()
        process = self._start_component(name, "triggerer", "--skip-serve-logs")
        new = self.wait_for(lambda: self._triggerer_ids() - earlier, START_TIMEOUT, f"the job of triggerer {name}")
        self.triggerers[name] = new.pop()
        return process

    def start_api_server(self, name: str, env: Mapping[str, str]) -> str:
        """Start one more API server with other settings, wait until it answers, and return its URL."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        settings = {"AIRFLOW__API__PORT": str(port), "AIRFLOW__API__BASE_URL": url, **env}
        self._start_component(name, "api-server", env=settings)

        def is_healthy() -> bool:
            try:
                return self._http.get(f"{url}{HEALTH}").is_success
            except httpx.HTTPError:
                return False

        self.wait_for(is_healthy, START_TIMEOUT, f"an answer of {name}")
        return url

    # Actions of a user

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """Call Airflow's REST API and return the decoded response.

        :param method: HTTP method.
        :param path: Path below `/api/v2/` (Airflow 2: `/api/v1/`).
        :param body: Body, sent as JSON; default None.
        :raises httpx.HTTPStatusError: if the response is an error; the message has its text
        """
        if not IS_AIRFLOW_2 and "Authorization" not in self._http.headers:
            token = self._http.get("/auth/token").raise_for_status().json()["access_token"]
            self._http.headers["Authorization"] = f"Bearer {token}"
        response = self._http.request(method, f"{API_ROOT}/{path}", json=body)
        if response.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path}: {response.status_code} {response.text}",
                request=response.request,
                response=response,
            )
        return response.json() if response.content else None

    def parse_again(self, name: str) -> None:
        """Let Airflow parse a DAG file at once, since what it reads has changed."""
        (self._dags / name).touch()

    def wait_until_parsed(self, dag_id: str) -> None:
        """Wait until Airflow has parsed the file of a DAG."""
        rows = "SELECT 1 FROM serialized_dag WHERE dag_id = %s"
        self.wait_for(lambda: self.database.rows(rows, dag_id), START_TIMEOUT, f"parsed DAG {dag_id}")

    def trigger(self, dag_id: str, run_id: str | None = None, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run of a DAG as soon as Airflow has parsed its file, and return the id of the run."""
        self.wait_until_parsed(dag_id)
        body: dict[str, Any] = {"conf": dict(conf or {})}
        if run_id:
            body["dag_run_id"] = run_id
        if not IS_AIRFLOW_2:
            body["logical_date"] = None
        return str(self.rest("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task instance `failed` or `success`."""
        path = self._task_path(dag_id, run_id, task_id) + (f"/{map_index}" if map_index >= 0 else "")
        self.rest("PATCH", path, {"new_state": state, **({"dry_run": False} if IS_AIRFLOW_2 else {})})

    def clear(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """Clear a task instance, so that it runs again; Airflow 2 clears all map indexes of the task."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task_id if map_index < 0 or IS_AIRFLOW_2 else [task_id, map_index]],
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self.rest("POST", f"dags/{dag_id}/clearTaskInstances", body)

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark a whole DAG run failed."""
        self.rest("PATCH", self._run_path(dag_id, run_id), {"state": "failed"})

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a DAG run with its task instances."""
        self.rest("DELETE", self._run_path(dag_id, run_id))

    def kill_task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> int:
        """Kill the process that runs a task with SIGKILL and return its id."""
        instance = (dag_id, run_id, task_id, map_index)
        pid = self.wait_for(lambda: self.task_instance(*instance).pid, 20, f"process of {task_id}")
        os.kill(pid, signal.SIGKILL)
        return pid

    # States that a user sees

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a DAG run."""
        rows = self.database.rows("SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s", dag_id, run_id)
        return rows[0]["state"] if rows else None

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return all task instances of a DAG run."""
        return [TaskInstance(**row) for row in self.database.rows(TASK_INSTANCES, dag_id, run_id)]

    def task_instance(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> TaskInstance:
        """Return one task instance.

        :raises LookupError: if it does not exist
        """
        for instance in self.task_instances(dag_id, run_id):
            if (instance.task_id, instance.map_index) == (task_id, map_index):
                return instance
        raise LookupError(f"no task instance {task_id}[{map_index}] in {run_id} of {dag_id}")

    def task_state(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str | None:
        """Return the state of a task instance; None before the scheduler has set one."""
        return next(
            (
                instance.state
                for instance in self.task_instances(dag_id, run_id)
                if (instance.task_id, instance.map_index) == (task_id, map_index)
            ),
            None,
        )

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value of an XCom, or None if it does not exist."""
        path = f"{self._task_path(dag_id, run_id, task_id)}/xcomEntries/{quote(key, safe='')}"
        try:
            return self.rest("GET", f"{path}?map_index={map_index}&stringify=false")["value"]
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            return None

    def extra_links(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, str | None]:
        """Return the links that the UI shows on a task instance, by name."""
        response = self.rest("GET", f"{self._task_path(dag_id, run_id, task_id)}/links?map_index={map_index}")
        links: dict[str, str | None] = response if IS_AIRFLOW_2 else response["extra_links"]
        return links

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """Return the logs of all attempts and triggers of a task instance so far."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        return "".join(file.read_text(errors="replace") for file in sorted(folder.glob("attempt=*")))

    def wait_for(self, predicate: Callable[[], T | None], timeout: float, what: str) -> T:
        """Call the predicate until it returns a true value, and return that value.

        :param predicate: Function to call.
        :param timeout: Seconds to wait.
        :param what: Name of what is waited for, for error messages.
        :raises TimeoutError: if it stays false; the message has the states and the ends of all logs
        :raises RuntimeError: if a component ends unexpectedly; the message has the same
        """

        def checked() -> T | None:
            for process in self.components.values():
                if process.exit_code is not None and not process.was_stopped:
                    raise RuntimeError(f"{process.name} ended unexpectedly during the wait for {what}\n{self.report()}")
            return predicate()

        result = poll(checked, timeout)
        if not result:
            raise TimeoutError(f"no {what} after {timeout:g} s\n{self.report()}")
        return result

    def report(self) -> str:
        """Return the states of all DAG runs and the end of every log, the latest last."""
        return "\n".join(self._report())

    def _report(self) -> Iterator[str]:
        for error in self.database.rows("SELECT filename, stacktrace FROM import_error"):
            yield f"--- {error['filename']} cannot be imported\n{error['stacktrace']}"
        for run in self.database.rows("SELECT dag_id, run_id, state FROM dag_run ORDER BY id"):
            yield f"--- {run['dag_id']} {run['run_id']}: {run['state']}"
            yield from map(str, self.task_instances(run["dag_id"], run["run_id"]))
        for process in self.components.values():
            state = "running" if process.exit_code is None else f"exit code {process.exit_code}"
            yield f"--- {process.name} ({state})\n{process.tail()}"
        logs = (self.home / "logs").glob("dag_id=*/**/attempt=*")
        for file in sorted(logs, key=lambda file: file.stat().st_mtime):
            yield f"--- {file.relative_to(self.home)}\n{tail(file, 40)}"

    # Processes and their settings

    def _settings(self, dags_folder: Path, parallelism: int) -> dict[str, str]:
        if IS_AIRFLOW_2:
            (self.home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\nWTF_CSRF_ENABLED = False\n")
        sequential = IS_AIRFLOW_2 and self.database.kind == "sqlite"
        options: dict[str, dict[str, object]] = {
            "CORE": {
                "DAGS_FOLDER": dags_folder.resolve(),
                "DAGS_ARE_PAUSED_AT_CREATION": False,
                "EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "EXECUTOR": "SequentialExecutor" if sequential else "LocalExecutor",
                "FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "HOSTNAME_CALLABLE": "socket.gethostname",
                "LOAD_EXAMPLES": False,
                "MIN_SERIALIZED_DAG_UPDATE_INTERVAL": 1,
                "PARALLELISM": parallelism,
                "SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
                "TEST_CONNECTION": "Enabled",
            },
            "API": {
                "AUTH_BACKENDS": "airflow.api.auth.backend.default",
                "BASE_URL": self.url,
                "HOST": "127.0.0.1",
                "PORT": self._port,
                "SECRET_KEY": secrets.token_hex(),
                "WORKERS": 1,
            },
            "API_AUTH": {"JWT_SECRET": secrets.token_hex(64)},
            "WEBSERVER": {
                "BASE_URL": self.url,
                "SECRET_KEY": secrets.token_hex(),
                "WEB_SERVER_MASTER_TIMEOUT": 0,  # else it may count the processes wrongly at its start and end itself
                "WEB_SERVER_HOST": "127.0.0.1",
                "WEB_SERVER_PORT": self._port,
                "WORKERS": 1,
            },
            "SCHEDULER": {
                "DAG_DIR_LIST_INTERVAL": 10,
                "MIN_FILE_PROCESS_INTERVAL": PARSE_INTERVAL,
                "SCHEDULER_HEARTBEAT_SEC": 1,
                "TRIGGER_TIMEOUT_CHECK_INTERVAL": 2,
            },
            "DAG_PROCESSOR": {"MIN_FILE_PROCESS_INTERVAL": PARSE_INTERVAL, "REFRESH_INTERVAL": 10},
            "TRIGGERER": {"JOB_HEARTBEAT_SEC": 2, "TRIGGERER_HEALTH_CHECK_THRESHOLD": 8},
            "WORKERS": {"EXECUTION_API_TIMEOUT": 60},
            "USAGE_DATA_COLLECTION": {"ENABLED": False},
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return {
            **inherited,
            **{
                f"AIRFLOW__{section}__{option}": str(value)
                for section, values in options.items()
                for option, value in values.items()
            },
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": "127.0.0.1,localhost",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }

    def _commands(self) -> list[list[str]]:
        workers = [["scheduler", "--skip-serve-logs"], ["triggerer", "--skip-serve-logs"]]
        return [["webserver"], *workers] if IS_AIRFLOW_2 else [["api-server"], ["dag-processor"], *workers]

    def _start_component(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> Process:
        log = self.home / f"{name}.log"
        settings = {**self._environment(), "AIRFLOW__METRICS__STATSD_PREFIX": command[0], **(env or {})}
        process = Process(name, [sys.executable, "-m", "airflow", *command], log, settings)
        self.components[name] = process
        return process

    def _environment(self) -> dict[str, str]:
        return {**self._env, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.url}

    def _migrate(self) -> None:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"airflow db migrate failed:\n{done.stdout}\n{done.stderr}")

    def _healthy(self) -> bool:
        try:
            health = self._http.get(HEALTH).raise_for_status().json()
        except httpx.HTTPError:
            return False
        parts = {"metadatabase"} | {name.replace("-", "_") for name in self.components} & set(health)
        return all(health[part]["status"] == "healthy" for part in parts)

    def _triggerer_ids(self) -> set[int]:
        return {row["id"] for row in self.database.rows("SELECT id FROM job WHERE job_type = 'TriggererJob'")}

    def _run_path(self, dag_id: str, run_id: str) -> str:
        return f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"

    def _task_path(self, dag_id: str, run_id: str, task_id: str) -> str:
        return f"{self._run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"
