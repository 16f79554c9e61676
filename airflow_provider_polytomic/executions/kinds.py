"""The two kinds of sync, made one thing: the calls that each needs for the same purpose."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from airflow_provider_polytomic.api import bulk_syncs, syncs
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.base import Message, Page
from airflow_provider_polytomic.api.models.executions import (
    BulkSyncExecution,
    BulkSyncStatus,
    ConsoleLog,
    StartedExecution,
    SyncExecution,
    SyncStatus,
)
from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.executions.execution import Execution

E = TypeVar("E", SyncExecution, BulkSyncExecution)


class Kind(ABC, Generic[E]):
    """The calls of one kind of sync, and how its executions are read."""

    name: str
    label: str

    @abstractmethod
    def list(self, active: bool | None) -> Call[Page[Any]]:
        """Ask for all syncs of this kind that are, or are not, active."""

    @abstractmethod
    def status(self, sync_id: str) -> Call[Any]:
        """Ask for the current and the last execution."""

    @abstractmethod
    def start(self, sync_id: str, key: str, parameters: Mapping[str, Any]) -> Call[Any]:
        """Start an execution; the answer has its ``id``."""

    @abstractmethod
    def get(self, sync_id: str, execution_id: str) -> Call[E]:
        """Ask for one execution."""

    @abstractmethod
    def executions(self, sync_id: str) -> Call[Page[E]]:
        """Ask for all executions, the latest first."""

    @abstractmethod
    def cancel(self, sync_id: str, execution_id: str) -> Call[Message]:
        """Ask for the end of one execution."""

    @abstractmethod
    def sync(self, sync_id: str) -> Call[Any]:
        """Ask for the sync itself."""

    @abstractmethod
    def console(self, sync_id: str, execution_id: str, after: str | None, limit: int) -> Call[ConsoleLog]:
        """Ask for the console log of one execution, or for what is newer than a cursor."""

    @abstractmethod
    def read(self, sync_id: str, told: E) -> Execution:
        """Normalize an execution."""


class _ModelSyncs(Kind[SyncExecution]):
    name = "model"
    label = "model sync"

    def list(self, active: bool | None) -> Call[Page[Sync]]:
        return syncs.list(active=active)

    def status(self, sync_id: str) -> Call[SyncStatus]:
        return syncs.get_status(sync_id)

    def start(self, sync_id: str, key: str, parameters: Mapping[str, Any]) -> Call[StartedExecution]:
        return syncs.start(sync_id, idempotency_key=key, **parameters)

    def get(self, sync_id: str, execution_id: str) -> Call[SyncExecution]:
        return syncs.get_execution(sync_id, execution_id)

    def executions(self, sync_id: str) -> Call[Page[SyncExecution]]:
        return syncs.list_executions(sync_id)

    def cancel(self, sync_id: str, execution_id: str) -> Call[Message]:
        return syncs.cancel_execution(sync_id, execution_id)

    def sync(self, sync_id: str) -> Call[Sync]:
        return syncs.get(sync_id)

    def console(self, sync_id: str, execution_id: str, after: str | None, limit: int) -> Call[ConsoleLog]:
        return syncs.get_console_log(sync_id, execution_id, after=after, limit=limit)

    def read(self, sync_id: str, told: SyncExecution) -> Execution:
        return Execution.of_model_sync(sync_id, told)


class _BulkSyncs(Kind[BulkSyncExecution]):
    name = "bulk"
    label = "bulk sync"

    def list(self, active: bool | None) -> Call[Page[BulkSync]]:
        return bulk_syncs.list(active=active)

    def status(self, sync_id: str) -> Call[BulkSyncStatus]:
        return bulk_syncs.get_status(sync_id)

    def start(self, sync_id: str, key: str, parameters: Mapping[str, Any]) -> Call[BulkSyncExecution]:
        return bulk_syncs.start(sync_id, idempotency_key=key, **parameters)

    def get(self, sync_id: str, execution_id: str) -> Call[BulkSyncExecution]:
        return bulk_syncs.get_execution(sync_id, execution_id)

    def executions(self, sync_id: str) -> Call[Page[BulkSyncExecution]]:
        return bulk_syncs.list_executions(sync_id)

    def cancel(self, sync_id: str, execution_id: str) -> Call[Message]:
        return bulk_syncs.cancel_execution(sync_id, execution_id)

    def sync(self, sync_id: str) -> Call[BulkSync]:
        return bulk_syncs.get(sync_id)

    def console(self, sync_id: str, execution_id: str, after: str | None, limit: int) -> Call[ConsoleLog]:
        return bulk_syncs.get_console_log(sync_id, execution_id, after=after, limit=limit)

    def read(self, sync_id: str, told: BulkSyncExecution) -> Execution:
        return Execution.of_bulk_sync(sync_id, told)


MODEL = _ModelSyncs()
BULK = _BulkSyncs()


def sync_kind(name: str) -> Kind[Any]:
    """Return the kind of this name, ``model`` or ``bulk``.

    :raises ValueError: if there is no such kind
    """
    for kind in (MODEL, BULK):
        if kind.name == name:
            return kind
    raise ValueError(f"there is no kind of sync named {name!r}, only 'model' and 'bulk'")
