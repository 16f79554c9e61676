"""Hold everything the emulator knows, in memory and without HTTP."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import Clock
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.jobs import Job
from airflow_provider_polytomic.emulator.domain.models import Model
from airflow_provider_polytomic.emulator.domain.syncs import Sync
from airflow_provider_polytomic.emulator.domain.webhooks import Webhook
from airflow_provider_polytomic.emulator.http.faults import Faults
from airflow_provider_polytomic.emulator.http.idempotency import IdempotencyStore

API_KEY = "emulator-key-not-a-secret"
PARTNER_KEY = "emulator-partner-key-not-a-secret"
DEPLOYMENT_KEY = "emulator-deployment-key-not-a-secret"
ORGANIZATION_ID = "00000000-0000-4000-8000-00000000e301"
ORGANIZATION_NAME = "Emulated Organization"
USER_ID = "00000000-0000-4000-8000-00000000e302"
USER_EMAIL = "emulator@example.com"


@dataclass
class RecordedRequest:
    """One request that came in.

    :param path: the path as it was sent, percent-encoded.
    :param auth: ``bearer``, ``basic`` or None; never the key itself.
    :param body: the JSON body with secrets masked.
    :param status: status sent; None while there is none, and for a connection that was cut.
    :param replayed: whether the answer was the kept outcome of an Idempotency-Key.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    at: float
    auth: str | None = None
    version: str | None = None
    user_agent: str | None = None
    idempotency_key: str | None = None
    body: Any = None
    status: int | None = None
    replayed: bool = False


@dataclass(eq=False)
class State:
    """The organization, its syncs, connections and the rest, and what was done to them.

    :param partner_key: key of the partner that the organization belongs to.
    :param deployment_key: key of the whole installation.

    Whoever touches it holds ``lock``: the server's thread and a test's thread both do.
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
        """Forget everything but the clock, the key and the organization."""
        self.behavior = Behavior()
        self.organizations = {self.organization_id: ORGANIZATION_NAME}
        self.syncs: dict[str, Sync] = {}
        self.deleted_syncs: list[Sync] = []
        self.models: dict[str, Model] = {}
        self.connections: dict[str, Connection] = {}
        self.jobs: dict[str, Job] = {}
        self.webhook: Webhook | None = None
        self.idempotency = IdempotencyStore(self.behavior)
        self.faults = Faults()
        self.requests: list[RecordedRequest] = []

    def sync(self, sync_id: str, kind: str | None = None) -> Sync:
        """Give the sync ``sync_id``, of one ``kind`` or of any."""
        sync = self.syncs.get(sync_id)
        if sync is None or kind not in (None, sync.kind):
            raise ApiError(404, "The sync was not found.")
        return sync

    def syncs_of(self, kind: str) -> list[Sync]:
        """Give all syncs of one ``kind``."""
        return [each for each in self.syncs.values() if each.kind == kind]

    def delete_sync(self, sync: Sync) -> None:
        """Delete a sync and cancel what it runs; its executions go on to their end and still have events."""
        for each in sync.running(self.clock()):
            each.request_cancel(self.clock())
        self.deleted_syncs.append(self.syncs.pop(sync.id))

    def execution(self, execution_id: str) -> Execution:
        """Give the execution ``execution_id`` of whichever sync."""
        for sync in self.syncs.values():
            for each in sync.executions:
                if each.id == execution_id:
                    return each
        raise ApiError(404, "The execution was not found.")

    def connection(self, connection_id: str) -> Connection:
        """Give the connection ``connection_id``."""
        connection = self.connections.get(connection_id)
        if connection is None or connection.organization_id != self.organization_id:
            raise ApiError(404, "The connection was not found.")
        return connection

    def add_connection(
        self, *, name: str, type: str, configuration: Mapping[str, Any], id: str | None = None, **more: Any
    ) -> Connection:
        """Add a connection; two may have one name."""
        now = self.clock()
        more.setdefault("organization_id", self.organization_id)
        more.setdefault("status", self.behavior.connection_status)
        connection = Connection(id or str(uuid4()), name, type, dict(configuration), now, now, **more)
        self.connections[connection.id] = connection
        return connection

    def copies(self, connection: Connection) -> list[Connection]:
        """Give the copies of a connection in other organizations."""
        return [each for each in self.connections.values() if each.parent_id == connection.id]

    def try_configuration(self, configuration: Mapping[str, Any]) -> None:
        """Pretend to reach the system behind a connection; fail where told to by the configuration or a switch."""
        message = configuration.get("fail") or self.behavior.connection_failure
        if message:
            raise ApiError(self.behavior.connection_failure_status, str(message))

    def add_job(
        self, type: str, *, duration: float, result: Any = None, error: str | None = None, id: str | None = None
    ) -> Job:
        """Begin a job."""
        job = Job(id or str(uuid4()), type, self.clock(), duration, result, error)
        self.jobs[job.id] = job
        return job
