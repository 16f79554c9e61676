"""Events: what happened to syncs during the last 48 hours."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_polytomic.api.call import Call, query
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.events import Event


def list(
    *,
    type: str | None = None,
    organization_id: str | None = None,
    starting_after: datetime | str | None = None,
    ending_before: datetime | str | None = None,
    limit: int | None = None,
) -> Call[Page[Event]]:
    """List events: ``GET /api/events``.

    Neither their order nor a next page is promised: where an answer offers a next page it is followed, else narrow
    the time and compare ids. An event is recorded at most once and may be missing, so it is a hint, not the truth.

    :param type: only events of this type, one of :func:`list_types`
    :param organization_id: organization to list; for keys of Polytomic itself
    :param starting_after: only what was created strictly later; without a time zone it is read as UTC
    :param ending_before: only what was created strictly earlier; without a time zone it is read as UTC
    :param limit: rows of one answer, 1 to 100; by default 10
    """
    parameters = query(
        organization_id=organization_id,
        type=type,
        starting_after=starting_after,
        ending_before=ending_before,
        limit=limit,
    )
    return Call("GET", "/api/events", Page[Event], query=parameters, read_only=True, enveloped=False)


def list_types() -> Call[Page[str]]:
    """List the types that events can have: ``GET /api/events_types``."""
    return Call("GET", "/api/events_types", Page[str], read_only=True, enveloped=False)
