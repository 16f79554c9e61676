"""Schemas: what the API knows of the objects and tables behind a connection."""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call, path
from airflow_provider_polytomic.api.models.connections import SchemaStatus


def refresh(connection_id: str, *, idempotency_key: str | None = None) -> Call[None]:
    """Have the schemas of a connection read anew: ``POST /api/connections/{id}/schemas/refresh``.

    The API only begins it, and only for a healthy connection; :func:`get_status` says when it is done.

    :param connection_id: id of the connection
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/connections/{}/schemas/refresh", connection_id),
        idempotency_key=idempotency_key,
        enveloped=False,
    )


def get_status(connection_id: str) -> Call[SchemaStatus]:
    """Get how far a refresh is: ``GET /api/connections/{id}/schemas/status``.

    It is done once ``cache_status`` is ``fresh`` again, or ``last_refresh_finished`` has passed
    ``last_refresh_started``. How a failed refresh shows is not known.

    :param connection_id: id of the connection
    """
    return Call("GET", path("/api/connections/{}/schemas/status", connection_id), SchemaStatus, read_only=True)
