"""Answer who the caller is, ``/api/me``, and what partners may ask: ``/api/organizations``."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.http.request import RequestContext
from airflow_provider_polytomic.emulator.routes import connection_rendering

_SHARED = "/api/organizations/{organization_id}/connections/{connection_id}/shared"


def me(context: RequestContext) -> dict[str, Any]:
    """Tell who the caller is."""
    return {"data": connection_rendering.identity(context.state, context.role)}


def list_all(context: RequestContext) -> dict[str, Any]:
    """List the organizations of the partner."""
    return {
        "data": [
            {"id": id, "name": name, "issuer": None, "sso_domain": None, "sso_org_id": None}
            for id, name in context.state.organizations.items()
        ]
    }


def _owned(context: RequestContext) -> Connection:
    connection = context.state.connection(context.ids["connection_id"])
    if connection.organization_id != context.ids["organization_id"]:
        raise ApiError(404, "The connection was not found.")
    return connection


def list_shared(context: RequestContext) -> dict[str, Any]:
    """List the copies of a connection of the organization named."""
    return {"data": [connection_rendering.connection(each) for each in context.state.copies(_owned(context))]}


def create_shared(context: RequestContext) -> dict[str, Any]:
    """Give another organization a copy of a connection."""
    owned, state = _owned(context), context.state
    child = context.field("child_organization_id", str, required=True)
    if child not in state.organizations:
        raise ApiError(404, "The organization was not found.")
    copy = state.add_connection(
        name=context.field("name", str) or owned.name,
        type=owned.type,
        configuration=owned.configuration,
        organization_id=child,
        parent_id=owned.id,
    )
    return {"data": {"id": copy.id}}


HANDLERS = {
    ("GET", "/api/me"): me,
    ("GET", "/api/organizations"): list_all,
    ("GET", _SHARED): list_shared,
    ("POST", _SHARED): create_shared,
}
