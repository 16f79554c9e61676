"""The Polytomic REST API, without Airflow.

Functions such as :func:`syncs.start` build calls, and a client sends them:

.. code-block:: python

    from airflow_provider_polytomic.api import PolytomicClient, syncs

    with PolytomicClient(api_key="…") as client:
        for sync in client.pages(syncs.list(active=True)):
            print(sync.name)

.. seealso::
    How-to: ``docs/reference/api.md``.
"""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.clients import AsyncPolytomicClient, PolytomicClient
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.errors import (
    PolytomicAPIError,
    PolytomicAuthError,
    PolytomicConflictError,
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicPermissionError,
    PolytomicRateLimitError,
    PolytomicResponseError,
    PolytomicServerError,
    PolytomicTransportError,
    PolytomicValidationError,
)
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.sharing import shared_client

from . import (
    bulk_syncs,
    connections,
    data_models,
    entities,
    events,
    identity,
    jobs,
    organizations,
    schemas,
    syncs,
    webhooks,
)
from . import catalogue as catalogue

__all__ = ["AsyncPolytomicClient", "Call", "ClientConfig", "Flow", "Pause", "PolytomicClient", "send", "shared_client"]
__all__ += ["PolytomicAPIError", "PolytomicAuthError", "PolytomicConflictError", "PolytomicError"]
__all__ += ["PolytomicNotFoundError", "PolytomicPermissionError", "PolytomicRateLimitError", "PolytomicResponseError"]
__all__ += ["PolytomicServerError", "PolytomicTransportError", "PolytomicValidationError"]
__all__ += ["bulk_syncs", "connections", "data_models", "entities", "events", "identity", "jobs", "organizations"]
__all__ += ["schemas", "syncs", "webhooks"]
