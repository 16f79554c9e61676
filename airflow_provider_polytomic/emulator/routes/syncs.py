"""Answer what model syncs and bulk syncs have in common: creation, update, deletion, status, executions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import dependents
from airflow_provider_polytomic.emulator.domain.errors import Refused
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.plans import Plan, SchemaPlan
from airflow_provider_polytomic.emulator.domain.syncs import MODEL, Sync
from airflow_provider_polytomic.emulator.http.paging import ExecutionOrder, PageRequest, newest_change_first, page
from airflow_provider_polytomic.emulator.http.request import Handler, Incoming
from airflow_provider_polytomic.emulator.routes import rendering

_CANCEL_QUEUED = {"message": "Cancellation has been requested."}


def page_of(data: list[dict[str, Any]], next_page_token: str | None) -> dict[str, Any]:
    """Envelope a page of a list."""
    pagination = {"next_page_token": next_page_token} if next_page_token else {}
    return {"data": data, "pagination": pagination}


def list_syncs(
    incoming: Incoming, kind: str, wanted: Callable[[Sync], bool], write: Callable[[Sync, str], dict[str, Any]]
) -> dict[str, Any]:
    """List the syncs of one kind, the last changed first."""
    active = incoming.flag("active")
    syncs = (each for each in incoming.state.syncs_of(kind) if active in (None, each.active) and wanted(each))
    here, token = page(syncs, newest_change_first, incoming.page_request())
    return page_of([write(each, incoming.state.organization_id) for each in here], token)


def create(
    incoming: Incoming, kind: str, attributes: dict[str, Any], schemas: tuple[SchemaPlan, ...] = ()
) -> dict[str, Any]:
    """Create a sync."""
    state, now = incoming.state, incoming.state.clock()
    sync = Sync(
        id=str(uuid4()),
        kind=kind,
        name=incoming.body["name"],
        plan=Plan(schemas=schemas),
        created_at=now,
        updated_at=now,
        active=_active(incoming),
        attributes=attributes,
    )
    state.syncs[sync.id] = sync
    return {"data": rendering.sync(sync, state.organization_id)}


def update(
    incoming: Incoming, sync: Sync, attributes: dict[str, Any], schemas: tuple[SchemaPlan, ...] | None = None
) -> dict[str, Any]:
    """Replace a sync as a whole, but for its schemas where none are given."""
    now = incoming.state.clock()
    active = _active(incoming)
    if active != sync.active:
        sync.activate(active, now)
    sync.name, sync.attributes, sync.updated_at = incoming.body["name"], attributes, now
    if schemas is not None:
        sync.plan = replace(sync.plan, schemas=schemas)
    return {"data": rendering.sync(sync, incoming.state.organization_id)}


def _active(incoming: Incoming) -> bool:
    active: bool | None = incoming.field("active", bool)
    return incoming.state.switches.default_active if active is None else active


def require_connections(incoming: Incoming, connection_ids: Iterable[str | None], sync: Sync | None) -> None:
    """Refuse connections that there are not, except those that ``sync`` has already."""
    has = dependents.connection_ids(sync) if sync else ()
    for each in connection_ids:
        if each not in has:
            incoming.state.connection(str(each))


def list_executions(
    incoming: Incoming, kind: str, only_ended: bool, order: ExecutionOrder, wanted: PageRequest
) -> dict[str, Any]:
    """List the executions of a sync, the newest first unless asked otherwise."""
    now = incoming.state.clock()
    executions = incoming.state.sync(incoming.ids["sync_id"], kind).executions
    position = order(executions, incoming.flag("ascending") or False)
    if only_ended:
        executions = [each for each in executions if each.ended(now)]
        if kind == MODEL and incoming.state.switches.only_completed == "completed":
            executions = [each for each in executions if each.ending.status == "completed"]
    here, token = page(executions, position, wanted)
    return page_of([rendering.execution(each, now) for each in here], token)


def start(incoming: Incoming, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Start an execution for a caller of the API."""
    state = incoming.state
    sync = state.sync(incoming.ids["sync_id"], kind)
    if kind == MODEL and not sync.active and state.switches.start_inactive != "accept":
        raise Refused(int(state.switches.start_inactive), "The sync is not active.")
    if kind == MODEL and sync.attributes["problems"] and state.switches.start_broken != "accept":
        raise Refused(int(state.switches.start_broken), "The sync has problems.")
    now = state.clock()
    execution = sync.start(
        now, state.switches, type=state.switches.execution_type, request=request, caller=incoming.caller
    )
    return {"data": rendering.started(execution, now)}


def shared_handlers(kind: str) -> dict[tuple[str, str], Handler]:
    """Give the handlers that both kinds share, by method and path below one sync of ``kind``."""

    def sync(incoming: Incoming) -> Sync:
        return incoming.state.sync(incoming.ids["sync_id"], kind)

    def execution(incoming: Incoming) -> Execution:
        return sync(incoming).execution(incoming.ids["execution_id"])

    def get(incoming: Incoming) -> dict[str, Any]:
        return {"data": rendering.sync(sync(incoming), incoming.state.organization_id)}

    def get_status(incoming: Incoming) -> dict[str, Any]:
        return {"data": rendering.sync_status(sync(incoming), incoming.state.clock(), incoming.state.switches)}

    def activate(incoming: Incoming) -> dict[str, Any]:
        active = incoming.field("active", bool, required=True)
        if active and sync(incoming).attributes.get("problems"):
            raise Refused(422, "The sync has problems.")
        sync(incoming).activate(active, incoming.state.clock())
        return {"data": {"id": sync(incoming).id, "active": active}}

    def delete(incoming: Incoming) -> None:
        incoming.state.delete_sync(sync(incoming))

    def cancel(incoming: Incoming) -> dict[str, Any]:
        sync(incoming).cancel(incoming.state.clock(), incoming.state.switches)
        return {"data": _CANCEL_QUEUED}

    def get_execution(incoming: Incoming) -> dict[str, Any]:
        return {"data": rendering.execution(execution(incoming), incoming.state.clock())}

    def cancel_execution(incoming: Incoming) -> dict[str, Any]:
        sync(incoming).cancel_execution(execution(incoming).id, incoming.state.clock(), incoming.state.switches)
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
