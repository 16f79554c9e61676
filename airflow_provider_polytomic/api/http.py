"""Translate calls to HTTP requests and HTTP responses to results, without I/O."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from airflow_provider_polytomic.api import errors
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.decoding import DecodingError, decode_json
from airflow_provider_polytomic.api.redaction import redact, secrets_in
from airflow_provider_polytomic.api.retry import read_retry_after

T = TypeVar("T")

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

_secrets_of_request: ContextVar[tuple[str | None, ...] | None] = ContextVar("polytomic_secrets", default=None)
"""Secrets of the request that is in flight; None while there is none."""


def secrets_of(call: Call[Any], config: ClientConfig) -> list[str | None]:
    """List the secrets of a request, which must not appear in errors and logs."""
    return [*config.secrets, *secrets_in(call.body)]


def request_arguments(call: Call[Any], config: ClientConfig) -> dict[str, Any]:
    """Build the arguments of ``httpx.Client.request`` for a call."""
    query = "?" + urlencode(call.query, quote_via=quote) if call.query else ""
    return {
        "method": call.method,
        "url": config.base_url + call.path + query,
        "json": None if call.body is None else dict(call.body),
        "headers": {"Idempotency-Key": call.idempotency_key} if call.idempotency_key else None,
        "timeout": min(call.timeout or config.timeout, config.timeout),
    }


def read_response(call: Call[T], config: ClientConfig, response: httpx.Response) -> T:
    """Return the result of a call.

    :raises PolytomicAPIError: If the response has an error status.
    :raises PolytomicResponseError: If the response is not what the API documents.
    """
    if response.is_redirect:
        raise call.response_error(
            f"the response is a redirect ({response.status_code}), which is not followed because it would send the key "
            "to another address; check the host of the connection",
            transient=False,
        )
    if response.is_error:
        raise _api_error(call, config, response)
    if call.model is None and not response.content.strip():
        return call.read(None)
    payload, problem = _decode(response)
    if problem:
        raise call.response_error(f"the response ({response.status_code}) {problem}")
    try:
        return call.read(payload)
    except errors.PolytomicResponseError as error:
        error.args = (redact(str(error), *secrets_of(call, config)),)
        raise


def transport_error(call: Call[Any], config: ClientConfig, error: Exception) -> errors.PolytomicError:
    """Build the error for a request without a complete response."""
    if isinstance(error, httpx.DecodingError):
        return call.response_error("the response cannot be decompressed; check any proxy in between")
    timed_out = isinstance(error, asyncio.TimeoutError)
    default = "the response did not end in time" if timed_out else "the connection was closed"
    reason = redact(str(error), *secrets_of(call, config)) or default
    return errors.PolytomicTransportError(
        f"{type(error).__name__}: {reason} ({config.base_url})",
        method=call.method,
        path=call.path,
        sent=not isinstance(error, _NEVER_SENT),
    )


@lru_cache(maxsize=8)
def tls_context(verify: bool | str) -> ssl.SSLContext | bool:
    """Build the TLS settings, once for all clients: it costs more than a hundred requests."""
    if verify is False:
        return False
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else httpx.create_ssl_context()


@contextmanager
def redacted_logging(*secrets: str | None) -> Iterator[None]:
    """Mask these secrets in the log of the HTTP library, and drop its line for each request."""
    token = _secrets_of_request.set(secrets)
    try:
        yield
    finally:
        _secrets_of_request.reset(token)


def _redact_record(record: logging.LogRecord) -> bool:
    secrets = _secrets_of_request.get()
    if secrets is not None:
        record.msg, record.args = redact(record.getMessage(), *secrets), ()
    return True


logging.getLogger("httpx").addFilter(lambda record: _secrets_of_request.get() is None or record.levelno > logging.INFO)
for _name in ("connection", "http11", "http2", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(_redact_record)


def _api_error(call: Call[Any], config: ClientConfig, response: httpx.Response) -> errors.PolytomicAPIError:
    body, problem = _decode(response)
    if not isinstance(body, dict):
        body = {"message": f"the response {problem or 'is not a JSON object as the API returns'}"}
    body = redact(body, *secrets_of(call, config))
    return errors.class_of_status(response.status_code)(
        response.status_code,
        method=call.method,
        path=call.path,
        message=str(body.get("message") or body.get("error") or "") or None,
        key=str(body["key"]) if body.get("key") else None,
        metadata=body["metadata"] if isinstance(body.get("metadata"), dict) else None,
        retry_after=read_retry_after(response.headers.get("retry-after")),
        headers=redact(dict(response.headers), *secrets_of(call, config)),
    )


def _decode(response: httpx.Response) -> tuple[Any, str | None]:
    """Return the decoded JSON or the problem with it, so that no error raised for it has the cause as its context."""
    try:
        return decode_json(response.content), None
    except DecodingError as error:
        return None, f"cannot be used: {error}"
    except ValueError:
        return None, f"is {_kind_of(response)}, not JSON; check the host of the connection and any proxy in between"


def _kind_of(response: httpx.Response) -> str:
    text = response.content.strip()
    if text[:1] == b"<" or "html" in response.headers.get("content-type", ""):
        return "an HTML page"
    return "truncated or malformed" if text else "empty"
