"""Name the datasets of a connection by OpenLineage's naming rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Settings = Mapping[str, Any]

_REDSHIFT_HOST = re.compile(r"([^.]+)\.[^.]+\.([^.]+)\.redshift(-serverless)?\.amazonaws\.com", re.IGNORECASE)


@dataclass(frozen=True)
class DatasetName:
    """The name of a dataset in its namespace."""

    namespace: str
    name: str


@dataclass(frozen=True)
class System:
    """The naming rule of one connection type.

    :param namespace: returns the namespace from the settings of a connection; None if they lack it
    :param database: settings of the connection for the database; the first one that is set
    :param schema: settings of the sync for the schema; the first one that is set
    """

    namespace: Callable[[Settings], str | None]
    database: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()


def dataset_name_in(type: str, connection: Settings, sync: Settings, name: str) -> DatasetName | None:
    """Return the name of a table, an object or a file; None if the settings do not locate it.

    :param type: id of the connection type
    :param connection: configuration of the connection
    :param sync: how the sync uses the connection
    :param name: name of the table in Polytomic, with or without its schema
    """
    system = SYSTEMS.get(type)
    namespace = system.namespace(connection) if system else None
    if not system or not namespace:
        return None
    schema = None if "." in name else _first(sync, *system.schema)
    return DatasetName(
        namespace, ".".join(part for part in (_first(connection, *system.database), schema, name) if part)
    )


def _first(settings: Settings, *names: str) -> str | None:
    return next((str(settings[name]) for name in names if settings.get(name)), None)


def _host_and_port(scheme: str, port: int) -> Callable[[Settings], str | None]:
    def namespace(settings: Settings) -> str | None:
        host = _first(settings, "hostname", "host")
        return host and f"{scheme}://{host}:{settings.get('port') or port}"

    return namespace


def _redshift(settings: Settings) -> str | None:
    host = _first(settings, "hostname", "host") or ""
    cluster = _REDSHIFT_HOST.fullmatch(host)
    host = f"{cluster[1]}.{cluster[2]}" if cluster else host
    return f"redshift://{host}:{settings.get('port') or 5439}" if host else None


def _authority(scheme: str, *names: str) -> Callable[[Settings], str | None]:
    """Build the namespace from a setting that is a host, a URL, an account or a bucket."""

    def namespace(settings: Settings) -> str | None:
        value = _first(settings, *names)
        authority = (urlsplit(value).netloc if "://" in value else value.strip("/")) if value else ""
        return f"{scheme}://{authority.rpartition('@')[2]}" if authority else None

    return namespace


SYSTEMS = {
    "postgresql": System(_host_and_port("postgres", 5432), ("database",), ("schema",)),
    "mysql": System(_host_and_port("mysql", 3306), ("dbname", "database"), ()),
    "redshift": System(_redshift, ("database",), ("schema",)),
    "snowflake": System(_authority("snowflake", "account"), ("dbname", "database"), ("schema",)),
    "bigquery": System(
        lambda settings: "bigquery", ("override_project_id", "wif_project_id", "project_id"), ("dataset", "schema")
    ),
    "databricks": System(_authority("databricks", "server_hostname"), ("catalog",), ("schema",)),
    "s3": System(_authority("s3", "s3_bucket_name", "bucket")),
    "gcs": System(_authority("gs", "bucket")),
    "salesforce": System(_authority("salesforce", "instance_url", "instance_url_override", "domain")),
    "hubspot": System(_authority("hubspot", "hub_domain", "hub_id")),
}
