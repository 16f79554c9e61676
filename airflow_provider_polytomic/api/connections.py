"""Connections: the systems that Polytomic reads from and writes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_polytomic.api.call import Call, given, path
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.connections import Connection


def list() -> Call[Page[Connection]]:
    """List all connections: ``GET /api/connections``."""
    return Call("GET", "/api/connections", Page[Connection], reads_only=True, enveloped=False)


def get(connection_id: str) -> Call[Connection]:
    """Get one connection, its secrets masked: ``GET /api/connections/{id}``."""
    return Call("GET", path("/api/connections/{}", connection_id), Connection, reads_only=True)


def create(
    name: str,
    type: str,
    configuration: Mapping[str, Any],
    *,
    organization_id: str | None = None,
    policies: Sequence[str] | None = None,
    redirect_url: str | None = None,
    healthcheck_interval: str | None = None,
    validate: bool | None = None,
    idempotency_key: str | None = None,
) -> Call[Connection]:
    """Create a connection: ``POST /api/connections``.

    :param name: what people see
    :param type: id of the connection type, such as ``postgresql``
    :param configuration: the settings that this type asks for, secrets among them
    :param organization_id: organization that it belongs to, for keys of more than one
    :param policies: ids of the permission policies that hold for it
    :param redirect_url: where the browser goes after authorizing, for types that need it
    :param healthcheck_interval: how often its health is checked, such as ``3h30m``
    :param validate: whether the API tries the settings before it saves them; the API does by default
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        "/api/connections",
        Connection,
        body=given(
            name=name,
            type=type,
            configuration=dict(configuration),
            organization_id=organization_id,
            policies=policies,
            redirect_url=redirect_url,
            healthcheck_interval=healthcheck_interval,
            validate=validate,
        ),
        idempotency_key=idempotency_key,
    )


def test(type: str, configuration: Mapping[str, Any], *, connection_id: str | None = None) -> Call[None]:
    """Try settings without saving them: ``POST /api/connections/test``.

    :param type: id of the connection type
    :param configuration: settings to try
    :param connection_id: a saved connection whose settings are taken where ``configuration`` has none
    """
    body = given(type=type, configuration=dict(configuration), connection_id=connection_id)
    return Call("POST", "/api/connections/test", body=body, reads_only=True, enveloped=False)
