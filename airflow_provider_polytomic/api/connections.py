"""Connections: the systems that Polytomic reads from and writes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_polytomic.api.call import Call, given, path, query
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.connections import (
    ConfigurationSchema,
    Connection,
    ConnectionType,
    ConnectSession,
    ParameterValues,
    ProxyAnswer,
    ProxyInfo,
    SharedConnection,
)
from airflow_provider_polytomic.api.replacement import kept, only_known, refuse_masks

if TYPE_CHECKING:
    from typing_extensions import Unpack

_READ_ONLY = frozenset(
    {
        "api_calls_last_24_hours",
        "auth_code",
        "auth_url",
        "parent_connection_id",
        "rate_limit",
        "saved",
        "status",
        "status_error",
    }
)


class ConnectionChanges(TypedDict, total=False):
    """What of a connection can change besides its configuration; the words are those of :func:`update`."""

    name: str
    type: str | None
    policies: Sequence[str] | None
    organization_id: str | None
    healthcheck_interval: str | None
    reconnect: bool | None
    validate: bool | None


def list_types() -> Call[Page[ConnectionType]]:
    """List the types that a connection can have: ``GET /api/connection_types``."""
    return Call("GET", "/api/connection_types", Page[ConnectionType], read_only=True, enveloped=False)


def get_type(type: str) -> Call[ConfigurationSchema]:
    """Get the JSON Schema of a connection type's configuration: ``GET /api/connection_types/{id}``.

    :param type: id of the connection type, such as ``postgresql``
    """
    return Call("GET", path("/api/connection_types/{}", type), ConfigurationSchema, read_only=True, enveloped=False)


def get_type_parameter_values(
    type: str,
    *,
    field: str,
    parameters: Mapping[str, Any] | None = None,
    query: str | None = None,
    connection_id: str | None = None,
    idempotency_key: str | None = None,
) -> Call[ParameterValues]:
    """Get the values that a setting may take, before there is a connection.

    Endpoint: ``POST /api/connection_types/{type}/parameter_values``.

    :param type: id of the connection type
    :param field: setting whose values are asked for
    :param parameters: settings made so far, which the values depend on; secrets among them
    :param query: only values that match this text
    :param connection_id: a saved connection whose settings are taken where ``parameters`` has none
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/connection_types/{}/parameter_values", type),
        ParameterValues,
        body=given(field=field, parameters=parameters, query=query, connection_id=connection_id),
        idempotency_key=idempotency_key,
        enveloped=False,
    )


def list() -> Call[Page[Connection]]:
    """List all connections: ``GET /api/connections``."""
    return Call("GET", "/api/connections", Page[Connection], read_only=True, enveloped=False)


def get(connection_id: str) -> Call[Connection]:
    """Get one connection, its secrets masked: ``GET /api/connections/{id}``.

    :param connection_id: id of the connection
    """
    return Call("GET", path("/api/connections/{}", connection_id), Connection, read_only=True)


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


def connect(
    name: str,
    redirect_url: str,
    *,
    type: str | None = None,
    whitelist: Sequence[str] | None = None,
    connection: str | None = None,
    organization_id: str | None = None,
    dark: bool | None = None,
    ttl: int | None = None,
    use_organization_name: bool | None = None,
    idempotency_key: str | None = None,
) -> Call[ConnectSession]:
    """Open a page on which a person creates or reconnects one connection: ``POST /api/connections/connect/``.

    :param name: what the new connection is called; unique in its organization
    :param redirect_url: where the browser goes afterwards
    :param type: the connection type; by default the person chooses
    :param whitelist: the types to choose from; without effect beside ``type``
    :param connection: id of the connection to reconnect
    :param organization_id: organization that it belongs to, for keys of more than one
    :param dark: show the page in dark colors
    :param ttl: seconds that the page can be used, at most 604800; by default 300
    :param use_organization_name: show the organization's name, not the partner's
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    body = given(
        name=name,
        redirect_url=redirect_url,
        type=type,
        whitelist=whitelist,
        connection=connection,
        organization_id=organization_id,
        dark=dark,
        ttl=ttl,
        use_organization_name=use_organization_name,
    )
    return Call("POST", "/api/connections/connect/", ConnectSession, body=body, idempotency_key=idempotency_key)


def test(
    type: str,
    configuration: Mapping[str, Any],
    *,
    connection_id: str | None = None,
    idempotency_key: str | None = None,
) -> Call[None]:
    """Try settings without saving them: ``POST /api/connections/test``.

    :param type: id of the connection type
    :param configuration: settings to try
    :param connection_id: a saved connection whose settings are taken where ``configuration`` has none
    :param idempotency_key: with it the answer may be that of an earlier try
    """
    return Call(
        "POST",
        "/api/connections/test",
        body=given(type=type, configuration=dict(configuration), connection_id=connection_id),
        idempotency_key=idempotency_key,
        read_only=True,
        enveloped=False,
    )


def update(
    connection_id: str,
    *,
    name: str,
    configuration: Mapping[str, Any],
    type: str | None = None,
    policies: Sequence[str] | None = None,
    organization_id: str | None = None,
    healthcheck_interval: str | None = None,
    reconnect: bool | None = None,
    validate: bool | None = None,
) -> Call[Connection]:
    """Replace a connection as a whole: ``PUT /api/connections/{id}``.

    Each field that is not given is cleared or falls back to its default, and so is each setting that
    ``configuration`` leaves out, so use :func:`change` for some of them. Executions that run go on as they began.
    Answered 409 for the connection of a managed Harbor.

    :param connection_id: id of the connection
    :param name: what people see
    :param configuration: all settings, with the real secrets and not the masks that :func:`get` shows
    :param type: id of the connection type
    :param policies: ids of the permission policies that hold for it
    :param organization_id: organization that it belongs to, for keys of more than one
    :param healthcheck_interval: how often its health is checked, such as ``3h30m``
    :param reconnect: passed on as it is; the API does not say what it does
    :param validate: whether the API tries the settings before it saves them; the API does by default
    """
    return _replace(
        connection_id,
        given(
            name=name,
            configuration=dict(configuration),
            type=type,
            policies=policies,
            organization_id=organization_id,
            healthcheck_interval=healthcheck_interval,
            reconnect=reconnect,
            validate=validate,
        ),
    )


def change(
    connection_id: str, *, configuration: Mapping[str, Any] | None = None, **changes: Unpack[ConnectionChanges]
) -> Flow[Connection]:
    """Change some fields of a connection and keep the others: get, then :func:`update` with everything.

    The API shows secrets masked, and what it makes of a mask that is sent back is not known: each masked setting has
    to be among ``configuration``. So has ``healthcheck_interval`` among the changes, since :func:`get` may not show it.
    What somebody else writes between the two requests is lost.

    :param connection_id: id of the connection
    :param configuration: settings that change, and the secrets; the other settings stay
    :param changes: fields of :class:`ConnectionChanges` with their new values; None clears one
    :raises TypeError: if one of ``changes`` is none of those
    :raises ValueError: if a setting would be sent as a mask; nothing is changed
    """
    only_known(changes, ConnectionChanges)
    current = yield from send(get(connection_id))
    settings = {**(current.configuration or {}), **(configuration or {})}
    refuse_masks(configuration=settings)
    body = {**kept(current, dropped=_READ_ONLY), "configuration": settings, **changes}
    if "type" not in changes:
        body["type"] = current.type.id if current.type else None
    return (yield from send(_replace(connection_id, given(**body))))


def _replace(connection_id: str, body: Mapping[str, Any]) -> Call[Connection]:
    return Call("PUT", path("/api/connections/{}", connection_id), Connection, body=body)


def delete(connection_id: str, *, force: bool | None = None) -> Call[None]:
    """Delete a connection: ``DELETE /api/connections/{id}``.

    Answered 422 while something uses it, which the error then names; 409 for the connection of a Harbor.

    :param connection_id: id of the connection
    :param force: delete the fieldsets, syncs, bulk syncs and schedules that use it as well
    """
    return Call(
        "DELETE",
        path("/api/connections/{}", connection_id),
        query=query(force=force),
        destructive=True,
        enveloped=False,
    )


def get_parameter_values(connection_id: str) -> Call[ParameterValues]:
    """Get the values that the settings of a connection may take: ``GET /api/connections/{id}/parameter_values``.

    :param connection_id: id of the connection
    """
    return Call(
        "GET",
        path("/api/connections/{}/parameter_values", connection_id),
        ParameterValues,
        read_only=True,
        enveloped=False,
    )


def execute_proxy(
    connection_id: str,
    *,
    request: Mapping[str, Any],
    async_: bool | None = None,
    idempotency_key: str | None = None,
) -> Call[ProxyAnswer]:
    """Send a request to the system behind a connection, with its credentials: ``POST /api/connections/{id}/proxy``.

    The answer's ``status`` is that of the other system. Answered 429 at the proxy's limit or the other system's,
    which syncs share; 502 and 504 if that system fails. :func:`get_proxy_info` tells the limits.

    :param connection_id: id of the connection
    :param request: ``method`` and ``path`` (beginning with ``/``), and if needed ``query`` or ``rawQuery``,
        ``headers``, ``body`` and, where there are several, ``api``
    :param async_: run a GET as a job, to be asked for as :func:`jobs.get("connectionproxy", …) <.jobs.get>`
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/connections/{}/proxy", connection_id),
        ProxyAnswer,
        body=given(**{"async": async_, "request": dict(request)}),
        idempotency_key=idempotency_key,
    )


def get_proxy_info(connection_id: str) -> Call[ProxyInfo]:
    """Get what :func:`execute_proxy` may send, and its limits: ``GET /api/connections/{id}/proxy/info``.

    :param connection_id: id of the connection
    """
    return Call("GET", path("/api/connections/{}/proxy/info", connection_id), ProxyInfo, read_only=True)


def list_shared(connection_id: str) -> Call[Page[Connection]]:
    """List the copies of a connection in other organizations: ``GET /api/connections/{id}/shared``.

    :param connection_id: id of the connection
    """
    return Call(
        "GET",
        path("/api/connections/{}/shared", connection_id),
        Page[Connection],
        read_only=True,
        enveloped=False,
    )


def list_shared_for_partner(org_id: str, connection_id: str) -> Call[Page[Connection]]:
    """List the copies of a connection, with a partner's key.

    Endpoint: ``GET /api/organizations/{org_id}/connections/{connection_id}/shared``.

    :param org_id: organization that owns the connection; answered 404 if it is another
    :param connection_id: id of the connection
    """
    return Call(
        "GET",
        path("/api/organizations/{}/connections/{}/shared", org_id, connection_id),
        Page[Connection],
        read_only=True,
        enveloped=False,
    )


def create_shared(
    org_id: str,
    connection_id: str,
    *,
    child_organization_id: str,
    name: str | None = None,
    idempotency_key: str | None = None,
) -> Call[SharedConnection]:
    """Give another organization a copy of a connection, with a partner's key.

    Endpoint: ``POST /api/organizations/{org_id}/connections/{connection_id}/shared``.

    :param org_id: organization that owns the connection; answered 404 if it is another
    :param connection_id: id of the connection
    :param child_organization_id: organization that gets the copy
    :param name: what the copy is called
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/organizations/{}/connections/{}/shared", org_id, connection_id),
        SharedConnection,
        body=given(child_organization_id=child_organization_id, name=name),
        idempotency_key=idempotency_key,
    )
