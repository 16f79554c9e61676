"""Trigger of a sensor that starts in the triggerer, without a worker."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import push_xcom_in_trigger, xcom_in_trigger
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.events import ExecutionEvent
from airflow_provider_polytomic._task.link import push_link_in_trigger
from airflow_provider_polytomic._task.schedule import previous_schedule_point
from airflow_provider_polytomic._task.state import EXECUTION_XCOM_KEY
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.sync_task import SENSOR_CLASSES, SYNC_PARAMETERS
from airflow_provider_polytomic._task.values import as_datetime, as_id, exactly_one
from airflow_provider_polytomic.durations import duration
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.triggers._base import EPOCH
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

if TYPE_CHECKING:
    from airflow_provider_polytomic.executions import CompletedSince, ExecutionRef
    from airflow_provider_polytomic.results import SyncKindName


class PolytomicSensorTrigger(PolytomicExecutionTrigger):
    """Resolve the execution that a sensor waits for, and wait for its end (Airflow 3.3 and later).

    The triggerer renders the parameters that have the names of the sensor's template fields. The resolved execution is
    pushed to XCom, so that the trigger waits for the same one after it has moved to another triggerer.

    :param kind: Kind of the sync (str), ``"model"`` or ``"bulk"``.
    :param timeout: Timeout of the sensor in seconds (float), from the start of the trigger.
    :param sync_id: Id of the model sync (str); default None. (templated)
    :param sync_name: Exact name of the model sync (str), instead of its id; default None. (templated)
    :param bulk_sync_id: Id of the bulk sync (str), instead of ``sync_id``; default None. (templated)
    :param bulk_sync_name: Exact name of the bulk sync (str), instead of its id; default None. (templated)
    :param execution_id: Id of the execution (str); default None: the current one, or one that ends at or after
        ``completed_after``. (templated)
    :param completed_after: Time (str) in ISO 8601; default None: the schedule point before the DAG run's own.
        (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :param poll_interval: Seconds (float) between two status requests; default 30.
    :param console_log: Whether to copy the execution's console log to the trigger log (bool); default False.
    :param end_from_trigger: Whether to end the task from the trigger (bool) if the execution succeeds without record
        errors; default False.
    :param push_result: Whether to push the result to XCom in that case (bool); default True.
    :param schema: Id of the only schema of a bulk sync (str) whose end is waited for; default None: the end of the
        execution. (templated)

    .. code-block:: python

        StartTriggerArgs(
            trigger_cls="airflow_provider_polytomic.triggers.sensors.PolytomicSensorTrigger",
            trigger_kwargs={"kind": "model", "sync_id": "{{ params.sync_id }}", "timeout": 3600.0},
            next_method="execute_complete",
        )

    .. seealso::
        How-to: ``docs/sensors.md``. API: ``GET /api/syncs/{id}/status``, ``GET /api/bulk/syncs/{id}/status``
    """

    def __init__(
        self,
        *,
        kind: SyncKindName,
        timeout: float,
        sync_id: str | None = None,
        sync_name: str | None = None,
        bulk_sync_id: str | None = None,
        bulk_sync_name: str | None = None,
        execution_id: str | None = None,
        completed_after: str | None = None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        poll_interval: float = 30.0,
        console_log: bool = False,
        end_from_trigger: bool = False,
        push_result: bool = True,
        schema: str | None = None,
    ) -> None:
        super().__init__(
            kind=kind,
            sync_id=sync_id or "",
            execution_id=execution_id,
            completed_after=completed_after,
            polytomic_conn_id=polytomic_conn_id,
            organization_id=organization_id,
            poll_interval=poll_interval,
            console_log=console_log,
            end_from_trigger=end_from_trigger,
            push_result=push_result,
            sync_name=sync_name,
            schema=schema,
        )
        self.bulk_sync_id = bulk_sync_id
        self.bulk_sync_name = bulk_sync_name
        self.timeout = duration(timeout, "timeout")
        self._names_execution = execution_id is not None
        self._names_schema = schema is not None

    async def _wait(self) -> ExecutionEvent:
        from asgiref.sync import sync_to_async

        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions import ExecutionRef

        ti: Any = self.task_instance
        awaited = await xcom_in_trigger(ti, EXECUTION_XCOM_KEY) or {}
        if awaited.get("try_number") != ti.try_number:
            self.deadline = time.time() + self.timeout
            await self._resolve_sync()
            self.schema = as_id(self.schema, "schema") if self._names_schema else None
            if not (self.completed_after or self._names_execution):
                since = await sync_to_async(previous_schedule_point)(ti.get_template_context())
                self.completed_after = since.isoformat()
            self.completed_after = as_datetime(self.completed_after or EPOCH, "completed_after").isoformat()
            target = await self._resolve_target()
            awaited = {
                "execution_id": target.execution_id if isinstance(target, ExecutionRef) else None,
                "ownership": self.ownership,
                "try_number": ti.try_number,
                "sync_id": self.sync_id,
                "schema": self.schema,
                "completed_after": self.completed_after,
                "deadline": self.deadline,
            }
            await push_xcom_in_trigger(ti, EXECUTION_XCOM_KEY, storable(awaited, "the awaited execution"))
            async with shared_client(await self._get_config()) as client:
                self.sync_name = await push_link_in_trigger(ti, client, target) or self.sync_name
        for name in ("execution_id", "try_number", "sync_id", "schema", "completed_after", "deadline"):
            setattr(self, name, awaited[name])
        return await super()._wait()

    async def _resolve_sync(self) -> None:
        """Set the id of the sync; request it if the sync is given by its name."""
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions import UnresolvedName, repeat_while_transient, resolve_sync

        id_name, name_name = SYNC_PARAMETERS[self.kind]
        given = exactly_one(**{name: getattr(self, name) for name in (id_name, name_name)})
        value = getattr(self, given)
        if given == id_name:
            self.sync_id = as_id(value, given)
            return
        subject = f"{self.kind} sync {value!r}"
        resolving = repeat_while_transient(
            partial(resolve_sync, self.kind, str(value)), subject, self.poll_interval, self.timeout
        )
        try:
            with translate_api_errors(f"{subject} cannot be waited for", self._hook):
                async with shared_client(await self._get_config()) as client:
                    self.sync_id = await client.run(resolving)
        except UnresolvedName as error:
            raise PolytomicRequestRefused(str(error)) from None

    async def _resolve_target(self) -> ExecutionRef | CompletedSince:
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions import ExecutionRef, resolve_target, with_advice_on_id

        if self._names_execution:
            return ExecutionRef(self.kind, self.sync_id, as_id(self.execution_id, "execution_id"))
        since = as_datetime(self.completed_after, "completed_after")
        flow = resolve_target(self.kind, self.sync_id, since, poll_interval=self.poll_interval, timeout=self.timeout)
        flow = with_advice_on_id(flow, self.kind, self.sync_id, SENSOR_CLASSES)
        with translate_api_errors(f"{self.kind} sync {self.sync_id} cannot be waited for", self._hook):
            async with shared_client(await self._get_config()) as client:
                return await client.run(flow)
