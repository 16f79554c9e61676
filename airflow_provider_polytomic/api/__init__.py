"""The Polytomic REST API, without Airflow.

Functions such as :func:`syncs.start` build calls; a client sends them:

>>> from airflow_provider_polytomic.api import PolytomicClient, syncs
>>> with PolytomicClient(api_key="…") as client:
...     for sync in client.pages(syncs.list(active=True)):
...         print(sync.name)
"""

from __future__ import annotations

from airflow_provider_polytomic.api import (
    bulk_syncs,
    connections,
    data_models,
    events,
    identity,
    jobs,
    organizations,
    schemas,
    syncs,
    webhooks,
)
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

__all__ = [
    "AsyncPolytomicClient",
    "Call",
    "ClientConfig",
    "Pause",
    "PolytomicAPIError",
    "PolytomicAuthError",
    "PolytomicClient",
    "PolytomicConflictError",
    "PolytomicError",
    "PolytomicNotFoundError",
    "PolytomicPermissionError",
    "PolytomicRateLimitError",
    "PolytomicResponseError",
    "PolytomicServerError",
    "PolytomicTransportError",
    "PolytomicValidationError",
    "Flow",
    "bulk_syncs",
    "connections",
    "data_models",
    "events",
    "identity",
    "jobs",
    "organizations",
    "schemas",
    "send",
    "shared_client",
    "syncs",
    "webhooks",
]
