"""Measure what becomes of executions, for the metrics."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.api.metering import Measurement
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince, Freshness
from airflow_provider_polytomic.metrics import EXECUTIONS_DURATION, EXECUTIONS_ENDED, EXECUTIONS_NOTICE_DELAY, Meter


def measure_end(
    target: ExecutionRef | CompletedSince, execution: Execution, noticed_at: float | None = None
) -> Iterator[Measurement]:
    """Yield the measurements of an execution that a wait has found ended.

    A freshness check yields none: it looks for an execution that may have ended long ago. Neither does the end of a
    schema.

    :param target: what the wait is for
    :param noticed_at: time of the poll in seconds since the epoch, if an earlier poll has shown that it had not ended
    """
    if isinstance(target, Freshness) or execution.schema is not None:
        return
    kind, ended_at = execution.kind, execution.completed_at
    yield Measurement(EXECUTIONS_ENDED, tags={"kind": kind, "outcome": execution.outcome.value})
    if ended_at is None:
        return
    if began_at := execution.started_at or execution.created_at:
        yield Measurement(EXECUTIONS_DURATION, max(0.0, (ended_at - began_at).total_seconds()), {"kind": kind})
    if noticed_at is not None:
        yield Measurement(EXECUTIONS_NOTICE_DELAY, max(0.0, noticed_at - ended_at.timestamp()), {"kind": kind})


def record_end(
    meter: Meter, target: ExecutionRef | CompletedSince, execution: Execution, noticed_at: float | None
) -> None:
    """Record the measurements of :func:`measure_end` where no flow yields them."""
    for each in measure_end(target, execution, noticed_at):
        meter.record(each.metric, each.value, **each.tags)


def poll_once(
    target: ExecutionRef | CompletedSince, noticed_at: float | None = None, *, without_retries: bool = False
) -> Flow[Execution | None]:
    """Request an execution, and measure its end if it has ended; None if there is no execution yet.

    :param noticed_at: as for :func:`measure_end`
    :param without_retries: send one request only, for callers that poll anyway
    """
    execution = yield from target.fetch(without_retries=without_retries)
    if execution and execution.outcome.final:
        yield from measure_end(target, execution, noticed_at)
    return execution
