"""What the fields of an Airflow connection mean; apart from the hook, since a DAG file does not need it."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic.api.config import DEFAULT_BASE_URL, ClientConfig, is_loopback
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.links.url import PLACEHOLDERS, validate_link_template

if TYPE_CHECKING:
    from airflow.sdk import Connection

LINK_TEMPLATE = f"an http or https address, with no other placeholders than {', '.join(PLACEHOLDERS)}"


@dataclass(frozen=True)
class ConnectionConfig(ClientConfig):
    """What an Airflow connection says: the settings of a client, and what tasks show of an execution.

    :param link_template: address of a sync in Polytomic's own UI; see :mod:`airflow_provider_polytomic.links.url`
    :param bulk_link_template: the same of a bulk sync, where it is another
    :param hide_error_records: whether the first records that had errors are kept out of a failed task's message
    """

    link_template: str | None = None
    bulk_link_template: str | None = None
    hide_error_records: bool = False

    def link_template_of(self, kind: str) -> str | None:
        """Return the template for this kind of sync, ``model`` or ``bulk``; None where there is none."""
        return (self.bulk_link_template if kind == "bulk" else None) or self.link_template


def config_of(connection: Connection, conn_id: str) -> ConnectionConfig:
    """Read a connection as the settings of a client.

    :raises PolytomicRequestRefused: if it cannot be used as it is
    """
    try:
        return read(connection)
    except ValueError as error:
        raise PolytomicRequestRefused(f"The Airflow connection {conn_id!r} cannot be used: {error}") from None


def read(connection: Connection) -> ConnectionConfig:
    """Read a connection as the settings of a client.

    :raises ValueError: why it cannot be used as it is
    """
    key = (connection.password or "").strip()
    if not key:
        raise ValueError("there is no API key in its password")
    return ConnectionConfig(
        api_key=key,
        base_url=base_url_of(connection),
        organization_id=(connection.login or "").strip() or None,
        **settings_of(connection.extra),
    )


def base_url_of(connection: Connection, default: str = DEFAULT_BASE_URL, *, loopback_scheme: str = "https") -> str:
    """Read host, port and schema as an address.

    :param default: address where there is no host
    :param loopback_scheme: scheme of this machine where neither host nor schema names one; of all others it is https
    :raises ValueError: if the schema is another one than those of HTTP
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


def settings_of(extra: str | None, names: Collection[str] | None = None) -> dict[str, Any]:
    """Read the connection's extra; forms and URIs bring numbers and booleans as text.

    :param names: what of it is read; default: all that there is
    :raises ValueError: if one of them is not what it has to be
    """
    try:
        given = json.loads(extra) if extra else {}
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ValueError("its extra is not a JSON object")
    readers: dict[str, tuple[Callable[[Any], Any], str]] = {
        "api_version": (_date, "a date like 2025-09-18"),
        "timeout": (_positive, "a number of seconds above 0"),
        "verify": (_boolean_or_bundle, "true, false, or the path of a CA bundle that can be read"),
        "proxy": (str, "a URL"),
        "max_retries": (_whole, "a whole number from 0"),
        "allow_http": (_boolean, "true or false"),
        "max_requests_per_minute": (_whole_from_1, "a whole number from 1"),
        "trust_events": (_boolean, "true or false"),
        "link_template": (_template, LINK_TEMPLATE),
        "bulk_link_template": (_template, LINK_TEMPLATE),
        "hide_error_records": (_boolean, "true or false"),
    }
    settings = {}
    for name, (read, what) in readers.items():
        value = given.get(name)
        if value is None or value == "" or (names is not None and name not in names):
            continue
        try:
            settings[name] = read(value)
        except (ValueError, TypeError, OverflowError, OSError):
            raise ValueError(f"its extra {name!r} is not {what}") from None
    return settings


def _template(value: Any) -> str:
    return validate_link_template(str(value))


def _date(value: Any) -> str:
    return datetime.strptime(str(value).strip(), "%Y-%m-%d").date().isoformat()


def _positive(value: Any) -> float:
    seconds = float(value)
    if not 0 < seconds < float("inf"):
        raise ValueError
    return seconds


def _whole(value: Any) -> int:
    number = int(value)
    if number < 0 or number != float(value):
        raise ValueError
    return number


def _whole_from_1(value: Any) -> int:
    number = _whole(value)
    if not number:
        raise ValueError
    return number


def _boolean(value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return words[str(value).strip().lower()]
    except KeyError:
        raise ValueError from None


def _boolean_or_bundle(value: Any) -> bool | str:
    try:
        return _boolean(value)
    except ValueError:
        ssl.create_default_context(cafile=str(value))
        return str(value)
