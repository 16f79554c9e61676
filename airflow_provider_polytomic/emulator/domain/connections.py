"""Connections, the types that they may have, and the masking of their secrets.

The types are a small sample of Polytomic's. A connection may have any other type; it then behaves as an application.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.errors import ApiError

MASK = "********"
_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret|token|api_?key|private_?key|access_?key|credential|service_?account|auth_?code",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Refresh:
    """One refresh of a connection's schemas.

    :param shown_at: time from which the status shows it.
    :param ends_at: time of its end; ``math.inf``: never.
    :param end_status: ``cache_status`` after its end.
    :param finishes: whether its end changes ``last_refresh_finished``.
    """

    started_at: float
    shown_at: float
    ends_at: float
    end_status: str = "fresh"
    finishes: bool = True

    def ended(self, now: float) -> bool:
        """Return whether it has ended."""
        return now >= self.ends_at


@dataclass(eq=False)
class Connection:
    """One connection, with its configuration as it was sent.

    :param parent_id: id of the connection of another organization that it is a copy of.
    :param refreshes: refreshes of its schemas, oldest first.
    :param proxy_answer: ``status``, ``contentType`` and ``body`` of each response through its proxy; None: an echo.
    :param proxy_statuses: times and statuses of the responses through its proxy.
    """

    id: str
    name: str
    type: str
    configuration: Mapping[str, Any]
    created_at: float
    updated_at: float
    policies: tuple[str, ...] = ()
    healthcheck_interval: str | None = None
    status: str = "healthy"
    status_error: str | None = None
    organization_id: str = ""
    parent_id: str | None = None
    refreshes: list[Refresh] = field(default_factory=list)
    proxy_answer: Mapping[str, Any] | None = None
    proxy_statuses: list[tuple[float, int]] = field(default_factory=list)

    def refreshing(self, now: float) -> bool:
        """Return whether a refresh of its schemas is in progress."""
        return bool(self.refreshes) and not self.refreshes[-1].ended(now)

    def begin_refresh(self, now: float, behavior: Behavior) -> None:
        """Begin to refresh the schemas, unless a refresh is running."""
        if not self.refreshing(now):
            shown_at, ends_at = now + behavior.schema_refresh_lag, now + behavior.schema_refresh_seconds
            end_status, finishes = behavior.schema_refresh_ends, behavior.schema_refresh_finishes
            self.refreshes.append(Refresh(now, shown_at, ends_at, end_status, finishes))


def redact(value: Any) -> Any:
    """Return ``value`` with every secret in it masked; secrets are recognized by their names."""
    if isinstance(value, Mapping):
        return {name: MASK if _is_secret(name, item) else redact(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return value


def _is_secret(name: str, item: Any) -> bool:
    return bool(item) and not isinstance(item, bool) and _SECRET.search(name) is not None


def restore_masked(sent: Any, stored: Any, masked_secret: str) -> Any:
    """Return the value to store when ``sent`` replaces ``stored``: masks are treated as ``masked_secret`` says.

    :raises ApiError: if there is a mask and ``masked_secret`` is ``refuse``.
    """
    if isinstance(sent, Mapping):
        known = stored if isinstance(stored, Mapping) else {}
        return {name: restore_masked(item, known.get(name), masked_secret) for name, item in sent.items()}
    if isinstance(sent, (list, tuple)):
        known_items = list(stored) if isinstance(stored, (list, tuple)) else []
        known_items += [None] * (len(sent) - len(known_items))
        return [restore_masked(item, known, masked_secret) for item, known in zip(sent, known_items)]
    if sent != MASK or stored is None or masked_secret == "store":
        return sent
    if masked_secret == "refuse":
        raise ApiError(422, "A masked secret cannot be stored.")
    return stored


Columns = tuple[tuple[str, str], ...]
Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class System:
    """Kind of system that connections lead to.

    :param settings: names and JSON types of the settings of a configuration.
    :param required: required settings.
    :param values: settings with a list of values, and these values.
    :param tables: ids of what can be read, and its columns.
    :param selector: what a model sync selects to read: a ``table`` or an ``object``.
    :param oauth: whether a person authorizes the connection.
    """

    settings: Mapping[str, str]
    required: tuple[str, ...]
    values: Values
    tables: Mapping[str, Columns]
    operations: tuple[str, ...]
    selector: str
    oauth: bool = False


_PEOPLE: Columns = (("id", "string"), ("email", "string"), ("name", "string"), ("created_at", "datetime"))
_ORDERS: Columns = (("id", "string"), ("customer_id", "string"), ("amount", "number"), ("ordered_at", "datetime"))

_DATABASE = System(
    settings={"port": "integer", **dict.fromkeys(("hostname", "database", "username", "password"), "string")},
    required=("hostname", "database"),
    values={"database": ("analytics", "raw"), "schema": ("public", "sales")},
    tables={"public.customers": _PEOPLE, "public.orders": _ORDERS, "sales.leads": _PEOPLE},
    operations=("bulksyncsource", "bulksyncdestination", "syncsource", "syncdestination"),
    selector="table",
)
_APPLICATION = System(
    settings={"instance_url": "string", "api_token": "string"},
    required=(),
    values={"instance_url": ("https://crm.example.com",)},
    tables={"Account": _ORDERS, "Contact": _PEOPLE, "Opportunity": _ORDERS},
    operations=("bulksyncsource", "syncsource", "syncdestination"),
    selector="object",
    oauth=True,
)
_BUCKET = System(
    settings={"bucket": "string", "access_key_id": "string", "secret_access_key": "string"},
    required=("bucket",),
    values={"bucket": ("lake", "archive")},
    tables={"exports/customers.csv": _PEOPLE},
    operations=("bulksyncdestination", "syncsource"),
    selector="table",
)

_NO_LOGOS = {"logo_url": None, "logo_dark_url": None}
_CONNECTION_TYPES = {
    "postgresql": ("PostgreSQL", _DATABASE),
    "mysql": ("MySQL", _DATABASE),
    "snowflake": ("Snowflake", _DATABASE),
    "redshift": ("Redshift", _DATABASE),
    "bigquery": ("BigQuery", _DATABASE),
    "salesforce": ("Salesforce", _APPLICATION),
    "hubspot": ("HubSpot", _APPLICATION),
    "s3": ("S3", _BUCKET),
    "gcs": ("Cloud Storage", _BUCKET),
}


def system(type: str) -> System:
    """Return the kind of system that a connection of this type leads to."""
    return _CONNECTION_TYPES[type][1] if type in _CONNECTION_TYPES else _APPLICATION


def type_in_connection(type: str) -> dict[str, Any]:
    """Return a connection type as a connection shows it."""
    name = _CONNECTION_TYPES[type][0] if type in _CONNECTION_TYPES else type
    return {"id": type, "name": name, **_NO_LOGOS, "operations": list(system(type).operations)}


def types_in_list() -> list[dict[str, Any]]:
    """Return all connection types as their list shows them."""
    return [_type_in_list(type, *described) for type, described in _CONNECTION_TYPES.items()]


def _type_in_list(type: str, name: str, system: System) -> dict[str, Any]:
    return {
        "id": type,
        "name": name,
        **_NO_LOGOS,
        "capabilities": {
            "source": any(each.endswith("source") for each in system.operations),
            "destination": any(each.endswith("destination") for each in system.operations),
            **dict.fromkeys(("enrichment", "orchestration", "logging"), False),
        },
        "configurationForm": {"jsonschema": configuration_schema(type), "uischema": None},
        "initialConfiguration": {},
        "envConfig": None,
        "oauth_prompt": None,
        "use_oauth": system.oauth,
    }


def configuration_schema(type: str) -> dict[str, Any]:
    """Return the JSON Schema of a connection type's configuration.

    :raises ApiError: if there is no such type.
    """
    known = _known(type)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _CONNECTION_TYPES[type][0],
        "type": "object",
        "properties": {name: {"type": json_type, "title": name} for name, json_type in known.settings.items()},
        "required": list(known.required),
    }


def parameter_values(type: str, field: str, text: str | None) -> dict[str, Any]:
    """Return the values of one setting of a connection type that contain ``text``.

    :raises ApiError: if there is no such type, or no such setting with a list of values.
    """
    known = _known(type).values
    if field not in known:
        raise ApiError(400, f"{field} has no values to choose from.")
    return {field: _choice(tuple(each for each in known[field] if (text or "") in each))}


def all_parameter_values(type: str) -> dict[str, Any]:
    """Return the values of the settings of a connection."""
    return {name: _choice(values) for name, values in system(type).values.items()}


def _choice(values: tuple[str, ...]) -> dict[str, Any]:
    return {"allows_creation": False, "values": [{"label": each, "value": each, "path": None} for each in values]}


def _known(type: str) -> System:
    if type not in _CONNECTION_TYPES:
        raise ApiError(404, "The connection type was not found.")
    return _CONNECTION_TYPES[type][1]
