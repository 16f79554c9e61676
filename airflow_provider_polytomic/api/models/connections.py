"""Connections, their types, schemas and proxies; organizations and the identity of a key."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from airflow_provider_polytomic.api.models.base import Integer, Model, NullableDict, NullableList, UtcDatetime


class ConnectionType(Model):
    """A type of connection; the list of types returns more fields than a connection does."""

    id: str | None = None
    name: str | None = None
    operations: NullableList[str] = Field(default_factory=list)
    capabilities: NullableDict[Any] = Field(default_factory=dict)
    configuration_form: dict[str, Any] | None = Field(default=None, alias="configurationForm", repr=False)
    initial_configuration: dict[str, Any] | None = Field(default=None, alias="initialConfiguration", repr=False)
    use_oauth: bool | None = None


class ConfigurationSchema(Model):
    """The JSON Schema of the configuration of a connection type."""

    enveloped: ClassVar[bool] = False

    title: str | None = None
    properties: NullableDict[Any] = Field(default_factory=dict)
    required: NullableList[str] = Field(default_factory=list)


class Connection(Model):
    """A connection to a system that Polytomic reads from or writes to; secrets in the configuration are masked.

    The API returns ``auth_url`` and ``auth_code`` after creating one that a person must authorize.
    """

    id: str = Field(min_length=1)
    name: str | None = None
    type: ConnectionType | None = None
    organization_id: str | None = None
    configuration: dict[str, Any] | None = Field(default=None, repr=False)
    policies: NullableList[str] = Field(default_factory=list)
    status: str | None = None
    status_error: str | None = None
    auth_url: str | None = Field(default=None, repr=False)
    auth_code: str | None = Field(default=None, repr=False)
    created_at: UtcDatetime | None = None
    updated_at: UtcDatetime | None = None


class ParameterValue(Model):
    """A value that a setting may have."""

    label: str | None = None
    value: Any = None
    path: str | None = None


class ParameterOptions(Model):
    """The values that one setting may have; ``allows_creation`` if others are allowed, too."""

    allows_creation: bool | None = None
    values: NullableList[ParameterValue] = Field(default_factory=list)


class ParameterValues(Model):
    """The values that settings may have, by the name of the setting."""

    enveloped: ClassVar[bool] = False

    parameters: NullableDict[ParameterOptions | None] = Field(alias="data")


class ConnectSession(Model):
    """A page on which anyone with the URL or the token can create or reconnect one connection."""

    redirect_url: str | None = Field(default=None, repr=False)
    token: str | None = Field(default=None, repr=False)


class ProxyAnswer(Model):
    """The response of the system behind a connection, or the job that will have it."""

    status: Integer | None = None
    content_type: str | None = Field(default=None, alias="contentType")
    headers: NullableDict[Any] = Field(default_factory=dict, repr=False)
    body: Any = Field(default=None, repr=False)
    truncated: bool | None = None
    latency_ms: Integer | None = Field(default=None, alias="latencyMs")
    proxy_call_id: str | None = Field(default=None, alias="proxyCallId")
    job_id: str | None = Field(default=None, alias="jobId")
    job_status: str | None = Field(default=None, alias="jobStatus")
    job_url: str | None = Field(default=None, alias="jobUrl")


class ProxyInfo(Model):
    """The APIs behind the proxy of a connection, the additions to each request, and the limits."""

    connection_id: str | None = Field(default=None, alias="connectionId")
    backend_type: str | None = Field(default=None, alias="backendType")
    apis: NullableList[dict[str, Any]] = Field(default_factory=list)
    inherited_base: dict[str, Any] | None = Field(default=None, alias="inheritedBase", repr=False)
    merge_rules: dict[str, Any] | None = Field(default=None, alias="mergeRules")
    request_contract: dict[str, Any] | None = Field(default=None, alias="requestContract")
    stats: dict[str, Any] | None = None


class SchemaStatus(Model):
    """The age of the API's copy of a connection's schemas: ``refreshing``, then ``fresh``."""

    cache_status: str | None = None
    last_refresh_started: UtcDatetime | None = None
    last_refresh_finished: UtcDatetime | None = None


class Organization(Model):
    """An organization of Polytomic."""

    id: str = Field(min_length=1)
    name: str | None = None


class Identity(Model):
    """The user or organization of an API key."""

    id: str | None = None
    email: str | None = None
    role: str | None = None
    organization_id: str | None = None
    organization_name: str | None = None
    is_user: bool | None = None
    is_organization: bool | None = None
    is_partner: bool | None = None
    is_system: bool | None = None
