"""Files behind signed URLs, which stand apart from the API: they are fetched without the key."""

from __future__ import annotations

import time
import zlib
from urllib.parse import urlsplit

import httpx

from airflow_provider_polytomic.api.clients import tls_context, unlogged
from airflow_provider_polytomic.api.config import ClientConfig, is_loopback

MOST_BYTES = 64 * 1024

_GZIP = b"\x1f\x8b"


def read_beginning(url: str, config: ClientConfig, *, most: int = MOST_BYTES, patience: float = 3.0) -> str | None:
    """Return the beginning of a file; None where it cannot be had.

    :param url: https, or http on this host; redirects are not followed
    :param config: whose certificates and proxy are used, and nothing else of it
    :param most: bytes that are read, and again that are unpacked
    :param patience: seconds for all of it
    """
    parts = urlsplit(url)
    if not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))):
        return None
    try:
        with unlogged(url):
            beginning = _fetch(url, config, most, time.monotonic() + patience)
        if beginning is None:
            return None
        if beginning.startswith(_GZIP):
            beginning = zlib.decompressobj(wbits=31).decompress(beginning, most)
    except (httpx.HTTPError, httpx.InvalidURL, zlib.error):
        return None
    return beginning.decode(errors="replace")


def _fetch(url: str, config: ClientConfig, most: int, deadline: float) -> bytes | None:
    left = max(0.1, deadline - time.monotonic())
    with (
        httpx.Client(verify=tls_context(config.verify), proxy=config.proxy, timeout=left) as client,
        client.stream("GET", url, headers={"Accept-Encoding": "identity", "Range": f"bytes=0-{most - 1}"}) as response,
    ):
        if response.status_code not in (200, 206) or response.headers.get("content-encoding", "identity") != "identity":
            return None
        beginning = b""
        for chunk in response.iter_raw(4096):
            beginning += chunk
            if len(beginning) >= most or time.monotonic() > deadline:
                break
        return beginning[:most]
