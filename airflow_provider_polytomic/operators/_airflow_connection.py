"""Read an Airflow connection of any type as the configuration of a Polytomic connection."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

if TYPE_CHECKING:
    from airflow.sdk import Connection

DATABASE_FIELDS = ("database", "dbname", "db", "database_name")

SYNONYMS: dict[str, tuple[str, ...]] = {
    "host": ("hostname", "host", "server", "server_hostname", "address"),
    "port": ("port",),
    "login": ("username", "user", "login", "access_key_id", "aws_access_key_id", "access_id", "account"),
    "password": ("password", "passwd", "secret_access_key", "aws_secret_access_key", "secret_key"),
    "schema": (*DATABASE_FIELDS, "schema"),
    "account": ("account", "account_identifier"),
    "database": DATABASE_FIELDS,
    "dbname": DATABASE_FIELDS,
    "warehouse": ("warehouse",),
    "role": ("role",),
    "region": ("region", "aws_region", "s3_bucket_region"),
    "region_name": ("region", "aws_region", "s3_bucket_region"),
    "role_arn": ("role_arn", "iam_role_arn", "aws_role_arn"),
    "aws_access_key_id": ("aws_access_key_id", "access_key_id", "access_id"),
    "aws_secret_access_key": ("aws_secret_access_key", "secret_access_key", "secret_key"),
    "bucket": ("bucket", "bucket_name", "s3_bucket_name"),
    "bucket_name": ("bucket", "bucket_name", "s3_bucket_name"),
    "project": ("project_id", "project"),
    "project_id": ("project_id", "project"),
    "location": ("location", "region"),
    "keyfile_dict": ("service_account", "service_account_key", "service_account_credentials", "credentials"),
    "private_key_content": ("private_key",),
}
"""What Polytomic's connection types call a field or an extra of an Airflow connection; the first known name is used."""

_EXTRA_PREFIX = re.compile(r"extra__[a-z0-9_]+?__")
_BOOLEANS = {"true": True, "false": False}


def read_extra(connection: Connection, conn_id: str) -> dict[str, Any]:
    """Return the extra of an Airflow connection.

    :raises PolytomicRequestRefused: if it is not a JSON object
    """
    try:
        extra = json.loads(connection.extra or "{}")
    except (ValueError, RecursionError):
        extra = None
    if not isinstance(extra, dict):
        raise PolytomicRequestRefused(
            f"The extra of the Airflow connection {conn_id!r} is not a JSON object. Next: correct it"
        )
    return extra


def fields_of(connection: Connection, extra: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a Polytomic connection that an Airflow connection has.

    An extra that is named like a setting takes precedence. Settings that the type does not have are left out. If the
    schema of the type names no setting, the result is the extra and the password.

    :param extra: extra of the connection
    :param properties: properties of the JSON Schema of the type's configuration
    """
    extras = {_EXTRA_PREFIX.sub("", name, count=1): value for name, value in extra.items() if _is_given(value)}
    if not properties:
        return {**extras, **({"password": connection.password} if connection.password else {})}
    fields = {name: value for name, value in extras.items() if name in properties}
    standard = {name: getattr(connection, name) for name in ("host", "port", "login", "password", "schema")}
    # Where the extra has the database, as in Snowflake's connections, the field "schema" is a schema.
    names = SYNONYMS | ({"schema": ("schema",)} if DATABASE_FIELDS[0] in extras or "dbname" in extras else {})
    # Extras take precedence: the extra "account" of Snowflake is the account, not the login.
    for name, value in {**extras, **standard}.items():
        known = next((each for each in names.get(name, ()) if each in properties), None)
        if known and _is_given(value):
            fields.setdefault(known, value)
    return fields


def with_types(configuration: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration whose texts are numbers, booleans and objects where the type asks for them.

    :raises PolytomicRequestRefused: if a setting has no value of its type
    """
    return {name: _converted(name, value, properties.get(name)) for name, value in configuration.items()}


def _is_given(value: Any) -> bool:
    return value is not None and value != ""


def _converted(name: str, value: Any, schema: Any) -> Any:
    types = _types(schema)
    if isinstance(value, str) and types and "string" not in types:
        return _parsed(name, value.strip(), types)
    if types == {"string"} and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if types == {"string"} and isinstance(value, (dict, list)):
        return json.dumps(value)
    return value


def _types(schema: Any) -> set[str]:
    declared = schema.get("type") if isinstance(schema, Mapping) else None
    listed: Iterable[Any] = declared if isinstance(declared, list) else [declared]
    return {each for each in listed if isinstance(each, str)} - {"null"}


def _parsed(name: str, text: str, types: set[str]) -> Any:
    if "boolean" in types and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if types & {"integer", "number"} and re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    if "number" in types and re.fullmatch(r"[+-]?\d{1,18}\.\d{1,18}", text):
        return float(text)
    if types & {"object", "array"}:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    if not types <= {"integer", "number", "boolean", "object", "array"}:
        return text
    raise PolytomicRequestRefused(
        f"The setting {name!r} of the connection is not of the type {' or '.join(sorted(types))}. Next: correct it in "
        "configuration or in the Airflow connection"
    )
