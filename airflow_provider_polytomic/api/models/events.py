"""Events, webhooks and jobs."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, Field

from airflow_provider_polytomic.api.models.base import Integer, Model, UtcDatetime


class EventPayload(Model):
    """The details of an event; each type of event has further fields."""

    sync_id: str | None = None
    sync_name: str | None = Field(default=None, validation_alias=AliasChoices("sync_name", "name"))
    execution_id: str | None = None
    organization_id: str | None = None
    error: str | None = None


class Event(Model):
    """An event in an organization, such as ``sync.completed``."""

    id: str = Field(min_length=1)
    type: str | None = None
    created_at: UtcDatetime | None = None
    organization_id: str | None = None
    event: EventPayload | None = None


class Webhook(Model):
    """A webhook, to which the API pushes the events of an organization."""

    id: str = Field(min_length=1)
    endpoint: str | None = None
    secret: str | None = Field(default=None, repr=False)
    organization_id: str | None = None
    disabled: bool | None = None
    disabled_at: UtcDatetime | None = None
    disabled_reason: str | None = None
    created_at: UtcDatetime | None = None


class WebhookDelivery(Model):
    """An attempt to push an event."""

    id: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    attempted_at: UtcDatetime | None = None
    success: bool | None = None
    status_code: Integer | None = None
    error: str | None = None
    error_kind: str | None = None
    duration_ms: Integer | None = None
    response_body: str | None = Field(default=None, repr=False)


class Job(Model):
    """A job that the API runs in the background; it has a ``result`` when ``status`` is ``done``."""

    job_id: str | None = None
    type: str | None = None
    status: str | None = None
    result: Any = Field(default=None, repr=False)
    error: str | None = None
