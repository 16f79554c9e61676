"""Schemas: the copy of a connection's objects and tables that the API keeps.

.. code-block:: python

    status = client.send(schemas.get_status(connection_id))

.. seealso::
    How-to: ``docs/connections.md``.
"""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.connections import SchemaStatus

__all__ = ("get_status", "refresh")


def refresh(connection_id: str, *, idempotency_key: str | None = None) -> Call[None]:
    """Refresh the schemas of a connection: ``POST /api/connections/{id}/schemas/refresh``.

    The API only starts the refresh, and only for a healthy connection; see :func:`get_status` for its end.

    :param connection_id: Id of the connection.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(None, "/api/connections/{}/schemas/refresh", connection_id, key=idempotency_key)


def get_status(connection_id: str) -> Call[SchemaStatus]:
    """Get the status of a refresh: ``GET /api/connections/{id}/schemas/status``.

    The refresh has ended when ``cache_status`` is ``fresh`` again, or ``last_refresh_finished`` has passed
    ``last_refresh_started``. The API does not document a failed refresh.

    :param connection_id: Id of the connection.
    """
    return Call.get(SchemaStatus, "/api/connections/{}/schemas/status", connection_id)


def __dir__() -> tuple[str, ...]:
    return __all__
