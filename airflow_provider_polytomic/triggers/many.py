"""Trigger that waits for the ends of many executions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_provider_polytomic._task.events import EventStatus, ExecutionEvent
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.durations import duration, optional_moment
from airflow_provider_polytomic.triggers._base import BaseWaitTrigger

if TYPE_CHECKING:
    from airflow_provider_polytomic.executions import ExecutionRef
    from airflow_provider_polytomic.executions.poller import ExecutionPoller
    from airflow_provider_polytomic.results import ExecutionResult


class PolytomicManyExecutionsTrigger(BaseWaitTrigger):
    """Wait for the ends of many executions.

    Sends one event with these keys:

    * ``status``: ``ended``, ``deadline``, ``refused`` or ``unavailable``
    * ``message``: the reason of a refusal or another failure
    * ``executions``: for each of ``runs``, the result of an execution that has ended, the reason (str) why it cannot be
      waited for, or None if it had not ended at the deadline
    * ``try_number`` and ``runs`` as given

    :param runs: Executions (sequence of mappings) with ``kind``, ``sync_id`` and ``execution_id``.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``.
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection.
    :param poll_interval: Seconds (float); the longest time that an end goes unnoticed; default 30.
    :param deadline: When to stop waiting, in seconds (float) since the epoch; default None: never.
    :param try_number: Number of the waiting attempt (int); default None.

    .. code-block:: python

        runs = [{"kind": "model", "sync_id": sync_id, "execution_id": execution_id}]
        self.defer(trigger=PolytomicManyExecutionsTrigger(runs=runs), method_name="execute_complete")

    .. seealso::
        How-to: ``docs/many_syncs.md``. API: ``GET /api/syncs/{id}/executions/{execution id}``,
        ``GET /api/bulk/syncs/{id}/executions/{execution id}``
    """

    def __init__(
        self,
        *,
        runs: Sequence[Mapping[str, str]],
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        poll_interval: float = 30.0,
        deadline: float | None = None,
        try_number: int | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.runs = [dict(run) for run in runs]
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = None if organization_id is None else str(organization_id)
        self.poll_interval = duration(poll_interval, "poll_interval")
        self.deadline = optional_moment(deadline, "deadline")
        self.try_number = try_number

    async def _wait(self) -> ExecutionEvent:
        from airflow_provider_polytomic.executions import ExecutionRef
        from airflow_provider_polytomic.executions.poller import shared_poller

        async with shared_poller(await self._get_config()) as poller:
            refs = [ExecutionRef(**run) for run in self.runs]  # type: ignore[arg-type]
            waits = [asyncio.ensure_future(self._wait_for_end(poller, ref)) for ref in refs]
            try:
                ends = await asyncio.gather(*waits)
            finally:
                for wait in waits:
                    wait.cancel()
        return self._event(EventStatus.DEADLINE if None in ends else EventStatus.ENDED, executions=ends, runs=self.runs)

    async def _wait_for_end(self, poller: ExecutionPoller, ref: ExecutionRef) -> ExecutionResult | str | None:
        from airflow_provider_polytomic.api.redaction import one_line, redact
        from airflow_provider_polytomic.executions import DeadlinePassed

        try:
            execution = await poller.wait_for_end(ref, poll_interval=self.poll_interval, deadline=self.deadline)
            return storable(execution.result(len(self.runs)), f"the result of {ref}")
        except DeadlinePassed:
            return None
        except Exception as error:
            return one_line(redact(str(error)))
