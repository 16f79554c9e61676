"""Serve scripted responses on loopback, and record the requests."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request; ``target`` is the undecoded path and query, ``port`` that of the client."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    port: int

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Answer:
    """A scripted response; without a status the server closes the connection."""

    status: int | None = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def answer(payload: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(payload).encode(), {"Content-Type": "application/json", **named})


HANG_UP = Answer(None)


@contextmanager
def dripping(beginning: bytes, drops: int = 2000) -> Iterator[str]:
    """Serve an endless response, one byte each hundredth of a second.

    :param beginning: Bytes that are sent at once.
    :param drops: Maximum number of further bytes.
    """
    stopped = Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(beginning)
            for _ in range(drops):
                if stopped.wait(0.01):
                    return
                connection.sendall(b"x")

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopped.set()


class Server:
    """Send the scripted responses in order, and then the last one again and again."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.script: list[Answer] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def answers(self, *answers: Answer) -> None:
        self.received.clear()
        self.script[:] = answers

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.received.append(Received(self.command, self.path, headers, body, self.client_address[1]))
                scripted = server.script.pop(0) if len(server.script) > 1 else server.script[0]
                if scripted.status is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.wfile.write(_head(scripted) + scripted.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _serve

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        return Handler


def _head(scripted: Answer) -> bytes:
    headers = {"Content-Length": str(len(scripted.body)), **scripted.headers}
    lines = [f"HTTP/1.1 {scripted.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
