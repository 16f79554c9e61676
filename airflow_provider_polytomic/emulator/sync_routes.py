"""Answer what model syncs and bulk syncs have in common: get, status, cancel, activate and executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_polytomic.emulator import rendering
from airflow_provider_polytomic.emulator.executions import Execution
from airflow_provider_polytomic.emulator.incoming import Handler, Incoming
from airflow_provider_polytomic.emulator.paging import PageRequest, by_creation, newest_change_first, page
from airflow_provider_polytomic.emulator.refusals import Refused
from airflow_provider_polytomic.emulator.syncs import MODEL, Sync

_CANCEL_QUEUED = {"message": "Cancellation has been requested."}


def _page_of(incoming: Incoming, data: list[dict[str, Any]], next_page_token: str | None) -> dict[str, Any]:
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
    return _page_of(incoming, [write(each, incoming.state.organization_id) for each in here], token)


def list_executions(incoming: Incoming, kind: str, only_ended: bool, wanted: PageRequest) -> dict[str, Any]:
    """List the executions of a sync, the newest first unless asked otherwise."""
    now = incoming.state.clock()
    executions = incoming.state.sync(incoming.ids["sync_id"], kind).executions
    position = by_creation(executions, ascending=incoming.flag("ascending") or False)
    here, token = page((each for each in executions if not only_ended or each.ended(now)), position, wanted)
    return _page_of(incoming, [rendering.execution(each, now) for each in here], token)


def start(incoming: Incoming, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Start an execution for a caller of the API."""
    state = incoming.state
    sync = state.sync(incoming.ids["sync_id"], kind)
    if kind == MODEL and not sync.active and state.switches.start_inactive != "accept":
        raise Refused(int(state.switches.start_inactive), "The sync is not active.")
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
        sync(incoming).activate(active, incoming.state.clock())
        return {"data": {"id": sync(incoming).id, "active": active}}

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
        ("GET", "/status"): get_status,
        ("POST", "/activate"): activate,
        ("POST", "/cancel"): cancel,
        ("GET", "/executions/{execution_id}"): get_execution,
        ("POST", "/executions/{execution_id}/cancel"): cancel_execution,
    }
