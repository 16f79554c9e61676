"""Serve the loopback API that every measured trigger polls: ``python -m benchmarks.api``, in its own process.

The API has numbered executions that end at planned times, and shows them in the form of each vendor's API. It reads
commands as JSON lines from standard input, and writes one response to each on standard output:

- ``{"do": "plan", "begin": …, "ends": […], "ages": […]}``: set the executions; ends are in seconds after ``begin``, or
  null
- ``{"do": "count"}``: return the number of requests and TCP connections so far, and the CPU time of the process

The process ends at the end of standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from benchmarks.identifiers import execution_id, number_of, sync_id

LATENCY = 0.05
KEEP_ALIVE = 75
"""Seconds that the server keeps an idle connection, as a usual reverse proxy does."""

EVENT_LAG = 1.0
"""Seconds between an end and its event in the feed."""

RECORDS_PER_SECOND = 10.0
"""Records that the execution of a model sync sends."""

SCHEMAS = ("account", "contact", "opportunity")


@dataclass
class Executions:
    """The start and the end of each execution by number, in seconds since the epoch."""

    begin: float = 0.0
    ends: list[float | None] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)

    def created(self, number: int) -> float:
        return self.begin - self.ages[number]

    def end(self, number: int) -> float | None:
        """Return the time when the execution ended; None if it is running."""
        after = self.ends[number]
        at = None if after is None else self.begin + after
        return at if at is not None and at <= time.time() else None


class Api:
    """Respond to requests by route, and count them."""

    def __init__(self, kind: str, events: bool) -> None:
        self.executions = Executions()
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self._event_type = {"model": "sync.completed", "bulk": "bulk_sync.completed"}[kind]
        self._events = events
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = [
            ("execution", re.compile(r"/api/syncs/[^/]+/executions/([^/]+)"), self._model_execution),
            ("batch status", re.compile(r"/api/bulk/syncs/status"), self._batch_status),
            ("execution", re.compile(r"/api/bulk/syncs/[^/]+/executions/([^/]+)"), self._bulk_execution),
            ("events", re.compile(r"/api/events"), self._feed),
            ("identity", re.compile(r"/api/me"), lambda _: {"data": {"id": sync_id(0)}}),
            ("job", re.compile(r"/jobs/(\d+)"), self._airbyte_job),
            ("token", re.compile(r"/v1/applications/token"), self._airbyte_token),
            ("run", re.compile(r"/api/v2/accounts/\d+/runs/(\d+)/"), self._dbt_run),
            ("connector", re.compile(r"/v1/connectors/(\d+)"), self._fivetran_connector),
            ("run", re.compile(r"/api/2\.\d/jobs/runs/get"), self._databricks_run),
        ]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond to one request after the latency."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await asyncio.sleep(LATENCY)
        status, answer = self._respond(scope["path"], parse_qs(scope["query_string"].decode()), body)
        payload = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(payload)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": payload})

    def _respond(self, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        for name, pattern, handle in self._routes:
            if match := pattern.fullmatch(path):
                self.requests[name] += 1
                if name == "events" and not self._events:
                    return 403, {"message": "This key cannot read events."}
                request = {"query": query, "body": body, "id": match[1] if pattern.groups else None}
                return 200, handle(request)
        self.requests["unknown"] += 1
        return 404, {"message": f"There is no path {path}."}

    def _execution(self, number: int, **fields: Any) -> Any:
        end = self.executions.end(number)
        began = _iso_format(self.executions.created(number))
        same = {"id": execution_id(number), "type": "manual", "status": "completed" if end else "running"}
        return {"data": {**same, "created_at": began, "started_at": began, "completed_at": _iso_format(end), **fields}}

    def _model_execution(self, request: dict[str, Any]) -> Any:
        number = number_of(request["id"])
        seconds = (self.executions.end(number) or time.time()) - self.executions.created(number)
        total = round(seconds * RECORDS_PER_SECOND)
        counts = {"total": total, "insert": total, "update": 0, "upserts": 0, "delete": 0, "error": 0}
        return self._execution(number, counts=counts, errors=[])

    def _bulk_execution(self, request: dict[str, Any]) -> Any:
        number = number_of(request["id"])
        end = self.executions.end(number)
        return self._execution(
            number,
            updated_at=_iso_format(end or time.time()),
            record_count=3000,
            error_count=0,
            warning_count=0,
            schemas=self._schemas(number, end),
        )

    def _batch_status(self, request: dict[str, Any]) -> Any:
        rows = []
        for each in request["query"].get("sync_id", []):
            number = number_of(each)
            end = self.executions.end(number)
            status = "completed" if end else "running"
            rows.append({"sync_id": each, "status": status, "schemas": self._schemas(number, end)})
        return {"data": rows}

    def _schemas(self, number: int, end: float | None) -> list[dict[str, Any]]:
        return [
            {
                "schema": schema,
                "execution_id": execution_id(number),
                "status": "completed" if end else "running",
                "record_count": 1000,
                "error_count": 0,
                "warning_count": 0,
                "started_at": _iso_format(self.executions.created(number)),
                "completed_at": _iso_format(end),
            }
            for schema in SCHEMAS
        ]

    def _feed(self, request: dict[str, Any]) -> Any:
        query = {name: values[-1] for name, values in request["query"].items()}
        after, before = _timestamp(query.get("starting_after")), _timestamp(query.get("ending_before"))
        if query.get("type") not in (None, self._event_type):
            return {"data": []}
        ended = [
            (end, number)
            for number in range(len(self.executions.ends))
            if (end := self.executions.end(number)) is not None
            and end + EVENT_LAG <= time.time()
            and (after is None or end > after)
            and (before is None or end < before)
        ]
        latest = sorted(ended, reverse=True)[: int(query.get("limit", 10))]
        return {"data": [self._event(number, end) for end, number in latest]}

    def _event(self, number: int, end: float) -> dict[str, Any]:
        return {
            "id": f"{self._event_type}/{number}",
            "type": self._event_type,
            "created_at": _iso_format(end),
            "event": {"execution_id": execution_id(number), "sync_id": sync_id(number), "sync_name": f"Sync {number}"},
        }

    def _airbyte_job(self, request: dict[str, Any]) -> Any:
        number = int(request["id"])
        return {
            "jobId": number,
            "jobType": "sync",
            "connectionId": sync_id(number),
            "startTime": _iso_format(self.executions.created(number)),
            "status": "succeeded" if self.executions.end(number) else "running",
        }

    def _airbyte_token(self, request: dict[str, Any]) -> Any:
        return {"access_token": "token", "token_type": "Bearer", "expires_in": 900}

    def _dbt_run(self, request: dict[str, Any]) -> Any:
        number = int(request["id"])
        return {"data": {"id": number, "status": 10 if self.executions.end(number) else 3}}

    def _fivetran_connector(self, request: dict[str, Any]) -> Any:
        end = self.executions.end(int(request["id"]))
        return {
            "code": "Success",
            "data": {
                "id": request["id"],
                "service": "postgres",
                "schema": "public",
                "schedule_type": "manual",
                "succeeded_at": _iso_format(end or self.executions.begin - 86400),
                "failed_at": None,
                "status": {"sync_state": "scheduled" if end else "syncing", "setup_state": "connected"},
            },
        }

    def _databricks_run(self, request: dict[str, Any]) -> Any:
        number = int(json.loads(request["body"])["run_id"])
        ended = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": ""}
        running = {"life_cycle_state": "RUNNING", "state_message": "In run"}
        return {"run_id": number, "state": ended if self.executions.end(number) else running, "tasks": []}


def _iso_format(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).isoformat()


def _timestamp(moment: str | None) -> float | None:
    return None if moment is None else datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


class _Server(uvicorn.Server):
    """Write the port to standard output when the server has started."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        _write_line({"port": self.servers[0].sockets[0].getsockname()[1]})


def _write_line(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _run_commands(api: Api, server: _Server) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "plan":
            api.executions = Executions(command["begin"], command["ends"], command["ages"])
            _write_line({})
        else:
            _write_line({"requests": dict(api.requests), "connections": api.connections, "cpu": time.process_time()})
    server.should_exit = True


def main() -> None:
    """Serve until standard input ends."""
    options = json.loads(sys.argv[1])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    api = Api(options["kind"], options["events"])

    class Counted(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            api.connections += 1
            super().connection_made(transport)

    config = uvicorn.Config(
        api,
        port=0,
        http=Counted,
        loop="uvloop",
        lifespan="off",
        interface="asgi3",
        log_level="error",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
        ssl_certfile=options["certificate"],
        ssl_keyfile=options["certificate"],
    )
    server = _Server(config)
    threading.Thread(target=_run_commands, args=(api, server), daemon=True).start()
    server.run()


if __name__ == "__main__":
    main()
