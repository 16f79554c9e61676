"""The application of the page in Airflow's API server: files, and JSON for people who may read the connections."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, get_args

from airflow.api_fastapi.core_api.security import get_user, requires_access_connection
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from airflow_provider_polytomic.results import SyncKindName
from airflow_provider_polytomic.ui.cache import ConnectionCache, Problem
from airflow_provider_polytomic.ui.dags import AirflowRefused, AirflowViews
from airflow_provider_polytomic.ui.details import sync_details
from airflow_provider_polytomic.ui.rows import SyncKey, json_parts

log = logging.getLogger(__name__)

MAX_VIEWED_ROWS = 100

FILES = {
    "": ("index.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "page.css": ("page.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
    "icon-dark.svg": ("icon-dark.svg", "image/svg+xml"),
}
"""Files of the page by their paths; they are sent as they are in the package."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

ROOT_APP = "polytomic.airflow_app"
"""Key in the scope of a request for the application of Airflow, whose REST API the page calls."""


class PageApp(FastAPI):
    """Keep the application that this one is mounted in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        scope[ROOT_APP] = scope.get("app")
        await super().__call__(scope, receive, send)


def build_app(connection_ids: list[str]) -> PageApp:
    """Build the application.

    :param connection_ids: ids of the Airflow connections whose syncs the page shows
    """
    app = PageApp(title="Polytomic", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)])
    app.middleware("http")(_add_headers)
    for path, (name, media_type) in FILES.items():
        app.get(f"/{path}", response_class=Response)(_file(name, media_type))
    _add_data_routes(app, connection_ids)
    return app


async def _add_headers(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await handle(request)
    response.headers.update(HEADERS)
    return response


def _file(name: str, media_type: str) -> Callable[[], Response]:
    content = files(__package__).joinpath(f"static/{name}").read_bytes()
    return lambda: Response(content, media_type=media_type)


def _add_data_routes(app: PageApp, connection_ids: list[str]) -> None:
    caches: dict[str, ConnectionCache] = {}
    views = AirflowViews()
    may_read = [Depends(requires_access_connection(method="GET"))]

    def cache_of(connection_id: str) -> ConnectionCache:
        if connection_id not in connection_ids:
            raise HTTPException(404, f"[polytomic] ui_connections does not name the connection {connection_id!r}.")
        return caches.setdefault(connection_id, ConnectionCache(connection_id))

    @app.get("/connections")
    async def list_connections() -> list[str]:
        return connection_ids

    @app.get("/connections/{connection_id}/syncs", dependencies=may_read)
    async def list_syncs(
        connection_id: str, table: str | None = None, version: int = 0, viewed: str = ""
    ) -> StreamingResponse:
        cache = cache_of(connection_id)
        cache.look(_keys(viewed))
        problem = cache.problem.to_json() if cache.problem else None
        changes, rows = cache.table.changes(table, version)
        answer = {**changes, "is_loading": cache.is_loading, "problem": problem}
        return StreamingResponse(json_parts(answer, rows), media_type="application/json")

    @app.get("/connections/{connection_id}/dags", dependencies=may_read)
    async def list_dags(connection_id: str, request: Request) -> dict[str, Any]:
        table = cache_of(connection_id).table
        try:
            view = await views.of(request.scope[ROOT_APP], request.headers)
        except AirflowRefused as error:
            log.info("Could not find the DAGs of the syncs: %s", error)
            return {"syncs": {}}
        return {"syncs": view.of_table(table)}

    @app.get("/connections/{connection_id}/syncs/{kind}/{sync_id}", dependencies=may_read)
    async def get_sync(connection_id: str, kind: SyncKindName, sync_id: str, request: Request) -> JSONResponse:
        cache = cache_of(connection_id)
        row = cache.table.rows.get((kind, sync_id))
        if row is None:
            raise HTTPException(404, "The page does not show this sync.")
        try:
            details = dict(await sync_details(cache, row))
        except Problem as problem:
            return JSONResponse({"problem": problem.to_json()}, 502)
        try:
            view = await views.of(request.scope[ROOT_APP], request.headers)
            details["tasks"] = await view.runs_of(row)
        except AirflowRefused as error:
            details["tasks_problem"] = f"Airflow did not return the tasks of this sync: {error}"
        return JSONResponse(details)


def _keys(viewed: str) -> list[SyncKey]:
    """Return the rows that a request names, each as kind and id."""
    pairs = [each.partition(":") for each in viewed.split(",")[:MAX_VIEWED_ROWS]]
    kinds: dict[str, SyncKindName] = {kind: kind for kind in get_args(SyncKindName)}
    return [(kinds[kind], sync_id) for kind, _, sync_id in pairs if kind in kinds and sync_id]
