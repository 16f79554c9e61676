"""Waiting for a recent success without a worker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._task.values import as_moment
from airflow_provider_polytomic.exceptions import PolytomicTaskError, translate_api_errors
from airflow_provider_polytomic.triggers._base import EPOCH, WaitingTrigger

if TYPE_CHECKING:
    from airflow_provider_polytomic.results import SyncKindName

log = logging.getLogger(__name__)


class PolytomicFreshnessTrigger(WaitingTrigger):
    """Wait until a sync has an execution that succeeded and completed recently enough.

    Its event is like that of :class:`~airflow_provider_polytomic.triggers.executions.PolytomicExecutionTrigger`.

    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param since: moment in ISO 8601 at or after which it must have completed; default: any
    :param max_age: seconds before now within which it must have completed; default: any number
    :param polytomic_conn_id: id of the Airflow connection
    :param poll_interval: seconds between two polls
    :param deadline: when to give up, in seconds since the epoch; default: never
    :param try_number: the attempt that waits
    """

    options = ("kind", "sync_id", "since", "max_age", "polytomic_conn_id", "poll_interval", "deadline", "try_number")

    def __init__(
        self,
        *,
        kind: SyncKindName,
        sync_id: str,
        since: str | None = None,
        max_age: float | None = None,
        polytomic_conn_id: str = "polytomic_default",
        poll_interval: float = 30.0,
        deadline: float | None = None,
        try_number: int | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind = kind
        self.sync_id = sync_id
        self.since = since
        self.max_age = max_age
        self.polytomic_conn_id = polytomic_conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.try_number = try_number

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_polytomic.executions import DeadlinePassed, Freshness
        from airflow_provider_polytomic.executions.poller import shared_poller

        try:
            since = as_moment(self.since or EPOCH, "since")
            target = Freshness(self.kind, self.sync_id, since, self.max_age)
            log.info("Waiting for %s", target)
            with translate_api_errors(f"{target} cannot be waited for", self.polytomic_conn_id):
                async with shared_poller(await self._find_config()) as watcher:
                    execution = await watcher.wait_for_end(
                        target, poll_interval=self.poll_interval, deadline=self.deadline
                    )
        except DeadlinePassed:
            return {"status": "deadline", "try_number": self.try_number}
        except PolytomicTaskError as error:
            return {"status": "refused", "message": str(error), "try_number": self.try_number}
        return {"status": "ended", "execution": execution.result(), "try_number": self.try_number}
