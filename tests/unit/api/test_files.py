"""Files behind signed URLs: fetched with nothing of ours, and no more of them than is wanted."""

from __future__ import annotations

import gzip
import logging

import pytest

from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.files import read_beginning

from .conftest import KEY
from .server import HANG_UP, Answer

CONFIG = ClientConfig(KEY)
SIGNED = "/errors/0000.csv?X-Amz-Signature=canary-5ignature"


def test_the_beginning_is_read_without_the_key(server):
    server.answers(Answer(200, b"a,b\n1,2\n"))
    assert read_beginning(server.url + SIGNED, CONFIG) == "a,b\n1,2\n"
    [request] = server.received
    assert request.target == SIGNED
    assert "authorization" not in request.headers
    assert KEY not in str(request)


def test_no_more_is_read_than_wanted(server):
    server.answers(Answer(206, b"x" * 100_000))
    assert read_beginning(server.url + SIGNED, CONFIG, most=5000) == "x" * 5000
    server.answers(Answer(200, gzip.compress(b"y" * 10_000_000)))
    assert read_beginning(server.url + SIGNED, CONFIG, most=5000) == "y" * 5000


@pytest.mark.parametrize(
    "given",
    [
        Answer(404, b"gone"), Answer(403, b"expired"), HANG_UP, Answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
        Answer(200, b"\x1f\x8b broken"), Answer(200, b"x", {"Content-Encoding": "gzip"}),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_nothing(server, given):
    server.answers(given)
    assert read_beginning(server.url + SIGNED, CONFIG) is None
    assert len(server.received) == 1


@pytest.mark.parametrize("url", ["http://files.example.com/a", "file:///etc/passwd", "ftp://x/a", "//x/a", ""])
def test_only_https_or_this_host_is_asked(url, monkeypatch):
    monkeypatch.setattr("httpx.Client.stream", lambda *_, **__: pytest.fail("it was asked"))
    assert read_beginning(url, CONFIG) is None


def test_a_signed_url_is_not_logged(server, caplog):
    server.answers(Answer(200, b"a"))
    with caplog.at_level(logging.DEBUG):
        read_beginning(server.url + SIGNED, CONFIG)
    assert "canary-5ignature" not in caplog.text
