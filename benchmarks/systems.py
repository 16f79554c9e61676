"""The measured systems: triggers that wait for the same executions, each created as its own operator does."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

from benchmarks.identifiers import execution_id, sync_id

SECONDS_PER_WEEK = 7 * 24 * 3600.0


class System(ABC):
    """A provider's way to wait.

    :param interval: seconds between two polls
    """

    name: str
    label: str
    is_own = False
    is_baseline = False
    ends = True
    kind = "model"

    def __init__(self, interval: float) -> None:
        self.interval = interval

    def connection(self, port: int) -> dict[str, Any]:
        """Return the fields of the Airflow connection."""
        return {}

    def prepare(self, port: int) -> None:
        """Prepare the triggerer's process before the first trigger."""
        return None

    @abstractmethod
    def trigger(self, number: int, interval: float) -> Any:
        """Return a trigger that waits for execution ``number``."""

    def is_success(self, payload: Any) -> bool:
        """Return True if the payload of an event reports a success."""
        return isinstance(payload, dict) and payload.get("status") == "success"


class PolytomicModelSync(System):
    name = "model"
    label = "Polytomic, model syncs"
    is_own = True
    extra: dict[str, Any] = {}

    def connection(self, port: int) -> dict[str, Any]:
        return {"host": f"https://127.0.0.1:{port}", "password": "key", "extra": json.dumps(self.extra)}

    def trigger(self, number: int, interval: float) -> Any:
        from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

        return PolytomicExecutionTrigger(
            kind=self.kind, sync_id=sync_id(number), execution_id=execution_id(number), poll_interval=interval
        )

    def is_success(self, payload: Any) -> bool:
        return isinstance(payload, dict) and (payload.get("execution") or {}).get("outcome") == "success"


class PolytomicTrustEvents(PolytomicModelSync):
    name = "model-trusting"
    label = "Polytomic, model syncs, trust_events"
    extra = {"trust_events": True}


class PolytomicBulkSync(PolytomicModelSync):
    name = "bulk"
    label = "Polytomic, bulk syncs"
    kind = "bulk"


class Airbyte(System):
    name = "airbyte"
    label = "Airbyte"

    def connection(self, port: int) -> dict[str, Any]:
        return {"host": f"https://127.0.0.1:{port}", "login": "client", "password": "secret"}

    def trigger(self, number: int, interval: float) -> Any:
        from airflow.providers.airbyte.triggers.airbyte import AirbyteSyncTrigger

        return AirbyteSyncTrigger(
            job_id=number, conn_id="benchmark", end_time=time.time() + SECONDS_PER_WEEK, poll_interval=interval
        )


class DbtCloud(System):
    name = "dbt"
    label = "dbt Cloud"

    def connection(self, port: int) -> dict[str, Any]:
        return {"host": f"127.0.0.1:{port}", "login": "1", "password": "token"}

    def trigger(self, number: int, interval: float) -> Any:
        from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

        return DbtCloudRunJobTrigger(
            conn_id="benchmark",
            run_id=number,
            end_time=time.time() + SECONDS_PER_WEEK,
            poll_interval=interval,
            account_id=None,
            hook_params={},
        )


class Fivetran(System):
    name = "fivetran"
    label = "Fivetran"

    def connection(self, port: int) -> dict[str, Any]:
        return {"login": "key", "password": "secret"}

    def prepare(self, port: int) -> None:
        from fivetran_provider_async.hooks import FivetranHook

        FivetranHook.api_host = f"127.0.0.1:{port}"

    def trigger(self, number: int, interval: float) -> Any:
        import pendulum
        from fivetran_provider_async.triggers import FivetranTrigger

        return FivetranTrigger(
            task_id="wait",
            connector_id=str(number),
            fivetran_conn_id="benchmark",
            previous_completed_at=pendulum.instance(datetime.now(timezone.utc)).subtract(hours=12),
            poke_interval=interval,
        )


class Databricks(System):
    name = "databricks"
    label = "Databricks"

    def connection(self, port: int) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": port, "password": "token"}

    def trigger(self, number: int, interval: float) -> Any:
        from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger

        return DatabricksExecutionTrigger(
            run_id=number, databricks_conn_id="benchmark", polling_period_seconds=int(interval)
        )

    def is_success(self, payload: Any) -> bool:
        return isinstance(payload, dict) and '"SUCCESS"' in str(payload.get("run_state"))


class Sleep(System):
    """An empty task: the cost of the benchmark itself and of an idle event loop."""

    name = "sleep"
    label = "asyncio.sleep alone"
    is_baseline = True
    ends = False

    def trigger(self, number: int, interval: float) -> Any:
        from benchmarks.sleeping import SleepingTrigger

        return SleepingTrigger()


class SharedSession(System):
    """Plain polling with one shared aiohttp session: the minimum cost of a trigger that polls by itself."""

    name = "session"
    label = "one shared aiohttp session"
    is_baseline = True

    def prepare(self, port: int) -> None:
        self._url = f"https://127.0.0.1:{port}/api/syncs"
        self._session: Any = None

    def trigger(self, number: int, interval: float) -> Any:
        return _Polling(self, number, interval)

    def is_success(self, payload: Any) -> bool:
        return bool(payload == "completed")

    async def get(self, number: int) -> str:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=60))
        url = f"{self._url}/{sync_id(number)}/executions/{execution_id(number)}"
        async with self._session.get(url) as response:
            return str((await response.json())["data"]["status"])


class NewClient(SharedSession):
    """Plain polling with a new httpx client for each request, as most providers do."""

    name = "new-client"
    label = "a new httpx client each time"

    async def get(self, number: int) -> str:
        import httpx

        async with httpx.AsyncClient() as client:
            response = await client.get(f"{self._url}/{sync_id(number)}/executions/{execution_id(number)}")
            return str(response.json()["data"]["status"])


class Before(PolytomicModelSync):
    """This provider as it was at an earlier commit; its cell runs in a worktree of that commit."""

    name = "before"
    label = "Polytomic, model syncs, before"
    is_own = False
    is_baseline = True


class _Polling:
    def __init__(self, shared: SharedSession, number: int, interval: float) -> None:
        self._shared, self._number, self._interval = shared, number, interval

    async def run(self) -> AsyncIterator[str]:
        while (status := await self._shared.get(self._number)) == "running":
            await asyncio.sleep(self._interval)
        yield status


SYSTEMS: dict[str, type[System]] = {
    each.name: each
    for each in (
        PolytomicModelSync,
        PolytomicTrustEvents,
        PolytomicBulkSync,
        Airbyte,
        DbtCloud,
        Fivetran,
        Databricks,
        SharedSession,
        NewClient,
        Before,
        Sleep,
    )
}
OWN = [name for name, each in SYSTEMS.items() if each.is_own]
PEERS = [name for name, each in SYSTEMS.items() if not each.is_own and not each.is_baseline]
