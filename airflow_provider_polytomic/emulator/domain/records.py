"""Tell those who control the emulator what became of an execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.executions import Execution


@dataclass(frozen=True)
class ExecutionRecord:
    """What the emulator knows of one execution at the moment of asking.

    :param type: ``scheduled`` for one that no API caller started.
    :param cancel_requests: cancel requests that reached it before it ended.
    :param request: body of the start request.
    """

    id: str
    sync_id: str
    kind: str
    type: str
    status: str
    ended: bool
    created_at: str | None
    started_at: str | None
    completed_at: str | None
    idempotency_key: str | None
    user_agent: str | None
    cancel_requests: int
    request: Mapping[str, Any]


def record(execution: Execution, now: float) -> ExecutionRecord:
    """Take down what an execution is at ``now``."""
    return ExecutionRecord(
        id=execution.id,
        sync_id=execution.sync_id,
        kind=execution.kind,
        type=execution.type,
        status=execution.status(now),
        ended=execution.ended(now),
        created_at=timestamp(execution.created_at),
        started_at=timestamp(execution.started_at(now)),
        completed_at=timestamp(execution.completed_at(now)),
        idempotency_key=execution.idempotency_key,
        user_agent=execution.user_agent,
        cancel_requests=execution.cancel_requests,
        request=dict(execution.request),
    )
