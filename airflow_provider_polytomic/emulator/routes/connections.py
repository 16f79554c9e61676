"""Answer the operations on connections: ``/api/connections``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import catalog, dependents
from airflow_provider_polytomic.emulator.domain.connections import Connection, unmasked
from airflow_provider_polytomic.emulator.domain.errors import Refused
from airflow_provider_polytomic.emulator.http.request import Incoming
from airflow_provider_polytomic.emulator.http.responses import Answer
from airflow_provider_polytomic.emulator.routes import connection_rendering

_LONGEST_SESSION = 604_800


def _connection(incoming: Incoming) -> Connection:
    return incoming.state.connection(incoming.ids["connection_id"])


def list_all(incoming: Incoming) -> dict[str, Any]:
    """List all connections, on one page."""
    state = incoming.state
    own = (each for each in state.connections.values() if each.organization_id == state.organization_id)
    return {"data": [connection_rendering.connection(each) for each in state.switches.in_order(own)]}


def get(incoming: Incoming) -> dict[str, Any]:
    """Give one connection."""
    return {"data": connection_rendering.connection(_connection(incoming))}


def create(incoming: Incoming) -> dict[str, Any]:
    """Create a connection, after trying it unless told not to."""
    state = incoming.state
    name, type = incoming.field("name", str, required=True), incoming.field("type", str, required=True)
    configuration = incoming.field("configuration", dict, required=True)
    if incoming.field("validate", bool) is not False:
        state.try_configuration(configuration)
    connection = state.add_connection(
        name=name,
        type=type,
        configuration=configuration,
        policies=tuple(incoming.field("policies", list) or ()),
        healthcheck_interval=incoming.field("healthcheck_interval", str),
    )
    authorize = incoming.field("redirect_url", str) is not None
    return {"data": connection_rendering.written_connection(connection, authorize=authorize)}


def update(incoming: Incoming) -> dict[str, Any]:
    """Replace a connection as a whole, after trying it unless told not to; only its type stays where none is given."""
    state, connection = incoming.state, _connection(incoming)
    name, type = incoming.field("name", str, required=True), incoming.field("type", str)
    sent = incoming.field("configuration", dict, required=True)
    configuration = unmasked(sent, connection.configuration, state.switches.masked_secret)
    policies, interval = incoming.field("policies", list), incoming.field("healthcheck_interval", str)
    if incoming.field("validate", bool) is not False:
        state.try_configuration(configuration)
    connection.name, connection.type, connection.configuration = name, type or connection.type, configuration
    connection.policies, connection.healthcheck_interval = tuple(policies or ()), interval
    connection.updated_at = state.clock()
    return {"data": connection_rendering.written_connection(connection)}


def delete(incoming: Incoming) -> None:
    """Delete a connection; with what uses it if forced, not at all if something does and it is not."""
    dependents.delete_connection(incoming.state, _connection(incoming), force=incoming.flag("force") or False)


def test(incoming: Incoming) -> None:
    """Try a configuration, laid over that of a stored connection if one is named, and keep nothing."""
    incoming.field("type", str, required=True)
    configuration = incoming.field("configuration", dict, required=True)
    connection_id = incoming.field("connection_id", str)
    stored = incoming.state.connection(connection_id).configuration if connection_id else {}
    incoming.state.try_configuration({**stored, **configuration})


def connect(incoming: Incoming) -> dict[str, Any]:
    """Open a page on which a person would create or reconnect a connection."""
    state = incoming.state
    name = incoming.field("name", str, required=True)
    incoming.field("redirect_url", str, required=True)
    reconnected = incoming.field("connection", str)
    if reconnected:
        state.connection(reconnected)
    elif any(each.name == name for each in state.connections.values()):
        raise Refused(409, "There is a connection of this name already.")
    if not 0 < (incoming.field("ttl", int) or 300) <= _LONGEST_SESSION:
        raise Refused(422, f"ttl is at most {_LONGEST_SESSION} seconds.")
    token = str(uuid4())
    return {"data": {"redirect_url": f"https://connect.emulator.invalid/?token={token}", "token": token}}


def get_parameter_values(incoming: Incoming) -> dict[str, Any]:
    """Give the values that the settings of a connection may take."""
    return {"data": catalog.all_parameter_values(_connection(incoming).type)}


def list_types(incoming: Incoming) -> dict[str, Any]:
    """List the connection types."""
    return {"data": incoming.state.switches.in_order(catalog.types())}


def get_type(incoming: Incoming) -> dict[str, Any]:
    """Give the JSON Schema of a connection type, which stands in no envelope."""
    return catalog.configuration_schema(incoming.ids["type"])


def get_type_parameter_values(incoming: Incoming) -> dict[str, Any]:
    """Give the values that one setting of a connection type may take."""
    field, text = incoming.field("field", str, required=True), incoming.field("query", str)
    incoming.field("parameters", dict)
    connection_id = incoming.field("connection_id", str)
    if connection_id:
        incoming.state.connection(connection_id)
    return {"data": catalog.parameter_values(incoming.ids["type"], field, text)}


def list_shared(incoming: Incoming) -> dict[str, Any]:
    """List the copies of a connection in other organizations."""
    copies = incoming.state.copies(_connection(incoming))
    return {"data": [connection_rendering.connection(each) for each in incoming.state.switches.in_order(copies)]}


def refresh_schemas(incoming: Incoming) -> Answer:
    """Begin to read the schemas of a connection, which must be healthy."""
    connection, switches = _connection(incoming), incoming.state.switches
    if connection.status != switches.connection_status:
        raise Refused(400, "The connection is not healthy.")
    connection.begin_refresh(
        incoming.state.clock(),
        lag=switches.schema_refresh_lag,
        takes=switches.schema_refresh_seconds,
        ends=switches.schema_refresh_ends,
        finishes=switches.schema_refresh_finishes,
    )
    location = f"{incoming.base_url}/api/connections/{connection.id}/schemas/status"
    return Answer.of_json({}, 202, (("location", location),))


def get_schema_status(incoming: Incoming) -> dict[str, Any]:
    """Tell how fresh the knowledge of a connection's schemas is."""
    return {"data": connection_rendering.schema_status(_connection(incoming), incoming.state.clock())}


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
