"""Organizations, for the keys of partners."""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.connections import Organization


def list() -> Call[Page[Organization]]:
    """List the organizations of a partner, the owning one first: ``GET /api/organizations``."""
    return Call("GET", "/api/organizations", Page[Organization], read_only=True, enveloped=False)
