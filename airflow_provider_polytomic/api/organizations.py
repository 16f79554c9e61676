"""Organizations, for the keys of partners.

.. code-block:: python

    ids = [organization.id for organization in client.pages(organizations.list())]

.. seealso::
    How-to: ``docs/connection.md``.
"""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call, query
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.connections import Organization

__all__ = ("list",)


def list(*, page_token: str | None = None) -> Call[Page[Organization]]:
    """List the organizations of a partner, its own first: ``GET /api/organizations``.

    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[Organization], "/api/organizations", query=query(page_token=page_token))


def __dir__() -> tuple[str, ...]:
    return __all__
