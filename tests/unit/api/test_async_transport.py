"""Connections of the asynchronous client, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_polytomic.api import AsyncPolytomicClient, Call, PolytomicTransportError, syncs
from airflow_provider_polytomic.api.models.base import Message

from .conftest import KEY

READ = syncs.get("1")
BODY = b'{"data": {"id": "1", "name": "n"}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Connections:
    """Answer the requests of each connection, and close it after some of them."""

    def __init__(self, requests: int = 1_000) -> None:
        self.count = 0
        self.heads: list[bytes] = []
        self._requests = requests

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        try:
            for _ in range(self._requests):
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a certificate of 127.0.0.1 and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    built = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
    ).add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(pem) + secret)
    return file


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_requests_in_succession_use_one_connection() -> None:
    handle = Connections()
    async with serving(handle) as port, AsyncPolytomicClient(KEY, base_url=f"http://127.0.0.1:{port}") as client:
        await asyncio.gather(client.send(READ), client.send(READ))
        for _ in range(5):
            await client.send(READ)
    assert handle.count == 2
    assert {head.partition(b"\r\n")[2] for head in handle.heads} == {handle.heads[0].partition(b"\r\n")[2]}
    assert b"\r\nAuthorization: Bearer " + KEY.encode() in handle.heads[0]


async def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    handle = Connections(requests=1)
    async with (
        serving(handle) as port,
        AsyncPolytomicClient(KEY, base_url=f"http://127.0.0.1:{port}", max_retries=0) as client,
    ):
        await client.send(READ)
        [connection] = client._connections._idle
        while not connection.has_expired():
            await asyncio.sleep(0)
        assert (await client.send(READ)).name == "n"
    assert handle.count == 2


async def test_a_canceled_request_closes_its_connection() -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        closed.set()
        writer.close()

    async with serving(never) as port, AsyncPolytomicClient(KEY, base_url=f"http://127.0.0.1:{port}") as client:
        sending = asyncio.ensure_future(client.send(READ))
        await asked.wait()
        sending.cancel()
        await asyncio.wait_for(closed.wait(), 30)
        assert sending.cancelled()
        assert client._connections._idle == []


async def test_a_handshake_that_does_not_end_times_out_as_not_sent() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with (
        serving(mute) as port,
        AsyncPolytomicClient(KEY, base_url=f"https://127.0.0.1:{port}", timeout=0.2, max_retries=0) as client,
    ):
        with pytest.raises(PolytomicTransportError, match="not established in time") as raised:
            await client.send(READ)
    assert raised.value.sent is False


@pytest.mark.parametrize("path", ["/api/a b", "/api/../x", "/api/é", "/api//x"])
async def test_an_unusual_path_is_sent_as_the_blocking_client_sends_it(path: str) -> None:
    handle = Connections()
    async with serving(handle) as port, AsyncPolytomicClient(KEY, base_url=f"http://127.0.0.1:{port}/root") as client:
        await client.send(Call("GET", path, Message))
        expected = client._http.build_request("GET", f"http://127.0.0.1:{port}/root{path}").url.raw_path
    assert handle.heads[0].split(b" ")[1] == expected


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
async def test_tls_goes_through_a_proxy(proxy_scheme: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handle, targets = Connections(), []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        targets.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[:2])
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(copy(reader, server_writer), copy(server_reader, writer), return_exceptions=True)

    tls = server_context(certificate)
    async with serving(handle, tls) as port, serving(proxy, tls if proxy_scheme == "https" else None) as proxy_port:
        through = f"{proxy_scheme}://127.0.0.1:{proxy_port}"
        async with AsyncPolytomicClient(
            KEY, base_url=f"https://127.0.0.1:{port}", verify=str(certificate), proxy=through
        ) as client:
            assert (await client.send(READ)).name == "n"
            assert (await client.send(READ)).name == "n"
    assert targets == [[b"CONNECT", f"127.0.0.1:{port}".encode()]]
    assert handle.count == 1


@pytest.mark.parametrize(
    ("head", "part"),
    [(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"), (b"", b"HTTP/1.1 102 Wait\r\n\r\n")],
    ids=["chunks", "interim responses"],
)
async def test_a_server_that_never_stops_sending_times_out(head: bytes, part: bytes) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        with suppress(OSError):
            while True:
                writer.write(part * 10_000)
                await writer.drain()

    async with (
        serving(flood) as port,
        AsyncPolytomicClient(KEY, base_url=f"http://127.0.0.1:{port}", timeout=0.2, max_retries=0) as client,
    ):
        with pytest.raises(PolytomicTransportError, match="did not end in time"):
            await client.send(READ)


async def test_a_proxy_that_closes_the_tunnel_at_once_is_a_transport_error() -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)
        writer.close()

    async with serving(proxy) as port:
        through = f"http://127.0.0.1:{port}"
        for _ in range(20):
            async with AsyncPolytomicClient(
                KEY, base_url="https://polytomic.example", proxy=through, max_retries=0
            ) as client:
                with pytest.raises(PolytomicTransportError) as raised:
                    await client.send(READ)
            assert raised.value.sent is False
