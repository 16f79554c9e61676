"""From where to where an execution has moved rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass, replace
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic.api import Call, PolytomicClient, PolytomicError, connections
from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.assets import SCHEME, AssetUri, host_of
from airflow_provider_polytomic.executions import sync_kind
from airflow_provider_polytomic.lineage.naming import DatasetName, place_in

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import ClientConfig
    from airflow_provider_polytomic.executions import Execution

T = TypeVar("T")
log = logging.getLogger(__name__)

PATIENCE = 6.0
"""Seconds for all requests together; OpenLineage's listener gives all of its work 10, and tells nothing after them."""


@dataclass(frozen=True)
class LineageDatasets:
    """What an execution has read and written.

    :param outputs: places, each with the number of rows that it received
    """

    base_url: str
    inputs: tuple[DatasetName, ...]
    outputs: tuple[tuple[DatasetName, int], ...]


def flow_of(execution: Execution, config: ClientConfig, *, detailed: bool = False) -> LineageDatasets:
    """Ask Polytomic for the sync of an execution, and say what it has moved.

    Where the sync cannot be had, what was written goes by the name of the sync's own asset.

    :param config: settings of a client
    :param detailed: ask for the connections of the sync too, whose settings say where its data really is
    """
    hasty = replace(config, timeout=PATIENCE, max_retries=0, max_requests_per_minute=None)
    with PolytomicClient(config=hasty) as client:
        asker = _Asker(client)
        sync = asker.ask(sync_kind(execution.kind).sync(execution.sync_id), f"execution {execution.id} by its sync")
        places = _Places(host_of(config.base_url), asker if detailed else None)
        if isinstance(sync, Sync):
            return _of_model_sync(execution, sync, places, config.base_url)
        if isinstance(sync, BulkSync):
            return _of_bulk_sync(execution, sync, places, config.base_url)
        return LineageDatasets(config.base_url, (), tuple(_by_sync(execution, places)))


def _of_model_sync(execution: Execution, sync: Sync, places: _Places, base_url: str) -> LineageDatasets:
    target = sync.target or {}
    connection_id = target.get("connection_id") or sync.target_connection_id
    name = target.get("object") or target.get("new_name") or sync.target_object
    inputs = tuple(places.own(f"models/{model_id}") for model_id in sync.model_ids)
    if not (connection_id and name):
        return LineageDatasets(base_url, inputs, tuple(_by_sync(execution, places)))
    target_place = places.behind(connection_id, target.get("configuration"), str(name))
    return LineageDatasets(base_url, inputs, ((target_place, _written(execution)),))


def _of_bulk_sync(execution: Execution, sync: BulkSync, places: _Places, base_url: str) -> LineageDatasets:
    inputs, outputs = [], []
    for row in execution.schemas:
        source, destination = row["schema"], row["output_name"] or row["schema"]
        if sync.source_connection_id:
            inputs.append(places.behind(sync.source_connection_id, sync.source_configuration, source))
        if sync.destination_connection_id:
            place = places.behind(sync.destination_connection_id, sync.destination_configuration, destination)
            outputs.append((place, row["record_count"] or 0))
    return LineageDatasets(base_url, tuple(inputs), tuple(outputs or _by_sync(execution, places)))


def _by_sync(execution: Execution, places: _Places) -> list[tuple[DatasetName, int]]:
    names = [(row["schema"], row["record_count"] or 0) for row in execution.schemas]
    return [
        (places.own(AssetUri(places.host, execution.kind, execution.sync_id, schema).path), rows)
        for schema, rows in names or [(None, _written(execution))]
    ]


def _written(execution: Execution) -> int:
    """Count the rows that reached the target; the API does not always say what became of each."""
    counts = execution.counts
    written = counts["insert"] + counts["update"] + counts["upserts"] + counts["delete"]
    return written or max(0, counts["total"] - counts["error"])


class _Asker:
    """Asks until its time is over, then for nothing more.

    Each request has a thread, since the timeouts of a request hold for its parts, and none for the look-up of a name.
    """

    def __init__(self, client: PolytomicClient) -> None:
        self._client = client
        self._deadline = time.monotonic() + PATIENCE

    def ask(self, call: Call[T], told: str) -> T | None:
        """Return the answer; None where there is none in time.

        :param told: what is named by what only without it, for the log
        """
        left = self._deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            return self._begin(call).result(left)
        except (PolytomicError, TimeoutError) as error:
            log.warning("Lineage names %s only: %s", told, str(error) or "there was no time left")
            return None

    def _begin(self, call: Call[T]) -> Future[T]:
        answer: Future[T] = Future()

        def send() -> None:
            try:
                answer.set_result(self._client.send(call))
            except Exception as error:
                answer.set_exception(error)

        Thread(target=send, daemon=True).start()
        return answer


class _Places:
    """Names places; asks for each connection once, where it may ask at all.

    :param host: host of Polytomic, the namespace of all that has no better one
    :param asker: None: ask nobody
    """

    def __init__(self, host: str, asker: _Asker | None) -> None:
        self.host = host
        self._asker = asker
        self._known: dict[str, tuple[str, Mapping[str, Any]] | None] = {}

    def own(self, name: str) -> DatasetName:
        """Name what is Polytomic's own."""
        return DatasetName(f"{SCHEME}://{self.host}", name)

    def behind(self, connection_id: str, settings: Mapping[str, Any] | None, name: str) -> DatasetName:
        """Name a table, an object or a file behind a connection.

        :param settings: how the sync uses the connection; may say in which schema or dataset of it
        """
        known = self._look(connection_id)
        place = place_in(*known, settings or {}, name) if known else None
        if place:
            return place
        schema = (settings or {}).get("schema")
        return self.own(f"connections/{connection_id}/{f'{schema}.{name}' if schema else name}")

    def _look(self, connection_id: str) -> tuple[str, Mapping[str, Any]] | None:
        if self._asker is None:
            return None
        if connection_id not in self._known:
            found = self._asker.ask(connections.get(connection_id), f"connection {connection_id} by its id")
            type_id = found.type.id if found and found.type else None
            self._known[connection_id] = (type_id or "", found.configuration or {}) if found else None
        return self._known[connection_id]
