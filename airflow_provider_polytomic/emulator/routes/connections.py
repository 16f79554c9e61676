"""Answer the operations on connections: ``/api/connections``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import catalog, dependents
from airflow_provider_polytomic.emulator.domain.connections import Connection, restore_masked
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.http.request import RequestContext
from airflow_provider_polytomic.emulator.http.responses import ApiResponse
from airflow_provider_polytomic.emulator.routes import connection_rendering

_LONGEST_SESSION = 604_800


def _connection(context: RequestContext) -> Connection:
    return context.state.connection(context.ids["connection_id"])


def list_all(context: RequestContext) -> dict[str, Any]:
    """List all connections, on one page."""
    state = context.state
    own = (each for each in state.connections.values() if each.organization_id == state.organization_id)
    return {"data": [connection_rendering.connection(each) for each in state.behavior.in_order(own)]}


def get(context: RequestContext) -> dict[str, Any]:
    """Give one connection."""
    return {"data": connection_rendering.connection(_connection(context))}


def create(context: RequestContext) -> dict[str, Any]:
    """Create a connection, after trying it unless told not to."""
    state = context.state
    name, type = context.field("name", str, required=True), context.field("type", str, required=True)
    configuration = context.field("configuration", dict, required=True)
    if context.field("validate", bool) is not False:
        state.try_configuration(configuration)
    connection = state.add_connection(
        name=name,
        type=type,
        configuration=configuration,
        policies=tuple(context.field("policies", list) or ()),
        healthcheck_interval=context.field("healthcheck_interval", str),
    )
    authorize = context.field("redirect_url", str) is not None
    return {"data": connection_rendering.written_connection(connection, authorize=authorize)}


def update(context: RequestContext) -> dict[str, Any]:
    """Replace a connection as a whole, after trying it unless told not to; only its type stays where none is given."""
    state, connection = context.state, _connection(context)
    name, type = context.field("name", str, required=True), context.field("type", str)
    sent = context.field("configuration", dict, required=True)
    configuration = restore_masked(sent, connection.configuration, state.behavior.masked_secret)
    policies, interval = context.field("policies", list), context.field("healthcheck_interval", str)
    if context.field("validate", bool) is not False:
        state.try_configuration(configuration)
    connection.name, connection.type, connection.configuration = name, type or connection.type, configuration
    connection.policies, connection.healthcheck_interval = tuple(policies or ()), interval
    connection.updated_at = state.clock()
    return {"data": connection_rendering.written_connection(connection)}


def delete(context: RequestContext) -> None:
    """Delete a connection; with what uses it if forced, not at all if something does and it is not."""
    dependents.delete_connection(context.state, _connection(context), force=context.flag("force") or False)


def test(context: RequestContext) -> None:
    """Try a configuration, laid over that of a stored connection if one is named, and keep nothing."""
    context.field("type", str, required=True)
    configuration = context.field("configuration", dict, required=True)
    connection_id = context.field("connection_id", str)
    stored = context.state.connection(connection_id).configuration if connection_id else {}
    context.state.try_configuration({**stored, **configuration})


def connect(context: RequestContext) -> dict[str, Any]:
    """Open a page on which a person would create or reconnect a connection."""
    state = context.state
    name = context.field("name", str, required=True)
    context.field("redirect_url", str, required=True)
    reconnected = context.field("connection", str)
    if reconnected:
        state.connection(reconnected)
    elif any(each.name == name for each in state.connections.values()):
        raise ApiError(409, "There is a connection of this name already.")
    if not 0 < (context.field("ttl", int) or 300) <= _LONGEST_SESSION:
        raise ApiError(422, f"ttl is at most {_LONGEST_SESSION} seconds.")
    token = str(uuid4())
    return {"data": {"redirect_url": f"https://connect.emulator.invalid/?token={token}", "token": token}}


def get_parameter_values(context: RequestContext) -> dict[str, Any]:
    """Give the values that the settings of a connection may take."""
    return {"data": catalog.all_parameter_values(_connection(context).type)}


def list_types(context: RequestContext) -> dict[str, Any]:
    """List the connection types."""
    return {"data": context.state.behavior.in_order(catalog.types())}


def get_type(context: RequestContext) -> dict[str, Any]:
    """Give the JSON Schema of a connection type, which stands in no envelope."""
    return catalog.configuration_schema(context.ids["type"])


def get_type_parameter_values(context: RequestContext) -> dict[str, Any]:
    """Give the values that one setting of a connection type may take."""
    field, text = context.field("field", str, required=True), context.field("query", str)
    context.field("parameters", dict)
    connection_id = context.field("connection_id", str)
    if connection_id:
        context.state.connection(connection_id)
    return {"data": catalog.parameter_values(context.ids["type"], field, text)}


def list_shared(context: RequestContext) -> dict[str, Any]:
    """List the copies of a connection in other organizations."""
    copies = context.state.copies(_connection(context))
    return {"data": [connection_rendering.connection(each) for each in context.state.behavior.in_order(copies)]}


def refresh_schemas(context: RequestContext) -> ApiResponse:
    """Begin to read the schemas of a connection, which must be healthy."""
    connection, behavior = _connection(context), context.state.behavior
    if connection.status != behavior.connection_status:
        raise ApiError(400, "The connection is not healthy.")
    connection.begin_refresh(
        context.state.clock(),
        lag=behavior.schema_refresh_lag,
        takes=behavior.schema_refresh_seconds,
        ends=behavior.schema_refresh_ends,
        finishes=behavior.schema_refresh_finishes,
    )
    location = f"{context.base_url}/api/connections/{connection.id}/schemas/status"
    return ApiResponse.from_json({}, 202, (("location", location),))


def get_schema_status(context: RequestContext) -> dict[str, Any]:
    """Tell how fresh the knowledge of a connection's schemas is."""
    return {"data": connection_rendering.schema_status(_connection(context), context.state.clock())}


HANDLERS = {
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
    ("GET", "/api/connections/{connection_id}/shared"): list_shared,
    ("POST", "/api/connections/{connection_id}/schemas/refresh"): refresh_schemas,
    ("GET", "/api/connections/{connection_id}/schemas/status"): get_schema_status,
}
