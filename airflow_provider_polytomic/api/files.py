"""Files behind signed URLs, which stand apart from the API: they are fetched without the key."""

from __future__ import annotations

import ssl
import time
import zlib
from urllib.parse import urlsplit

import httpx

from airflow_provider_polytomic.api.config import ClientConfig, is_loopback
from airflow_provider_polytomic.api.http_log import unlogged

MOST_BYTES = 64 * 1024

_GZIP = b"\x1f\x8b"


def read_beginning(url: str, config: ClientConfig, *, most: int = MOST_BYTES, timeout: float = 3.0) -> str | None:
    """Return the beginning of a file; None where it cannot be had.

    :param url: https, or http on this host where Polytomic's own address is such a one; redirects are not followed
    :param config: whose address, certificates and proxy are used, and nothing else of it
    :param most: bytes that are read, and again that are unpacked
    :param timeout: seconds for all of it, once the answer has begun
    """
    try:
        if not _may_be_asked(url, config):
            return None
        with unlogged(url):
            beginning = _fetch(url, config, most, time.monotonic() + timeout)
        if beginning is None:
            return None
        if beginning.startswith(_GZIP):
            beginning = zlib.decompressobj(wbits=31).decompress(beginning, most)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, zlib.error):
        return None
    return beginning.decode(errors="replace")


def _may_be_asked(url: str, config: ClientConfig) -> bool:
    asked, own = urlsplit(url), urlsplit(config.base_url)
    if asked.scheme == "http":
        return own.scheme == "http" and is_loopback(own.hostname or "") and is_loopback(asked.hostname or "")
    return asked.scheme == "https"


def _tls(url: str, config: ClientConfig) -> ssl.SSLContext | bool:
    """Trust the usual authorities, since files are elsewhere, and those of the connection beside them."""
    if config.verify is False and urlsplit(url).hostname == urlsplit(config.base_url).hostname:
        return False
    context = httpx.create_ssl_context()
    if isinstance(config.verify, str):
        context.load_verify_locations(cafile=config.verify)
    return context


def _fetch(url: str, config: ClientConfig, most: int, deadline: float) -> bytes | None:
    headers = {"Accept-Encoding": "identity", "Range": f"bytes=0-{most - 1}"}
    left = max(0.1, deadline - time.monotonic())
    with (
        httpx.Client(verify=_tls(url, config), proxy=config.proxy, timeout=left) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        encoding = response.headers.get("content-encoding", "identity")
        if response.status_code not in (200, 206) or encoding not in ("identity", "gzip"):
            return None
        beginning = b""
        for chunk in response.iter_raw():
            beginning += chunk
            if len(beginning) >= most or time.monotonic() > deadline:
                break
        return None if encoding == "gzip" and not beginning.startswith(_GZIP) else beginning[:most]
