"""Webhooks: URLs to which the events of an organization are pushed.

.. code-block:: python

    webhook = client.send(webhooks.create(endpoint="https://airflow.example.com/polytomic", secret="…"))

.. seealso::
    How-to: ``docs/webhooks.md``.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_polytomic.api.call import Call, body_of, path, query
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.events import Webhook, WebhookDelivery

__all__ = ("create", "delete", "disable", "enable", "get", "list", "list_deliveries", "update")


def list(*, page_token: str | None = None) -> Call[Page[Webhook]]:
    """List webhooks: ``GET /api/webhooks``.

    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[Webhook], "/api/webhooks", query=query(page_token=page_token))


def get(webhook_id: str) -> Call[Webhook]:
    """Get one webhook: ``GET /api/webhooks/{id}``.

    :param webhook_id: Id of the webhook.
    """
    return Call.get(Webhook, "/api/webhooks/{}", webhook_id)


def create(
    *, endpoint: str, secret: str, organization_id: str | None = None, idempotency_key: str | None = None
) -> Call[Webhook]:
    """Create the webhook of an organization, which can have one: ``POST /api/webhooks``.

    :param endpoint: URL to which events are posted.
    :param secret: Secret that signs each delivery.
    :param organization_id: Organization, for keys with access to several.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Webhook, "/api/webhooks", body=body_of(locals()), key=idempotency_key)


def update(webhook_id: str, *, endpoint: str, secret: str, organization_id: str | None = None) -> Call[Webhook]:
    """Replace the URL and the secret of a webhook: ``PUT /api/webhooks/{id}``.

    :param webhook_id: Id of the webhook.
    :param endpoint: URL to which events are posted.
    :param secret: Secret that signs each delivery.
    :param organization_id: Organization, for keys with access to several.
    """
    return Call.put(Webhook, "/api/webhooks/{}", webhook_id, body=body_of(locals(), "webhook_id"))


def delete(webhook_id: str) -> Call[None]:
    """Delete a webhook: ``DELETE /api/webhooks/{id}``.

    :param webhook_id: Id of the webhook.
    """
    return Call("DELETE", path("/api/webhooks/{}", webhook_id))


def enable(webhook_id: str, *, idempotency_key: str | None = None) -> Call[Webhook]:
    """Resume pushing events: ``POST /api/webhooks/{id}/enable``.

    :param webhook_id: Id of the webhook.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Webhook, "/api/webhooks/{}/enable", webhook_id, key=idempotency_key)


def disable(webhook_id: str, *, idempotency_key: str | None = None) -> Call[Webhook]:
    """Stop pushing events: ``POST /api/webhooks/{id}/disable``.

    Events of the meantime are not pushed later.

    :param webhook_id: Id of the webhook.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Webhook, "/api/webhooks/{}/disable", webhook_id, key=idempotency_key)


def list_deliveries(
    webhook_id: str,
    *,
    success: bool | None = None,
    event_id: str | None = None,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    page_token: str | None = None,
) -> Call[Page[WebhookDelivery]]:
    """List attempts to push events, the newest first: ``GET /api/webhooks/{id}/deliveries``.

    :param webhook_id: Id of the webhook.
    :param success: List only successful or only failed attempts.
    :param event_id: List only attempts for this event.
    :param start: List only attempts at or after this time; UTC unless it has a time zone.
    :param end: List only attempts before this time; UTC unless it has a time zone.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    parameters = query(success=success, event_id=event_id, start=start, end=end, page_token=page_token)
    return Call.get(Page[WebhookDelivery], "/api/webhooks/{}/deliveries", webhook_id, query=parameters)


def __dir__() -> tuple[str, ...]:
    return __all__
