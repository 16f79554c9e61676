"""Events: changes of syncs in the last 48 hours.

.. code-block:: python

    failed = list(client.pages(events.list(type="sync.failed", limit=100)))

.. seealso::
    How-to: ``docs/events.md``.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_polytomic.api.call import Call, query
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.events import Event

__all__ = ("list", "list_types")


def list(
    *,
    type: str | None = None,
    organization_id: str | None = None,
    starting_after: datetime | str | None = None,
    ending_before: datetime | str | None = None,
    limit: int | None = None,
    page_token: str | None = None,
) -> Call[Page[Event]]:
    """List events: ``GET /api/events``.

    The API documents neither the order nor further pages. Without a next page, narrow the time and compare ids. An
    event may be missing, so do not rely on events alone.

    :param type: List only events of this type, one of :func:`list_types`.
    :param organization_id: Organization, for keys of Polytomic itself.
    :param starting_after: List only events created later than this time; UTC unless it has a time zone.
    :param ending_before: List only events created earlier than this time; UTC unless it has a time zone.
    :param limit: Number of rows of a response, 1 to 100; default 10.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[Event], "/api/events", query=query(**locals()))


def list_types(*, page_token: str | None = None) -> Call[Page[str]]:
    """List the types of events: ``GET /api/events_types``.

    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[str], "/api/events_types", query=query(page_token=page_token))


def __dir__() -> tuple[str, ...]:
    return __all__
