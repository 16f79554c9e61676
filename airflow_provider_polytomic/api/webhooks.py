"""The webhook: one address an organization, to which its events are pushed."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_polytomic.api.call import Call, given, path, query
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.events import Webhook, WebhookDelivery


def list() -> Call[Page[Webhook]]:
    """List the webhooks that the key can see: ``GET /api/webhooks``."""
    return Call("GET", "/api/webhooks", Page[Webhook], read_only=True, enveloped=False)


def get(webhook_id: str) -> Call[Webhook]:
    """Get one webhook: ``GET /api/webhooks/{id}``.

    :param webhook_id: id of the webhook
    """
    return Call("GET", path("/api/webhooks/{}", webhook_id), Webhook, read_only=True)


def create(
    *, endpoint: str, secret: str, organization_id: str | None = None, idempotency_key: str | None = None
) -> Call[Webhook]:
    """Create the webhook of an organization, which has one at most: ``POST /api/webhooks``.

    :param endpoint: URL that events are posted to
    :param secret: what each delivery is signed with
    :param organization_id: organization that it belongs to, for keys of more than one
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    body = given(endpoint=endpoint, secret=secret, organization_id=organization_id)
    return Call("POST", "/api/webhooks", Webhook, body=body, idempotency_key=idempotency_key)


def update(webhook_id: str, *, endpoint: str, secret: str, organization_id: str | None = None) -> Call[Webhook]:
    """Replace address and secret of a webhook: ``PUT /api/webhooks/{id}``.

    :param webhook_id: id of the webhook
    :param endpoint: URL that events are posted to
    :param secret: what each delivery is signed with
    :param organization_id: organization that it belongs to, for keys of more than one
    """
    body = given(endpoint=endpoint, secret=secret, organization_id=organization_id)
    return Call("PUT", path("/api/webhooks/{}", webhook_id), Webhook, body=body)


def delete(webhook_id: str) -> Call[None]:
    """Delete a webhook: ``DELETE /api/webhooks/{id}``.

    :param webhook_id: id of the webhook
    """
    return Call("DELETE", path("/api/webhooks/{}", webhook_id), destructive=True, enveloped=False)


def enable(webhook_id: str, *, idempotency_key: str | None = None) -> Call[Webhook]:
    """Push events again: ``POST /api/webhooks/{id}/enable``.

    :param webhook_id: id of the webhook
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call("POST", path("/api/webhooks/{}/enable", webhook_id), Webhook, idempotency_key=idempotency_key)


def disable(webhook_id: str, *, idempotency_key: str | None = None) -> Call[Webhook]:
    """Push no more events: ``POST /api/webhooks/{id}/disable``. What happens meanwhile is not pushed later.

    :param webhook_id: id of the webhook
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call("POST", path("/api/webhooks/{}/disable", webhook_id), Webhook, idempotency_key=idempotency_key)


def list_deliveries(
    webhook_id: str,
    *,
    success: bool | None = None,
    event_id: str | None = None,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
) -> Call[Page[WebhookDelivery]]:
    """List the attempts to push events, the newest first: ``GET /api/webhooks/{id}/deliveries``.

    :param webhook_id: id of the webhook
    :param success: only those that did, or did not, arrive
    :param event_id: only those of this event
    :param start: only attempts at or after this moment; without a time zone it is read as UTC
    :param end: only attempts before this moment; without a time zone it is read as UTC
    """
    return Call(
        "GET",
        path("/api/webhooks/{}/deliveries", webhook_id),
        Page[WebhookDelivery],
        query=query(success=success, event_id=event_id, start=start, end=end),
        read_only=True,
        enveloped=False,
    )
