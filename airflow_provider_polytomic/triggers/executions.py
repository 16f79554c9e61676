"""Waiting for the end of an execution without a worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_provider_polytomic._compat import AirflowException, trigger_has_on_kill, xcoms_of_end
from airflow_provider_polytomic._task.kill_guard import LONG_PATIENCE, PATIENCE, was_killed
from airflow_provider_polytomic._task.link import link_url
from airflow_provider_polytomic._task.values import as_moment
from airflow_provider_polytomic.exceptions import PolytomicTaskError, translate_api_errors
from airflow_provider_polytomic.triggers._base import EPOCH, WaitingTrigger
from airflow_provider_polytomic.triggers._console import console_followed

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import ClientConfig
    from airflow_provider_polytomic.results import ExecutionResult, SchemaResult, SyncKindName

log = logging.getLogger(__name__)

CANCEL_PATIENCE = 8.0
"""Seconds for a request of a cancellation, and within which another begins; see ``[triggerer] on_kill_timeout``."""

LATE_PATIENCE = 30.0
"""Seconds for canceling an execution whose time is up, and again for seeing its end."""

_settling: set[asyncio.Future[None]] = set()
"""Cancellations at work, kept from the garbage collector: their triggers may be gone."""


class PolytomicExecutionTrigger(WaitingTrigger):
    """Wait for the end of one execution; without ``execution_id``, of the first that ends from a moment on.

    Its event has ``status`` (``ended``, ``deadline`` or ``refused``), ``execution_id``, ``execution`` (the result dict
    of one that has ended, or was canceled at the deadline; else None), ``message`` (of a refusal), and ``ownership``,
    ``try_number``, ``latest_end`` and ``previous_schema_results`` as given.

    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param execution_id: id of the execution; None to wait for whichever ends at or after ``completed_after``
    :param polytomic_conn_id: id of the Airflow connection
    :param poll_interval: seconds between two polls; also the longest time an end goes unnoticed
    :param deadline: when to give up, in seconds since the epoch; default: never
    :param cancel_on_kill: cancel the execution when a person ends the waiting task; the operators pass it for
        executions that they started, and have written the id to XCom before
    :param ownership: what the execution is to the task: ``ours``, ``joined`` or ``in the way``
    :param try_number: the attempt that waits
    :param previous_schema_results: rows of the result that earlier executions have earned, handed back in the event
    :param completed_after: moment in ISO 8601; only where ``execution_id`` is None
    :param latest_end: when the task's ``execution_timeout`` passes, in seconds since the epoch
    :param console_log: follow the execution's console log in the trigger's log
    :param end_from_trigger: end the task as a success, without a worker, where the execution is one without any error
    :param push_result: whether the result then goes to XCom
    """

    options: tuple[str, ...] = (
        *("kind", "sync_id", "execution_id", "polytomic_conn_id", "poll_interval", "deadline", "cancel_on_kill"),
        *(
            "ownership",
            "try_number",
            "latest_end",
            "previous_schema_results",
            "completed_after",
            "console_log",
            "end_from_trigger",
        ),
        "push_result",
    )

    def __init__(
        self,
        *,
        kind: SyncKindName,
        sync_id: str,
        execution_id: str | None,
        polytomic_conn_id: str = "polytomic_default",
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
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind = kind
        self.sync_id = sync_id
        self.execution_id = execution_id
        self.polytomic_conn_id = polytomic_conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.cancel_on_kill = cancel_on_kill
        self.ownership = ownership
        self.try_number = try_number
        self.latest_end = latest_end
        self.previous_schema_results = previous_schema_results
        self.completed_after = completed_after
        self.console_log = console_log
        self.end_from_trigger = end_from_trigger
        self.push_result = push_result
        self._ended = False

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the execution ends, the deadline passes, or Polytomic refuses to be asked."""
        try:
            event = await self._wait_and_settle()
        except asyncio.CancelledError:
            if not trigger_has_on_kill():
                await self._settle_kill(PATIENCE)
            raise
        self._ended = True
        yield await self._final(event)

    async def _final(self, event: dict[str, Any]) -> TriggerEvent:
        """Return what the triggerer is told: the end of the task, where nothing is left to say in a worker."""
        if self.end_from_trigger and event["status"] == "ended":
            result = event["execution"]
            if result["outcome"] == "success" and not result["counts"]["error"]:
                xcoms = await xcoms_of_end(self.task_instance, result) if self.push_result else None
                return TaskSuccessEvent(xcoms=xcoms)
        return TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Cancel the execution, if it was a person who ended the task; called by Airflow 3.3 and later."""
        if not self._ended:
            await self._settle_kill(LONG_PATIENCE)

    async def _settle_kill(self, timeout: float) -> None:
        """Cancel the execution if it should be, to the end: the triggerer cancels a trigger again while it is at it."""
        settling = asyncio.ensure_future(self._cancel_if_killed(timeout))
        _settling.add(settling)
        settling.add_done_callback(_settling.discard)
        await asyncio.shield(settling)

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.executions import CompletedSince, DeadlinePassed, ExecutionRef
        from airflow_provider_polytomic.executions.poller import shared_poller

        target: ExecutionRef | CompletedSince
        try:
            if self.execution_id is not None:
                target = ExecutionRef(self.kind, self.sync_id, self.execution_id)
            else:
                since = as_moment(self.completed_after or EPOCH, "completed_after")
                target = CompletedSince(self.kind, self.sync_id, since)
            log.info("Waiting for %s", target)
            with translate_api_errors(f"{target} cannot be waited for", self.polytomic_conn_id):
                config = await self._find_config()
                async with shared_poller(config) as watcher, self._console(config):
                    execution = await watcher.wait_for_end(
                        target, poll_interval=self.poll_interval, deadline=self.deadline
                    )
                    if self.end_from_trigger:
                        run = ExecutionRef(self.kind, self.sync_id, execution.id)
                        async with shared_client(config) as client:
                            execution = replace(execution, url=await client.run(link_url(client, run)))
        except DeadlinePassed:
            return self._event("deadline", await self._cancel_late())
        except PolytomicTaskError as error:
            return self._event("refused", message=str(error))
        return self._event("ended", execution.result())

    def _console(self, config: ClientConfig) -> AbstractAsyncContextManager[None]:
        """Follow the console log while the body waits, where that is wanted and the execution is known."""
        from airflow_provider_polytomic.executions import ExecutionRef

        if not self.console_log or self.execution_id is None:
            return nullcontext()
        return console_followed(config, ExecutionRef(self.kind, self.sync_id, self.execution_id), log.info)

    async def _cancel_late(self) -> ExecutionResult | None:
        """Cancel the execution whose time is up, and return it as it was last seen; None if the task must do it.

        Airflow 2 does not call a task any more whose ``execution_timeout`` has passed when it is resumed.
        """
        from airflow_provider_polytomic.api import PolytomicError, shared_client
        from airflow_provider_polytomic.executions import ExecutionRef, cancel_and_confirm

        if not self.cancel_on_kill or self.execution_id is None:
            return None
        run = ExecutionRef(self.kind, self.sync_id, self.execution_id)
        try:
            async with shared_client(await self._find_config()) as client:
                execution = await client.run(cancel_and_confirm(run, timeout=LATE_PATIENCE))
        except PolytomicError as error:
            log.warning("%s could not be canceled at its deadline: %s", run, error)
            return None
        return execution.result() if execution else None

    def _event(self, status: str, execution: ExecutionResult | None = None, message: str = "") -> dict[str, Any]:
        return {
            "status": status,
            "execution_id": self.execution_id,
            "execution": execution,
            "message": message,
            "ownership": self.ownership,
            "try_number": self.try_number,
            "latest_end": self.latest_end,
            "previous_schema_results": self.previous_schema_results,
        }

    async def _cancel_if_killed(self, timeout: float) -> None:
        from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicError
        from airflow_provider_polytomic.executions import ExecutionRef, cancel

        if not self.cancel_on_kill or self.execution_id is None:
            return
        if not await was_killed(self.task_instance, self.execution_id, timeout):
            return
        run = ExecutionRef(self.kind, self.sync_id, self.execution_id)
        log.info("The task no longer waits for %s: canceling it", run)
        try:
            hurried = replace(await self._find_config(), timeout=CANCEL_PATIENCE)
            async with AsyncPolytomicClient(config=hurried) as client:
                await client.run(cancel(run, timeout=CANCEL_PATIENCE))
        except (PolytomicError, AirflowException) as error:
            log.warning("%s could not be canceled: %s", run, error)
