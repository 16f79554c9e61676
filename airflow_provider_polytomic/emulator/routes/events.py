"""Answer the operations on events and on the webhook that gets them: ``/api/events``, ``/api/webhooks``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import events
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.webhooks import Delivery, Webhook, shown_delivery
from airflow_provider_polytomic.emulator.http.paging import PageRequest, page
from airflow_provider_polytomic.emulator.http.request import RequestContext
from airflow_provider_polytomic.emulator.http.webhook_dispatcher import queue_new_events

_FEW_EVENTS, _MOST_EVENTS = 10, 100


def list_all(context: RequestContext) -> dict[str, Any]:
    """List the events between two moments, of one type or of all."""
    state, type = context.state, context.query.get("type")
    if type is not None and type not in events.TYPES:
        raise ApiError(422, "There is no such type of event.")
    limit = context.number("limit", refuse_with=422)
    if not 0 < (limit if limit is not None else _FEW_EVENTS) <= _MOST_EVENTS:
        raise ApiError(422, f"limit must be 1 to {_MOST_EVENTS}.")
    after, before = context.moment("starting_after"), context.moment("ending_before")
    wanted = (
        each
        for each in events.visible(state)
        if type in (None, each.type) and (after is None or each.at > after) and (before is None or each.at < before)
    )
    paged = state.behavior.event_paging == "token"
    request = PageRequest(limit or _FEW_EVENTS, context.query.get("page_token") if paged else None)
    here, token = page(wanted, events.order(state.behavior), request)
    data = [events.shown(each, state.organization_id, state.behavior) for each in here]
    if not paged:
        return {"data": data}
    return {"data": data, "pagination": {"next_page_token": token} if token else {}}


def list_types(context: RequestContext) -> dict[str, Any]:
    """List the types of events."""
    return {"data": list(events.TYPES)}


def _webhook(context: RequestContext) -> Webhook:
    webhook = context.state.webhook
    if webhook is None or webhook.id != context.ids["webhook_id"]:
        raise ApiError(404, "The webhook was not found.")
    return webhook


def list_webhooks(context: RequestContext) -> dict[str, Any]:
    """List the webhook, if there is one."""
    webhook = context.state.webhook
    return {"data": [] if webhook is None else [webhook.shown()]}


def create_webhook(context: RequestContext) -> dict[str, Any]:
    """Create the webhook, of which an organization has one."""
    state = context.state
    endpoint, secret = context.field("endpoint", str, required=True), context.field("secret", str, required=True)
    if state.webhook is not None:
        raise ApiError(422, "The organization has a webhook already.")
    state.webhook = Webhook(str(uuid4()), endpoint, secret, state.organization_id, state.clock())
    state.webhook.known.update(events.visible(state))
    return {"data": state.webhook.shown()}


def get_webhook(context: RequestContext) -> dict[str, Any]:
    """Give the webhook."""
    return {"data": _webhook(context).shown()}


def update_webhook(context: RequestContext) -> dict[str, Any]:
    """Replace address and secret of the webhook."""
    webhook = _webhook(context)
    endpoint, secret = context.field("endpoint", str, required=True), context.field("secret", str, required=True)
    webhook.endpoint, webhook.secret = endpoint, secret
    return {"data": webhook.shown()}


def delete_webhook(context: RequestContext) -> None:
    """Delete the webhook."""
    _webhook(context)
    context.state.webhook = None


def enable_webhook(context: RequestContext) -> dict[str, Any]:
    """Switch the webhook on."""
    webhook = _webhook(context)
    queue_new_events(context.state)
    webhook.disabled_at = None
    return {"data": webhook.shown()}


def disable_webhook(context: RequestContext) -> dict[str, Any]:
    """Switch the webhook off; what has not arrived by then never will."""
    webhook = _webhook(context)
    queue_new_events(context.state)
    webhook.disabled_at = context.state.clock()
    webhook.pending.clear()
    return {"data": webhook.shown()}


def list_deliveries(context: RequestContext) -> dict[str, Any]:
    """List the attempts to reach the webhook, newest first; an empty token says that there are no more."""
    success, event_id = context.flag("success"), context.query.get("event_id")
    start, end = context.moment("start"), context.moment("end")

    def wanted(each: Delivery) -> bool:
        in_time = (start is None or each.at >= start) and (end is None or each.at < end)
        return success in (None, each.success) and event_id in (None, each.event_id) and in_time

    deliveries = (each for each in _webhook(context).deliveries if wanted(each))
    here, token = page(deliveries, lambda each: (-each.at, each.id), context.page_request())
    return {"data": [shown_delivery(each) for each in here], "pagination": {"next_page_token": token or ""}}


HANDLERS = {
    ("GET", "/api/events"): list_all,
    ("GET", "/api/events_types"): list_types,
    ("GET", "/api/webhooks"): list_webhooks,
    ("POST", "/api/webhooks"): create_webhook,
    ("GET", "/api/webhooks/{webhook_id}"): get_webhook,
    ("PUT", "/api/webhooks/{webhook_id}"): update_webhook,
    ("DELETE", "/api/webhooks/{webhook_id}"): delete_webhook,
    ("POST", "/api/webhooks/{webhook_id}/enable"): enable_webhook,
    ("POST", "/api/webhooks/{webhook_id}/disable"): disable_webhook,
    ("GET", "/api/webhooks/{webhook_id}/deliveries"): list_deliveries,
}
