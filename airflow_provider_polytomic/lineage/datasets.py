"""Find the datasets that an execution read and wrote, and name them by the naming rules of OpenLineage."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_polytomic._task.deadline import run_with_deadline
from airflow_provider_polytomic.api import Call, PolytomicClient, PolytomicError, connections
from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.assets import SCHEME, AssetUri, host_of, path_in_organization
from airflow_provider_polytomic.executions import sync_kind
from airflow_provider_polytomic.lineage.columns import ColumnMapping, column_mappings

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import ClientConfig
    from airflow_provider_polytomic.executions import Execution

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


T = TypeVar("T")
RowCounts = list[tuple[DatasetName, int]]
Datasets = tuple[list[DatasetName], RowCounts]
InputColumns = dict[str, list[tuple[DatasetName, ColumnMapping]]]
log = logging.getLogger(__name__)

LINEAGE_TIMEOUT = 6.0
"""Seconds for all requests together; OpenLineage's listener allows 10 seconds and then drops the event."""


@dataclass(frozen=True)
class LineageDatasets:
    """The datasets of an execution.

    :param base_url: URL of Polytomic
    :param outputs: datasets with the number of rows that each received
    :param columns: for each field of the output of a model sync, the columns that it is written from
    """

    base_url: str
    inputs: Sequence[DatasetName]
    outputs: RowCounts
    columns: InputColumns = field(default_factory=dict)


def lineage_datasets(
    execution: Execution,
    config: ClientConfig,
    sync: Sync | BulkSync | None = None,
    *,
    organization_id: str | None = None,
    detailed: bool = False,
) -> LineageDatasets:
    """Return the datasets of an execution.

    If the sync or its target is not known, the outputs are named by the sync itself.

    :param config: settings of the client
    :param sync: settings of the sync; default: they are requested
    :param organization_id: organization, if the task names one, as in the URIs of its assets
    :param detailed: request the connections of the sync too, whose settings locate its datasets
    """
    quick = replace(config, timeout=LINEAGE_TIMEOUT, max_retries=0, max_requests_per_minute=None)
    with PolytomicClient(config=quick) as client:
        lookup = _Lookup(client)
        sync = sync or lookup.send(sync_kind(execution.kind).api.get(execution.sync_id), f"sync {execution.sync_id}")
        namer = _DatasetNamer(host_of(config.base_url), organization_id, lookup if detailed else None)
        inputs: list[DatasetName] = []
        outputs: RowCounts = []
        columns: InputColumns = {}
        if isinstance(sync, Sync):
            inputs, outputs = _model_sync_datasets(execution, sync, namer)
            columns = _input_columns(sync, namer) if outputs else {}
        elif isinstance(sync, BulkSync):
            inputs, outputs = _bulk_sync_datasets(execution, sync, namer)
        return LineageDatasets(config.base_url, inputs, outputs or _sync_itself(execution, namer), columns)


def _model_sync_datasets(execution: Execution, sync: Sync, namer: _DatasetNamer) -> Datasets:
    target = sync.target or {}
    connection_id = target.get("connection_id") or sync.target_connection_id
    name = target.get("object") or target.get("new_name") or sync.target_object
    inputs = [namer.of_model(model_id) for model_id in sync.model_ids]
    if not (connection_id and name):
        return inputs, []
    dataset = namer.in_connection(connection_id, target.get("configuration"), str(name))
    return inputs, [(dataset, execution.records_written)]


def _input_columns(sync: Sync, namer: _DatasetNamer) -> InputColumns:
    columns: InputColumns = {}
    for mapping in column_mappings(sync):
        columns.setdefault(mapping.target, []).append((namer.of_model(mapping.model_id), mapping))
    return columns


def _bulk_sync_datasets(execution: Execution, sync: BulkSync, namer: _DatasetNamer) -> Datasets:
    inputs, outputs = [], []
    for row in execution.schemas:
        source, destination = row["schema"], row["output_name"] or row["schema"]
        if sync.source_connection_id:
            inputs.append(namer.in_connection(sync.source_connection_id, sync.source_configuration, source))
        if sync.destination_connection_id:
            settings = sync.destination_configuration
            dataset = namer.in_connection(sync.destination_connection_id, settings, destination)
            outputs.append((dataset, row["record_count"] or 0))
    return inputs, outputs


def _sync_itself(execution: Execution, namer: _DatasetNamer) -> RowCounts:
    rows: list[tuple[str | None, int]] = [(row["schema"], row["record_count"] or 0) for row in execution.schemas]
    return [
        (namer.of_sync(execution.kind, execution.sync_id, schema), count)
        for schema, count in rows or [(None, execution.records_written)]
    ]


class _Lookup:
    """Send requests until their common deadline has passed."""

    def __init__(self, client: PolytomicClient) -> None:
        self._client = client
        self._deadline = monotonic() + LINEAGE_TIMEOUT

    def send(self, call: Call[T], subject: str) -> T | None:
        """Return the result of a call; None if the request fails or its time is up.

        :param subject: what is requested, for the log
        """
        remaining = self._deadline - monotonic()
        try:
            if remaining <= 0:
                raise TimeoutError(f"{LINEAGE_TIMEOUT:g} s are over")
            return run_with_deadline(lambda: self._client.send(call), remaining, name="polytomic-lineage")
        except (PolytomicError, TimeoutError) as error:
            log.warning("Lineage names datasets by the id of %s, which could not be read: %s", subject, error)
            return None


class _DatasetNamer:
    """Name datasets, with one request for each connection at most.

    :param host: host of Polytomic, the namespace of datasets that no connection locates
    :param organization_id: organization in the names of these datasets; None for none
    :param lookup: sends the requests; None sends none
    """

    def __init__(self, host: str, organization_id: str | None, lookup: _Lookup | None) -> None:
        self._host = host
        self._organization_id = organization_id
        self._lookup = lookup
        self._connections: dict[str, tuple[str, Mapping[str, Any]] | None] = {}

    def of_sync(self, kind: str, sync_id: str, schema: str | None) -> DatasetName:
        """Name a sync or one of its schemas, as its asset is named."""
        return self._in_polytomic(AssetUri(self._host, kind, sync_id, schema).path)

    def of_model(self, model_id: str) -> DatasetName:
        """Name a model."""
        return self._in_polytomic(f"models/{model_id}")

    def in_connection(self, connection_id: str, settings: Mapping[str, Any] | None, name: str) -> DatasetName:
        """Name a table, an object or a file in a connection.

        :param settings: how the sync uses the connection; may name the schema or dataset
        """
        connection = self._connection(connection_id)
        dataset = dataset_name_in(*connection, settings or {}, name) if connection else None
        if dataset:
            return dataset
        schema = (settings or {}).get("schema")
        return self._in_polytomic(f"connections/{connection_id}/{f'{schema}.{name}' if schema else name}")

    def _in_polytomic(self, name: str) -> DatasetName:
        return DatasetName(f"{SCHEME}://{self._host}", path_in_organization(name, self._organization_id))

    def _connection(self, connection_id: str) -> tuple[str, Mapping[str, Any]] | None:
        if self._lookup and connection_id not in self._connections:
            found = self._lookup.send(connections.get(connection_id), f"connection {connection_id}")
            type_id = found.type.id if found and found.type else None
            self._connections[connection_id] = (type_id or "", found.configuration or {}) if found else None
        return self._connections.get(connection_id)
