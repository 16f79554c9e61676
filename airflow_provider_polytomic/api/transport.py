"""Set up the HTTP library: certificates, proxies, and a deadline for each request.

The HTTP library applies its timeout to each of the many reads of a response. The blocking client therefore reads
through a network backend that shortens each timeout to what is left of the request's time.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import httpcore
import httpx

from airflow_provider_polytomic.api.config import ClientConfig, is_loopback

HttpClient = TypeVar("HttpClient", httpx.Client, httpx.AsyncClient)

MAX_PORT = 65_535

_PROXY_SCHEMES = ("http", "https", "all")
_FAULTS = (httpx.InvalidURL, ImportError, OSError, ValueError, LookupError)

_deadline: ContextVar[float] = ContextVar("polytomic_deadline", default=float("inf"))
"""End of the request that is in flight in this thread, in monotonic seconds."""


def open_http_client(kind: type[HttpClient], url: str, *, proxy: str | None = None, **settings: Any) -> HttpClient:
    """Create a client of the HTTP library for requests to one host.

    :param kind: ``httpx.Client`` or ``httpx.AsyncClient``.
    :param url: Address of the host; one on this host gets no proxy from the environment.
    :param proxy: URL of a proxy; None (the default) uses the environment variables.
    :raises ValueError: If a proxy cannot be used; the message names the setting.
    """
    trust_env = not is_loopback(urlsplit(url).hostname or "")
    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    client: HttpClient
    if problem := _problem_of_proxies(proxy, trust_env):
        raise ValueError(problem)
    try:
        client = kind(
            proxy=proxy,
            trust_env=trust_env,
            cookies=cookies,
            follow_redirects=False,
            **settings,
        )
    except _FAULTS as error:
        if trust_env and not proxy and getproxies_environment().get("no"):
            variable = _variable("no_proxy")
            raise ValueError(
                f"{variable} has an entry that cannot be read: it must list host names, separated by commas"
            ) from None
        raise ValueError(f"the HTTP library cannot use its settings ({type(error).__name__})") from None
    if isinstance(client, httpx.Client):
        client.event_hooks = {"response": [_drop_target]}
        for transport in (client._transport, *client._mounts.values()):
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = _DeadlineBackend()
    return client


def _drop_target(response: httpx.Response) -> None:
    """Drop the target of a redirect, which the HTTP library would read although it does not follow it."""
    if response.is_redirect:
        response.headers.pop("location", None)


def check_settings(config: ClientConfig) -> None:
    """Check that the HTTP library can use the certificates and the proxies of a client.

    :raises ValueError: If it cannot; the message names the setting.
    """
    tls_context(config.verify)
    environment = tuple(sorted(getproxies_environment().items()))
    _check_proxies(config.proxy, config.base_url, environment)


@lru_cache(maxsize=64)
def _check_proxies(proxy: str | None, url: str, environment: tuple[tuple[str, str], ...]) -> None:
    open_http_client(httpx.Client, url, proxy=proxy, verify=False).close()


def tls_context(verify: bool | str) -> ssl.SSLContext | bool:
    """Build the TLS settings, once for all clients until a file changes: it costs more than a hundred requests.

    :raises ValueError: If the certificates cannot be read; the message names the setting.
    """
    key_log = os.environ.get("SSLKEYLOGFILE")
    if key_log and not os.access(key_log if os.path.exists(key_log) else os.path.dirname(key_log) or ".", os.W_OK):
        raise ValueError(f"the environment variable SSLKEYLOGFILE names {key_log!r}, which is not a file to write to")
    ca_file, ca_directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    return _tls_context(verify, ca_file, ca_directory, _time_of_change(verify if isinstance(verify, str) else ca_file))


def _time_of_change(path: str | None) -> int:
    try:
        return os.stat(path).st_mtime_ns if path else 0
    except (OSError, ValueError):
        return 0


@lru_cache(maxsize=8)
def _tls_context(
    verify: bool | str, ca_file: str | None, ca_directory: str | None, changed: int
) -> ssl.SSLContext | bool:
    if verify is False:
        return False
    setting, path = (
        ("verify", verify) if isinstance(verify, str) else ("the environment variable SSL_CERT_FILE", ca_file)
    )
    try:
        if isinstance(path, str) and path:
            return ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        raise ValueError(f"{setting} names {path!r}, which is not a CA bundle that can be read") from None
    if ca_directory and not any(Path(part).is_dir() for part in ca_directory.split(os.pathsep)):
        raise ValueError(f"the environment variable SSL_CERT_DIR names {ca_directory!r}, which is not a directory")
    return httpx.create_ssl_context()


def _problem_of_proxies(proxy: str | None, trust_env: bool) -> str | None:
    """Return one sentence about the first proxy setting that cannot be used; None if there is none."""
    proxies = getproxies_environment()
    settings = [("proxy", proxy)] if proxy else []
    if trust_env and not proxy:
        settings = [(_variable(f"{scheme}_proxy"), proxies[scheme]) for scheme in _PROXY_SCHEMES if scheme in proxies]
    for setting, url in settings:
        try:
            address = httpx.URL(url if "://" in url else f"http://{url}")
            if not address.host or (address.port or 0) > MAX_PORT:
                raise ValueError("no host, or no such port")
            httpx.HTTPTransport(verify=False, proxy=address).close()
        except _FAULTS as error:
            if isinstance(error, ImportError):
                return f"{setting} is a SOCKS proxy, which needs the package socksio: install httpx[socks]"
            return f"{setting} is not the URL of a proxy: it must look like http://user:password@proxy.example.com:8080"
    return None


def proxy_setting(config: ClientConfig) -> str | None:
    """Return the name of the setting with the proxy of a client's requests; None for requests without a proxy."""
    address, proxies = urlsplit(config.base_url), getproxies_environment()
    if config.proxy:
        return "the connection"
    if is_loopback(address.hostname or "") or proxy_bypass_environment(address.hostname or "", proxies):
        return None
    return next((_variable(f"{name}_proxy") for name in (address.scheme, "all") if name in proxies), None)


def _variable(name: str) -> str:
    return f"the environment variable {name if name in os.environ else name.upper()}"


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let every read, write and connection attempt of this thread fail once this time has passed."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def time_left(timeout: float | None, error: type[Exception]) -> float | None:
    """Return the timeout, or what is left of the request's time if that is less."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise error("the response did not end in time")
    return min(left, float("inf") if timeout is None else timeout) if left < float("inf") else timeout


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, time_left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for begin in range(0, len(buffer), 16384):
            self._stream.write(buffer[begin : begin + 16384], time_left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = time_left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for number, address in enumerate(addresses, 1):
            left = time_left(timeout, httpcore.ConnectTimeout)
            share = None if left is None else left / (len(addresses) - number + 1)
            try:
                return _DeadlineStream(super().connect_tcp(address, port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no address")
