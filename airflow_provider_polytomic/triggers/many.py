"""Waiting for the ends of many executions without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic.exceptions import PolytomicTaskError
from airflow_provider_polytomic.triggers._base import WaitingTrigger

if TYPE_CHECKING:
    from airflow_provider_polytomic.executions import ExecutionRef
    from airflow_provider_polytomic.executions.poller import ExecutionPoller
    from airflow_provider_polytomic.results import ExecutionResult


class PolytomicManyExecutionsTrigger(WaitingTrigger):
    """Wait for the ends of many executions; those that share a connection share its requests anyway.

    Its event has ``try_number`` as given, and ``ends``: for each of ``runs`` the result dict of an execution that has
    ended, the reason, as text, why one cannot be waited for, or None for one that had not ended at the deadline. Where
    the connection cannot be used it has ``status``, ``refused``, and ``message`` instead.

    :param runs: mappings with ``kind``, ``sync_id`` and ``execution_id``
    :param polytomic_conn_id: id of the Airflow connection
    :param poll_interval: seconds; the longest time an end goes unnoticed
    :param deadline: when to give up, in seconds since the epoch; default: never
    :param try_number: the attempt that waits
    """

    options = ("runs", "polytomic_conn_id", "poll_interval", "deadline", "try_number")

    def __init__(
        self,
        *,
        runs: Sequence[Mapping[str, Any]],
        polytomic_conn_id: str = "polytomic_default",
        poll_interval: float = 30.0,
        deadline: float | None = None,
        try_number: int | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.runs = [dict(run) for run in runs]
        self.polytomic_conn_id = polytomic_conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.try_number = try_number

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_polytomic.executions import ExecutionRef
        from airflow_provider_polytomic.executions.poller import shared_poller

        try:
            config = await self._find_config()
        except PolytomicTaskError as error:
            return {"status": "refused", "message": str(error), "try_number": self.try_number}
        async with shared_poller(config) as watcher:
            waits = [asyncio.ensure_future(self._end_of(watcher, ExecutionRef(**run))) for run in self.runs]
            try:
                ends = await asyncio.gather(*waits)
            finally:
                for wait in waits:
                    wait.cancel()
        return {"ends": ends, "try_number": self.try_number}

    async def _end_of(self, watcher: ExecutionPoller, run: ExecutionRef) -> ExecutionResult | str | None:
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.api.redaction import one_line
        from airflow_provider_polytomic.executions import DeadlinePassed

        try:
            execution = await watcher.wait_for_end(run, poll_interval=self.poll_interval, deadline=self.deadline)
        except DeadlinePassed:
            return None
        except PolytomicError as error:
            return one_line(str(error))
        return execution.result()
