"""Trigger that waits for a recent successful execution."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.events import EventStatus, ExecutionEvent
from airflow_provider_polytomic._task.values import as_datetime, choice
from airflow_provider_polytomic.durations import duration, optional_duration, optional_moment
from airflow_provider_polytomic.triggers._base import EPOCH, BaseWaitTrigger

if TYPE_CHECKING:
    from airflow_provider_polytomic.results import SyncKindName

log = logging.getLogger(__name__)


class PolytomicFreshnessTrigger(BaseWaitTrigger):
    """Wait until a sync has a successful execution that completed recently enough.

    Sends the event of :class:`~airflow_provider_polytomic.triggers.executions.PolytomicExecutionTrigger`.

    :param kind: Kind of the sync (str), ``"model"`` or ``"bulk"``.
    :param sync_id: Id of the sync (str).
    :param since: Time (str) in ISO 8601 at or after which the execution must have completed; default None: any.
    :param max_age: Seconds (float) before now within which it must have completed; default None: any.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``.
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection.
    :param poll_interval: Seconds (float) between two requests; default 30.
    :param deadline: When to stop waiting, in seconds (float) since the epoch; default None: never.
    :param try_number: Number of the waiting attempt (int); default None.

    .. code-block:: python

        self.defer(
            trigger=PolytomicFreshnessTrigger(kind="model", sync_id=sync_id, max_age=3600.0),
            method_name="execute_complete",
        )

    .. seealso::
        How-to: ``docs/events.md``. API: ``GET /api/syncs/{id}/executions``, ``GET /api/bulk/syncs/{id}/executions``
    """

    def __init__(
        self,
        *,
        kind: SyncKindName,
        sync_id: str,
        since: str | None = None,
        max_age: float | None = None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        poll_interval: float = 30.0,
        deadline: float | None = None,
        try_number: int | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind: SyncKindName = choice(kind, "kind", "model", "bulk")
        self.sync_id = str(sync_id)
        self.since = since
        self.max_age = optional_duration(max_age, "max_age")
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = None if organization_id is None else str(organization_id)
        self.poll_interval = duration(poll_interval, "poll_interval")
        self.deadline = optional_moment(deadline, "deadline")
        self.try_number = try_number

    async def _wait(self) -> ExecutionEvent:
        from airflow_provider_polytomic.executions import DeadlinePassed, Freshness
        from airflow_provider_polytomic.executions.poller import shared_poller

        try:
            target = Freshness(self.kind, self.sync_id, as_datetime(self.since or EPOCH, "since"), self.max_age)
            log.info("Waiting for %s", target)
            with translate_api_errors(f"{target} cannot be waited for", self._hook):
                async with shared_poller(await self._get_config()) as poller:
                    execution = await poller.wait_for_end(
                        target, poll_interval=self.poll_interval, deadline=self.deadline
                    )
        except DeadlinePassed:
            return self._event(EventStatus.DEADLINE, sync_id=self.sync_id)
        return self._event(EventStatus.ENDED, sync_id=self.sync_id, execution=execution.result())
