"""Ending an execution before its time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.errors import (
    PolytomicConflictError,
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicValidationError,
)
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.wait import DeadlinePassed, wait_for_end

log = logging.getLogger(__name__)

NOTHING_TO_CANCEL = (PolytomicValidationError, PolytomicConflictError, PolytomicNotFoundError)
"""How the API may say that an execution has ended already."""

REQUEST_PATIENCE = 60.0
"""Seconds within which a cancellation that nobody is in a hurry for is requested again."""


def cancel(run: ExecutionRef, *, timeout: float, clock: Callable[[], float] = time.monotonic) -> Flow[bool]:
    """Ask Polytomic to end an execution, again while it gives no answer; the API only queues the request.

    :param timeout: seconds within which a further request may begin
    :return: False if Polytomic says that there is nothing to cancel
    :raises PolytomicError: if it could not be asked
    """
    requested = yield from _request(sync_kind(run.kind).cancel(run.sync_id, run.execution_id), timeout, clock)
    log.info("%s: %s", run, "cancellation requested" if requested else "nothing to cancel")
    return requested


def cancel_and_confirm(
    run: ExecutionRef, *, timeout: float, poll_interval: float = 2.0, clock: Callable[[], float] = time.time
) -> Flow[Execution | None]:
    """Cancel an execution and wait for its end, which may still be another than canceled.

    :param timeout: seconds for asking, and again for the end
    :param poll_interval: seconds between two looks at it
    :return: the execution as it was last seen; None if it was not
    :raises PolytomicError: if it could not be asked
    """
    yield from cancel(run, timeout=timeout, clock=clock)
    try:
        return (yield from wait_for_end(run, poll_interval=poll_interval, deadline=clock() + timeout, clock=clock))
    except DeadlinePassed as passed:
        return passed.execution


def cancel_current(
    kind: str,
    sync_id: str,
    *,
    poll_interval: float,
    timeout: float | None,
    on_found: Callable[[ExecutionRef], None] = lambda run: None,
    clock: Callable[[], float] = time.time,
) -> Flow[Execution | None]:
    """Cancel whatever execution of a sync runs.

    It is named in the request: a request for "whatever runs" would, repeated after a lost answer, hit the next one.

    :param poll_interval: seconds between two looks at it
    :param timeout: seconds to wait for its end; None: do not wait
    :param on_found: told what runs, before it is canceled
    :return: the execution that was running, as it was last seen; None if none was
    :raises DeadlinePassed: if it has not ended in time
    :raises PolytomicError: if Polytomic refuses
    """
    calls = sync_kind(kind)
    status = yield from send(calls.status(sync_id))
    if status.current_execution is None:
        return None
    execution = calls.read(sync_id, status.current_execution)
    if execution.outcome.final:
        return None
    run = ExecutionRef(kind, sync_id, execution.id)
    on_found(run)
    yield from cancel(run, timeout=REQUEST_PATIENCE, clock=clock)
    if timeout is None:
        return (yield from run.fetch())
    return (yield from wait_for_end(run, poll_interval=poll_interval, deadline=clock() + timeout, clock=clock))


def _request(call: Call[Any], timeout: float, clock: Callable[[], float]) -> Flow[bool]:
    """Send a cancellation until it is answered; to repeat it does no harm."""
    began, pause = clock(), 0.1
    while True:
        try:
            yield from send(call.without_retries())
        except NOTHING_TO_CANCEL:
            return False
        except PolytomicError as error:
            if not is_transient(error) or clock() - began + pause > timeout:
                raise
        else:
            return True
        yield Pause(pause)
        pause = min(2 * pause, 5.0)
