"""Read the beginning of files behind signed URLs."""

from __future__ import annotations

import gzip
import itertools
import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.files import MAX_BYTES, _tls_settings, read_beginning
from tests.support.scripted_server import HANG_UP, Answer, dripping

from .conftest import KEY

CONFIG = ClientConfig(KEY, base_url="http://127.0.0.1:1")
SIGNED = "/errors/0000.csv?X-Amz-Signature=canary-5ignature"


def test_a_file_is_read_without_the_key(server):
    server.answers(Answer(200, b"a,b\n1,2\n"))
    assert read_beginning(server.url + SIGNED, CONFIG) == "a,b\n1,2\n"
    [request] = server.received
    assert request.target == SIGNED
    assert "authorization" not in request.headers
    assert KEY not in str(request)


def test_only_the_beginning_is_read_and_decompressed(server):
    server.answers(Answer(206, b"x" * 100_000))
    assert read_beginning(server.url + SIGNED, CONFIG) == "x" * MAX_BYTES
    server.answers(Answer(200, gzip.compress(b"y" * 10_000_000)))
    assert read_beginning(server.url + SIGNED, CONFIG) == "y" * MAX_BYTES


@pytest.mark.parametrize(
    "given",
    [
        Answer(404, b"gone"), Answer(403, b"expired"), HANG_UP, Answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
        Answer(200, b"\x1f\x8b broken"), Answer(200, b"x", {"Content-Encoding": "gzip"}),
        Answer(200, b"x", {"Content-Encoding": "br"}),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_none(server, given):
    server.answers(given)
    assert read_beginning(server.url + SIGNED, CONFIG) is None
    assert len(server.received) == 1


def test_only_the_beginning_of_a_compressed_response_is_decompressed(server):
    packed = gzip.compress(b"y" * 10_000_000)
    server.answers(Answer(200, packed, {"Content-Encoding": "gzip"}))
    assert read_beginning(server.url + SIGNED, CONFIG) == "y" * MAX_BYTES


def test_a_slow_response_is_cut_at_the_timeout():
    """Each byte arrives within the timeout of the HTTP client, and advances this clock by a second."""
    seconds = itertools.count()
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n") as url:
        beginning = read_beginning(url + SIGNED, CONFIG, clock=lambda: float(next(seconds)))
    assert beginning is not None
    assert 1 <= len(beginning) <= 10


@pytest.mark.parametrize("base_url", ["https://polytomic.example.com", "https://127.0.0.1:1", "http://x.example.com"])
def test_plain_http_needs_an_api_on_this_host(server, base_url):
    server.answers(Answer(200, b"a"))
    config = ClientConfig(KEY, base_url=base_url, allow_http=True)
    assert read_beginning(server.url + SIGNED, config) is None
    assert server.received == []


def test_files_are_verified_with_the_usual_authorities_and_the_ca_bundle(tmp_path):
    usual = _tls_settings("https://s3.test/f", CONFIG)
    both = _tls_settings("https://s3.test/f", ClientConfig(KEY, verify=str(_authority(tmp_path))))
    assert len(both.get_ca_certs()) == len(usual.get_ca_certs()) + 1 > 1


def _authority(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc).replace(tzinfo=None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now)
    builder = builder.not_valid_after(now + timedelta(days=1))
    certificate = builder.add_extension(x509.BasicConstraints(True, None), critical=True).sign(key, hashes.SHA256())
    bundle = folder / "ca.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return bundle


@pytest.mark.parametrize(("host", "checked"), [("polytomic.example.com", False), ("s3.test", True)])
def test_verify_false_holds_for_the_host_of_the_api_only(host, checked):
    config = ClientConfig(KEY, base_url="https://polytomic.example.com", verify=False)
    assert (_tls_settings(f"https://{host}/f", config) is not False) is checked


@pytest.mark.parametrize("url", ["http://files.example.com/a", "file:///etc/passwd", "ftp://x/a", "//x/a", ""])
def test_other_urls_are_not_requested(url, monkeypatch):
    monkeypatch.setattr("httpx.Client.stream", lambda *_, **__: pytest.fail("it was requested"))
    assert read_beginning(url, CONFIG) is None


def test_a_signed_url_is_not_logged(server, caplog):
    server.answers(Answer(200, b"a"))
    with caplog.at_level(logging.DEBUG):
        read_beginning(server.url + SIGNED, CONFIG)
    assert "canary-5ignature" not in caplog.text
