"""A statsd server on loopback that keeps what arrives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

END = b"end of the server"


@dataclass
class StatsdServer:
    """Keep packets of the form ``<name>,<tag>=<value>,…:<value>|<type>``.

    :param port: UDP port on loopback
    :param packets: packets in the order of their arrival
    """

    port: int
    packets: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that let Airflow send its metrics here."""
        settings = {
            "STATSD_ON": "True",
            "STATSD_HOST": "127.0.0.1",
            "STATSD_PORT": str(self.port),
            "STATSD_PREFIX": "airflow",
            "STATSD_INFLUXDB_ENABLED": "True",
        }
        return {f"AIRFLOW__METRICS__{name}": value for name, value in settings.items()}

    def sum(self, name: str, since: int = 0, **tags: str) -> float:
        """Add up the values of a metric.

        :param name: name with its prefix
        :param since: number of packets to leave out
        :param tags: tags that a packet must have
        """
        total = 0.0
        for packet in self.packets[since:]:
            key, _, value = packet.partition(":")
            found, *pairs = key.split(",")
            if found == name and {f"{tag}={each}" for tag, each in tags.items()} <= set(pairs):
                total += float(value.partition("|")[0])
        return total


@contextmanager
def statsd_server() -> Iterator[StatsdServer]:
    """Run a server; at the end, wait until it has read all packets that were sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        server = StatsdServer(listening.getsockname()[1])

        def receive() -> None:
            while (packet := listening.recv(65_536)) != END:
                server.packets.extend(packet.decode(errors="replace").splitlines())

        thread = threading.Thread(target=receive, daemon=True, name="statsd")
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
                sending.sendto(END, ("127.0.0.1", server.port))
            thread.join()
