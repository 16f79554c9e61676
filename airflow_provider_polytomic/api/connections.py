"""Connections: the systems that Polytomic reads from and writes to.

.. code-block:: python

    names = [connection.name for connection in client.pages(connections.list())]

.. seealso::
    How-to: ``docs/connections.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_polytomic.api.call import Call, body_of, check_fields, path, query, reject_masks
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models import connections as models
from airflow_provider_polytomic.api.models.base import Page

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = (
    "change",
    "connect",
    "create",
    "create_shared",
    "delete",
    "execute_proxy",
    "get",
    "get_parameter_values",
    "get_proxy_info",
    "get_type",
    "get_type_parameter_values",
    "list",
    "list_shared",
    "list_shared_for_partner",
    "list_types",
    "test",
    "update",
)

_READ_ONLY = {"auth_code", "auth_url", "parent_connection_id", "saved", "status", "status_error"}
_READ_ONLY |= {"api_calls_last_24_hours", "rate_limit"}


class ConnectionChanges(TypedDict, total=False):
    """Settings of a connection that can change besides its configuration, as in :func:`update`."""

    name: str
    type: str | None
    policies: Sequence[str] | None
    organization_id: str | None
    healthcheck_interval: str | None
    reconnect: bool | None
    validate: bool | None


def list_types(*, page_token: str | None = None) -> Call[Page[models.ConnectionType]]:
    """List the types of connections: ``GET /api/connection_types``.

    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[models.ConnectionType], "/api/connection_types", query=query(page_token=page_token))


def get_type(type: str) -> Call[models.ConfigurationSchema]:
    """Get the JSON Schema of a connection type's configuration: ``GET /api/connection_types/{id}``.

    :param type: Id of the connection type, such as ``postgresql``.
    """
    return Call.get(models.ConfigurationSchema, "/api/connection_types/{}", type)


def get_type_parameter_values(
    type: str,
    *,
    field: str,
    parameters: Mapping[str, Any] | None = None,
    query: str | None = None,
    connection_id: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.ParameterValues]:
    """Get the possible values of a setting: ``POST /api/connection_types/{type}/parameter_values``.

    :param type: Id of the connection type.
    :param field: Name of the setting.
    :param parameters: Settings so far, including secrets; the values depend on them.
    :param query: Get only values that match this text.
    :param connection_id: Existing connection, for settings that ``parameters`` does not have.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    template, body = "/api/connection_types/{}/parameter_values", body_of(locals(), "type")
    return Call.post(models.ParameterValues, template, type, body=body, key=idempotency_key)


def list(*, page_token: str | None = None) -> Call[Page[models.Connection]]:
    """List all connections: ``GET /api/connections``.

    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[models.Connection], "/api/connections", query=query(page_token=page_token))


def get(connection_id: str) -> Call[models.Connection]:
    """Get one connection with masked secrets: ``GET /api/connections/{id}``.

    :param connection_id: Id of the connection.
    """
    return Call.get(models.Connection, "/api/connections/{}", connection_id)


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
) -> Call[models.Connection]:
    """Create a connection: ``POST /api/connections``.

    :param name: Name shown in Polytomic.
    :param type: Id of the connection type, such as ``postgresql``.
    :param configuration: Settings of this type of connection, including secrets.
    :param organization_id: Organization, for keys with access to several.
    :param policies: Ids of permission policies.
    :param redirect_url: URL to which the browser returns after authorization, for types that need it.
    :param healthcheck_interval: Interval of health checks, such as ``3h30m``.
    :param validate: Test the settings before saving them; the API does by default.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(models.Connection, "/api/connections", body=body_of(locals()), key=idempotency_key)


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
) -> Call[models.ConnectSession]:
    """Create a page on which a person creates or reconnects one connection: ``POST /api/connections/connect/``.

    :param name: Name of the new connection, unique in its organization.
    :param redirect_url: URL to which the browser returns.
    :param type: Connection type; default the person chooses.
    :param whitelist: Types to choose from; ignored with ``type``.
    :param connection: Id of the connection to reconnect.
    :param organization_id: Organization, for keys with access to several.
    :param dark: Show the page in dark colors.
    :param ttl: Seconds until the page expires; default 300, maximum 604800.
    :param use_organization_name: Show the name of the organization instead of that of the partner.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(models.ConnectSession, "/api/connections/connect/", body=body_of(locals()), key=idempotency_key)


def test(
    type: str, configuration: Mapping[str, Any], *, connection_id: str | None = None, idempotency_key: str | None = None
) -> Call[None]:
    """Test settings without saving them: ``POST /api/connections/test``.

    :param type: Id of the connection type.
    :param configuration: Settings to test.
    :param connection_id: Existing connection, for settings that ``configuration`` does not have.
    :param idempotency_key: Key for which the API may repeat the response of an earlier test.
    """
    call: Call[None] = Call.post(None, "/api/connections/test", body=body_of(locals()), key=idempotency_key)
    return replace(call, read_only=True)


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
) -> Call[models.Connection]:
    """Replace a connection as a whole: ``PUT /api/connections/{id}``.

    Fields that are left out are cleared or get their default, and so are settings that ``configuration`` leaves out.
    Use :func:`change` to change some of them only. Running executions continue with the old settings. The API returns
    409 for the connection of a managed Harbor.

    :param connection_id: Id of the connection.
    :param name: Name shown in Polytomic.
    :param configuration: All settings, with the secrets themselves instead of the masks from :func:`get`.
    :param type: Id of the connection type.
    :param policies: Ids of permission policies.
    :param organization_id: Organization, for keys with access to several.
    :param healthcheck_interval: Interval of health checks, such as ``3h30m``.
    :param reconnect: Passed to the API, which does not document it.
    :param validate: Test the settings before saving them; the API does by default.
    """
    return Call.put(models.Connection, "/api/connections/{}", connection_id, body=body_of(locals(), "connection_id"))


def change(
    connection_id: str, *, configuration: Mapping[str, Any] | None = None, **changes: Unpack[ConnectionChanges]
) -> Flow[models.Connection]:
    """Change some fields of a connection and keep the others: get, then :func:`update` with everything.

    Pass every secret in ``configuration``: the API returns secrets masked, and must not get a mask back. Pass
    ``healthcheck_interval``, too, because :func:`get` may not return it. A change by another user between the two
    requests is lost.

    :param connection_id: Id of the connection.
    :param configuration: Changed settings and secrets; other settings do not change.
    :param changes: New values of the fields of :class:`ConnectionChanges`; None clears a field.
    :raises TypeError: If a change has another name.
    :raises ValueError: If a setting is a mask that the API returned; nothing is changed.
    """
    check_fields(changes, ConnectionChanges)
    current = yield from send(get(connection_id))
    settings = {**(current.configuration or {}), **(configuration or {})}
    reject_masks(configuration=settings)
    body = {**current.writable_fields(exclude=_READ_ONLY), "configuration": settings, **changes}
    if "type" not in changes:
        body["type"] = current.type.id if current.type else None
    return (yield from send(Call.put(models.Connection, "/api/connections/{}", connection_id, body=body)))


def delete(connection_id: str, *, force: bool | None = None) -> Call[None]:
    """Delete a connection: ``DELETE /api/connections/{id}``.

    The API returns 422 while something uses the connection (the error lists it), and 409 for that of a Harbor.

    :param connection_id: Id of the connection.
    :param force: Also delete the fieldsets, syncs, bulk syncs and schedules that use it.
    """
    return Call("DELETE", path("/api/connections/{}", connection_id), query=query(force=force))


def get_parameter_values(connection_id: str) -> Call[models.ParameterValues]:
    """Get the possible values of the settings of a connection: ``GET /api/connections/{id}/parameter_values``.

    :param connection_id: Id of the connection.
    """
    return Call.get(models.ParameterValues, "/api/connections/{}/parameter_values", connection_id)


def execute_proxy(
    connection_id: str, *, request: Mapping[str, Any], async_: bool | None = None, idempotency_key: str | None = None
) -> Call[models.ProxyAnswer]:
    """Send a request with the credentials of a connection: ``POST /api/connections/{id}/proxy``.

    The ``status`` of the response is that of the other system. The API returns 429 at the limit of the proxy or of the
    other system, which syncs share, and 502 or 504 if that system fails. :func:`get_proxy_info` returns the limits.

    :param connection_id: Id of the connection.
    :param request: ``method`` and ``path`` (beginning with ``/``), and if needed ``query`` or ``rawQuery``,
        ``headers``, ``body`` and, where there are several, ``api``.
    :param async_: Run a GET as a job; get its result by :func:`jobs.get("connectionproxy", …) <.jobs.get>`.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    body = {"async": async_, "request": dict(request)}
    return Call.post(models.ProxyAnswer, "/api/connections/{}/proxy", connection_id, body=body, key=idempotency_key)


def get_proxy_info(connection_id: str) -> Call[models.ProxyInfo]:
    """Get the APIs and limits of :func:`execute_proxy`: ``GET /api/connections/{id}/proxy/info``.

    :param connection_id: Id of the connection.
    """
    return Call.get(models.ProxyInfo, "/api/connections/{}/proxy/info", connection_id)


def list_shared(connection_id: str, *, page_token: str | None = None) -> Call[Page[models.Connection]]:
    """List the copies of a connection in other organizations: ``GET /api/connections/{id}/shared``.

    :param connection_id: Id of the connection.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    parameters = query(page_token=page_token)
    return Call.get(Page[models.Connection], "/api/connections/{}/shared", connection_id, query=parameters)


def list_shared_for_partner(
    org_id: str, connection_id: str, *, page_token: str | None = None
) -> Call[Page[models.Connection]]:
    """List copies for a partner: ``GET /api/organizations/{org_id}/connections/{connection_id}/shared``.

    :param org_id: Organization that owns the connection; the API returns 404 for another one.
    :param connection_id: Id of the connection.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    template, parameters = "/api/organizations/{}/connections/{}/shared", query(page_token=page_token)
    return Call.get(Page[models.Connection], template, org_id, connection_id, query=parameters)


def create_shared(
    org_id: str,
    connection_id: str,
    *,
    child_organization_id: str,
    name: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Connection]:
    """Copy a connection for a partner: ``POST /api/organizations/{org_id}/connections/{connection_id}/shared``.

    :param org_id: Organization that owns the connection; the API returns 404 for another one.
    :param connection_id: Id of the connection.
    :param child_organization_id: Organization of the copy.
    :param name: Name of the copy.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    body = {"child_organization_id": child_organization_id, "name": name}
    template = "/api/organizations/{}/connections/{}/shared"
    return Call.post(models.Connection, template, org_id, connection_id, body=body, key=idempotency_key)


def __dir__() -> tuple[str, ...]:
    return __all__
