"""Handlers of the API, one module per area, and the application that routes requests to them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.http.request import Handlers, endpoint
from airflow_provider_polytomic.emulator.routes import (
    bulk_syncs,
    connections,
    entities,
    events,
    executions,
    model_syncs,
    sources,
    syncs,
)

_HANDLERS: Handlers = {
    **model_syncs.HANDLERS,
    **bulk_syncs.HANDLERS,
    **syncs.HANDLERS,
    **executions.HANDLERS,
    **connections.HANDLERS,
    **sources.HANDLERS,
    **entities.HANDLERS,
    **events.HANDLERS,
}
"""All handlers; fixed paths precede those with an id in their place."""


def build_api(state: State) -> Starlette:
    """Return the API as an ASGI application."""
    routes = [Route(path, endpoint(handler, state), methods=[method]) for (method, path), handler in _HANDLERS.items()]
    api = Starlette(routes=routes, exception_handlers={HTTPException: _unknown_route})
    api.router.redirect_slashes = False
    return api


async def _unknown_route(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, HTTPException)
    error = ApiError(exception.status_code, f"The emulator does not know {request.method} {request.url.path}.")
    return JSONResponse(error.body(), error.status)
