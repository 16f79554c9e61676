"""A stand-in for the part of Airflow's REST API that creates asset events."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class AirflowServer:
    """The assets, their events, and the requests received.

    :param token: valid token
    :param password: password of the user ``webhook``
    :param status: status code of every response but the login's, if it is an error
    :param body: body of every response, if it is not None
    :param before: called with the path before each response
    """

    url: str = ""
    token: str = "token-1"
    password: str = "password-of-the-user"
    status: int = 200
    body: str | None = None
    before: Callable[[str], None] = lambda path: None
    assets: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def add_asset(self, uri: str) -> None:
        self.assets.append({"id": len(self.assets) + 1, "uri": uri})

    def answer(self, method: str, target: str, token: str, body: Any) -> tuple[int, Any]:
        parts, query = urlsplit(target), {name: each[-1] for name, each in parse_qs(urlsplit(target).query).items()}
        self.requests.append((method, parts.path))
        if parts.path == "/auth/token":
            right = body == {"username": "webhook", "password": self.password}
            return (201, {"access_token": self.token}) if right else (401, {"detail": "Invalid credentials"})
        if token != f"Bearer {self.token}":
            return 401, {"detail": "Not authenticated"}
        if self.status >= 400:
            return self.status, {"detail": "An error"}
        if (method, parts.path) == ("POST", "/api/v2/assets/events"):
            self.events.append({**body, "id": len(self.events), "timestamp": datetime.now(timezone.utc).isoformat()})
            return 200, self.events[-1]
        if parts.path == "/api/v2/assets":
            found = [each for each in self.assets if query["uri_pattern"] in each["uri"]]
            return 200, self.page("assets", found, query)
        of_asset = [each for each in self.events if each["asset_id"] == int(query["asset_id"])]
        since = datetime.fromisoformat(query["timestamp_gte"])
        recent = [each for each in of_asset if datetime.fromisoformat(each["timestamp"]) >= since]
        return 200, self.page("asset_events", recent[::-1], query)

    @staticmethod
    def page(name: str, rows: list[Any], query: dict[str, str]) -> dict[str, Any]:
        begin = int(query["offset"])
        return {name: rows[begin : begin + int(query["limit"])], "total_entries": len(rows)}


@contextmanager
def serving() -> Iterator[AirflowServer]:
    """Run the stand-in on loopback."""
    airflow = AirflowServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            airflow.before(self.path)
            status, response = airflow.answer(self.command, self.path, self.headers.get("authorization", ""), body)
            text = (airflow.body if airflow.body is not None else json.dumps(response)).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # the client may have closed the connection
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    airflow.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield airflow
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
