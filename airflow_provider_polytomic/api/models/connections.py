"""Connections and who is asking."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_provider_polytomic.api.models.base import Model, Moment, Rows


class ConnectionType(Model):
    """What kind of system a connection leads to."""

    id: str | None = None
    name: str | None = None


class Connection(Model):
    """A system that Polytomic reads from or writes to; its configuration comes with the secrets masked."""

    id: str = Field(min_length=1)
    name: str | None = None
    type: ConnectionType | None = None
    organization_id: str | None = None
    configuration: dict[str, Any] | None = Field(default=None, repr=False)
    policies: Rows[str] = Field(default_factory=list)
    status: str | None = None
    status_error: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class Identity(Model):
    """Whom a key stands for."""

    id: str | None = None
    email: str | None = None
    organization_id: str | None = None
    organization_name: str | None = None
    is_user: bool | None = None
    is_organization: bool | None = None
    is_partner: bool | None = None
    is_system: bool | None = None
