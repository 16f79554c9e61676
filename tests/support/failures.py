"""An organization in the emulator whose syncs fail, and the server of its files with records."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

SYNC = "248df4b7-aa70-47b8-a036-33ac447e668d"
BULK_SYNC = "c5b1d9f0-5e2f-4f6a-8a10-7d2f8b1a7c3e"
HUBSPOT = "0ab9c2d4-1111-4222-8333-444455556666"
WAREHOUSE = "1bc8d3e5-1111-4222-8333-444455556666"
MODEL = "2cd7e4f6-1111-4222-8333-444455556666"

RECORDS = b"email,error\nada@example.com,property 'phone' is not valid\ngrace@example.com,email exists already\n"


class FileServer(ThreadingHTTPServer):
    """Serves the same content for every signed URL.

    :param content: content of every file
    :param requests: path and headers of each request
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _FileRequest)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.content = RECORDS
        self.requests: list[tuple[str, dict[str, str]]] = []


class _FileRequest(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: Any) -> None:
        """Do not log requests."""


class Organization:
    """An organization with one model sync, one bulk sync and their connections.

    :param files: server of the files with records
    """

    def __init__(self, emulator: Any, files: FileServer, deferrable: bool) -> None:
        self.emulator = emulator
        self.files = files
        self.deferrable = deferrable
        emulator.add_connection(name="HubSpot production", type="hubspot", id=HUBSPOT)
        emulator.add_connection(name="Warehouse", type="postgresql", id=WAREHOUSE)
        emulator.add_model(connection_id=WAREHOUSE, name="Contacts", id=MODEL)

    def model_sync(self, **plan: Any) -> PolytomicStartSyncOperator:
        self.emulator.add_model_sync(
            name="Contacts to HubSpot", id=SYNC, target_connection_id=HUBSPOT, model_ids=[MODEL],
            **{"duration": 754, "log_every": 300, **plan},
        )  # fmt: skip
        return self.start()

    def start(self, **options: Any) -> PolytomicStartSyncOperator:
        return PolytomicStartSyncOperator(task_id="sync", sync_id=SYNC, deferrable=self.deferrable, **options)

    def bulk_sync(self, *, options: dict[str, Any] | None = None, **plan: Any) -> PolytomicStartBulkSyncOperator:
        self.emulator.add_bulk_sync(
            name="Billing to warehouse", id=BULK_SYNC, source_connection_id=HUBSPOT,
            destination_connection_id=WAREHOUSE, **{"duration": 90, "log_every": 300, **plan},
        )  # fmt: skip
        return PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_id=BULK_SYNC, deferrable=self.deferrable, **options or {}
        )

    def sensor(self, **options: Any) -> PolytomicSyncStatusSensor:
        return PolytomicSyncStatusSensor(
            task_id="wait", sync_id=SYNC, deferrable=self.deferrable, poke_interval=30, **options
        )

    def executions(self, *plans: dict[str, Any]) -> list[dict[str, Any]]:
        """Start an execution for each plan; those that end have ended."""
        executions = []
        for number, plan in enumerate(plans):
            sync = self.emulator.add_model_sync(id=f"sync-{number}", **{"duration": 60, **plan})
            executions.append({"kind": "model", "sync_id": sync.id, "execution_id": self.emulator.start(sync.id).id})
        self.emulator.clock.advance(60)
        return executions

    def sensor_for_many(self, executions: list[dict[str, Any]], **options: Any) -> PolytomicWaitForSyncsSensor:
        return PolytomicWaitForSyncsSensor(task_id="wait", runs=executions, deferrable=self.deferrable, **options)
