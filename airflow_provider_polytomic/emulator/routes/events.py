"""Operations on events and on the webhook: ``/api/events``, ``/api/webhooks``."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import events
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.webhooks import Delivery, Webhook
from airflow_provider_polytomic.emulator.http.request import Handlers, RequestContext

_DEFAULT_LISTED_EVENTS, _MAX_LISTED_EVENTS = 10, 100


def list_all(context: RequestContext) -> dict[str, Any]:
    """List the events of a period, of one type or of all."""
    state, type = context.state, context.query.get("type")
    if type is not None and type not in events.TYPES:
        raise ApiError(422, "There is no such type of event.")
    number = context.number("limit", error_status=422)
    limit = _DEFAULT_LISTED_EVENTS if number is None else number
    if not 0 < limit <= _MAX_LISTED_EVENTS:
        raise ApiError(422, f"limit must be 1 to {_MAX_LISTED_EVENTS}.")
    after, before = context.period("starting_after", "ending_before")
    wanted = [each for each in events.visible(state) if type in (None, each.type) and after < each.at < before]
    key = events.sort_key(context.behavior)
    if context.behavior.event_paging == "token":
        return context.page(wanted, key, lambda each: each.to_json(state), limit)
    return {"data": [each.to_json(state) for each in sorted(wanted, key=key)[:limit]]}


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
    return {"data": [] if webhook is None else [webhook.to_json()]}


def create_webhook(context: RequestContext) -> dict[str, Any]:
    """Create the webhook; an organization has one at most."""
    state, (endpoint, secret) = context.state, _endpoint_and_secret(context)
    if state.webhook is not None:
        raise ApiError(422, "The organization has a webhook already.")
    state.webhook = Webhook(str(uuid4()), endpoint, secret, state.organization_id, context.now)
    state.webhook.known.update(events.visible(state))
    return {"data": state.webhook.to_json()}


def _endpoint_and_secret(context: RequestContext) -> tuple[str, str]:
    return context.field("endpoint", str, required=True), context.field("secret", str, required=True)


def get_webhook(context: RequestContext) -> dict[str, Any]:
    """Return the webhook."""
    return {"data": _webhook(context).to_json()}


def update_webhook(context: RequestContext) -> dict[str, Any]:
    """Replace endpoint and secret of the webhook."""
    webhook = _webhook(context)
    webhook.endpoint, webhook.secret = _endpoint_and_secret(context)
    return {"data": webhook.to_json()}


def delete_webhook(context: RequestContext) -> None:
    """Delete the webhook."""
    _webhook(context)
    context.state.webhook = None


def switch_webhook(context: RequestContext, on: bool) -> dict[str, Any]:
    """Enable the webhook, or disable it and drop its pending deliveries."""
    webhook = _webhook(context)
    events.queue_new_events(context.state)
    webhook.disabled_at = None if on else context.now
    if not on:
        webhook.pending.clear()
    return {"data": webhook.to_json()}


def list_deliveries(context: RequestContext) -> dict[str, Any]:
    """List the attempts to deliver, newest first; the last page has an empty token."""
    success, event_id = context.flag("success"), context.query.get("event_id")
    start, end = context.period("start", "end")
    deliveries = (
        each
        for each in _webhook(context).deliveries
        if success in (None, each.success) and event_id in (None, each.event_id) and start <= each.at < end
    )
    page = context.page(deliveries, lambda each: (-each.at, each.id), Delivery.to_json)
    return {**page, "pagination": {"next_page_token": "", **page["pagination"]}}


HANDLERS: Handlers = {
    ("GET", "/api/events"): list_all,
    ("GET", "/api/events_types"): list_types,
    ("GET", "/api/webhooks"): list_webhooks,
    ("POST", "/api/webhooks"): create_webhook,
    ("GET", "/api/webhooks/{webhook_id}"): get_webhook,
    ("PUT", "/api/webhooks/{webhook_id}"): update_webhook,
    ("DELETE", "/api/webhooks/{webhook_id}"): delete_webhook,
    ("POST", "/api/webhooks/{webhook_id}/enable"): partial(switch_webhook, on=True),
    ("POST", "/api/webhooks/{webhook_id}/disable"): partial(switch_webhook, on=False),
    ("GET", "/api/webhooks/{webhook_id}/deliveries"): list_deliveries,
}
