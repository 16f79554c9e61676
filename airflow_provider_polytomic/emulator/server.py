"""Run the emulator as an HTTP server on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import cast

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_polytomic.emulator.control.methods import Controls
from airflow_provider_polytomic.emulator.control.routes import build_control_app
from airflow_provider_polytomic.emulator.domain.state import API_KEY, ORGANIZATION_ID, State
from airflow_provider_polytomic.emulator.http.app import build_app
from airflow_provider_polytomic.emulator.http.webhook_dispatcher import WebhookDispatcher, is_loopback

_LINGER_ZERO = struct.pack("ii", 1, 0)
_LOOKS_EVERY = 0.05
_Peer = tuple[str, int]


class Emulator(Controls):
    """Serve an emulated Polytomic while the ``with`` block runs.

    :param port: TCP port; 0 takes a free one.
    :param host: a loopback address; anything else is refused, since the emulator protects nothing.
    :param clock: gives epoch seconds; default the time of day.
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
            raise ValueError(f"The emulator serves loopback only, not {host!r}.")
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Emulator:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Start to serve; requests are accepted when this returns.

        :raises OSError: when the port is taken.
        """
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._server = _Server(self._state, self)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="polytomic-emulator", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop to serve and cut what is still connected."""
        if self._server is not None and self._thread is not None:
            self._server.end()
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
    """A uvicorn server that can reset single connections and ends without waiting for idle ones."""

    def __init__(self, state: State, controls: Controls) -> None:
        self._transports: dict[_Peer, asyncio.Transport] = {}
        self._courier = WebhookDispatcher(state)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told_to_end = asyncio.Event()
        app = build_app(state, build_control_app(controls), self._reset)
        super().__init__(
            uvicorn.Config(
                app,
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

    def _reset(self, scope: Scope) -> None:
        """Cut the connection of a request with a TCP reset, leaving its caller without an answer."""
        transport = self._transports[tuple(scope["client"])]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()

    def end(self) -> None:
        """Stop to serve; called from another thread. Timers may be off here, where a test has turned the time."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told_to_end.set)

    async def main_loop(self) -> None:
        """Serve and deliver until told to end."""
        self._loop = asyncio.get_running_loop()
        while not self.should_exit:
            self._courier.look()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._told_to_end.wait(), _LOOKS_EVERY)
        await self._courier.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listeners and every connection at once."""
        for server in self.servers:
            server.close()
        for transport in list(self._transports.values()):
            transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(0)


def _tracking(transports: dict[_Peer, asyncio.Transport]) -> type[asyncio.Protocol]:
    """Make an HTTP protocol that notes each open connection in ``transports``, by the address of its peer."""

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
    """Listen before the thread runs, so that a caller who comes early waits instead of being turned away."""
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
