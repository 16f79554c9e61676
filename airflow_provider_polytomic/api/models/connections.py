"""Connections, what is learned through them, and who is asking."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_provider_polytomic.api.models.base import Model, Moment, Named, Rows


class ConnectionType(Model):
    """A kind of system that a connection leads to; the list of types says more of it than a connection does."""

    id: str | None = None
    name: str | None = None
    operations: Rows[str] = Field(default_factory=list)
    capabilities: Named[Any] = Field(default_factory=dict)
    configuration_form: dict[str, Any] | None = Field(default=None, alias="configurationForm", repr=False)
    initial_configuration: dict[str, Any] | None = Field(default=None, alias="initialConfiguration", repr=False)
    use_oauth: bool | None = None


class ConfigurationSchema(Model):
    """The JSON Schema of what a connection type is configured with."""

    title: str | None = None
    properties: Named[Any] = Field(default_factory=dict)
    required: Rows[str] = Field(default_factory=list)


class Connection(Model):
    """A system that Polytomic reads from or writes to; its configuration comes with the secrets masked.

    ``auth_url`` and ``auth_code`` are given after creating one that a person must authorize.
    """

    id: str = Field(min_length=1)
    name: str | None = None
    type: ConnectionType | None = None
    organization_id: str | None = None
    configuration: dict[str, Any] | None = Field(default=None, repr=False)
    policies: Rows[str] = Field(default_factory=list)
    status: str | None = None
    status_error: str | None = None
    auth_url: str | None = Field(default=None, repr=False)
    auth_code: str | None = Field(default=None, repr=False)
    created_at: Moment | None = None
    updated_at: Moment | None = None


class ParameterValue(Model):
    """One of the values that a setting may take."""

    label: str | None = None
    value: Any = None
    path: str | None = None


class ParameterOptions(Model):
    """The values that one setting may take, and whether others are allowed beside them."""

    allows_creation: bool | None = None
    values: Rows[ParameterValue] = Field(default_factory=list)


class ParameterValues(Model):
    """The values that settings may take, by the name of the setting."""

    parameters: Named[ParameterOptions | None] = Field(alias="data")


class ConnectSession(Model):
    """Where a person goes to create or reconnect one connection; whoever has the URL or the token can."""

    redirect_url: str | None = Field(default=None, repr=False)
    token: str | None = Field(default=None, repr=False)


class ProxyAnswer(Model):
    """What the system behind a connection answered, or the job that will know."""

    status: int | None = None
    content_type: str | None = Field(default=None, alias="contentType")
    headers: Named[Any] = Field(default_factory=dict, repr=False)
    body: Any = Field(default=None, repr=False)
    truncated: bool | None = None
    latency_ms: int | None = Field(default=None, alias="latencyMs")
    proxy_call_id: str | None = Field(default=None, alias="proxyCallId")
    job_id: str | None = Field(default=None, alias="jobId")
    job_status: str | None = Field(default=None, alias="jobStatus")
    job_url: str | None = Field(default=None, alias="jobUrl")


class ProxyInfo(Model):
    """What may be sent through a connection's proxy: its APIs, what is added to each request, and the limits."""

    connection_id: str | None = Field(default=None, alias="connectionId")
    backend_type: str | None = Field(default=None, alias="backendType")
    apis: Rows[dict[str, Any]] = Field(default_factory=list)
    inherited_base: dict[str, Any] | None = Field(default=None, alias="inheritedBase", repr=False)
    merge_rules: dict[str, Any] | None = Field(default=None, alias="mergeRules")
    request_contract: dict[str, Any] | None = Field(default=None, alias="requestContract")
    stats: dict[str, Any] | None = None


class SharedConnection(Model):
    """The copy of a connection in another organization."""

    id: str = Field(min_length=1)


class SchemaStatus(Model):
    """How old the API's knowledge of a connection's schemas is: ``refreshing``, then ``fresh``."""

    cache_status: str | None = None
    last_refresh_started: Moment | None = None
    last_refresh_finished: Moment | None = None


class Organization(Model):
    """An organization of Polytomic."""

    id: str = Field(min_length=1)
    name: str | None = None


class Identity(Model):
    """Whom a key stands for."""

    id: str | None = None
    email: str | None = None
    role: str | None = None
    organization_id: str | None = None
    organization_name: str | None = None
    is_user: bool | None = None
    is_organization: bool | None = None
    is_partner: bool | None = None
    is_system: bool | None = None
