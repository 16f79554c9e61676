"""The emulator as an HTTP server on loopback, in its own thread."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_polytomic.emulator.control.methods import Controls
from airflow_provider_polytomic.emulator.control.routes import build_app
from airflow_provider_polytomic.emulator.domain.state import API_KEY, ORGANIZATION_ID
from airflow_provider_polytomic.emulator.http.webhook_dispatcher import WebhookDispatcher, is_loopback

_LINGER_ZERO = struct.pack("ii", 1, 0)
_DISPATCH_INTERVAL = 0.05
_Peer = tuple[str, int]


class Emulator(Controls):
    """Serve an emulated Polytomic while the ``with`` block runs.

    .. code-block:: python

        with Emulator() as emulator:
            sync = emulator.add_model_sync(duration=5, outcome="failed")
            client = PolytomicClient(api_key=emulator.api_key, base_url=emulator.url)
            client.send(syncs.start(sync.id))
            emulator.clock.advance(5)

    :param port: TCP port; 0 takes a free one. Default 0.
    :param host: loopback address, since the emulator accepts any caller; default ``127.0.0.1``.
    :param clock: callable that returns epoch seconds, or a ``Clock`` or ``ManualClock``; default the system time.
    :param api_key: API key that the emulator accepts; default ``emulator-key-not-a-secret``.
    :param organization_id: id of the organization; default a fixed UUID.
    :raises ValueError: if the host is not a loopback address.

    .. seealso::
        How-to: ``docs/testing.md``
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        clock: Callable[[], float] | None = None,
        api_key: str = API_KEY,
        organization_id: str = ORGANIZATION_ID,
    ) -> None:
        super().__init__(clock=clock, api_key=api_key, organization_id=organization_id)
        if not is_loopback(host):
            raise ValueError(f"The emulator serves loopback only, not {host!r}. Use 127.0.0.1, ::1 or localhost.")
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Emulator:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Start the server; it accepts requests when this returns.

        :raises OSError: if the port is in use.
        """
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="polytomic-emulator", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop the server and close its connections."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
            self._server = self._thread = None

    @property
    def url(self) -> str:
        """The base URL."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def airflow_connection(self) -> str:
        """The Airflow connection to this emulator, as JSON for ``AIRFLOW_CONN_POLYTOMIC_DEFAULT``."""
        return json.dumps({"conn_type": "polytomic", "host": self.url, "password": self.api_key})


class _Server(uvicorn.Server):
    """A uvicorn server that can reset single connections and stops without waiting for idle ones."""

    def __init__(self, controls: Controls) -> None:
        self._transports: dict[_Peer, asyncio.Transport] = {}
        self._dispatcher = WebhookDispatcher(controls._state)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                build_app(controls, self._reset_connection),
                http=_tracking(self._transports),
                loop="asyncio",
                ws="none",
                lifespan="off",
                timeout_keep_alive=75,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                access_log=False,
                log_config=None,
                log_level="critical",
            )
        )

    def _reset_connection(self, scope: Scope) -> None:
        """Close the connection of a request with a TCP reset, without a response."""
        transport = self._transports[tuple(scope["client"])]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()

    def stop(self) -> None:
        """Stop the server from another thread. Timers are not reliable here, since a test may have changed the time."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has seen the flag already and is closed
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        """Serve requests and deliver events until stopped."""
        self._loop = asyncio.get_running_loop()
        while not self.should_exit:
            self._dispatcher.dispatch()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _DISPATCH_INTERVAL)
        await self._dispatcher.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listeners and all connections at once."""
        for server in self.servers:
            server.close()
        for transport in list(self._transports.values()):
            transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(0)


def _tracking(transports: dict[_Peer, asyncio.Transport]) -> type[asyncio.Protocol]:
    """Return an HTTP protocol that keeps its open connections in ``transports``, by the address of the peer."""

    class TrackedProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            stream = cast(asyncio.Transport, transport)
            self._peer: _Peer = stream.get_extra_info("peername")[:2]
            transports[self._peer] = stream
            super().connection_made(stream)

        def connection_lost(self, exc: Exception | None) -> None:
            transports.pop(self._peer, None)
            super().connection_lost(exc)

    return TrackedProtocol


def _listen(host: str, port: int) -> socket.socket:
    """Listen before the thread runs, so that early callers wait instead of being refused."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
