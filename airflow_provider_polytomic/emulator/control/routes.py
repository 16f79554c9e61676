"""Offer the controls as JSON over HTTP below ``/_emulator``, for programs that did not start the emulator."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_polytomic.emulator.control.methods import Controls
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.syncs import Sync

Body = dict[str, Any]
Ids = dict[str, str]
Action = Callable[[Controls, Ids, Body], Any]


def build_control_app(controls: Controls) -> Starlette:
    """Serve ``controls`` over HTTP."""
    routes = [
        Route("/_emulator" + path, _endpoint(controls, action), methods=[method])
        for (method, path), action in _ACTIONS.items()
    ]
    return Starlette(routes=routes)


def _endpoint(controls: Controls, action: Action) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            body = json.loads(await request.body() or b"{}")
            if not isinstance(body, dict):
                raise ValueError("The body must be a JSON object.")
            return JSONResponse(_without_infinity(action(controls, dict(request.path_params), body) or {}))
        except ApiError as error:
            return JSONResponse(error.body(), error.status)
        except (TypeError, ValueError, KeyError) as error:
            return JSONResponse(ApiError(400, f"{type(error).__name__}: {error}").body(), 400)

    return answer


def _without_infinity(value: Any) -> Any:
    """Write ``math.inf``, which JSON does not know, as the word that the controls also read."""
    if isinstance(value, dict):
        return {name: _without_infinity(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_infinity(each) for each in value]
    return "inf" if value == math.inf else value


def _about(controls: Controls, ids: Ids, body: Body) -> Any:
    return {
        "now": controls.clock(),
        "organization_id": controls.organization_id,
        "switches": asdict(controls.switches),
        "routes": [f"{method} /_emulator{path}" for method, path in _ACTIONS],
    }


def _sync(sync: Sync) -> dict[str, Any]:
    return {"id": sync.id, "kind": sync.kind, "name": sync.name, "active": sync.active}


def _add_model_sync(controls: Controls, ids: Ids, body: Body) -> Any:
    return _sync(controls.add_model_sync(**body))


def _add_bulk_sync(controls: Controls, ids: Ids, body: Body) -> Any:
    return _sync(controls.add_bulk_sync(**body))


def _add_connection(controls: Controls, ids: Ids, body: Body) -> Any:
    connection = controls.add_connection(**body)
    return {"id": connection.id, "name": connection.name, "type": connection.type}


def _list_connections(controls: Controls, ids: Ids, body: Body) -> Any:
    fields = ("id", "name", "type", "organization_id", "parent_id", "status", "status_error")
    return {"data": [{name: getattr(each, name) for name in fields} for each in controls.connections]}


def _set_connection(controls: Controls, ids: Ids, body: Body) -> Any:
    controls.set_connection(ids["connection_id"], **body)


def _add_model(controls: Controls, ids: Ids, body: Body) -> Any:
    return asdict(controls.add_model(**body))


def _add_organization(controls: Controls, ids: Ids, body: Body) -> Any:
    return {"id": controls.add_organization(**body)}


def _add_job(controls: Controls, ids: Ids, body: Body) -> Any:
    return asdict(controls.add_job(**body))


def _add_delivery(controls: Controls, ids: Ids, body: Body) -> Any:
    return asdict(controls.add_delivery(**body))


def _events(controls: Controls, ids: Ids, body: Body) -> Any:
    return {"data": controls.events}


def _add_samples(controls: Controls, ids: Ids, body: Body) -> Any:
    return {"data": [_sync(each) for each in controls.add_samples()]}


def _list_syncs(controls: Controls, ids: Ids, body: Body) -> Any:
    return {"data": [_sync(each) for each in controls.syncs]}


def _plan(controls: Controls, ids: Ids, body: Body) -> Any:
    controls.plan(ids["sync_id"], **body)


def _plan_next(controls: Controls, ids: Ids, body: Body) -> Any:
    controls.plan_next(ids["sync_id"], *body["plans"])


def _start(controls: Controls, ids: Ids, body: Body) -> Any:
    return asdict(controls.start(ids["sync_id"]))


def _activate(controls: Controls, ids: Ids, body: Body) -> Any:
    controls.activate(ids["sync_id"], body["active"])


def _executions(controls: Controls, ids: Ids, body: Body) -> Any:
    return {"data": [asdict(each) for each in controls.executions(ids["sync_id"])]}


def _execution(controls: Controls, ids: Ids, body: Body) -> Any:
    return asdict(controls.execution(ids["execution_id"]))


def _finish(controls: Controls, ids: Ids, body: Body) -> Any:
    return asdict(controls.finish(ids["execution_id"], **body))


def _requests(controls: Controls, ids: Ids, body: Body) -> Any:
    return {"data": [asdict(each) for each in controls.requests]}


def _clear_requests(controls: Controls, ids: Ids, body: Body) -> Any:
    controls.clear_requests()


def _switches(controls: Controls, ids: Ids, body: Body) -> Any:
    for name, value in body.items():
        controls.set_switch(name, value)
    return asdict(controls.switches)


def _clock(controls: Controls, ids: Ids, body: Body) -> Any:
    if body.get("freeze"):
        controls.clock.freeze()
    if "set" in body:
        controls.clock.set(float(body["set"]))
    if "advance" in body:
        controls.clock.advance(float(body["advance"]))
    return {"now": controls.clock()}


def _add_fault(controls: Controls, ids: Ids, body: Body) -> Any:
    return asdict(controls.fault(**body))


def _faults(controls: Controls, ids: Ids, body: Body) -> Any:
    return {"data": [asdict(each) for each in controls.faults]}


def _clear_faults(controls: Controls, ids: Ids, body: Body) -> Any:
    controls.clear_faults()


def _reset(controls: Controls, ids: Ids, body: Body) -> Any:
    controls.reset()


_ACTIONS: dict[tuple[str, str], Action] = {
    ("GET", "/"): _about,
    ("POST", "/model_syncs"): _add_model_sync,
    ("POST", "/bulk_syncs"): _add_bulk_sync,
    ("POST", "/connections"): _add_connection,
    ("GET", "/connections"): _list_connections,
    ("PATCH", "/connections/{connection_id}"): _set_connection,
    ("POST", "/models"): _add_model,
    ("POST", "/organizations"): _add_organization,
    ("POST", "/jobs"): _add_job,
    ("POST", "/deliveries"): _add_delivery,
    ("GET", "/events"): _events,
    ("POST", "/samples"): _add_samples,
    ("GET", "/syncs"): _list_syncs,
    ("PATCH", "/syncs/{sync_id}/plan"): _plan,
    ("POST", "/syncs/{sync_id}/next_executions"): _plan_next,
    ("POST", "/syncs/{sync_id}/start"): _start,
    ("POST", "/syncs/{sync_id}/activate"): _activate,
    ("GET", "/syncs/{sync_id}/executions"): _executions,
    ("GET", "/executions/{execution_id}"): _execution,
    ("POST", "/executions/{execution_id}/finish"): _finish,
    ("GET", "/requests"): _requests,
    ("DELETE", "/requests"): _clear_requests,
    ("GET", "/switches"): _switches,
    ("PATCH", "/switches"): _switches,
    ("GET", "/clock"): _clock,
    ("POST", "/clock"): _clock,
    ("POST", "/faults"): _add_fault,
    ("GET", "/faults"): _faults,
    ("DELETE", "/faults"): _clear_faults,
    ("POST", "/reset"): _reset,
}
