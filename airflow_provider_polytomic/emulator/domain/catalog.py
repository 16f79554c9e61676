"""Know the kinds of systems that connections lead to: what configures them, and what is found in them.

A small sample of what Polytomic knows. A connection may have any other type too; it then looks like an application.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_polytomic.emulator.domain.errors import ApiError

Columns = tuple[tuple[str, str], ...]
Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Kind:
    """What systems of one kind have in common.

    :param settings: the settings of their configuration, by the JSON type of each.
    :param required: those that must be given.
    :param values: settings whose values can be asked for, and their values.
    :param tables: what can be read, by its id, and its columns.
    :param chooser: what a model sync chooses to read: a ``table`` or an ``object``.
    :param oauth: whether a person authorizes the connection.
    """

    settings: Mapping[str, str]
    required: tuple[str, ...]
    values: Values
    tables: Mapping[str, Columns]
    operations: tuple[str, ...]
    chooser: str
    oauth: bool = False


_PEOPLE: Columns = (("id", "string"), ("email", "string"), ("name", "string"), ("created_at", "datetime"))
_ORDERS: Columns = (("id", "string"), ("customer_id", "string"), ("amount", "number"), ("ordered_at", "datetime"))

_DATABASE = Kind(
    settings={
        "hostname": "string",
        "port": "integer",
        "database": "string",
        "username": "string",
        "password": "string",
    },
    required=("hostname", "database"),
    values={"database": ("analytics", "raw"), "schema": ("public", "sales")},
    tables={"public.customers": _PEOPLE, "public.orders": _ORDERS, "sales.leads": _PEOPLE},
    operations=("bulksyncsource", "bulksyncdestination", "syncsource", "syncdestination"),
    chooser="table",
)
_APPLICATION = Kind(
    settings={"instance_url": "string", "api_token": "string"},
    required=(),
    values={"instance_url": ("https://crm.example.com",)},
    tables={"Account": _ORDERS, "Contact": _PEOPLE, "Opportunity": _ORDERS},
    operations=("bulksyncsource", "syncsource", "syncdestination"),
    chooser="object",
    oauth=True,
)
_BUCKET = Kind(
    settings={"bucket": "string", "access_key_id": "string", "secret_access_key": "string"},
    required=("bucket",),
    values={"bucket": ("lake", "archive")},
    tables={"exports/customers.csv": _PEOPLE},
    operations=("bulksyncdestination", "syncsource"),
    chooser="table",
)

_TYPES = {
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


def kind(type: str) -> Kind:
    """Give the kind of system that a connection of this type leads to."""
    return _TYPES[type][1] if type in _TYPES else _APPLICATION


def type_in_connection(type: str) -> dict[str, Any]:
    """Write a connection type as a connection shows it."""
    return {
        "id": type,
        "name": _TYPES[type][0] if type in _TYPES else type,
        "logo_url": None,
        "logo_dark_url": None,
        "operations": list(kind(type).operations),
    }


def types() -> list[dict[str, Any]]:
    """Write all connection types as their list shows them."""
    return [_type_in_list(type, name, kind) for type, (name, kind) in _TYPES.items()]


def _type_in_list(type: str, name: str, kind: Kind) -> dict[str, Any]:
    return {
        "id": type,
        "name": name,
        "logo_url": None,
        "logo_dark_url": None,
        "capabilities": {
            "source": any(each.endswith("source") for each in kind.operations),
            "destination": any(each.endswith("destination") for each in kind.operations),
            "enrichment": False,
            "orchestration": False,
            "logging": False,
        },
        "configurationForm": {"jsonschema": configuration_schema(type), "uischema": None},
        "initialConfiguration": {},
        "envConfig": None,
        "oauth_prompt": None,
        "use_oauth": kind.oauth,
    }


def configuration_schema(type: str) -> dict[str, Any]:
    """Write the JSON Schema of a connection type's configuration.

    :raises Refused: when there is no such type here.
    """
    known = _known(type)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TYPES[type][0],
        "type": "object",
        "properties": {name: {"type": json_type, "title": name} for name, json_type in known.settings.items()},
        "required": list(known.required),
    }


def parameter_values(type: str, field: str, text: str | None) -> dict[str, Any]:
    """Write the values that one setting of a connection type may take, those that hold ``text``."""
    known = _known(type).values
    if field not in known:
        raise ApiError(400, f"{field} has no values to choose from.")
    return {field: _choice(tuple(each for each in known[field] if (text or "") in each))}


def all_parameter_values(type: str) -> dict[str, Any]:
    """Write the values that the settings of a connection may take."""
    return {name: _choice(values) for name, values in kind(type).values.items()}


def _choice(values: tuple[str, ...]) -> dict[str, Any]:
    return {
        "allows_creation": False,
        "values": [{"label": each, "value": each, "path": None} for each in values],
    }


def _known(type: str) -> Kind:
    if type not in _TYPES:
        raise ApiError(404, "The connection type was not found.")
    return _TYPES[type][1]


_SCHEDULES = {
    "manual": ("Manual", {}),
    "continuous": ("Continuous", {}),
    "hourly": ("Hourly", {"minute": "string"}),
    "daily": ("Daily", {"hour": "string", "minute": "string"}),
    "weekly": ("Weekly", {"day_of_week": "string", "hour": "string", "minute": "string"}),
    "custom": ("Custom", {"month": "string", "day_of_month": "string", "hour": "string", "minute": "string"}),
    "runafter": ("After other syncs", {"run_after": "object", "run_after_success_only": "boolean"}),
    "dbtcloud": ("After a dbt Cloud job", {"connection_id": "string", "job_id": "integer"}),
}


def schedule_options() -> list[dict[str, Any]]:
    """Write the ways in which a model sync can be scheduled."""
    return [
        {
            "frequency": frequency,
            "label": label,
            "description": None,
            "configuration": {
                "type": "object",
                "properties": {name: {"type": json_type} for name, json_type in form.items()},
            },
        }
        for frequency, (label, form) in _SCHEDULES.items()
    ]
