"""OpenLineage's names for what is behind a connection, as far as its settings say where that is."""

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
    """A dataset's name in a namespace."""

    namespace: str
    name: str


@dataclass(frozen=True)
class System:
    """How the places of one connection type are named.

    :param namespace: reads it from the settings of a connection; None where they do not say it
    :param database: settings of the connection, the first that there is, that hold what a schema is in
    :param schema: settings of the sync, the first that there is, that hold what a table is in
    """

    namespace: Callable[[Settings], str | None]
    database: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()


def place_in(type: str, connection: Settings, sync: Settings, name: str) -> DatasetName | None:
    """Return the place of a table, an object or a file; None where it cannot be named.

    :param type: id of the connection type
    :param connection: the connection's configuration
    :param sync: how the sync uses the connection
    :param name: what Polytomic calls the table, with or without its schema
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


def _at_host(scheme: str, port: int) -> Callable[[Settings], str | None]:
    def namespace(settings: Settings) -> str | None:
        host = _first(settings, "hostname", "host")
        return host and f"{scheme}://{host}:{settings.get('port') or port}"

    return namespace


def _redshift(settings: Settings) -> str | None:
    host = _first(settings, "hostname", "host") or ""
    cluster = _REDSHIFT_HOST.fullmatch(host)
    host = f"{cluster[1]}.{cluster[2]}" if cluster else host
    return f"redshift://{host}:{settings.get('port') or 5439}" if host else None


def _by(scheme: str, *names: str) -> Callable[[Settings], str | None]:
    """Take the namespace from a setting that is a host, a URL, an account or a bucket."""

    def namespace(settings: Settings) -> str | None:
        value = _first(settings, *names)
        place = (urlsplit(value).netloc if "://" in value else value.strip("/")) if value else ""
        return f"{scheme}://{place.rpartition('@')[2]}" if place else None

    return namespace


SYSTEMS = {
    "postgresql": System(_at_host("postgres", 5432), ("database",), ("schema",)),
    "mysql": System(_at_host("mysql", 3306), ("dbname", "database"), ()),
    "redshift": System(_redshift, ("database",), ("schema",)),
    "snowflake": System(_by("snowflake", "account"), ("dbname", "database"), ("schema",)),
    "bigquery": System(
        lambda settings: "bigquery",
        ("override_project_id", "wif_project_id", "project_id"),
        ("dataset", "schema"),
    ),
    "databricks": System(_by("databricks", "server_hostname"), ("catalog",), ("schema",)),
    "s3": System(_by("s3", "s3_bucket_name", "bucket")),
    "gcs": System(_by("gs", "bucket")),
    "salesforce": System(_by("salesforce", "instance_url", "instance_url_override", "domain")),
    "hubspot": System(_by("hubspot", "hub_domain", "hub_id")),
}
