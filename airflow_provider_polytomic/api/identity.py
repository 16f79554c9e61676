"""Whom a key stands for."""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.connections import Identity


def get() -> Call[Identity]:
    """Get the user or organization behind the key: ``GET /api/me``."""
    return Call("GET", "/api/me", Identity, read_only=True)
