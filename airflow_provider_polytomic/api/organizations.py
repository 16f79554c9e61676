"""Organizations, for the keys of partners.

.. code-block:: python

    ids = [organization.id for organization in client.pages(organizations.list())]

.. seealso::
    How-to: ``docs/connection.md``.
"""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.connections import Organization


def list() -> Call[Page[Organization]]:
    """List the organizations of a partner, its own first: ``GET /api/organizations``."""
    return Call.get(Page[Organization], "/api/organizations")
