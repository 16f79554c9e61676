"""A proxy in front of Airflow's execution API that can answer some requests itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import httpx

HOP_HEADERS = {"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}


class FailingProxy:
    """Forward requests to a server, except those that are to fail with 503.

    Use it as a context manager.

    :param port: Port on loopback.
    :param target_port: Port of the server.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.url, self.target_port = f"http://127.0.0.1:{port}", target_port
        self._failing: str | None = None
        client = httpx.Client(base_url=f"http://127.0.0.1:{target_port}", timeout=60, trust_env=False)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if proxy._must_fail(self.path):
                    self.reply(503, b"", {})
                    return
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_HEADERS}
                response = client.request(self.command, self.path, content=body, headers=headers)
                self.reply(response.status_code, response.content, dict(response.headers))

            def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in HOP_HEADERS:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward

        self._client = client
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> FailingProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    @contextmanager
    def failing(self, path: str) -> Iterator[None]:
        """Answer requests whose path ends so with 503 while the ``with`` block runs."""
        self._failing = path
        try:
            yield
        finally:
            self._failing = None

    def _must_fail(self, path: str) -> bool:
        failing = self._failing
        return failing is not None and path.endswith(failing)
