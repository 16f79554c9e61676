"""Trigger that waits for the end of one execution."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_provider_polytomic._compat import AirflowException, conf, end_event_xcoms, trigger_has_on_kill
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.events import EventStatus, ExecutionEvent
from airflow_provider_polytomic._task.kill_guard import (
    GUARD_TIMEOUT,
    SHUTDOWN_GUARD_TIMEOUT,
    WaitingAttempt,
    was_killed_in_trigger,
)
from airflow_provider_polytomic._task.link import link_url
from airflow_provider_polytomic._task.values import as_datetime, choice
from airflow_provider_polytomic.durations import duration, optional_moment
from airflow_provider_polytomic.results import Ownership
from airflow_provider_polytomic.triggers._base import EPOCH, BaseWaitTrigger

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import ClientConfig
    from airflow_provider_polytomic.executions import ExecutionRef
    from airflow_provider_polytomic.results import ExecutionResult, SchemaResult, SyncKindName

log = logging.getLogger(__name__)

KILL_CANCEL_REQUEST_TIMEOUT = 8.0
"""Seconds for one cancel request after a kill."""

DEADLINE_CANCEL_TIMEOUT = 30.0
"""Seconds to cancel an execution at its deadline, and then to wait for its end."""

_cancellations: set[asyncio.Future[None]] = set()
"""References to running cancellations, which the garbage collector would otherwise end with their triggers."""


class PolytomicExecutionTrigger(BaseWaitTrigger):
    """Wait for the end of one execution, or of one that ends at or after a time.

    Sends one event with these keys:

    * ``status``: ``ended``, ``deadline``, ``refused`` or ``unavailable``
    * ``execution_id``: the execution
    * ``execution``: its result if it has ended or was canceled at the deadline, otherwise None
    * ``message``: the reason of a refusal or another failure
    * ``ownership``, ``try_number``, ``latest_end`` and ``previous_schema_results`` as given

    :param kind: Kind of the sync (str), ``"model"`` or ``"bulk"``.
    :param sync_id: Id of the sync (str).
    :param execution_id: Id of the execution (str); None waits for one that ends at or after ``completed_after``.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``.
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection.
    :param poll_interval: Seconds (float) between two status requests; default 30.
    :param deadline: When to stop waiting, in seconds (float) since the epoch; default None: never.
    :param cancel_on_kill: Whether to cancel the execution when a person ends the waiting task (bool); needs the XCom
        ``polytomic_execution`` with the id of the execution; default False.
    :param ownership: Relation to the task (str): ``"owned"``, ``"joined"`` or ``"blocking"``; default ``"joined"``.
    :param try_number: Number of the waiting attempt (int); default None.
    :param latest_end: End of the task's ``execution_timeout``, in seconds (float) since the epoch; default None.
    :param previous_schema_results: Schema results of earlier executions (list of dict), returned in the event; default
        None.
    :param completed_after: Time (str) in ISO 8601, for a trigger without ``execution_id``; default None: any.
    :param console_log: Whether to copy the execution's console log to the trigger log (bool); default False.
    :param end_from_trigger: Whether to end the task from the trigger (bool) if the execution succeeds without record
        errors; default False.
    :param push_result: Whether to push the result to XCom in that case (bool); default True.
    :param sync_name: Name of the sync (str) for the log; default None.
    :param schema: Id of the only schema of a bulk sync (str) whose end is waited for, and which ``execution`` is about;
        default None: the end of the execution.

    .. code-block:: python

        self.defer(
            trigger=PolytomicExecutionTrigger(kind="model", sync_id=sync_id, execution_id=execution_id),
            method_name="execute_complete",
        )

    .. seealso::
        How-to: ``docs/waiting.md``. API: ``GET /api/syncs/{id}/executions/{execution id}``,
        ``GET /api/bulk/syncs/{id}/executions/{execution id}``
    """

    def __init__(
        self,
        *,
        kind: SyncKindName,
        sync_id: str,
        execution_id: str | None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        poll_interval: float = 30.0,
        deadline: float | None = None,
        cancel_on_kill: bool = False,
        ownership: str = "joined",
        try_number: int | None = None,
        latest_end: float | None = None,
        previous_schema_results: list[SchemaResult] | None = None,
        completed_after: str | None = None,
        console_log: bool = False,
        end_from_trigger: bool = False,
        push_result: bool = True,
        sync_name: str | None = None,
        schema: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind: SyncKindName = choice(kind, "kind", "model", "bulk")
        self.sync_id = str(sync_id)
        self.execution_id = None if execution_id is None else str(execution_id)
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = None if organization_id is None else str(organization_id)
        self.poll_interval = duration(poll_interval, "poll_interval")
        self.deadline = optional_moment(deadline, "deadline")
        self.cancel_on_kill = cancel_on_kill
        self.ownership = choice(ownership, "ownership", *(each.value for each in Ownership))
        self.try_number = try_number
        self.latest_end = optional_moment(latest_end, "latest_end")
        self.previous_schema_results = previous_schema_results
        self.completed_after = completed_after
        self.console_log = console_log
        self.end_from_trigger = end_from_trigger
        self.push_result = push_result
        self.sync_name = sync_name
        self.schema = schema
        self._ended = False

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the execution ends, the deadline passes, or Polytomic refuses a request."""
        try:
            event = await self._wait_and_settle()
        except asyncio.CancelledError:
            if not trigger_has_on_kill():
                await self._cancel_shielded(SHUTDOWN_GUARD_TIMEOUT)
            raise
        self._ended = True
        yield await self._trigger_event(event)

    async def _trigger_event(self, event: ExecutionEvent) -> TriggerEvent:
        """Return the event for the task, or end the task if a worker would have nothing to do."""
        from airflow_provider_polytomic.executions import Execution

        result = event.execution
        ended = self.end_from_trigger and event.status is EventStatus.ENDED
        if ended and result and result["outcome"] == "success" and not result["counts"]["error"]:
            execution = Execution.from_result(result)
            pushed = (execution if self.schema is None else execution.for_schema(self.schema)).task_result()
            xcoms = await end_event_xcoms(self.task_instance, pushed) if self.push_result else None
            return TaskSuccessEvent(xcoms=xcoms)
        return TriggerEvent(event.serialize())  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Cancel the execution if a person has ended the task; called by Airflow 3.3 and later."""
        if not self._ended:
            await self._cancel_shielded(GUARD_TIMEOUT)

    async def _cancel_shielded(self, guard_timeout: float) -> None:
        """Finish the cancellation although the triggerer cancels the trigger again meanwhile."""
        cancellation = asyncio.ensure_future(self._cancel_if_killed(guard_timeout))
        _cancellations.add(cancellation)
        cancellation.add_done_callback(_cancellations.discard)
        await asyncio.shield(cancellation)

    async def _wait(self) -> ExecutionEvent:
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions import CompletedSince, DeadlinePassed, ExecutionRef
        from airflow_provider_polytomic.executions.names import find_name
        from airflow_provider_polytomic.executions.poller import shared_poller

        target: ExecutionRef | CompletedSince
        try:
            if self.execution_id is not None:
                target = ExecutionRef(self.kind, self.sync_id, self.execution_id, self.sync_name)
            else:
                since = as_datetime(self.completed_after or EPOCH, "completed_after")
                target = CompletedSince(self.kind, self.sync_id, since)
            log.info("Waiting for %s%s", "" if self.schema is None else f"schema {self.schema!r} of ", target)
            with translate_api_errors(f"{target} cannot be waited for", self._hook):
                config = await self._get_config()
                console_ref = target if self.console_log and isinstance(target, ExecutionRef) else None
                async with shared_poller(config) as poller, _console_log(config, console_ref):
                    execution = await poller.wait_for_end(
                        target, poll_interval=self.poll_interval, deadline=self.deadline, schema=self.schema
                    )
                    if self.end_from_trigger:
                        ref = ExecutionRef(self.kind, self.sync_id, execution.id)
                        async with shared_client(config) as client:
                            url = await client.run(link_url(client, ref))
                            name = self.sync_name or await client.run(
                                find_name(self.kind, self.sync_id, config.secrets)
                            )
                            execution = replace(execution, url=url, sync_name=name)
        except DeadlinePassed:
            return self._event(EventStatus.DEADLINE, execution=await self._cancel_at_deadline())
        return self._event(EventStatus.ENDED, execution=execution.result())

    def _event(self, status: EventStatus, **values: Any) -> ExecutionEvent:
        return super()._event(
            status,
            sync_id=self.sync_id,
            execution_id=self.execution_id,
            ownership=Ownership(self.ownership),
            latest_end=self.latest_end,
            previous_schema_results=self.previous_schema_results,
            **values,
        )

    async def _cancel_at_deadline(self) -> ExecutionResult | None:
        """Cancel the execution at the deadline and return its last result; None if the task has to cancel it.

        Airflow 2 does not resume a task whose ``execution_timeout`` has passed.
        """
        from airflow_provider_polytomic.api import PolytomicError, shared_client
        from airflow_provider_polytomic.executions import ExecutionRef, cancel_and_confirm

        if not self.cancel_on_kill or self.execution_id is None:
            return None
        ref = ExecutionRef(self.kind, self.sync_id, self.execution_id)
        try:
            async with shared_client(await self._get_config()) as client:
                execution = await client.run(cancel_and_confirm(ref, timeout=DEADLINE_CANCEL_TIMEOUT))
        except PolytomicError as error:
            log.warning("Could not cancel %s at its deadline: %s", ref, error)
            return None
        return execution.result() if execution else None

    async def _cancel_if_killed(self, guard_timeout: float) -> None:
        from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicError
        from airflow_provider_polytomic.executions import ExecutionRef, cancel

        if not self.cancel_on_kill or self.execution_id is None or self.task_instance is None:
            return
        attempt = WaitingAttempt.of(self.task_instance, self.try_number, self.execution_id)
        if not await was_killed_in_trigger(attempt, guard_timeout):
            return
        ref = ExecutionRef(self.kind, self.sync_id, self.execution_id)
        log.info("Canceling %s: the task no longer waits for it", ref)
        try:
            config = replace(await self._get_config(), timeout=KILL_CANCEL_REQUEST_TIMEOUT)
            timeout = conf.getfloat("triggerer", "on_kill_timeout", fallback=30.0)
            async with AsyncPolytomicClient(config=config) as client:
                await client.run(cancel(ref, timeout=timeout))
        except (PolytomicError, AirflowException) as error:
            log.warning("Could not cancel %s: %s", ref, error)


@asynccontextmanager
async def _console_log(config: ClientConfig, ref: ExecutionRef | None) -> AsyncIterator[None]:
    """Copy the console log of an execution while the body waits, and read it once more after its end.

    :param ref: the execution; None for no console log
    """
    from airflow_provider_polytomic.api import shared_client
    from airflow_provider_polytomic.executions import ConsoleLogReader, DeadlinePassed, follow_console_log

    if ref is None:
        yield
        return
    console = ConsoleLogReader(ref, log.info, config.secrets)
    async with shared_client(config) as client:
        following = asyncio.ensure_future(client.run(follow_console_log(console)))
        try:
            yield
        except DeadlinePassed:
            await _stop(following)
            await client.run(console.fetch())
            raise
        finally:
            await _stop(following)
        await client.run(console.fetch())


async def _stop(future: asyncio.Future[None]) -> None:
    future.cancel()
    await asyncio.gather(future, return_exceptions=True)
