"""The control methods as JSON over HTTP below ``/_emulator``, for programs that did not start the emulator."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_polytomic.emulator.control.guard import refuse_foreign
from airflow_provider_polytomic.emulator.control.methods import Controls
from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.syncs import Sync
from airflow_provider_polytomic.emulator.http.access import credentials
from airflow_provider_polytomic.emulator.http.middleware import ApiMiddleware
from airflow_provider_polytomic.emulator.routes import build_api

_PREFIX = "/_emulator"
_SHOWN_FIELDS: dict[type, tuple[str, ...]] = {
    Sync: ("id", "kind", "name", "active"),
    Connection: ("id", "name", "type", "organization_id", "parent_id", "status", "status_error"),
}
"""The fields to show of an object, if not all."""


def build_app(controls: Controls, reset_connection: Callable[[Scope], None]) -> ASGIApp:
    """Return the API behind its middleware, and beside it the control routes.

    :param reset_connection: called with the scope of a request whose connection is to be reset.
    """

    @cache
    def api_of(controls: Controls) -> ASGIApp:
        return ApiMiddleware(controls._state, controls._traffic, build_api(controls._state), reset_connection)

    control = Starlette(
        routes=[
            Route(_PREFIX + path, _endpoint(controls, target), methods=[method]) for method, path, target in _ROUTES
        ]
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Ids may contain an encoded slash, so routes match the path as it was sent.
        scope["path"] = scope["raw_path"].decode("ascii")
        controlled = scope["path"] == _PREFIX or scope["path"].startswith(_PREFIX + "/")
        caller = credentials(Headers(scope=scope)).organization_id or ""
        organization = controls._organizations.get(caller, controls)
        await (control if controlled else api_of(organization))(scope, receive, send)

    return app


def _endpoint(controls: Controls, target: str | Callable[..., Any]) -> Callable[[Request], Any]:
    """Return an endpoint that reads ids of the path and the JSON body into the keyword arguments of ``target``."""

    async def respond(request: Request) -> Response:
        try:
            content = await request.body()
            refuse_foreign(request, content)
            body = json.loads(content or b"{}")
            if not isinstance(body, dict):
                raise ValueError("The body must be a JSON object.")
            result = getattr(controls, target) if isinstance(target, str) else target
            if callable(result):
                bound = () if isinstance(target, str) else (controls,)
                result = result(*bound, **request.path_params, **body)
            return JSONResponse(_to_json({"data": result} if isinstance(result, list) else result or {}))
        except ApiError as error:
            return JSONResponse(error.body(), error.status)
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            return JSONResponse(ApiError(400, f"{type(error).__name__}: {error}").body(), 400)

    return respond


def _to_json(value: Any) -> Any:
    """Convert dataclasses to mappings, and ``math.inf``, which JSON does not have, to ``inf``."""
    if is_dataclass(value) and not isinstance(value, type):
        fields = _SHOWN_FIELDS.get(type(value))
        return _to_json({name: getattr(value, name) for name in fields} if fields else asdict(value))
    if isinstance(value, dict):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(each) for each in value]
    return "inf" if value == math.inf else value


def _about(controls: Controls) -> dict[str, Any]:
    return {
        "now": controls.clock(),
        "organization_id": controls.organization_id,
        "switches": controls.switches,
        "routes": [f"{method} {_PREFIX}{path}" for method, path, _ in _ROUTES],
    }


def _add_organization(controls: Controls, **arguments: Any) -> dict[str, str]:
    return {"id": controls.add_organization(**arguments)}


def _plan_next(controls: Controls, sync_id: str, plans: list[dict[str, Any]]) -> None:
    controls.plan_next(sync_id, *plans)


def _set_switches(controls: Controls, **values: Any) -> Behavior:
    for name, value in values.items():
        controls.set_switch(name, value)
    return controls.switches


def _set_clock(
    controls: Controls, freeze: bool = False, set: float | None = None, advance: float | None = None
) -> dict[str, float]:
    if freeze:
        controls.clock.freeze()
    if set is not None:
        controls.clock.set(float(set))
    if advance is not None:
        controls.clock.advance(float(advance))
    return {"now": controls.clock()}


_ROUTES: tuple[tuple[str, str, str | Callable[..., Any]], ...] = (
    ("GET", "/", _about),
    ("POST", "/model_syncs", "add_model_sync"),
    ("POST", "/bulk_syncs", "add_bulk_sync"),
    ("POST", "/connections", "add_connection"),
    ("GET", "/connections", "connections"),
    ("PATCH", "/connections/{connection_id}", "set_connection"),
    ("POST", "/models", "add_model"),
    ("POST", "/organizations", _add_organization),
    ("POST", "/jobs", "add_job"),
    ("POST", "/deliveries", "add_delivery"),
    ("GET", "/events", "events"),
    ("POST", "/samples", "add_samples"),
    ("GET", "/syncs", "syncs"),
    ("PATCH", "/syncs/{sync_id}/plan", "plan"),
    ("POST", "/syncs/{sync_id}/next_executions", _plan_next),
    ("POST", "/syncs/{sync_id}/start", "start"),
    ("POST", "/syncs/{sync_id}/activate", "activate"),
    ("GET", "/syncs/{sync_id}/executions", "executions"),
    ("GET", "/executions/{execution_id}", "execution"),
    ("POST", "/executions/{execution_id}/finish", "finish"),
    ("GET", "/requests", "requests"),
    ("DELETE", "/requests", "clear_requests"),
    ("GET", "/switches", "switches"),
    ("PATCH", "/switches", _set_switches),
    ("GET", "/clock", _set_clock),
    ("POST", "/clock", _set_clock),
    ("POST", "/faults", "fault"),
    ("GET", "/faults", "faults"),
    ("DELETE", "/faults", "clear_faults"),
    ("POST", "/reset", "reset"),
)
"""Method, path, and the name of a control method or property, or a function of the controls."""
