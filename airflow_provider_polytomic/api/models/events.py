"""Events, the webhook that gets them pushed, and jobs."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, Field

from airflow_provider_polytomic.api.models.base import Model, Moment


class EventPayload(Model):
    """What happened; each type of event adds fields of its own."""

    sync_id: str | None = None
    sync_name: str | None = Field(default=None, validation_alias=AliasChoices("sync_name", "name"))
    execution_id: str | None = None
    organization_id: str | None = None
    error: str | None = None


class Event(Model):
    """Something that happened in an organization, such as ``sync.completed``."""

    id: str = Field(min_length=1)
    type: str | None = None
    created_at: Moment | None = None
    organization_id: str | None = None
    event: EventPayload | None = None


class Webhook(Model):
    """The address that an organization's events are pushed to."""

    id: str = Field(min_length=1)
    endpoint: str | None = None
    secret: str | None = Field(default=None, repr=False)
    organization_id: str | None = None
    disabled: bool | None = None
    disabled_at: Moment | None = None
    disabled_reason: str | None = None
    created_at: Moment | None = None


class WebhookDelivery(Model):
    """One attempt to push one event."""

    id: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    attempted_at: Moment | None = None
    success: bool | None = None
    status_code: int | None = None
    error: str | None = None
    error_kind: str | None = None
    duration_ms: int | None = None
    response_body: str | None = Field(default=None, repr=False)


class Job(Model):
    """Work that the API does in the background; ``result`` is there once ``status`` is ``done``."""

    job_id: str | None = None
    type: str | None = None
    status: str | None = None
    result: Any = Field(default=None, repr=False)
    error: str | None = None
