"""An HTTP endpoint on loopback that receives deliveries to a webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class WebhookEndpoint:
    """Record deliveries.

    :param statuses: statuses of the next responses; then 200.
    :param received: headers, with lower-case names, and body of each delivery.
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, number: int) -> list[str]:
        """Wait until ``number`` deliveries have been received, and return their types."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= number, 10), self.received
        return [json.loads(body)["type"] for _, body in self.received]


@contextmanager
def webhook_endpoint() -> Iterator[WebhookEndpoint]:
    """Serve a webhook endpoint while the ``with`` block runs."""
    endpoint = WebhookEndpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with endpoint.changed:
                status = endpoint.statuses.pop(0) if endpoint.statuses else 200
                endpoint.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                endpoint.changed.notify_all()
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield endpoint
    server.shutdown()
    thread.join()
    server.server_close()
