"""Answer the connection operations, ``/api/connections``, and who the caller is, ``/api/me``."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator import rendering
from airflow_provider_polytomic.emulator.incoming import Incoming


def list_all(incoming: Incoming) -> dict[str, Any]:
    """List all connections, on one page."""
    state = incoming.state
    data = [rendering.connection(each, state.organization_id) for each in state.connections.values()]
    return {"data": data}


def get(incoming: Incoming) -> dict[str, Any]:
    """Give one connection."""
    connection = incoming.state.connection(incoming.ids["connection_id"])
    return {"data": rendering.connection(connection, incoming.state.organization_id)}


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
    return {"data": rendering.created_connection(connection, state.organization_id)}


def test(incoming: Incoming) -> None:
    """Try a configuration, laid over that of a stored connection if one is named, and keep nothing."""
    incoming.field("type", str, required=True)
    configuration = incoming.field("configuration", dict, required=True)
    connection_id = incoming.field("connection_id", str)
    stored = incoming.state.connection(connection_id).configuration if connection_id else {}
    incoming.state.try_configuration({**stored, **configuration})


def me(incoming: Incoming) -> dict[str, Any]:
    """Tell who the caller is."""
    return {"data": rendering.identity(incoming.state, incoming.auth)}


HANDLERS = {
    ("GET", "/api/me"): me,
    ("GET", "/api/connections"): list_all,
    ("POST", "/api/connections"): create,
    ("POST", "/api/connections/test"): test,
    ("GET", "/api/connections/{connection_id}"): get,
}
