"""Read files behind signed URLs, which are stored outside of the API, without the API key."""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from airflow_provider_polytomic.api.config import ClientConfig, is_loopback
from airflow_provider_polytomic.api.http import FAULTS, redacted_logging
from airflow_provider_polytomic.api.transport import deadline, open_http_client

MAX_BYTES = 64 * 1024
READ_TIMEOUT = 3.0

_GZIP = b"\x1f\x8b"


def read_beginning(url: str, config: ClientConfig, *, clock: Callable[[], float] = time.monotonic) -> str | None:
    """Return the first 64 KiB of a file, or what arrives of them in 3 seconds; None if it cannot be read.

    :param url: HTTPS URL, or HTTP on this host if the API is there too; redirects are not followed.
    :param config: Settings of the client; only address, certificates and proxy are used.
    :param clock: Return monotonic seconds; default ``time.monotonic``.
    """
    try:
        if not _is_allowed(url, config):
            return None
        with redacted_logging(url):
            beginning = _fetch(url, config, clock)
        if beginning is None:
            return None
        if beginning.startswith(_GZIP):
            beginning = zlib.decompressobj(wbits=31).decompress(beginning, MAX_BYTES)
    except (*FAULTS, zlib.error):
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


def _fetch(url: str, config: ClientConfig, clock: Callable[[], float]) -> bytes | None:
    end = clock() + READ_TIMEOUT
    headers = {"Accept-Encoding": "identity", "Range": f"bytes=0-{MAX_BYTES - 1}"}
    with (
        deadline(READ_TIMEOUT),
        open_http_client(
            httpx.Client, url, verify=_tls_settings(url, config), proxy=config.proxy, timeout=READ_TIMEOUT
        ) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        encoding = response.headers.get("content-encoding", "identity")
        if response.status_code not in (200, 206) or encoding not in ("identity", "gzip"):
            return None
        beginning = b""
        for chunk in response.iter_raw():
            beginning += chunk
            if len(beginning) >= MAX_BYTES or clock() > end:
                break
        return None if encoding == "gzip" and not beginning.startswith(_GZIP) else beginning[:MAX_BYTES]
