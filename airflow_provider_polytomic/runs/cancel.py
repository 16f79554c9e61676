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
from airflow_provider_polytomic.api.protocol import Pause, Protocol, send
from airflow_provider_polytomic.api.retry import is_passing
from airflow_provider_polytomic.runs.execution import Execution
from airflow_provider_polytomic.runs.kinds import kind_of
from airflow_provider_polytomic.runs.run import Run
from airflow_provider_polytomic.runs.wait import DeadlinePassed, wait_for_end

log = logging.getLogger(__name__)

NOTHING_TO_CANCEL = (PolytomicValidationError, PolytomicConflictError, PolytomicNotFoundError)
"""How the API may say that an execution has ended already."""

REQUEST_PATIENCE = 60.0
"""Seconds within which a cancellation that nobody is in a hurry for is requested again."""


def cancel(run: Run, *, patience: float, clock: Callable[[], float] = time.monotonic) -> Protocol[bool]:
    """Ask Polytomic to end an execution, again while it gives no answer; the API only queues the request.

    :param patience: seconds within which a further request may begin
    :return: False if Polytomic says that there is nothing to cancel
    :raises PolytomicError: if it could not be asked
    """
    requested = yield from _request(kind_of(run.kind).cancel(run.sync_id, run.execution_id), patience, clock)
    log.info("%s: %s", run, "cancellation requested" if requested else "nothing to cancel")
    return requested


def cancel_and_confirm(
    run: Run, *, patience: float, every: float = 2.0, clock: Callable[[], float] = time.time
) -> Protocol[Execution | None]:
    """Cancel an execution and wait for its end, which may still be another than canceled.

    :param patience: seconds for asking, and again for the end
    :param every: seconds between two looks at it
    :return: the execution as it was last seen; None if it was not
    :raises PolytomicError: if it could not be asked
    """
    yield from cancel(run, patience=patience, clock=clock)
    try:
        return (yield from wait_for_end(run, every=every, deadline=clock() + patience, clock=clock))
    except DeadlinePassed as passed:
        return passed.execution


def cancel_current(
    kind: str,
    sync_id: str,
    *,
    every: float,
    patience: float | None,
    on_found: Callable[[Run], None] = lambda run: None,
    clock: Callable[[], float] = time.time,
) -> Protocol[Execution | None]:
    """Cancel whatever execution of a sync runs.

    It is named in the request: a request for "whatever runs" would, repeated after a lost answer, hit the next one.

    :param every: seconds between two looks at it
    :param patience: seconds to wait for its end; None: do not wait
    :param on_found: told what runs, before it is canceled
    :return: the execution that was running, as it was last seen; None if none was
    :raises DeadlinePassed: if it has not ended in time
    :raises PolytomicError: if Polytomic refuses
    """
    calls = kind_of(kind)
    status = yield from send(calls.status(sync_id))
    if status.current_execution is None:
        return None
    execution = calls.read(sync_id, status.current_execution)
    if execution.outcome.final:
        return None
    run = Run(kind, sync_id, execution.id)
    on_found(run)
    yield from cancel(run, patience=REQUEST_PATIENCE, clock=clock)
    if patience is None:
        return (yield from run.look())
    return (yield from wait_for_end(run, every=every, deadline=clock() + patience, clock=clock))


def _request(call: Call[Any], patience: float, clock: Callable[[], float]) -> Protocol[bool]:
    """Send a cancellation until it is answered; to repeat it does no harm."""
    began, pause = clock(), 0.1
    while True:
        try:
            yield from send(call.once())
        except NOTHING_TO_CANCEL:
            return False
        except PolytomicError as error:
            if not is_passing(error) or clock() - began + pause > patience:
                raise
        else:
            return True
        yield Pause(pause)
        pause = min(2 * pause, 5.0)
