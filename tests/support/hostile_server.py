"""Serve Polytomic's API with answers that no API should send, as soon as the waits have begun."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

_EXECUTION = re.compile(r"/api/(bulk/)?syncs/([^/]+)/executions(?:/([^/?]+))?$")
_STATUS = re.compile(r"/api/(bulk/)?syncs/([^/]+)/status$")


class HostilePolytomic:
    """Answer as Polytomic does until :attr:`hostile` is set, and then according to the id of the sync.

    :attr:`polls` has the times of the polls of each execution, :attr:`ended` the syncs whose executions have ended.
    """

    def __init__(self) -> None:
        self.hostile = False
        self.ended: set[str] = set()
        self.polls: dict[str, list[float]] = {}
        self.url = ""

    def answer(self, method: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Return status, body and headers of the response."""
        path = path.partition("?")[0]
        if path == "/api/me":
            return self._half_a_pair("")
        if path == "/api/events":
            return _json({"data": _events() if self.hostile else []})
        if _STATUS.match(path):
            return _json({"data": {}})
        if path == "/api/bulk/syncs/status":
            return _json({"data": []})
        found = _EXECUTION.match(path)
        if not found:
            return _json({"message": "not found", "status": 404}, 404)
        bulk, sync_id, execution_id = found.groups()
        if method == "POST":
            return _json({"data": {"id": f"execution-of-{sync_id}", "status": "created"}})
        if execution_id is None:
            return _json({"data": []})
        self.polls.setdefault(f"{bulk or ''}{execution_id}", []).append(time.monotonic())
        if self.hostile and sync_id != "innocent":
            return getattr(self, f"_{sync_id}")(execution_id)
        status = "completed" if sync_id in self.ended else "running"
        return _json({"data": {"id": execution_id, "status": status, "completed_at": _now() if self.ended else None}})

    def _half_a_pair(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        return 422, rb'{"message": "bad \ud800 id \u0000", "status": 422}', {}

    def _long_error(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        return _json({"message": "http://a" * 20_000, "status": 422}, 422)

    def _wrong_type(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        return _json({"message": "\x1b[31mred\n2026-01-01 INFO forged", "key": "k", "status": 403}, 403)

    def _huge_count(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        return _json({"data": {"id": execution_id, "status": "completed", "counts": {"total": 10**20}}})

    def _gzip_bomb(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        if len(self.polls[execution_id]) % 20:  # each one takes a fraction of a second to read
            return self._another_id(execution_id)
        return 200, _bomb(), {"Content-Encoding": "gzip"}

    def _another_id(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        return _json({"data": {"id": "another", "status": "completed"}})

    def _deeply_nested(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        return 200, b"[" * 100_000, {}

    def _errors_as_objects(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        return _json({"data": {"id": [execution_id], "status": "completed", "errors": [{"message": "m"}]}})

    def _gone(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        return _json({"message": "gone", "status": 410}, 410)

    def _failed_with_control_characters(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        text = rb'"a\u0000b \ud800 \u001b[31m\u202e"'
        return 200, b'{"data": {"id": "%s", "status": "failed", "errors": [%s]}}' % (execution_id.encode(), text), {}

    def _many_schemas(self, execution_id: str) -> tuple[int, bytes, dict[str, str]]:
        rows = [{"schema": f"schema_{n}", "status": "failed" if n == 4999 else "completed"} for n in range(5000)]
        return _json({"data": {"id": execution_id, "status": "completed", "schemas": rows}})


def _json(payload: Any, status: int = 200) -> tuple[int, bytes, dict[str, str]]:
    return status, json.dumps(payload).encode(), {}


@cache
def _bomb() -> bytes:
    return gzip.compress(b"[" + b"0," * 100_000_000 + b"0]", 1)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def _events() -> list[Any]:
    """Return events that cannot be read, and one that can, with a name that cannot be stored as it is."""
    event = {"sync_id": "innocent", "execution_id": "ended", "sync_name": "a\x00b\ud800"}
    return [
        7, None, [[]], {}, {"type": {}},
        {"id": "1", "type": "sync.completed", "created_at": "0001-01-01T00:00:00Z", "event": event},
        {"id": "2", "type": "sync.completed", "created_at": _now(), "event": []},
        {"id": "3", "type": "sync.completed", "created_at": _now(), "event": {**event, "execution_id": "\ud800"}},
        {"id": "4", "type": "sync.completed", "created_at": _now(), "event": event},
    ]  # fmt: skip


@contextmanager
def hostile_polytomic() -> Iterator[HostilePolytomic]:
    """Serve it while the ``with`` block runs."""
    polytomic = HostilePolytomic()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body, headers = polytomic.answer(self.command, self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    polytomic.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield polytomic
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
