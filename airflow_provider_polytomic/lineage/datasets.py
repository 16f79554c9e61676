"""Find the datasets that an execution read and wrote."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic._task.deadline import run_with_deadline
from airflow_provider_polytomic.api import Call, PolytomicClient, PolytomicError, connections
from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.assets import SCHEME, AssetUri, host_of
from airflow_provider_polytomic.executions import sync_kind
from airflow_provider_polytomic.lineage.naming import DatasetName, dataset_name_in

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import ClientConfig
    from airflow_provider_polytomic.executions import Execution

T = TypeVar("T")
RowCounts = list[tuple[DatasetName, int]]
Datasets = tuple[list[DatasetName], RowCounts]
log = logging.getLogger(__name__)

LINEAGE_TIMEOUT = 6.0
"""Seconds for all requests together; OpenLineage's listener allows 10 seconds and then drops the event."""


@dataclass(frozen=True)
class LineageDatasets:
    """The datasets of an execution.

    :param base_url: URL of Polytomic
    :param outputs: datasets with the number of rows that each received
    """

    base_url: str
    inputs: Sequence[DatasetName]
    outputs: RowCounts


def lineage_datasets(execution: Execution, config: ClientConfig, *, detailed: bool = False) -> LineageDatasets:
    """Request the sync of an execution and return its datasets.

    If the sync or its target is not known, the outputs are named by the sync itself.

    :param config: settings of the client
    :param detailed: request the connections of the sync too, whose settings locate its datasets
    """
    quick = replace(config, timeout=LINEAGE_TIMEOUT, max_retries=0, max_requests_per_minute=None)
    with PolytomicClient(config=quick) as client:
        lookup = _Lookup(client)
        sync = lookup.send(sync_kind(execution.kind).api.get(execution.sync_id), f"sync {execution.sync_id}")
        namer = _DatasetNamer(host_of(config.base_url), lookup if detailed else None)
        inputs: list[DatasetName] = []
        outputs: RowCounts = []
        if isinstance(sync, Sync):
            inputs, outputs = _model_sync_datasets(execution, sync, namer)
        elif isinstance(sync, BulkSync):
            inputs, outputs = _bulk_sync_datasets(execution, sync, namer)
        return LineageDatasets(config.base_url, inputs, outputs or _sync_itself(execution, namer))


def _model_sync_datasets(execution: Execution, sync: Sync, namer: _DatasetNamer) -> Datasets:
    target = sync.target or {}
    connection_id = target.get("connection_id") or sync.target_connection_id
    name = target.get("object") or target.get("new_name") or sync.target_object
    inputs = [namer.in_polytomic(f"models/{model_id}") for model_id in sync.model_ids]
    if not (connection_id and name):
        return inputs, []
    dataset = namer.in_connection(connection_id, target.get("configuration"), str(name))
    return inputs, [(dataset, _rows_written(execution))]


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
        (namer.in_polytomic(AssetUri(namer.host, execution.kind, execution.sync_id, schema).path), count)
        for schema, count in rows or [(None, _rows_written(execution))]
    ]


def _rows_written(execution: Execution) -> int:
    """Count the rows that reached the target; the API does not always count inserts, updates and deletes."""
    counts = execution.counts
    written = counts["insert"] + counts["update"] + counts["upserts"] + counts["delete"]
    return written or max(0, counts["total"] - counts["error"])


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
    :param lookup: sends the requests; None sends none
    """

    def __init__(self, host: str, lookup: _Lookup | None) -> None:
        self.host = host
        self._lookup = lookup
        self._connections: dict[str, tuple[str, Mapping[str, Any]] | None] = {}

    def in_polytomic(self, name: str) -> DatasetName:
        """Name something in Polytomic itself."""
        return DatasetName(f"{SCHEME}://{self.host}", name)

    def in_connection(self, connection_id: str, settings: Mapping[str, Any] | None, name: str) -> DatasetName:
        """Name a table, an object or a file in a connection.

        :param settings: how the sync uses the connection; may name the schema or dataset
        """
        connection = self._connection(connection_id)
        dataset = dataset_name_in(*connection, settings or {}, name) if connection else None
        if dataset:
            return dataset
        schema = (settings or {}).get("schema")
        return self.in_polytomic(f"connections/{connection_id}/{f'{schema}.{name}' if schema else name}")

    def _connection(self, connection_id: str) -> tuple[str, Mapping[str, Any]] | None:
        if self._lookup and connection_id not in self._connections:
            found = self._lookup.send(connections.get(connection_id), f"connection {connection_id}")
            type_id = found.type.id if found and found.type else None
            self._connections[connection_id] = (type_id or "", found.configuration or {}) if found else None
        return self._connections.get(connection_id)
