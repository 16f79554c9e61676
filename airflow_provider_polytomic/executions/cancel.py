"""Cancel an execution."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from itertools import count

from airflow_provider_polytomic.api import errors
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.metering import Measurement
from airflow_provider_polytomic.api.retry import Backoff, is_transient
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef, sync_kind
from airflow_provider_polytomic.executions.targets import current_execution
from airflow_provider_polytomic.executions.wait import DeadlinePassed, wait_for_end
from airflow_provider_polytomic.metrics import EXECUTIONS_CANCELED
from airflow_provider_polytomic.results import SyncKindName

log = logging.getLogger(__name__)

NOTHING_TO_CANCEL = (errors.PolytomicValidationError, errors.PolytomicConflictError, errors.PolytomicNotFoundError)
"""Responses of the API to the cancellation of an execution that has ended."""

DEFAULT_CANCEL_TIMEOUT = 60.0
CANCEL_BACKOFF = Backoff(first=0.1, maximum=1.0)
"""The maximum is short: the cancellation of a killed task must reach Polytomic between an outage and the end of its
process, which may be seconds apart."""


def cancel(
    ref: ExecutionRef, *, timeout: float = DEFAULT_CANCEL_TIMEOUT, clock: Callable[[], float] = time.monotonic
) -> Flow[bool]:
    """Request the cancellation of an execution, and repeat a request without a response. The API only queues it.

    :param ref: the execution
    :param timeout: seconds within which the request is repeated; default 60
    :return: False if there is nothing to cancel, since the execution has ended or does not exist
    :raises PolytomicError: if Polytomic refuses the request, or does not respond within the timeout
    """
    call = sync_kind(ref.kind).api.cancel_execution(ref.sync_id, ref.execution_id).without_retries()
    deadline = clock() + timeout
    for pause in map(CANCEL_BACKOFF.delay, count()):
        try:
            yield from send(call)
            yield Measurement(EXECUTIONS_CANCELED, tags={"kind": ref.kind})
            log.info("Requested cancellation of %s", ref)
            return True
        except NOTHING_TO_CANCEL:
            log.info("Nothing to cancel: %s", ref)
            return False
        except errors.PolytomicError as error:
            if not is_transient(error) or clock() + pause > deadline:
                raise
            log.warning("Not canceled yet, trying again: %s: %s", ref, error)
        yield Pause(pause)
    raise AssertionError("unreachable")


def cancel_and_confirm(
    ref: ExecutionRef, *, timeout: float, poll_interval: float = 2.0, clock: Callable[[], float] = time.time
) -> Flow[Execution | None]:
    """Cancel an execution and wait for its end; it may still end otherwise than canceled.

    :param ref: the execution
    :param timeout: seconds for the request and for the end
    :param poll_interval: seconds between two polls
    :return: the execution as of the last poll; None if no poll was answered
    :raises PolytomicError: if Polytomic refuses a request, or does not respond to the cancellation within the timeout
    """
    deadline = clock() + timeout
    yield from cancel(ref, timeout=timeout, clock=clock)
    try:
        return (yield from wait_for_end(ref, poll_interval, deadline=deadline, clock=clock))
    except DeadlinePassed as passed:
        return passed.execution


def cancel_current(
    kind: SyncKindName,
    sync_id: str,
    *,
    poll_interval: float,
    timeout: float | None,
    on_found: Callable[[ExecutionRef], None] = lambda ref: None,
    clock: Callable[[], float] = time.time,
) -> Flow[Execution | None]:
    """Cancel the current execution of a sync.

    The request names the execution. A request to cancel whichever execution is current could cancel the next one when
    it is repeated after a lost response.

    :param poll_interval: seconds between two polls
    :param timeout: seconds to wait for the end; None to return without waiting
    :param on_found: called with the execution before it is canceled
    :return: the execution as of the last poll; None if none was running
    :raises DeadlinePassed: if the execution has not ended within the timeout
    :raises PolytomicError: if Polytomic refuses a request
    """
    execution = yield from current_execution(kind, sync_id)
    if execution is None:
        return None
    ref = ExecutionRef(kind, sync_id, execution.id)
    on_found(ref)
    yield from cancel(ref, timeout=min(DEFAULT_CANCEL_TIMEOUT, timeout or DEFAULT_CANCEL_TIMEOUT), clock=clock)
    if timeout is None:
        return (yield from ref.fetch())
    return (yield from wait_for_end(ref, poll_interval, timeout, clock=clock))
