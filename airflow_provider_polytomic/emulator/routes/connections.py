"""Operations on connections and their types, on organizations that share connections, and on the caller's identity."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import connections
from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.connections import Connection, redact, restore_masked
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.state import ORGANIZATION_NAME, USER_EMAIL, USER_ID, audit_fields
from airflow_provider_polytomic.emulator.http import access
from airflow_provider_polytomic.emulator.http.request import Handlers, RequestContext
from airflow_provider_polytomic.emulator.http.responses import ApiResponse

_MAX_SESSION_SECONDS = 604_800
_DEFAULT_SESSION_SECONDS = 300
_CONNECT_URL = "https://connect.emulator.invalid"


def list_all(context: RequestContext) -> dict[str, Any]:
    """List all connections, on one page."""
    state = context.state
    owned = (each for each in state.connections.values() if each.organization_id == state.organization_id)
    return {"data": [_connection(each) for each in context.behavior.in_order(owned)]}


def get(context: RequestContext) -> dict[str, Any]:
    """Return a connection."""
    return {"data": _connection(context.connection)}


def create(context: RequestContext) -> dict[str, Any]:
    """Create a connection, after a test unless ``validate`` is false."""
    name, type = context.field("name", str, required=True), context.field("type", str, required=True)
    configuration = context.field("configuration", dict, required=True)
    _validate(context, configuration)
    connection = context.state.add_connection(name=name, type=type, configuration=configuration, **_options(context))
    authorize = context.field("redirect_url", str) is not None and connections.system(type).oauth
    url = f"{_CONNECT_URL}/authorize?connection={connection.id}" if authorize else None
    return {"data": _saved_connection(connection, url)}


def update(context: RequestContext) -> dict[str, Any]:
    """Replace a connection, after a test unless ``validate`` is false; its type remains if none is given."""
    connection = context.connection
    name, type = context.field("name", str, required=True), context.field("type", str)
    sent, masked_secret = context.field("configuration", dict, required=True), context.behavior.masked_secret
    configuration = restore_masked(sent, connection.configuration, masked_secret)
    options = _options(context)
    _validate(context, configuration)
    connection.name, connection.type, connection.configuration = name, type or connection.type, configuration
    connection.policies, connection.healthcheck_interval = options["policies"], options["healthcheck_interval"]
    connection.updated_at = context.now
    return {"data": _saved_connection(connection)}


def _options(context: RequestContext) -> dict[str, Any]:
    interval = context.field("healthcheck_interval", str)
    return {"policies": tuple(context.field("policies", list) or ()), "healthcheck_interval": interval}


def _validate(context: RequestContext, configuration: dict[str, Any]) -> None:
    if context.field("validate", bool) is not False:
        context.state.try_configuration(configuration)


def delete(context: RequestContext) -> None:
    """Delete a connection; with ``force`` also what uses it."""
    context.state.delete_connection(context.connection, force=context.flag("force") or False)


def test(context: RequestContext) -> None:
    """Test a configuration, merged into that of a stored connection if ``connection_id`` names one."""
    context.field("type", str, required=True)
    configuration = context.field("configuration", dict, required=True)
    connection_id = context.field("connection_id", str)
    stored = context.state.connection(connection_id).configuration if connection_id else {}
    context.state.try_configuration({**stored, **configuration})


def connect(context: RequestContext) -> dict[str, Any]:
    """Return the page on which a person would create or reconnect a connection."""
    state, name = context.state, context.field("name", str, required=True)
    context.field("redirect_url", str, required=True)
    reconnected = context.field("connection", str)
    if reconnected:
        state.connection(reconnected)
    elif any(each.name == name for each in state.connections.values()):
        raise ApiError(409, "There is a connection of this name already.")
    if not 0 < (context.field("ttl", int) or _DEFAULT_SESSION_SECONDS) <= _MAX_SESSION_SECONDS:
        raise ApiError(422, f"ttl is at most {_MAX_SESSION_SECONDS} seconds.")
    token = str(uuid4())
    return {"data": {"redirect_url": f"{_CONNECT_URL}/?token={token}", "token": token}}


def get_parameter_values(context: RequestContext) -> dict[str, Any]:
    """Return the values of the settings of a connection."""
    return {"data": connections.all_parameter_values(context.connection.type)}


def list_types(context: RequestContext) -> dict[str, Any]:
    """List the connection types."""
    return {"data": context.behavior.in_order(connections.types_in_list())}


def get_type(context: RequestContext) -> dict[str, Any]:
    """Return the JSON Schema of a connection type, without an envelope."""
    return connections.configuration_schema(context.ids["type"])


def get_type_parameter_values(context: RequestContext) -> dict[str, Any]:
    """Return the values of one setting of a connection type."""
    field, text = context.field("field", str, required=True), context.field("query", str)
    context.field("parameters", dict)
    connection_id = context.field("connection_id", str)
    if connection_id:
        context.state.connection(connection_id)
    return {"data": connections.parameter_values(context.ids["type"], field, text)}


def _owned_connection(context: RequestContext) -> Connection:
    """Return the connection of the path, which must belong to the organization of the path, if that names one."""
    connection = context.connection
    if connection.organization_id != context.ids.get("organization_id", connection.organization_id):
        raise ApiError(404, "The connection was not found.")
    return connection


def list_copies(context: RequestContext) -> dict[str, Any]:
    """List the copies of a connection in other organizations."""
    copies = context.state.copies(_owned_connection(context))
    return {"data": [_connection(each) for each in context.behavior.in_order(copies)]}


def refresh_schemas(context: RequestContext) -> ApiResponse:
    """Begin to refresh the schemas of a connection, which must be healthy."""
    connection = context.connection
    if connection.status != context.behavior.connection_status:
        raise ApiError(400, "The connection is not healthy.")
    connection.begin_refresh(context.now, context.behavior)
    location = f"{context.base_url}/api/connections/{connection.id}/schemas/status"
    return ApiResponse.from_json({}, 202, (("location", location),))


def get_schema_status(context: RequestContext) -> dict[str, Any]:
    """Return the times of the last schema refresh; before the first one, that of the connection's creation."""
    connection, now = context.connection, context.now
    shown = [each for each in connection.refreshes if now >= each.shown_at]
    finished = [each.ends_at for each in shown if each.ended(now) and each.finishes]
    status = "fresh"
    if shown:
        status = shown[-1].end_status if shown[-1].ended(now) else "refreshing"
    times = {
        "last_refresh_started": timestamp(shown[-1].started_at if shown else connection.created_at),
        "last_refresh_finished": timestamp(finished[-1] if finished else connection.created_at),
    }
    return {"data": {"cache_status": status, **times}}


def _connection(connection: Connection) -> dict[str, Any]:
    """Return a connection as the API shows it, with its secrets masked."""
    fields = {"parent_connection_id": connection.parent_id, "api_calls_last_24_hours": None, "rate_limit": None}
    return {**_common_fields(connection), **fields, **audit_fields(connection)}


def _saved_connection(connection: Connection, auth_url: str | None = None) -> dict[str, Any]:
    """Return a connection as the response to its creation or update, which has other fields."""
    fields = {"healthcheck_interval": connection.healthcheck_interval, "auth_url": auth_url, "auth_code": None}
    return {**_common_fields(connection), **fields}


def _common_fields(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.id,
        "name": connection.name,
        "type": connections.type_in_connection(connection.type),
        "organization_id": connection.organization_id,
        "configuration": redact(connection.configuration),
        "policies": list(connection.policies),
        "saved": True,
        "status": connection.status,
        "status_error": connection.status_error,
    }


def get_identity(context: RequestContext) -> dict[str, Any]:
    """Return the caller: a user for a bearer key, the organization for a basic one, a partner, or the system."""
    role = context.role
    user = {"id": USER_ID, "email": USER_EMAIL, "role": "admin"} if role == access.USER else {}
    return {
        "data": {
            **user,
            "organization_id": context.state.organization_id,
            "organization_name": ORGANIZATION_NAME,
            "is_user": role == access.USER,
            "is_organization": role == access.ORGANIZATION,
            "is_partner": role == access.PARTNER,
            "is_system": role == access.DEPLOYMENT,
            "credential": {"method": "api_key"},
        }
    }


def list_organizations(context: RequestContext) -> dict[str, Any]:
    """List the organizations of the partner."""
    absent = {"issuer": None, "sso_domain": None, "sso_org_id": None}
    return {"data": [{"id": id, "name": name, **absent} for id, name in context.state.organizations.items()]}


def share(context: RequestContext) -> dict[str, Any]:
    """Copy a connection to another organization."""
    connection, state = _owned_connection(context), context.state
    child = context.field("child_organization_id", str, required=True)
    if child not in state.organizations:
        raise ApiError(404, "The organization was not found.")
    copy = state.add_connection(
        name=context.field("name", str) or connection.name,
        type=connection.type,
        configuration=connection.configuration,
        organization_id=child,
        parent_id=connection.id,
    )
    return {"data": {"id": copy.id}}


_SHARED = "/api/organizations/{organization_id}/connections/{connection_id}/shared"
HANDLERS: Handlers = {
    ("GET", "/api/me"): get_identity,
    ("GET", "/api/connection_types"): list_types,
    ("GET", "/api/connection_types/{type}"): get_type,
    ("POST", "/api/connection_types/{type}/parameter_values"): get_type_parameter_values,
    ("GET", "/api/connections"): list_all,
    ("POST", "/api/connections"): create,
    ("POST", "/api/connections/connect/"): connect,
    ("POST", "/api/connections/test"): test,
    ("GET", "/api/connections/{connection_id}"): get,
    ("PUT", "/api/connections/{connection_id}"): update,
    ("DELETE", "/api/connections/{connection_id}"): delete,
    ("GET", "/api/connections/{connection_id}/parameter_values"): get_parameter_values,
    ("GET", "/api/connections/{connection_id}/shared"): list_copies,
    ("POST", "/api/connections/{connection_id}/schemas/refresh"): refresh_schemas,
    ("GET", "/api/connections/{connection_id}/schemas/status"): get_schema_status,
    ("GET", "/api/organizations"): list_organizations,
    ("GET", _SHARED): list_copies,
    ("POST", _SHARED): share,
}
