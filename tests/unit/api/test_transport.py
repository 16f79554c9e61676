"""Limits of a response, proxies, certificates and faults of the environment, with both clients."""

from __future__ import annotations

import os
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest

from airflow_provider_polytomic.api import (
    AsyncPolytomicClient,
    Call,
    ClientConfig,
    PolytomicClient,
    PolytomicResponseError,
    PolytomicTransportError,
    syncs,
)
from airflow_provider_polytomic.api.config import is_loopback
from airflow_provider_polytomic.api.models.base import Model
from airflow_provider_polytomic.api.transport import tls_context
from tests.support.scripted_server import Answer, Server, answer, dripping

from .conftest import KEY

READ = syncs.get("1")
SYNC = answer({"data": {"id": "1", "name": "n"}})
MIB = 2**20
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def proxy() -> Iterator[Server]:
    server = Server()
    server.answers(SYNC)
    yield server
    server.close()


@cache
def compressed(size: int, window_bits: int) -> bytes:
    compressor = zlib.compressobj(1, wbits=window_bits)
    parts = [compressor.compress(bytes(MIB)) for _ in range(size // MIB)]
    return b"".join([*parts, compressor.flush()])


def packed(content: bytes, window_bits: int) -> bytes:
    compressor = zlib.compressobj(wbits=window_bits)
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_small_response_that_unpacks_to_a_huge_one_is_refused(coding, server, driver):
    server.answers(Answer(200, compressed(200 * MIB, 31 if coding == "gzip" else 15), {"Content-Encoding": coding}))
    tracemalloc.start()
    try:
        with pytest.raises(PolytomicResponseError, match=r"GET /api/syncs/1: .* it is larger than 16 MiB"):
            driver.send(READ, max_retries=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * MIB


@pytest.mark.parametrize("status", [200, 500])
def test_a_huge_response_is_refused(status, server, driver):
    server.answers(Answer(status, b" " * (65 * MIB)))
    with pytest.raises(Exception, match="it is larger than 16 MiB") as raised:
        driver.send(READ, max_retries=0)
    assert type(raised.value).__name__ == ("PolytomicResponseError" if status == 200 else "PolytomicServerError")


@pytest.mark.parametrize("window_bits", [15, -15])
def test_both_forms_of_deflate_are_decompressed(window_bits, server, sync_driver):
    server.answers(Answer(200, packed(SYNC.body, window_bits), {"Content-Encoding": "deflate"}))
    assert sync_driver.send(READ).name == "n"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "deflate, gzip", "x-unknown"])
def test_a_compression_that_was_not_requested_is_refused(coding, server, sync_driver):
    server.answers(Answer(200, packed(packed(SYNC.body, 31), 31), {"Content-Encoding": coding}))
    with pytest.raises(PolytomicResponseError, match="compressed in a way that was not requested"):
        sync_driver.send(READ, max_retries=0)
    assert server.received[0].headers["accept-encoding"] == "gzip, deflate"


def test_a_truncated_compressed_response_is_refused(server, sync_driver):
    server.answers(Answer(200, packed(SYNC.body, 31)[:-9], {"Content-Encoding": "gzip"}))
    with pytest.raises(PolytomicResponseError, match="since it is truncated"):
        sync_driver.send(READ, max_retries=0)


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["in a header", "in the body", "from the first byte", "after an interim response"],
)
def test_a_response_that_arrives_byte_by_byte_ends_at_the_timeout(beginning, driver):
    """Each byte arrives within the timeout, which the HTTP library applies to each read."""
    with dripping(beginning) as url, pytest.raises(PolytomicTransportError, match="did not end in time") as raised:
        driver.send(READ, base_url=url, timeout=0.3, max_retries=0)
    assert raised.value.sent


def test_the_timeout_of_a_call_limits_the_whole_response(sync_driver):
    call = READ.with_timeout(0.3)
    with (
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ") as url,
        pytest.raises(PolytomicTransportError, match="did not end in time"),
    ):
        sync_driver.send(call, base_url=url, timeout=60)


def test_a_connection_is_used_again_after_a_deadline_has_passed(server):
    server.answers(SYNC)
    with PolytomicClient(KEY, base_url=server.url) as client:
        client.send(READ)
        with dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ") as url:
            slow = PolytomicClient(KEY, base_url=url, timeout=0.1, max_retries=0)
            with slow, pytest.raises(PolytomicTransportError):
                slow.send(READ)
        assert client.send(READ).name == "n"


class _WhereRead(Model):
    def model_post_init(self, context: Any) -> None:
        _WhereRead.thread = threading.current_thread().name

    thread: Any = None


@pytest.mark.parametrize(
    ("size", "coding", "thread"),
    [
        (15_000, "identity", "MainThread"),
        (70_000, "identity", "polytomic-decoder_0"),
        (1_000, "gzip", "MainThread"),
        (10_000_000, "gzip", "polytomic-decoder_0"),
    ],
)
async def test_a_large_response_is_read_beside_the_event_loop(size, coding, thread, server):
    body = b'{"data": {"text": "' + b"x" * size + b'"}}'
    headers = {"Content-Encoding": coding} if coding == "gzip" else {}
    server.answers(Answer(200, packed(body, 31) if coding == "gzip" else body, headers))
    async with AsyncPolytomicClient(KEY, base_url=server.url) as client:
        await client.send(Call.get(_WhereRead, "/x"))
    assert _WhereRead.thread == thread


def test_cookies_are_not_kept(server, driver):
    server.answers(answer({}, 500, Set_Cookie="a=b"), SYNC)
    driver.send(READ)
    assert "cookie" not in server.received[1].headers


@pytest.mark.parametrize("status", [600, 700, 999])
def test_a_response_with_an_unknown_status_is_no_success(status, server, driver):
    server.answers(Answer(status, SYNC.body))
    with pytest.raises(PolytomicResponseError, match=rf"a status that HTTP does not know \({status}\)"):
        driver.send(READ, max_retries=0)


@pytest.mark.parametrize("location", ["http://[::1", "http://exa mple/", "\x7f", "//a..b/", "javascript:alert(1)", ""])
def test_a_redirect_is_refused_wherever_it_leads(location, server, driver):
    server.answers(Answer(302, headers={"Location": location}))
    with pytest.raises(PolytomicResponseError, match=r"the response is a redirect \(302\)"):
        driver.send(READ, max_retries=0)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "fault", [UnicodeError("label too long"), httpx.InvalidURL("x"), OverflowError(), KeyError("k")]
)
def test_a_fault_that_the_library_lets_through_is_a_transport_error(fault):
    def fail(request: httpx.Request) -> httpx.Response:
        raise fault

    client = PolytomicClient(KEY, transport=httpx.MockTransport(fail), max_retries=0)
    with (
        client,
        pytest.raises(PolytomicTransportError, match="the host, the port or a header") as raised,
    ):
        client.send(READ)
    assert raised.value.sent is False
    assert raised.value.__context__ is None


def test_a_ca_bundle_is_read_again_only_after_a_change(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes())
    first = tls_context(str(bundle))
    assert tls_context(str(bundle)) is first
    os.utime(bundle, (1, 1))
    assert tls_context(str(bundle)) is not first


LOOPBACK = [
    "127.0.0.1",
    "127.8.9.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "::1",
]
LOOPBACK += ["::ffff:127.0.0.1", "0:0:0:0:0:0:0:1"]


def test_every_spelling_of_loopback_is_recognized():
    assert [host for host in LOOPBACK if not is_loopback(host)] == []
    others = [
        "127.0.0.1.example.com",
        "localhost.example.com",
        "10.0.0.1",
        "0.0.0.0",
        "::",
        "128.1",
        "127",
        "1 7.1",
        "",
    ]
    assert [host for host in others if is_loopback(host)] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
def test_no_proxy_of_the_environment_sees_a_request_to_this_host(host, server, proxy, driver, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    server.answers(SYNC)
    assert driver.send(READ, base_url=server.url.replace("127.0.0.1", host)).name == "n"
    assert (len(server.received), proxy.received) == (1, [])


def test_a_proxy_of_the_environment_is_used_for_other_hosts(proxy, driver, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    driver.send(READ, base_url="http://polytomic.test", allow_http=True)
    assert [request.target for request in proxy.received] == ["http://polytomic.test/api/syncs/1"]
    monkeypatch.setenv("NO_PROXY", "polytomic.test")
    with pytest.raises(PolytomicTransportError):
        driver.send(READ, base_url="http://polytomic.test", allow_http=True, max_retries=0)
    assert len(proxy.received) == 1


def test_a_proxy_that_does_not_answer_is_named(driver, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(PolytomicTransportError, match="through the proxy of the environment variable HTTPS_PROXY"):
        driver.send(READ, base_url="https://polytomic.test", max_retries=0)
    with pytest.raises(PolytomicTransportError, match="through the proxy of the connection"):
        driver.send(READ, base_url="https://polytomic.test", proxy="http://127.0.0.1:2", max_retries=0)


def test_a_given_proxy_on_this_host_is_used(proxy, driver):
    driver.send(READ, proxy=proxy.url, base_url="http://127.0.0.1:1")
    assert [request.target for request in proxy.received] == ["http://127.0.0.1:1/api/syncs/1"]


def test_a_given_proxy_does_not_get_the_key_in_clear():
    with pytest.raises(ValueError, match="unencrypted to the proxy: use https"):
        ClientConfig(KEY, base_url="http://127.0.0.1:1", proxy="http://proxy.test:3128")
    assert ClientConfig(KEY, base_url="http://127.0.0.1:1", proxy="http://proxy.test:3128", allow_http=True)
    assert ClientConfig(KEY, proxy="http://proxy.test:3128")


UNUSABLE = {
    "SSL_CERT_FILE": ("/no/such/bundle.pem", "the environment variable SSL_CERT_FILE names '/no/such/bundle.pem'"),
    "SSL_CERT_DIR": ("/no/such/directory", "the environment variable SSL_CERT_DIR names '/no/such/directory'"),
    "HTTPS_PROXY": ("ftp://u:canary@proxy.test", "the environment variable HTTPS_PROXY is not the URL of a proxy"),
    "https_proxy": (
        "http://u:canary@proxy.test:port",
        "environment variable https_proxy is not the URL of a proxy",
    ),
    "HTTP_PROXY": ("http://[::1", "the environment variable HTTP_PROXY is not the URL of a proxy"),
    "ALL_PROXY": ("socks5://u:canary@proxy.test:1080", "ALL_PROXY is a SOCKS proxy, which needs the package socksio"),
    "http_proxy": ("http://u:canary@127.0.0.1:99999", "environment variable http_proxy is not the URL of a proxy"),
    "all_proxy": ("http://", "the environment variable all_proxy is not the URL of a proxy"),
    "SSLKEYLOGFILE": ("/no/such/directory/log", "SSLKEYLOGFILE names '/no/such/directory/log', which is not a file to"),
    "NO_PROXY": ("http://[::canary", "the environment variable NO_PROXY has an entry that cannot be read"),
}


@pytest.mark.parametrize(("name", "value", "message"), [(name, *rest) for name, rest in UNUSABLE.items()], ids=UNUSABLE)
def test_an_unusable_setting_of_the_environment_is_named(name, value, message, driver, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message) as raised:
        driver.send(READ, base_url="https://polytomic.test")
    assert "canary" not in str(raised.value)
    assert raised.value.__context__ is None or raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"proxy": "socks5://u:canary@proxy.test:1080"}, "proxy is a SOCKS proxy, which needs the package socksio"),
        ({"proxy": "http://u:canary@127.0.0.1:99999"}, "proxy is not the URL of a proxy"),
        ({"verify": "/no/such/bundle.pem"}, "verify names '/no/such/bundle.pem', which is not a CA bundle"),
    ],
)
def test_an_unusable_setting_of_the_client_is_named(setting, message, driver):
    with pytest.raises(ValueError, match=message) as raised:
        driver.send(READ, base_url="https://polytomic.test", **setting)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://app..example", "https://.example", "http://[::1]evil.example", "https://[::1%eth0]", "https://a b.x",
        "https://polytomic\u200b.example", "\ufeffpolytomic.example", "https://polytomic.example:99999",
        "https://polytomic.example:0", "https://" + "a" * 64 + ".example", "https://" + "a." * 130 + "example",
        "https://poly_tomic!.example", "https://polytomic.example\\evil", "https://xn--a.\u2603", "https://host/a\x01b",
    ],
)  # fmt: skip
def test_a_mistyped_address_is_refused_in_one_sentence(address):
    with pytest.raises(ValueError, match=r"^the host ") as raised:
        ClientConfig(KEY, base_url=address)
    assert type(raised.value) is ValueError
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e300])
def test_an_absurd_timeout_is_refused(timeout):
    with pytest.raises(ValueError, match="timeout must be a number of seconds above 0"):
        ClientConfig(KEY, timeout=timeout)
