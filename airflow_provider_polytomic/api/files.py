"""Read files behind signed URLs, which are stored outside of the API, without the API key."""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from airflow_provider_polytomic.api.config import ClientConfig, is_loopback
from airflow_provider_polytomic.api.http import redacted_logging

MAX_BYTES = 64 * 1024

_GZIP = b"\x1f\x8b"


def read_beginning(
    url: str,
    config: ClientConfig,
    *,
    max_bytes: int = MAX_BYTES,
    timeout: float = 3.0,
    clock: Callable[[], float] = time.monotonic,
) -> str | None:
    """Return the beginning of a file, or None if it cannot be read.

    :param url: HTTPS URL, or HTTP on this host if the API is there too; redirects are not followed.
    :param config: Settings of the client; only address, certificates and proxy are used.
    :param max_bytes: Bytes to read, and to keep of a decompressed file; default 64 KiB.
    :param timeout: Seconds until the rest is left unread; default 3.
    :param clock: Return monotonic seconds; default ``time.monotonic``.
    """
    try:
        if not _is_allowed(url, config):
            return None
        with redacted_logging(url):
            beginning = _fetch(url, config, max_bytes, timeout, clock)
        if beginning is None:
            return None
        if beginning.startswith(_GZIP):
            beginning = zlib.decompressobj(wbits=31).decompress(beginning, max_bytes)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, zlib.error):
        return None
    return beginning.decode(errors="replace")


def _is_allowed(url: str, config: ClientConfig) -> bool:
    file, api = urlsplit(url), urlsplit(config.base_url)
    if file.scheme == "http":
        return api.scheme == "http" and is_loopback(api.hostname or "") and is_loopback(file.hostname or "")
    return file.scheme == "https"


def _tls_settings(url: str, config: ClientConfig) -> ssl.SSLContext | bool:
    """Trust the usual authorities, since files are stored elsewhere, and those of the connection."""
    if config.verify is False and urlsplit(url).hostname == urlsplit(config.base_url).hostname:
        return False
    context = httpx.create_ssl_context()
    if isinstance(config.verify, str):
        context.load_verify_locations(cafile=config.verify)
    return context


def _fetch(url: str, config: ClientConfig, max_bytes: int, timeout: float, clock: Callable[[], float]) -> bytes | None:
    deadline = clock() + timeout
    headers = {"Accept-Encoding": "identity", "Range": f"bytes=0-{max_bytes - 1}"}
    with (
        httpx.Client(verify=_tls_settings(url, config), proxy=config.proxy, timeout=timeout) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        encoding = response.headers.get("content-encoding", "identity")
        if response.status_code not in (200, 206) or encoding not in ("identity", "gzip"):
            return None
        beginning = b""
        for chunk in response.iter_raw():
            beginning += chunk
            if len(beginning) >= max_bytes or clock() > deadline:
                break
        return None if encoding == "gzip" and not beginning.startswith(_GZIP) else beginning[:max_bytes]
