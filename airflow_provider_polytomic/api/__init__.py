"""The Polytomic REST API, without Airflow.

Functions such as :func:`syncs.start` build calls; a client sends them:

>>> from airflow_provider_polytomic.api import PolytomicClient, syncs
>>> with PolytomicClient(api_key="…") as client:
...     for sync in client.pages(syncs.list(active=True)):
...         print(sync.name)
"""

from __future__ import annotations

from airflow_provider_polytomic.api import connections, identity, syncs
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

__all__ = [
    "AsyncPolytomicClient",
    "Call",
    "ClientConfig",
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
    "connections",
    "identity",
    "syncs",
]
