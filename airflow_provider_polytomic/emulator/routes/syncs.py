"""Answer what model syncs and bulk syncs have in common: creation, update, deletion, status, executions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import dependents
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.plans import Plan, SchemaPlan
from airflow_provider_polytomic.emulator.domain.syncs import MODEL, Sync
from airflow_provider_polytomic.emulator.http.paging import ExecutionOrder, PageRequest, newest_change_first, page
from airflow_provider_polytomic.emulator.http.request import Handler, RequestContext
from airflow_provider_polytomic.emulator.routes import rendering

_CANCEL_QUEUED = {"message": "Cancellation has been requested."}


def page_of(data: list[dict[str, Any]], next_page_token: str | None) -> dict[str, Any]:
    """Envelope a page of a list."""
    pagination = {"next_page_token": next_page_token} if next_page_token else {}
    return {"data": data, "pagination": pagination}


def list_syncs(
    context: RequestContext, kind: str, wanted: Callable[[Sync], bool], write: Callable[[Sync, str], dict[str, Any]]
) -> dict[str, Any]:
    """List the syncs of one kind, the last changed first."""
    active = context.flag("active")
    syncs = (each for each in context.state.syncs_of(kind) if active in (None, each.active) and wanted(each))
    here, token = page(syncs, newest_change_first, context.page_request())
    return page_of([write(each, context.state.organization_id) for each in here], token)


def create(
    context: RequestContext, kind: str, attributes: dict[str, Any], schemas: tuple[SchemaPlan, ...] = ()
) -> dict[str, Any]:
    """Create a sync."""
    state, now = context.state, context.state.clock()
    sync = Sync(
        id=str(uuid4()),
        kind=kind,
        name=context.body["name"],
        plan=Plan(schemas=schemas),
        created_at=now,
        updated_at=now,
        active=_active(context),
        attributes=attributes,
    )
    state.syncs[sync.id] = sync
    return {"data": rendering.sync(sync, state.organization_id)}


def update(
    context: RequestContext, sync: Sync, attributes: dict[str, Any], schemas: tuple[SchemaPlan, ...] | None = None
) -> dict[str, Any]:
    """Replace a sync as a whole, but for its schemas where none are given."""
    now = context.state.clock()
    active = _active(context)
    if active != sync.active:
        sync.activate(active, now)
    sync.name, sync.attributes, sync.updated_at = context.body["name"], attributes, now
    if schemas is not None:
        sync.plan = replace(sync.plan, schemas=schemas)
    return {"data": rendering.sync(sync, context.state.organization_id)}


def _active(context: RequestContext) -> bool:
    active: bool | None = context.field("active", bool)
    return context.state.behavior.default_active if active is None else active


def require_connections(context: RequestContext, connection_ids: Iterable[str | None], sync: Sync | None) -> None:
    """Refuse connections that there are not, except those that ``sync`` has already."""
    has = dependents.connection_ids(sync) if sync else ()
    for each in connection_ids:
        if each not in has:
            context.state.connection(str(each))


def list_executions(
    context: RequestContext, kind: str, only_ended: bool, order: ExecutionOrder, wanted: PageRequest
) -> dict[str, Any]:
    """List the executions of a sync, the newest first unless asked otherwise."""
    now = context.state.clock()
    executions = context.state.sync(context.ids["sync_id"], kind).executions
    position = order(executions, context.flag("ascending") or False)
    if only_ended:
        executions = [each for each in executions if each.ended(now)]
        if kind == MODEL and context.state.behavior.only_completed == "completed":
            executions = [each for each in executions if each.ending.status == "completed"]
    here, token = page(executions, position, wanted)
    return page_of([rendering.execution(each, now) for each in here], token)


def start(context: RequestContext, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Start an execution for a caller of the API."""
    state = context.state
    sync = state.sync(context.ids["sync_id"], kind)
    if kind == MODEL and not sync.active and state.behavior.start_inactive != "accept":
        raise ApiError(int(state.behavior.start_inactive), "The sync is not active.")
    if kind == MODEL and sync.attributes["problems"] and state.behavior.start_broken != "accept":
        raise ApiError(int(state.behavior.start_broken), "The sync has problems.")
    now = state.clock()
    execution = sync.start(
        now, state.behavior, type=state.behavior.execution_type, request=request, caller=context.caller
    )
    return {"data": rendering.started(execution, now)}


def shared_handlers(kind: str) -> dict[tuple[str, str], Handler]:
    """Give the handlers that both kinds share, by method and path below one sync of ``kind``."""

    def sync(context: RequestContext) -> Sync:
        return context.state.sync(context.ids["sync_id"], kind)

    def execution(context: RequestContext) -> Execution:
        return sync(context).execution(context.ids["execution_id"])

    def get(context: RequestContext) -> dict[str, Any]:
        return {"data": rendering.sync(sync(context), context.state.organization_id)}

    def get_status(context: RequestContext) -> dict[str, Any]:
        return {"data": rendering.sync_status(sync(context), context.state.clock(), context.state.behavior)}

    def activate(context: RequestContext) -> dict[str, Any]:
        active = context.field("active", bool, required=True)
        if active and sync(context).attributes.get("problems"):
            raise ApiError(422, "The sync has problems.")
        sync(context).activate(active, context.state.clock())
        return {"data": {"id": sync(context).id, "active": active}}

    def delete(context: RequestContext) -> None:
        context.state.delete_sync(sync(context))

    def cancel(context: RequestContext) -> dict[str, Any]:
        sync(context).cancel(context.state.clock(), context.state.behavior)
        return {"data": _CANCEL_QUEUED}

    def get_execution(context: RequestContext) -> dict[str, Any]:
        return {"data": rendering.execution(execution(context), context.state.clock())}

    def cancel_execution(context: RequestContext) -> dict[str, Any]:
        sync(context).cancel_execution(execution(context).id, context.state.clock(), context.state.behavior)
        return {"data": _CANCEL_QUEUED}

    return {
        ("GET", ""): get,
        ("DELETE", ""): delete,
        ("GET", "/status"): get_status,
        ("POST", "/activate"): activate,
        ("POST", "/cancel"): cancel,
        ("GET", "/executions/{execution_id}"): get_execution,
        ("POST", "/executions/{execution_id}/cancel"): cancel_execution,
    }
