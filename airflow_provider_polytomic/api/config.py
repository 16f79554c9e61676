"""Where the API is and how a client may speak to it."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_BASE_URL = "https://app.polytomic.com"
DEFAULT_API_VERSION = "2025-09-18"
API_KEY_VARIABLE = "POLYTOMIC_API_KEY"

_USUAL_PORTS = {"http": 80, "https": 443}
_PROXY = re.compile(r"(https?|socks5h?)://([^/@\s]*@)?([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?/?", re.IGNORECASE)


@dataclass(frozen=True)
class ClientConfig:
    """Everything a client needs to know; its repr shows no secret.

    :param api_key: API key; where it is not given, the environment variable ``POLYTOMIC_API_KEY``
    :param base_url: address of Polytomic, with or without scheme; a path in it is kept
    :param organization_id: with it the key is sent as HTTP basic credentials of this organization, as partner and
        deployment keys need; without it as a bearer token
    :param api_version: value of the ``X-Polytomic-Version`` header
    :param timeout: seconds for one HTTP request
    :param verify: whether the server's certificate is checked, or the path of a CA bundle to check it with
    :param proxy: URL of a proxy; without it the usual environment variables hold
    :param max_retries: how often one request that may be repeated is repeated
    :param allow_http: send the key over plain HTTP to another host than this one
    :param max_requests_per_minute: how many requests one client sends in any minute; None: as many as are needed
    :param trust_events: look less often at executions that have run for long, as long as events tell of ends
    :raises ValueError: if there is no key, the address cannot be used, or it would carry the key in clear
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", self.api_key or os.environ.get(API_KEY_VARIABLE))
        if not self.api_key:
            raise ValueError(f"there is no API key: give one, or set {API_KEY_VARIABLE}")
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError("the API key has characters that no key has; was it pasted with a line break?")
        object.__setattr__(self, "base_url", checked_address(self.base_url or DEFAULT_BASE_URL, self.allow_http))
        if self.proxy and not _PROXY.fullmatch(self.proxy):
            raise ValueError("the proxy must look like http://user:password@proxy.example.com:8080")
        if self.max_requests_per_minute is not None and self.max_requests_per_minute < 1:
            raise ValueError("max_requests_per_minute must be at least 1")

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request, the key among them."""
        if self.organization_id:
            credentials = base64.b64encode(f"{self.organization_id}:{self.api_key}".encode()).decode()
            authorization = f"Basic {credentials}"
        else:
            authorization = f"Bearer {self.api_key}"
        return {
            "Authorization": authorization,
            "X-Polytomic-Version": self.api_version,
            "Accept": "application/json",
            "User-Agent": "airflow-provider-polytomic",
        }

    @property
    def secrets(self) -> list[str | None]:
        """Texts that nobody may read, whoever repeats them."""
        credentials = self.headers["Authorization"].partition(" ")[2]
        return [self.api_key, credentials, urlsplit(self.proxy or "").password]


def checked_address(address: str, allow_http: bool, carries: str = "key") -> str:
    """Return the address of a server in the one form that it is compared in: without the usual port of its scheme.

    :param carries: what is sent to it, for the message
    :raises ValueError: if it cannot be used, or would carry that in clear
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
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ValueError(
            f"the {carries} would cross the network in clear to {host}: use https, or allow it with allow_http"
        )
    if port == _USUAL_PORTS[parts.scheme]:
        parts = parts._replace(netloc=parts.netloc.rpartition(":")[0])
    return parts.geturl()


def is_loopback(host: str) -> bool:
    """Tell whether a host is this one."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
