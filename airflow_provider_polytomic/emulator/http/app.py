"""Route requests to the handlers of the API, and to the control routes beside it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.domain.syncs import BULK, MODEL
from airflow_provider_polytomic.emulator.http.middleware import Edge
from airflow_provider_polytomic.emulator.http.request import Handler, endpoint
from airflow_provider_polytomic.emulator.routes import bulk_syncs as bulk_sync_routes
from airflow_provider_polytomic.emulator.routes import connections as connection_routes
from airflow_provider_polytomic.emulator.routes import events as event_routes
from airflow_provider_polytomic.emulator.routes import logs as log_routes
from airflow_provider_polytomic.emulator.routes import model_syncs as model_sync_routes
from airflow_provider_polytomic.emulator.routes import organizations as organization_routes
from airflow_provider_polytomic.emulator.routes import sources as source_routes
from airflow_provider_polytomic.emulator.routes.syncs import shared_handlers

CONTROL_PREFIX = "/_emulator"


def build_app(state: State, control: ASGIApp, cut: Callable[[Scope], None]) -> ASGIApp:
    """Put the API behind its edge, and the control routes beside it without one."""
    edge = Edge(state, _api(state), cut)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Ids may hold an encoded slash, so routes match the path as it was sent.
        scope["path"] = scope["raw_path"].decode("ascii")
        beside = scope["path"] == CONTROL_PREFIX or scope["path"].startswith(CONTROL_PREFIX + "/")
        await (control if beside else edge)(scope, receive, send)

    return app


def _api(state: State) -> Starlette:
    routes = [
        Route(path, endpoint(handler, state), methods=[method]) for (method, path), handler in _handlers().items()
    ]
    api = Starlette(routes=routes, exception_handlers={HTTPException: _unrouted})
    api.router.redirect_slashes = False
    return api


def _handlers() -> dict[tuple[str, str], Handler]:
    """Give all handlers by method and path; fixed paths stand before those with an id in their place."""
    return {
        **model_sync_routes.HANDLERS,
        **_below("/api/syncs/{sync_id}", shared_handlers(MODEL)),
        **bulk_sync_routes.HANDLERS,
        **_below("/api/bulk/syncs/{sync_id}", shared_handlers(BULK)),
        **log_routes.HANDLERS,
        **connection_routes.HANDLERS,
        **source_routes.HANDLERS,
        **event_routes.HANDLERS,
        **organization_routes.HANDLERS,
    }


def _below(prefix: str, handlers: dict[tuple[str, str], Handler]) -> dict[tuple[str, str], Handler]:
    return {(method, prefix + path): handler for (method, path), handler in handlers.items()}


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    error = ApiError(error.status_code, f"The emulator does not know {request.method} {request.url.path}.")
    return JSONResponse(error.body(), error.status)
