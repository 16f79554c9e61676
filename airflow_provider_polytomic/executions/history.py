"""Read the history of a sync."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any

from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.results import SyncKindName

log = logging.getLogger(__name__)

MAX_SEARCHED_EXECUTIONS = 5000
"""Executions that are searched for those with an outcome; a sync may have any number of them."""

_LONG_AGO, _NOT_KNOWN = (moment.replace(tzinfo=timezone.utc) for moment in (datetime.min, datetime.max))


def list_executions(
    kind: SyncKindName,
    sync_id: str,
    *,
    outcomes: Collection[str] | None = None,
    completed_after: datetime | None = None,
    limit: int = 100,
) -> Flow[list[Execution]]:
    """List executions as the pages of the history show them, the newest first.

    The history may lack the counts and the schemas of an execution.

    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param outcomes: outcomes to list; default: all
    :param completed_after: list only executions that completed at or after this time; default: running ones too
    :param limit: largest number of executions; default 100
    :raises PolytomicError: if a request fails
    """
    found: dict[str, Execution] = {}
    call: Call[Any] | None = sync_kind(kind).api.list_executions(sync_id)
    searched, older = 0, False
    while call is not None and not older and len(found) < limit:
        if searched >= MAX_SEARCHED_EXECUTIONS:
            log.warning("Searched only the latest %d executions of %s %s", searched, sync_kind(kind).label, sync_id)
            break
        page = yield from send(call)
        for row in page:
            execution = sync_kind(kind).read(sync_id, row)
            if completed_after and execution.outcome.final and _end(execution) < completed_after:
                older = True
            elif (outcomes is None or execution.outcome.value in outcomes) and (
                execution.outcome.final or completed_after is None
            ):
                found.setdefault(execution.id, execution)
        searched += len(page)
        call = next_page(call, page)
    return sorted(found.values(), key=_start, reverse=True)[:limit]


def _start(execution: Execution) -> datetime:
    return execution.created_at or execution.started_at or _LONG_AGO


def _end(execution: Execution) -> datetime:
    """Return when an execution ended; one without that time counts by its start rather than not at all."""
    return execution.completed_at or execution.started_at or execution.created_at or _NOT_KNOWN
