"""Model syncs: reverse ETL, a query's rows into Salesforce, HubSpot and the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_polytomic.api.call import Call, given, path, query
from airflow_provider_polytomic.api.models.base import Message, Page
from airflow_provider_polytomic.api.models.executions import StartedExecution, SyncExecution, SyncStatus
from airflow_provider_polytomic.api.models.syncs import Sync


def list(
    *,
    active: bool | None = None,
    mode: str | None = None,
    target_connection_id: str | None = None,
    limit: int | None = None,
) -> Call[Page[Sync]]:
    """List model syncs, the latest changed first: ``GET /api/syncs``.

    :param active: only those that are, or are not, active
    :param mode: only those of this mode, such as ``updateOrCreate``
    :param target_connection_id: only those that write to this connection
    :param limit: rows of one page, at most and by default 50
    """
    parameters = query(active=active, mode=mode, target_connection_id=target_connection_id, limit=limit)
    return Call("GET", "/api/syncs", Page[Sync], query=parameters, reads_only=True, enveloped=False)


def get(sync_id: str) -> Call[Sync]:
    """Get one model sync: ``GET /api/syncs/{id}``."""
    return Call("GET", path("/api/syncs/{}", sync_id), Sync, reads_only=True)


def start(
    sync_id: str,
    *,
    resync: bool | None = None,
    test: bool | None = None,
    identities: Sequence[str] | None = None,
    source_identities: Sequence[Sequence[Mapping[str, Any]]] | None = None,
    idempotency_key: str | None = None,
) -> Call[StartedExecution]:
    """Start an execution of a model sync: ``POST /api/syncs/{id}/executions``.

    :param resync: sync all records, not only the changed ones
    :param test: passed on as it is; the API does not say what it does for a model sync
    :param identities: values of the identity field: only these records are synced
    :param source_identities: records named by model, field and value, at most 1000; not together with ``identities``
    :param idempotency_key: with it the same start sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/syncs/{}/executions", sync_id),
        StartedExecution,
        body=given(resync=resync, test=test, identities=identities, source_identities=source_identities),
        idempotency_key=idempotency_key,
    )


def cancel(sync_id: str) -> Call[Message]:
    """Ask for the end of whatever execution of a model sync runs: ``POST /api/syncs/{id}/cancel``.

    The API only queues the request: the execution may still end as completed.
    """
    return Call("POST", path("/api/syncs/{}/cancel", sync_id), Message)


def get_status(sync_id: str) -> Call[SyncStatus]:
    """Get the current and the last execution of a model sync: ``GET /api/syncs/{id}/status``."""
    return Call("GET", path("/api/syncs/{}/status", sync_id), SyncStatus, reads_only=True)


def list_executions(
    sync_id: str, *, only_completed: bool | None = None, ascending: bool | None = None
) -> Call[Page[SyncExecution]]:
    """List the executions of a model sync: ``GET /api/syncs/{id}/executions``.

    Counts and errors are only certain in :func:`get_execution`.

    :param only_completed: leave out those that have not ended
    :param ascending: the oldest first; by default the latest started is
    """
    return Call(
        "GET",
        path("/api/syncs/{}/executions", sync_id),
        Page[SyncExecution],
        query=query(only_completed=only_completed, ascending=ascending),
        reads_only=True,
        enveloped=False,
    )


def get_execution(sync_id: str, execution_id: str) -> Call[SyncExecution]:
    """Get one execution of a model sync: ``GET /api/syncs/{id}/executions/{execution id}``."""
    return Call("GET", path("/api/syncs/{}/executions/{}", sync_id, execution_id), SyncExecution, reads_only=True)


def cancel_execution(sync_id: str, execution_id: str) -> Call[Message]:
    """Ask for the end of one execution: ``POST /api/syncs/{id}/executions/{execution id}/cancel``."""
    return Call("POST", path("/api/syncs/{}/executions/{}/cancel", sync_id, execution_id), Message)
