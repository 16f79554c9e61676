"""Starting an execution from the triggerer, where a task begins without a worker.

The triggerer knows neither whether a task instance was cleared nor what the task state store keeps. What it has instead
is XCom, which lives on here from one attempt to the next, since no worker begins an attempt. So the trigger keeps its
book there, in the note that its guard reads too: which execution, of which attempt, and of which generation. The worker
that ends the attempt knows more, and adds whether a retry may follow (``retry``).

Hence the next attempt knows what it is. Where no retry could follow, or where the execution still runs and no worker
has said anything, a person has cleared the task: a generation begins. Everything else is a retry, which walks the keys
of its generation as every start does (see :mod:`airflow_provider_polytomic.runs.start`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import push_xcom_in_trigger, xcom_in_trigger
from airflow_provider_polytomic._starts import START_OPTIONS, STARTS, Start
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError, refusing
from airflow_provider_polytomic.triggers._link import show_link
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger
from airflow_provider_polytomic.triggers.guard import EXECUTION_XCOM_KEY, PATIENCE, RESULT_XCOM_KEY

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import AsyncPolytomicClient
    from airflow_provider_polytomic.runs import Execution, Found, Order, Run

log = logging.getLogger(__name__)

OURS = "ours"
ABOUT_TO_START = "about to start"

CONFIRM_PATIENCE = 60.0
"""Seconds to wait for the end of an execution from before a clear."""


class PolytomicStartTrigger(PolytomicExecutionTrigger):
    """Start an execution exactly once and wait for its end (Airflow 3.3 and later).

    Its events are those of :class:`~airflow_provider_polytomic.triggers.executions.PolytomicExecutionTrigger`; one that
    could not start anything has the ``status`` ``refused``, ``unavailable`` or, where another execution runs,
    ``running``.

    :param kind: ``model`` or ``bulk``
    :param polytomic_conn_id: id of the Airflow connection (templated, where the operator's is)
    :param poll_interval: seconds between two looks at the execution
    :param timeout: seconds that the execution has from its start on; default: any number
    :param if_running: what to do when an execution that is not ours runs, as for the operators
    :param cancel_on_kill: cancel the execution when a person ends the waiting task
    :param max_errors: record errors that a success may have; default: any number
    :param fail_on_partial: whether an execution some schemas of which failed is a failure
    :param console_log: follow the execution's console log in the trigger's log
    :param fields: the parameters of the start, by the names that the operator has for them (templated)
    """

    def __init__(
        self,
        *,
        kind: str,
        polytomic_conn_id: str = "polytomic_default",
        poll_interval: float = 30.0,
        timeout: float | None = None,
        if_running: str = "wait",
        cancel_on_kill: bool = True,
        max_errors: int | None = None,
        fail_on_partial: bool = True,
        console_log: bool = False,
        **fields: Any,
    ) -> None:
        super().__init__(
            kind=kind,
            sync_id="",
            execution_id=None,
            polytomic_conn_id=polytomic_conn_id,
            poll_interval=poll_interval,
            cancel_on_kill=cancel_on_kill,
            console_log=console_log,
        )
        self.timeout = timeout
        self.if_running = if_running
        self.max_errors = max_errors
        self.fail_on_partial = fail_on_partial
        for name, value in fields.items():
            setattr(self, name, value)
        self.options = (*START_OPTIONS, *STARTS[kind].names())
        self._beginning: asyncio.Future[Found] | None = None
        self._starting = False
        self._abandoned = False

    @property
    def _ti(self) -> Any:
        """The task instance; Airflow starts nothing from a trigger that has none."""
        return self.task_instance

    async def _wait(self) -> dict[str, Any]:
        """Start, then wait."""
        from airflow_provider_polytomic.runs import AlreadyRunning, Role, deadline_of

        self.try_number = self._ti.try_number
        self._beginning = asyncio.ensure_future(self._begin())
        try:
            found = await asyncio.shield(self._beginning)
        except asyncio.CancelledError:
            await self._abandon()
            raise
        except AlreadyRunning as running:
            return self._event("running", running.execution.result(), str(running))
        except PolytomicRequestRefused as error:
            return self._event("refused", message=str(error))
        except PolytomicTaskError as error:
            return self._event("unavailable", message=str(error))
        self.deadline = deadline_of(found.execution, found.adopted, self.timeout, None)
        self.cancel_on_kill = self.cancel_on_kill and found.role is Role.OURS
        if found.execution.outcome.final:
            return self._event("ended", found.execution.result())
        return await super()._wait()

    async def _abandon(self) -> None:
        """Start nothing any more; a start that is under way is finished, and what it has started canceled if it should.

        Airflow does not call ``on_kill`` where it ends a trigger for its timeout.
        """
        self._abandoned = True
        if self._beginning is not None and not self._starting:
            self._beginning.cancel()
        elif not self._ended:
            await self._settle_kill(PATIENCE)
            self._ended = True

    async def _cancel_if_killed(self, patience: float) -> None:
        if self._beginning is not None:
            await asyncio.wait({self._beginning}, timeout=patience)
        if self.role == OURS:
            await super()._cancel_if_killed(patience)

    async def _begin(self) -> Found:
        """Start the execution, or find the one that was started; whatever is in the way is waited for before."""
        from airflow_provider_polytomic.api import shared_client
        from airflow_provider_polytomic.runs import Role, Run, start_once
        from airflow_provider_polytomic.runs.watcher import shared_watcher

        start = STARTS[self.kind].of(self)
        self.sync_id = start.id
        with refusing(f"{start.label} could not be started", self.polytomic_conn_id):
            config = await self._find_config()
            async with shared_client(config) as client:
                await client.run(start.check())
                order = await self._order(client, start)
                while True:
                    self._starting = True
                    found = await client.run(start_once(order, self._own))
                    run = Run(self.kind, self.sync_id, found.execution.id)
                    self.role = found.role.value
                    log.info("%s: %s, %s", run, self.role, found.execution.status)
                    self.carried = start.carried(found.earlier) or self.carried
                    await self._note(order, run.execution_id, self.role)
                    await show_link(self._ti, client, run)
                    self._starting = False
                    in_the_way = found.role is Role.IN_THE_WAY
                    self.execution_id = None if in_the_way else run.execution_id
                    if self._abandoned or not in_the_way:
                        return found
                    async with shared_watcher(config) as watcher:
                        await watcher.end_of(run, every=self.poll_interval)

    def _own(self, run: Run) -> None:
        self.execution_id, self.role = run.execution_id, OURS

    async def _order(self, client: AsyncPolytomicClient, start: Start) -> Order:
        """Say what is to be started and by which attempt, and write down that it is about to be."""
        from airflow_provider_polytomic.runs import Order, Standard

        ti = self._ti
        note = await xcom_in_trigger(ti, EXECUTION_XCOM_KEY) or {}
        resumed = note.get("try_number") == ti.try_number
        generation = await self._generation(client, note)
        order = Order(
            kind=self.kind,
            sync_id=start.id,
            identity=(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
            generation=generation,
            attempts_before=ti.try_number - 1 - generation,
            resumed=resumed,
            parameters=start.parameters,
            if_running=self.if_running,  # type: ignore[arg-type]
            succeeded=Standard(self.max_errors, self.fail_on_partial).met_by,
            remembered=note.get("execution_id") if resumed and note.get("role") == OURS else None,
        )
        if resumed:
            self.carried = note.get("carried")
        else:
            await self._note(order, None, ABOUT_TO_START)
        return order

    async def _generation(self, client: AsyncPolytomicClient, note: Mapping[str, Any]) -> int:
        """Return how many attempts there were before the last clear, as the operator counts them.

        What was started before that and still runs is canceled.
        """
        attempts_before: int = self._ti.try_number - 1
        known: int = note.get("generation", 0)
        if note.get("try_number") == self._ti.try_number or note.get("retry"):
            return known
        ours = note.get("execution_id") if note.get("role") == OURS else None
        orphan = await self._running(client, ours) if ours else None
        if orphan and self.cancel_on_kill:
            await self._cancel_orphan(client, orphan)
        cleared = orphan is not None or (note.get("retry") is False and await self._was_handed_on(note))
        return attempts_before if cleared else known

    async def _was_handed_on(self, note: Mapping[str, Any]) -> bool:
        """Tell whether the worker that judged the execution lived on until Airflow had its result."""
        if not note.get("result_follows"):
            return True
        result = await xcom_in_trigger(self._ti, RESULT_XCOM_KEY)
        return isinstance(result, dict) and result.get("execution_id") == note["execution_id"]

    async def _running(self, client: AsyncPolytomicClient, execution_id: str) -> Run | None:
        """Return the run of an execution that has not ended."""
        from airflow_provider_polytomic.api import PolytomicNotFoundError
        from airflow_provider_polytomic.runs import Run

        run = Run(self.kind, self.sync_id, execution_id)
        try:
            execution: Execution = await client.run(run.look())
        except PolytomicNotFoundError:
            return None
        return None if execution.outcome.final else run

    async def _cancel_orphan(self, client: AsyncPolytomicClient, run: Run) -> None:
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.runs import cancel_and_confirm

        log.info("The task was cleared: canceling %s", run)
        try:
            await client.run(cancel_and_confirm(run, patience=CONFIRM_PATIENCE))
        except PolytomicError as error:
            log.warning("%s could not be canceled: %s", run, error)

    async def _note(self, order: Order, execution_id: str | None, role: str) -> None:
        """Write down what this attempt waits for, as the guard and the next attempt read it."""
        note = {
            "execution_id": execution_id,
            "role": role,
            "try_number": self._ti.try_number,
            "generation": order.generation,
            "carried": self.carried,
        }
        await push_xcom_in_trigger(self._ti, EXECUTION_XCOM_KEY, note)
