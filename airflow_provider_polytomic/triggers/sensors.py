"""Sensing from the triggerer, where a sensor begins without a worker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import push_xcom_in_trigger, xcom_in_trigger
from airflow_provider_polytomic._task.kill_guard import EXECUTION_XCOM_KEY
from airflow_provider_polytomic._task.link import show_link_in_trigger
from airflow_provider_polytomic._task.values import as_id, as_moment
from airflow_provider_polytomic.exceptions import PolytomicTaskError, translate_api_errors
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

if TYPE_CHECKING:
    from airflow_provider_polytomic.executions import CompletedSince, ExecutionRef
    from airflow_provider_polytomic.results import SyncKindName

SYNC_FIELDS = {"model": "sync_id", "bulk": "bulk_sync_id"}
"""What the sensors of each kind call the id of their sync."""


class PolytomicSensorTrigger(PolytomicExecutionTrigger):
    """Choose what a sensor waits for, and wait for its end (Airflow 3.3 and later).

    The choice is written to XCom, so that a trigger that is begun again, by another triggerer, keeps to it.

    :param kind: ``model`` or ``bulk``
    :param timeout: seconds from the first look on; the sensor's
    :param fields: the sensor's own templated fields, by their names, and the other parameters of
        :class:`~airflow_provider_polytomic.triggers.executions.PolytomicExecutionTrigger`
    """

    def __init__(self, *, kind: SyncKindName, timeout: float, **fields: Any) -> None:
        name = SYNC_FIELDS[kind]
        sync_id = fields.pop(name)
        super().__init__(kind=kind, sync_id=sync_id, **fields)
        setattr(self, name, sync_id)
        self.timeout = timeout
        self.options = (name, "timeout", *(each for each in super().options if each != "sync_id"))

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions import ExecutionRef

        ti: Any = self.task_instance
        note = await xcom_in_trigger(ti, EXECUTION_XCOM_KEY) or {}
        if note.get("try_number") != ti.try_number:
            self.deadline = time.time() + self.timeout
            try:
                self.sync_id = as_id(getattr(self, SYNC_FIELDS[self.kind]), SYNC_FIELDS[self.kind])
                self.completed_after = as_moment(self.completed_after, "completed_after").isoformat()
                target = await self._choose()
            except PolytomicTaskError as error:
                return self._event("refused", message=str(error))
            note = {
                "execution_id": target.execution_id if isinstance(target, ExecutionRef) else None,
                "ownership": self.ownership,
                "try_number": ti.try_number,
                "sync_id": self.sync_id,
                "completed_after": self.completed_after,
                "deadline": self.deadline,
            }
            await push_xcom_in_trigger(ti, EXECUTION_XCOM_KEY, note)
            async with shared_client(await self._find_config()) as client:
                await show_link_in_trigger(ti, client, target)
        for name in ("execution_id", "try_number", "sync_id", "completed_after", "deadline"):
            setattr(self, name, note[name])
        return await super()._wait()

    async def _choose(self) -> ExecutionRef | CompletedSince:
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions import ExecutionRef, resolve_target

        if self.execution_id is not None:
            return ExecutionRef(self.kind, self.sync_id, as_id(self.execution_id, "execution_id"))
        since = as_moment(self.completed_after, "completed_after")
        choosing = resolve_target(
            self.kind, self.sync_id, since, poll_interval=self.poll_interval, timeout=self.timeout
        )
        with translate_api_errors(f"{self.kind} sync {self.sync_id} cannot be waited for", self.polytomic_conn_id):
            async with shared_client(await self._find_config()) as client:
                return await client.run(choosing)
