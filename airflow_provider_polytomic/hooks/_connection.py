"""Read an Airflow connection as the settings of a client, and test it.

Import this module only when a connection is read: a DAG file must not load pydantic.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from airflow_provider_polytomic import api
from airflow_provider_polytomic.api import identity
from airflow_provider_polytomic.api.config import DEFAULT_BASE_URL, MAX_TIMEOUT, ClientConfig, is_loopback
from airflow_provider_polytomic.api.errors import is_proxy_refusal
from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.api.transport import check_settings, proxy_setting, tls_context
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.links.url import PLACEHOLDERS, sync_urls, validate_link_template

if TYPE_CHECKING:
    from airflow.sdk import Connection


def _iso_date(text: str) -> str:
    return datetime.strptime(text, "%Y-%m-%d").date().isoformat()


def _ca_bundle(path: str) -> str:
    tls_context(path)
    return path


log = logging.getLogger(__name__)

TEST_TIMEOUT = 10.0
"""Seconds for the request of a connection test, which a person waits for."""

_WARNINGS = {
    "verify": "Sending the API key without verifying the server's certificate, since verify is false",
    "allow_http": "Allowing the API key to cross the network unencrypted, since allow_http is on",
}
_warned: set[tuple[str, str]] = set()
"""Connections and settings that were warned about in this process."""

_BOOLEAN = "true or false"
_LINK = f"an http or https address, with no other placeholders than {', '.join(PLACEHOLDERS)}"

IsoDate = Annotated[str, AfterValidator(_iso_date)]
CaBundle = Annotated[str, AfterValidator(_ca_bundle)]
LinkTemplate = Annotated[str, AfterValidator(validate_link_template)]


class ConnectionExtra(BaseModel):
    """The extra of an Airflow connection; each description completes the message "its extra … is not …"."""

    model_config = ConfigDict(hide_input_in_errors=True)

    api_version: IsoDate | None = Field(None, description="a date like 2025-09-18")
    timeout: float | None = Field(
        None, gt=0, le=MAX_TIMEOUT, allow_inf_nan=False, description="a number of seconds above 0"
    )
    verify: bool | CaBundle | None = Field(
        None, union_mode="left_to_right", description="true, false, or the path of a CA bundle that can be read"
    )
    proxy: str | None = Field(None, repr=False, description="a URL")
    max_retries: int | None = Field(None, ge=0, description="a whole number from 0")
    allow_http: bool | None = Field(None, description=_BOOLEAN)
    max_requests_per_minute: int | None = Field(None, ge=1, description="a whole number from 1")
    trust_events: bool | None = Field(None, description=_BOOLEAN)
    link_template: LinkTemplate | None = Field(None, description=_LINK)
    bulk_link_template: LinkTemplate | None = Field(None, description=_LINK)
    hide_error_records: bool | None = Field(None, description=_BOOLEAN)


@dataclass(frozen=True)
class ConnectionConfig(ClientConfig):
    """The settings of a client, and what tasks show of an execution.

    :param link_template: Address of a sync in Polytomic's UI; see :mod:`airflow_provider_polytomic.links.url`.
    :param bulk_link_template: Address of a bulk sync, if it has another form.
    :param hide_error_records: Whether the message of a failed task leaves out the records that had errors.
    """

    link_template: str | None = None
    bulk_link_template: str | None = None
    hide_error_records: bool = False

    def link_template_of(self, kind: str) -> str | None:
        """Return the template for this kind of sync, ``model`` or ``bulk``; None if there is none."""
        return (self.bulk_link_template if kind == "bulk" else None) or self.link_template


def link_url(config: ConnectionConfig, kind: str, sync_id: str, execution_id: str | None) -> Flow[str | None]:
    """Return the URL of a sync; None if the Airflow connection has no template for it."""
    [url] = yield from link_urls(config, kind, sync_id, [execution_id])
    return url


def link_urls(
    config: ClientConfig, kind: str, sync_id: str, execution_ids: Sequence[str | None]
) -> Flow[list[str | None]]:
    """Return what :func:`link_url` does for each execution, with one request at most."""
    template = config.link_template_of(kind) if isinstance(config, ConnectionConfig) else None
    if template is None:
        return [None] * len(execution_ids)
    return (yield from sync_urls(template, config, kind, sync_id, execution_ids))


def connection_config(connection: Connection, conn_id: str, organization_id: str | None = None) -> ConnectionConfig:
    """Read a connection as the settings of a client.

    :param organization_id: organization in place of the connection's login
    :raises PolytomicRequestRefused: if the connection cannot be used
    """
    try:
        config = read_connection(connection, organization_id)
    except ValueError as error:
        raise PolytomicRequestRefused(f"The Airflow connection {conn_id!r} cannot be used: {error}") from None
    risks = {"verify": config.verify is False, "allow_http": config.allow_http}
    for setting, is_taken in risks.items():
        if is_taken and (conn_id, setting) not in _warned:
            _warned.add((conn_id, setting))
            log.warning("%s (Airflow connection %r)", _WARNINGS[setting], conn_id)
    return config


def read_connection(connection: Connection, organization_id: str | None = None) -> ConnectionConfig:
    """Read a connection as the settings of a client.

    :param organization_id: organization in place of the connection's login
    :raises ValueError: if the connection cannot be used; the message says why and does not name the connection
    """
    key = (connection.password or "").strip()
    if not key:
        raise ValueError("there is no API key in its password")
    config = ConnectionConfig(
        api_key=key,
        base_url=read_base_url(connection),
        organization_id=str(organization_id or connection.login or "").strip() or None,
        **read_extra(connection.extra),
    )
    check_settings(config)
    return config


def read_base_url(connection: Connection, default: str = DEFAULT_BASE_URL, *, loopback_scheme: str = "https") -> str:
    """Read host, port and schema as a URL.

    :param default: URL if the connection has no host
    :param loopback_scheme: scheme for this machine if neither host nor schema has one; for other hosts it is https
    :raises ValueError: if the schema is neither https nor http
    """
    scheme, separator, rest = ((connection.host or "").strip() or default).rpartition("://")
    scheme = scheme or (connection.schema or "").strip()
    if separator == "" and scheme not in ("", "http", "https"):
        raise ValueError("its schema is neither https nor http")
    authority, slash, path = rest.partition("/")
    if _is_ipv6(authority):
        authority = f"[{authority}]"
    if connection.port and ":" not in authority.rpartition("]")[2]:
        authority = f"{authority}:{connection.port}"
    host = re.sub(r":\d+$", "", authority).strip("[]").lower()
    return f"{scheme or (loopback_scheme if is_loopback(host) else 'https')}://{authority}{slash}{path}"


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def read_extra(extra: str | None, names: Collection[str] = frozenset(ConnectionExtra.model_fields)) -> dict[str, Any]:
    """Return the settings in a connection's extra; forms and URIs give numbers and booleans as text.

    :param names: fields to read; the others are neither read nor checked
    :raises ValueError: if the extra or one of these fields has no valid value
    """
    try:
        fields = json.loads(extra) if extra else {}
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ValueError("its extra is not a JSON object")
    filled = {name: value.strip() if isinstance(value, str) else value for name, value in fields.items()}
    given = {name: value for name, value in filled.items() if name in names and value != ""}
    try:
        settings = ConnectionExtra.model_validate(given)
    except ValidationError as error:
        name = error.errors(include_input=False)[0]["loc"][0]
        raise ValueError(f"its extra {name!r} is not {ConnectionExtra.model_fields[str(name)].description}") from None
    return settings.model_dump(exclude_none=True)


def test_connection(connection: Connection, organization_id: str | None) -> tuple[bool, str]:
    """Call ``GET /api/me`` once; return whether it succeeded, and a message for the person at the form.

    Airflow tests under a temporary connection id, so no message names one.

    :param organization_id: organization in place of the connection's login
    """
    try:
        config = read_connection(connection, organization_id)
        with api.PolytomicClient(config=config) as client:
            me = client.send(identity.get().with_timeout(TEST_TIMEOUT))
    except ValueError as error:
        return False, f"This connection cannot be used as it is: {_sentence(str(error))}"
    except api.PolytomicError as error:
        return False, f"{_sentence(str(error))} {next_step(error, config)}"
    except Exception as error:  # The form shows nothing but an internal error otherwise.
        return (
            False,
            f"The test failed with an unexpected {type(error).__name__}. Report it to the maintainers of the provider.",
        )
    user = me.email or me.id or "an organization key"
    return True, f"Connected to {me.organization_name or me.organization_id or 'Polytomic'} as {user}."


def next_step(error: api.PolytomicError, config: ConnectionConfig) -> str:
    """Return advice on a failed request for the person who edits the connection."""
    if is_proxy_refusal(error):
        return f"Correct the user and the password in the proxy of {proxy_setting(config) or 'the network'}."
    if isinstance(error, api.PolytomicAuthError):
        organization = "Fill in the organization id only for a partner or deployment key."
        if config.organization_id:
            organization = "Correct the organization id, or clear it unless this is a partner or deployment key."
        return f"Paste the whole API key again, or create a new one in Polytomic if it was revoked. {organization}"
    if isinstance(error, api.PolytomicPermissionError):
        return "The API key is valid but lacks the permission: ask an admin of Polytomic for a key that has it."
    if isinstance(error, api.PolytomicTransportError) and "SSL" in str(error):
        bundle = "fill in the path of that authority's CA bundle at Verify certificate"
        if isinstance(config.verify, str):
            bundle = "check that the file at Verify certificate is the CA bundle of that authority"
        return (
            "Check that the host serves https at this port. If a private authority has signed its certificate, "
            f"{bundle}."
        )
    if isinstance(error, api.PolytomicTransportError):
        proxy = proxy_setting(config)
        return "Check the host and the port, and that the machine of Airflow's server can reach them" + (
            f" through the proxy of {proxy}." if proxy else "; if it needs a proxy for that, fill in the proxy."
        )
    if isinstance(error, api.PolytomicAPIError) and is_transient(error):
        return "The connection may be right: test it again in a minute."
    return "Check the host: it is the address at which you open Polytomic in the browser."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
