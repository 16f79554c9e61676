"""Find the DAGs and tasks that run, wait for or cancel a sync, by what the tasks have left in Airflow.

Each task of this provider pushes an XCom whose key names its syncs. Airflow's public REST API lists them, the DAG runs,
and the assets with their events. The requests have the credentials of the viewer, so that nobody sees more than Airflow
shows them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import chain
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from airflow_provider_polytomic._task.link import SYNC_XCOM_PREFIX, read_sync_xcom_key
from airflow_provider_polytomic.assets import AssetUri
from airflow_provider_polytomic.executions.execution import isoformat
from airflow_provider_polytomic.ui.recent import RecentResults
from airflow_provider_polytomic.ui.rows import SyncRow, SyncTable

AIRFLOW_PAGE = 100
MAX_TASKS = 1000
"""Tasks, and assets, that are listed."""

MAX_DAGS = 100
MAX_TASKS_OF_A_ROW = 5
MAX_RUNS_IN_DETAILS = 20
MAX_ASSETS_IN_DETAILS = 5
"""Assets of a sync, such as those of its schemas, whose events are read for its details."""

PERIODS = (timedelta(days=7), timedelta(days=1), timedelta(hours=2))
"""Ages of the DAG runs whose tasks are listed: the first with :data:`MAX_TASKS` tasks at most, otherwise the last."""

VIEW_TIMEOUT = 20.0
"""Seconds for which the tasks that one person may see are kept."""

STARTED = "started"
TRIGGERED = "triggered"
"""Action for a DAG run that an event of the sync's asset has created."""

ALL_TASKS = "dags/~/dagRuns/~/taskInstances/~/xcomEntries"


class AirflowRefused(Exception):
    """Airflow refuses a request with the credentials of a viewer, or does not respond."""


class TaskOfSync(BaseModel):
    """A task instance that has left the XCom of one or more syncs.

    :param key: key of the XCom
    :param timestamp: when the task had found the execution
    :param run_after: when the DAG run was due
    """

    key: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1
    timestamp: datetime
    run_after: datetime

    @property
    def syncs(self) -> list[str]:
        """The kinds and the ids of the syncs, as the page writes them."""
        return read_sync_xcom_key(self.key)[1]

    @property
    def action(self) -> str:
        """The action of the task, such as ``started``."""
        return read_sync_xcom_key(self.key)[0]

    @property
    def delay(self) -> timedelta:
        """The time from when the DAG run was due to when the task had found the execution."""
        return max(timedelta(), self.timestamp - self.run_after)

    def to_json(self) -> dict[str, Any]:
        """Return the task instance for the page; addresses are relative to the page."""
        run = _run_to_json(self.dag_id, self.run_id, self.action)
        mapped = f"/mapped/{self.map_index}" if self.map_index >= 0 else ""
        return {**run, "task_id": self.task_id, "url": f"{run['run_url']}/tasks/{_quoted(self.task_id)}{mapped}"}


@dataclass
class AirflowView:
    """Hold the DAGs and tasks that one person may see.

    :param app: application of Airflow's API server
    :param headers: headers with the person's credentials
    :param tasks: tasks by the sync that they run, wait for or cancel, the latest first
    :param assets: assets of each sync, with the tasks and DAGs that have declared them
    :param due: time at which the latest scheduled run of each DAG was due
    """

    app: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    tasks: dict[str, list[TaskOfSync]] = field(default_factory=dict)
    assets: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    due: dict[str, datetime] = field(default_factory=dict)

    async def refresh(self) -> AirflowView:
        """Read everything, and return this view.

        :raises AirflowRefused: if Airflow does not respond
        """
        async with self._client() as client:
            self.tasks = await self._read_tasks(client)
            self.assets = await self._read_assets(client)
            scheduled = {task.dag_id for tasks in self.tasks.values() for task in tasks if _is_scheduled_start(task)}
            self.due = {}
            for dag_id in sorted(scheduled)[:MAX_DAGS]:
                if due := await self._read_due(client, dag_id):
                    self.due[dag_id] = due
        return self

    def _client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://airflow", headers=self.headers)

    async def _read_tasks(self, client: httpx.AsyncClient) -> dict[str, list[TaskOfSync]]:
        query: dict[str, Any] = {"xcom_key_pattern": SYNC_XCOM_PREFIX, "order_by": "-timestamp"}
        for period in PERIODS:
            query["run_after_gte"] = (_now() - period).isoformat()
            if _count(await _get(client, ALL_TASKS, {**query, "limit": 1, "offset": 0})) <= MAX_TASKS:
                break
        found = [TaskOfSync.model_validate(each) for each in await _list(client, ALL_TASKS, "xcom_entries", query)]
        tasks: dict[str, list[TaskOfSync]] = {}
        for task in sorted(found, key=lambda each: each.timestamp, reverse=True):
            for sync in task.syncs:
                tasks.setdefault(sync, []).append(task)
        return tasks

    async def _read_assets(self, client: httpx.AsyncClient) -> dict[str, list[dict[str, Any]]]:
        assets: dict[str, list[dict[str, Any]]] = {}
        with suppress(AirflowRefused):  # The person may not read assets.
            for row in await _list(client, "assets", "assets", {"uri_pattern": "polytomic://"}):
                if asset := AssetUri.read(str(row.get("uri"))):
                    assets.setdefault(f"{asset.kind}:{asset.sync_id}", []).append(row)
        return assets

    async def _read_due(self, client: httpx.AsyncClient, dag_id: str) -> datetime | None:
        """Return when the latest scheduled run of a DAG was due; None if it is paused or has no schedule."""
        path = f"dags/{_quoted(dag_id)}"
        query = {"run_type": "scheduled", "order_by": "-run_after", "limit": 1}
        try:
            dag = await _get(client, path, {})
            runs = (await _get(client, f"{path}/dagRuns", query)).get("dag_runs") or []
        except AirflowRefused:  # The DAG does not exist any more.
            return None
        if dag.get("is_paused"):
            return None
        moments = [dag.get("next_dagrun_run_after"), *(run.get("run_after") for run in runs)]
        return max((moment for moment in map(_moment, moments) if moment and moment <= _now()), default=None)

    def users_of(self, key: str) -> list[dict[str, Any]]:
        """Return the tasks and DAGs of a sync for its row, each with its latest run.

        :param key: kind and id of the sync, as the page writes them
        """
        users: dict[tuple[str, str], dict[str, Any]] = {}
        for task in self.tasks.get(key, ()):
            users.setdefault((task.dag_id, task.task_id), task.to_json())
        for user in chain.from_iterable(map(_users_of_asset, self.assets.get(key, ()))):
            dag_id, task_id = str(user.get("dag_id")), str(user.get("task_id") or "")
            url = f"../dags/{_quoted(dag_id)}" + (f"/tasks/{_quoted(task_id)}" if task_id else "")
            users.setdefault((dag_id, task_id), {"dag_id": dag_id, "task_id": task_id, "url": url})
        return list(users.values())[:MAX_TASKS_OF_A_ROW]

    async def runs_of(self, row: SyncRow) -> list[dict[str, Any]]:
        """Return the latest task instances of a sync, and the DAG runs that events of its assets have created."""
        key = f"{row.kind}:{row.sync_id}"
        found = {
            (task.dag_id, task.run_id, task.task_id, task.map_index, task.action): (task.timestamp, task.to_json())
            for task in reversed(self.tasks.get(key, ()))
        }
        async with self._client() as client:
            for asset in self.assets.get(key, ())[:MAX_ASSETS_IN_DETAILS]:
                found |= await self._read_triggered(client, asset)
        latest = sorted(found.values(), key=itemgetter(0), reverse=True)
        return [each for _, each in latest[:MAX_RUNS_IN_DETAILS]]

    async def _read_triggered(
        self, client: httpx.AsyncClient, asset: Mapping[str, Any]
    ) -> dict[tuple[Any, ...], tuple[datetime, dict[str, Any]]]:
        """Return the DAG runs that the latest events of an asset have created, each with the time of the event."""
        query = {"asset_id": asset.get("id"), "order_by": "-timestamp", "limit": MAX_RUNS_IN_DETAILS}
        with suppress(AirflowRefused):
            events = (await _get(client, "assets/events", query)).get("asset_events") or []
            return {
                (run["dag_id"], run["run_id"]): (moment, _run_to_json(run["dag_id"], run["run_id"], TRIGGERED))
                for event in reversed(events)
                for run in event.get("created_dagruns") or ()
                if (moment := _moment(event.get("timestamp")))
            }
        return {}

    def late(self, row: SyncRow) -> dict[str, Any] | None:
        """Return by which DAG a sync is late, and since when; None if it is not."""
        started = [task for task in self.tasks.get(f"{row.kind}:{row.sync_id}", ()) if _is_scheduled_start(task)]
        for dag_id in dict.fromkeys(task.dag_id for task in started):
            usual_delay = max(task.delay for task in started if task.dag_id == dag_id)
            since = row.late_since_due(self.due.get(dag_id), _now(), usual_delay)
            if since and row.active:
                return {"dag_id": dag_id, "since": isoformat(since)}
        return None

    def of_table(self, table: SyncTable) -> dict[str, Any]:
        """Return the tasks of all syncs for the page, and which of the listed ones are late by a DAG."""
        late = {f"{row.kind}:{row.sync_id}": self.late(row) for row in table}
        return {key: {"tasks": self.users_of(key), "late": late.get(key)} for key in {**self.tasks, **self.assets}}


class AirflowViews:
    """Keep the views of several people for a moment."""

    def __init__(self) -> None:
        self._views: RecentResults[str, AirflowView] = RecentResults(VIEW_TIMEOUT)

    async def of(self, app: Any, headers: Mapping[str, str]) -> AirflowView:
        """Return what the owner of some credentials may see.

        :param app: application of Airflow's API server
        :param headers: headers of the person's request
        :raises AirflowRefused: if Airflow does not respond
        """
        credentials = {name: headers[name] for name in ("cookie", "authorization") if name in headers}
        owner = hashlib.sha256(repr(sorted(credentials.items())).encode()).hexdigest()
        return await self._views.get(owner, AirflowView(app, credentials).refresh)


async def _list(client: httpx.AsyncClient, path: str, name: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of all pages, :data:`MAX_TASKS` at most."""
    rows: list[dict[str, Any]] = []
    while len(rows) < MAX_TASKS:
        answer = await _get(client, path, {**query, "limit": AIRFLOW_PAGE, "offset": len(rows)})
        page = answer.get(name) or []
        rows += page
        if not page or len(rows) >= _count(answer):
            break
    return rows


def _count(answer: Mapping[str, Any]) -> int:
    return int(answer.get("total_entries") or 0)


async def _get(client: httpx.AsyncClient, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
    try:
        response = await client.get(f"/api/v2/{path}", params=query)
    except httpx.HTTPError as error:
        raise AirflowRefused(f"GET {path}: {type(error).__name__}") from None
    if response.is_error:
        raise AirflowRefused(f"GET {path}: {response.status_code}")
    answer: dict[str, Any] = response.json()
    return answer


def _users_of_asset(asset: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*(asset.get("producing_tasks") or ()), *(asset.get("scheduled_dags") or ())]


def _run_to_json(dag_id: str, run_id: str, action: str) -> dict[str, Any]:
    url = f"../dags/{_quoted(dag_id)}"
    run_url = f"{url}/runs/{_quoted(run_id)}"
    return {"dag_id": dag_id, "task_id": "", "run_id": run_id, "action": action, "run_url": run_url, "url": url}


def _is_scheduled_start(task: TaskOfSync) -> bool:
    return task.action == STARTED and task.run_id.startswith("scheduled__")


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else None


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _now() -> datetime:
    return datetime.now(timezone.utc)
