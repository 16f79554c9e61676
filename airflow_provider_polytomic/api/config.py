"""Settings of a client."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from airflow_provider_polytomic.metrics import NO_METER, Meter

DEFAULT_BASE_URL = "https://app.polytomic.com"
DEFAULT_API_VERSION = "2025-09-18"
API_KEY_VARIABLE = "POLYTOMIC_API_KEY"

MAX_HOST_NAME = 253
MAX_TIMEOUT = 86_400.0
"""Seconds that a setting may give one request: more is a mistake, and too much for a socket."""

_NETLOC = re.compile(r"(\[[^\[\]]+\]|[^\[\]:]+)(:\d*)?")
_HOST = re.compile(r"([\w-]{1,63}\.)*[\w-]{1,63}\.?")
_PROXY = re.compile(r"(https?|socks5h?)://([^/@\s]*@)?([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?/?", re.IGNORECASE)


class ConfigSource(Protocol):
    """Read the settings of a client again, after its API key was refused."""

    def read(self) -> ClientConfig:
        """Return the present settings."""

    def aread(self) -> Awaitable[ClientConfig]:
        """Return the present settings without blocking the event loop."""


@dataclass(frozen=True)
class ClientConfig:
    """Hold all settings of a client; the repr shows no secret.

    .. code-block:: python

        config = ClientConfig(api_key="…", timeout=10)
        with PolytomicClient(config=config) as client:
            print(client.send(identity.get()))

    .. seealso::
        How-to: ``docs/connection.md``.

    :param api_key: API key; None (the default) reads the environment variable ``POLYTOMIC_API_KEY``.
    :param base_url: URL of Polytomic, with or without scheme; a path is kept. Default ``https://app.polytomic.com``.
    :param organization_id: Organization for a partner or deployment key, then sent as basic credentials; default None.
    :param api_version: Value of the ``X-Polytomic-Version`` header; default ``2025-09-18``.
    :param timeout: Seconds for one HTTP request; default 30.
    :param verify: Verify the server's certificate: True (the default), False, or the path of a CA bundle.
    :param proxy: URL of a proxy; None (the default) uses the usual environment variables.
    :param max_retries: Number of retries of one request that is safe to repeat; default 5.
    :param allow_http: Allow sending the key over plain HTTP to another host than this one; default False.
    :param max_requests_per_minute: Limit of requests of one client in any minute; None (the default) for no limit.
    :param trust_events: Poll long-running executions less often while events report ends; default False.
    :param source: Object that reads the settings again after a 401, which makes the client go on with a rotated key;
        default None.
    :param meter: Object that records metrics; default: one that records none.
    :raises ValueError: If there is no key, the URL is not valid, or the key would be sent unencrypted.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str = DEFAULT_BASE_URL
    organization_id: str | None = None
    api_version: str = DEFAULT_API_VERSION
    timeout: float = 30.0
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    max_retries: int = 5
    allow_http: bool = False
    max_requests_per_minute: int | None = None
    trust_events: bool = False
    source: ConfigSource | None = field(default=None, repr=False)
    meter: Meter = field(default=NO_METER, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", self.api_key or os.environ.get(API_KEY_VARIABLE))
        if not self.api_key:
            raise ValueError(f"there is no API key: give one, or set {API_KEY_VARIABLE}")
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError("the API key has characters that no key has; was it pasted with a line break?")
        if not (self.api_version.isascii() and self.api_version.isprintable()):
            raise ValueError("the API version must be a date like 2025-09-18")
        if not 0 < self.timeout <= MAX_TIMEOUT:
            raise ValueError(f"timeout must be a number of seconds above 0 and at most {MAX_TIMEOUT:g}")
        object.__setattr__(self, "base_url", checked_address(self.base_url or DEFAULT_BASE_URL, self.allow_http))
        if self.proxy:
            self._check_proxy(self.proxy)
        if self.max_requests_per_minute is not None and self.max_requests_per_minute < 1:
            raise ValueError("max_requests_per_minute must be at least 1")
        if self.max_retries < 0:
            raise ValueError("max_retries must be at least 0")

    def _check_proxy(self, proxy: str) -> None:
        if not _PROXY.fullmatch(proxy):
            raise ValueError("the proxy must look like http://user:password@proxy.example.com:8080")
        in_clear = self.base_url.startswith("http:") and not is_loopback(urlsplit(proxy).hostname or "")
        if in_clear and not self.allow_http:
            raise ValueError(
                "the key would cross the network unencrypted to the proxy: use https, or allow it with allow_http"
            )

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request, including the key."""
        basic = base64.b64encode(f"{self.organization_id}:{self.api_key}".encode()).decode()
        return {
            "Authorization": f"Basic {basic}" if self.organization_id else f"Bearer {self.api_key}",
            "X-Polytomic-Version": self.api_version,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "airflow-provider-polytomic",
        }

    @property
    def optional_settings(self) -> frozenset[str]:
        """Names of the settings with a value that a failure may be due to, or that may prevent it."""
        names = ("organization_id", "proxy", "max_requests_per_minute")
        return frozenset(name for name in names if getattr(self, name) is not None)

    @property
    def secrets(self) -> list[str | None]:
        """Texts that must not appear in messages and logs."""
        credentials = self.headers["Authorization"].partition(" ")[2]
        return [self.api_key, credentials, urlsplit(self.proxy or "").password]


def checked_address(address: str, allow_http: bool, carries: str = "key") -> str:
    """Validate the address of a server and return it in its normal form, without the default port of the scheme.

    :param carries: Secret that is sent to the server, for the error message.
    :raises ValueError: If the address is not valid, or the secret would be sent unencrypted.
    """
    with_scheme = address if "://" in address else f"https://{address}"
    shape = "the host must look like https://polytomic.example.com, without user, query and fragment"
    try:
        parts = urlsplit(with_scheme.strip().rstrip("/"))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(shape) from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(shape)
    if not (_NETLOC.fullmatch(parts.netloc) and _is_host(host) and parts.path.isprintable()) or port == 0:
        raise ValueError("the host is neither a host name nor an address: type it again, without hidden characters")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ValueError(
            f"the {carries} would cross the network unencrypted to {host}: use https, or allow it with allow_http"
        )
    if port == (80 if parts.scheme == "http" else 443):
        parts = parts._replace(netloc=parts.netloc.rpartition(":")[0])
    return parts.geturl()


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is that of this host, however it is spelled."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _is_short_loopback(host)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_short_loopback(host: str) -> bool:
    """Return whether a host is a spelling like 127.1, which only the resolver of the operating system reads."""
    try:
        return socket.inet_aton(host)[0] == 127 and " " not in host
    except (OSError, ValueError):
        return False


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host)) and "%" not in host
        except ValueError:
            return False
    try:
        name = host.encode("idna").decode()
    except UnicodeError:
        return False
    return len(name) <= MAX_HOST_NAME and _HOST.fullmatch(host) is not None
