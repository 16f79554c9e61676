"""State of the emulated organization, in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import Clock, timestamp
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.plans import Plan
from airflow_provider_polytomic.emulator.domain.syncs import BULK, Sync
from airflow_provider_polytomic.emulator.domain.webhooks import Webhook

API_KEY = "emulator-key-not-a-secret"
PARTNER_KEY = "emulator-partner-key-not-a-secret"
DEPLOYMENT_KEY = "emulator-deployment-key-not-a-secret"
ORGANIZATION_ID = "00000000-0000-4000-8000-00000000e301"
ORGANIZATION_NAME = "Emulated Organization"
USER_ID = "00000000-0000-4000-8000-00000000e302"
USER_EMAIL = "emulator@example.com"
_ACTOR = {"id": USER_ID, "name": USER_EMAIL, "type": "user"}
JOB_TYPES = ("createmodel", "updatemodel", "previewmodel", "samplemodel", "exportlogs", "connectionproxy")


@dataclass(eq=False)
class Model:
    """One model: a query whose rows model syncs send.

    :param fields: its columns, with the API's names: ``name``, ``label``, ``type``, …
    """

    id: str
    name: str
    connection_id: str
    created_at: float
    updated_at: float
    type: str = "Table"
    configuration: Mapping[str, Any] = field(default_factory=dict)
    identifier: str = "id"
    fields: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Job:
    """One background job.

    :param duration: seconds until it ends; ``math.inf`` never ends.
    :param result: its result, shown once it is done.
    :param error: cause of its failure; None: it succeeds.
    """

    id: str
    type: str
    created_at: float
    duration: float
    result: Any = None
    error: str | None = None

    def status(self, now: float) -> str:
        """Return its status at ``now``."""
        elapsed = now - self.created_at
        if elapsed >= self.duration:
            return "done" if self.error is None else "failed"
        return "created" if elapsed < min(1.0, self.duration / 10) else "running"

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the job as the API shows it."""
        status = self.status(now)
        result = self.result if status == "done" else None
        error = self.error if status == "failed" else None
        return {"job_id": self.id, "type": self.type, "status": status, "result": result, "error": error}


def audit_fields(changed: Sync | Connection | Model) -> dict[str, Any]:
    """Return the times and authors of a creation and the last change as the API shows them."""
    created_at, updated_at = timestamp(changed.created_at), timestamp(changed.updated_at)
    return {"created_at": created_at, "created_by": _ACTOR, "updated_at": updated_at, "updated_by": _ACTOR}


@dataclass(eq=False)
class State:
    """The organization with its syncs, connections, models, jobs and webhook.

    The server and tests use it in different threads; each of them holds ``lock`` meanwhile.

    :param partner_key: key of the partner that the organization belongs to.
    :param deployment_key: key of the whole installation.
    """

    clock: Clock = field(default_factory=Clock)
    api_key: str = API_KEY
    organization_id: str = ORGANIZATION_ID
    partner_key: str = PARTNER_KEY
    deployment_key: str = DEPLOYMENT_KEY
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Clear everything but the clock, the keys and the organization."""
        self.behavior = Behavior()
        self.organizations = {self.organization_id: ORGANIZATION_NAME}
        self.syncs: dict[str, Sync] = {}
        self.deleted_syncs: list[Sync] = []
        self.models: dict[str, Model] = {}
        self.connections: dict[str, Connection] = {}
        self.jobs: dict[str, Job] = {}
        self.webhook: Webhook | None = None

    def sync(self, sync_id: str, kind: str | None = None) -> Sync:
        """Return the sync ``sync_id``, of one ``kind`` or of any.

        :raises ApiError: if there is none.
        """
        sync = self.syncs.get(sync_id)
        if sync is None or kind not in (None, sync.kind):
            raise ApiError(404, "The sync was not found.")
        return sync

    def syncs_of(self, kind: str) -> list[Sync]:
        """Return all syncs of one ``kind``."""
        return [each for each in self.syncs.values() if each.kind == kind]

    def add_sync(
        self, kind: str, name: str, plan: Plan, attributes: dict[str, Any], *, id: str | None = None, **more: Any
    ) -> Sync:
        """Add a sync."""
        now = self.clock()
        sync = Sync(id or str(uuid4()), kind, name, plan, now, now, attributes=attributes, **more)
        self.syncs[sync.id] = sync
        return sync

    def delete_sync(self, sync: Sync) -> None:
        """Delete a sync and cancel its executions, which still end and have events."""
        sync.cancel(self.clock())
        self.deleted_syncs.append(self.syncs.pop(sync.id))

    def execution(self, execution_id: str) -> Execution:
        """Return the execution ``execution_id`` of any sync.

        :raises ApiError: if there is none.
        """
        for sync in self.syncs.values():
            for each in sync.executions:
                if each.id == execution_id:
                    return each
        raise ApiError(404, "The execution was not found.")

    def connection(self, connection_id: str) -> Connection:
        """Return the connection ``connection_id`` of the organization.

        :raises ApiError: if there is none.
        """
        connection = self.connections.get(connection_id)
        if connection is None or connection.organization_id != self.organization_id:
            raise ApiError(404, "The connection was not found.")
        return connection

    def add_connection(
        self, *, name: str, type: str, configuration: Mapping[str, Any], id: str | None = None, **more: Any
    ) -> Connection:
        """Add a connection; names may repeat."""
        now = self.clock()
        more.setdefault("organization_id", self.organization_id)
        more.setdefault("status", self.behavior.connection_status)
        connection = Connection(id or str(uuid4()), name, type, dict(configuration), now, now, **more)
        self.connections[connection.id] = connection
        return connection

    def copies(self, connection: Connection) -> list[Connection]:
        """Return the copies of a connection in other organizations."""
        return [each for each in self.connections.values() if each.parent_id == connection.id]

    def delete_connection(self, connection: Connection, *, force: bool) -> None:
        """Delete a connection and its copies, and with ``force`` the models and syncs that use it.

        :raises ApiError: if something uses it and ``force`` is not set.
        """
        models = {each.id: each for each in self.models.values() if each.connection_id == connection.id}
        syncs = [each for each in self.syncs.values() if connection.id in each.connections.values()]
        if (models or syncs) and not force:
            users = [
                *(("fieldset", each.name, each.id) for each in models.values()),
                *(("bulk_sync" if each.kind == BULK else "sync", each.name, each.id) for each in syncs),
            ]
            used_by = [{"type": type, "name": name, "id": id} for type, name, id in users]
            raise ApiError(422, "connection in use", {"used_by": used_by})
        readers = [
            each for each in self.syncs.values() if not models.keys().isdisjoint(each.attributes.get("model_ids", ()))
        ]
        for sync in {each.id: each for each in (*syncs, *readers)}.values():
            self.delete_sync(sync)
        for model_id in models:
            del self.models[model_id]
        for each in (connection, *self.copies(connection)):
            del self.connections[each.id]

    def try_configuration(self, configuration: Mapping[str, Any]) -> None:
        """Test a configuration, which fails if the switch ``connection_failure`` or its own field ``fail`` says so.

        :raises ApiError: if it fails.
        """
        message = configuration.get("fail") or self.behavior.connection_failure
        if message:
            raise ApiError(self.behavior.connection_failure_status, str(message))

    def add_job(self, type: str, *, duration: float, result: Any = None, error: str | None = None) -> Job:
        """Begin a job."""
        job = Job(str(uuid4()), type, self.clock(), duration, result, error)
        self.jobs[job.id] = job
        return job
