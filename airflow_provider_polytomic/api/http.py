"""Translate calls to HTTP requests and HTTP responses to results, without I/O."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlencode

import httpx

from airflow_provider_polytomic.api import errors
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.decoding import DecodingError, decode_json, decompress
from airflow_provider_polytomic.api.models.base import RawResponse
from airflow_provider_polytomic.api.redaction import redact, register_secrets
from airflow_provider_polytomic.api.retry import read_retry_after
from airflow_provider_polytomic.api.secret_values import secrets_in, secrets_of_connection
from airflow_provider_polytomic.api.transport import proxy_setting

T = TypeVar("T")

_NOT_JSON = "is {}, not JSON; check the host of the connection and any proxy in between"
_BEYOND_LIMITS = "cannot be used"
_EMPTY = _NOT_JSON.format("empty")
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

MAX_DETAILS = 64 * 1024
"""Characters of an error's metadata as JSON; longer ones are left out."""

_ERRORS_OF_IO = (httpx.HTTPError, OSError, asyncio.TimeoutError)
FAULTS = (*_ERRORS_OF_IO, httpx.InvalidURL, ValueError, ArithmeticError, LookupError)
"""Exceptions of the HTTP library: its own, and those that it lets through for a host, a header or a timeout."""

_secrets_of_request: ContextVar[tuple[str | None, ...] | None] = ContextVar("polytomic_secrets", default=None)
"""Secrets of the request that is in flight; None while there is none."""


class Response:
    """Status and headers of a response; most headers of most responses are never read."""

    def __init__(self, status_code: int, raw_headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = status_code
        self._raw_headers = raw_headers

    @cached_property
    def headers(self) -> httpx.Headers:
        """Headers, whose names have no case."""
        return httpx.Headers(self._raw_headers)

    @cached_property
    def coding(self) -> str:
        """Value of the ``Content-Encoding`` header; empty for none."""
        is_coded = any(len(name) == 16 and name.lower() == b"content-encoding" for name, _ in self._raw_headers)
        return self.headers["content-encoding"] if is_coded else ""


def secrets_of(call: Call[Any], config: ClientConfig) -> list[str | None]:
    """List the secrets of a request, which must not appear in errors and logs."""
    if call.body is None:
        return config.secrets
    settings = secrets_of_connection(call.body) if "/connection" in call.path else []
    return [*secrets_in(call.body), *settings, *config.secrets]


def request_arguments(call: Call[Any], config: ClientConfig) -> dict[str, Any]:
    """Build the arguments of ``httpx.Client.request`` for a call."""
    return {
        "method": call.method,
        "url": config.base_url + target_of(call),
        "json": None if call.body is None else dict(call.body),
        "headers": {"Idempotency-Key": call.idempotency_key} if call.idempotency_key else None,
        "timeout": timeout_of(call, config),
    }


def target_of(call: Call[Any]) -> str:
    """Return the path and the query of a request, below the base URL."""
    return f"{call.path}?{urlencode(call.query, quote_via=quote)}" if call.query else call.path


def timeout_of(call: Call[Any], config: ClientConfig) -> float:
    """Return the seconds that a request may take."""
    return min(call.timeout or config.timeout, config.timeout)


def read_response(call: Call[T], config: ClientConfig, response: Response, body: bytes) -> T:
    """Return the result of a call.

    :param response: Status and headers of the response.
    :param body: Body as it was received, which may be compressed.
    :raises PolytomicAPIError: If the API responds with an error status.
    :raises PolytomicResponseError: If the response is not what the API documents, or a refusal by something else.
    """
    status = response.status_code
    if 300 <= status < 400:
        raise call.response_error(
            f"the response is a redirect ({status}), which is not followed because it would send the key "
            "to another address; check the host of the connection",
            transient=False,
            status_code=status,
        )
    if not (200 <= status < 300 or 400 <= status < 600):
        raise call.response_error(
            f"the response has a status that HTTP does not know ({status}); check the host of the "
            "connection and any proxy in between"
        )
    payload, problem = _decode(response, body)
    if status >= 400:
        error = _error_of(call, config, response, payload, problem)
        error.settings_in_use = config.optional_settings
        raise error
    if call.model in (None, RawResponse) and problem == _EMPTY:
        return cast("T", RawResponse(status, b"", None)) if call.model else call.read(None)
    if problem:
        is_json = problem.startswith(_BEYOND_LIMITS)
        raise call.response_error(f"the response ({status}) {problem}", is_json=is_json)
    if call.model is RawResponse:
        content = decompress(body, response.coding)
        return cast("T", RawResponse(status, content, payload))
    try:
        return call.read(payload)
    except errors.PolytomicResponseError as error:
        error.args = (redact(str(error), *secrets_of(call, config)),)
        raise


def transport_error(call: Call[Any], config: ClientConfig, error: Exception) -> errors.PolytomicError:
    """Build the error for a request without a complete response."""
    reason = redact(str(error), *secrets_of(call, config)) or "the connection was closed"
    if isinstance(error, (asyncio.TimeoutError, httpx.ReadTimeout)):
        reason = "the response did not end in time"
    is_local = isinstance(error, httpx.LocalProtocolError) or not isinstance(error, _ERRORS_OF_IO)
    if is_local:  # The error's own text may quote a header.
        reason = "the host, the port or a header of the request is not valid"
    proxy = proxy_setting(config)
    through = f", through the proxy of {proxy}" if proxy and (is_local or isinstance(error, _NEVER_SENT)) else ""
    failure = errors.PolytomicTransportError(
        f"{type(error).__name__}: {reason} ({config.base_url}{through})",
        method=call.method,
        path=call.path,
        sent=not (is_local or isinstance(error, _NEVER_SENT)),
    )
    failure.settings_in_use = config.optional_settings
    return failure


@contextmanager
def hidden_secrets(call: Call[Any], config: ClientConfig) -> Iterator[None]:
    """Mask the secrets of a request in the log of the HTTP library, and what it sends in all later texts, too."""
    secrets = secrets_of(call, config)
    if call.body is not None:
        register_secrets(*secrets)
    with redacted_logging(*secrets):
        yield


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


def _error_of(
    call: Call[Any], config: ClientConfig, response: Response, body: Any, problem: str | None
) -> errors.PolytomicError:
    """Build the error for an error status; a refusal that is not the API's own decides nothing."""
    status = response.status_code
    unusable = problem is not None and problem != _EMPTY
    foreign = unusable or not errors.is_api_error(status, body, response.headers)
    if foreign and status < 500 and status not in errors.TRANSIENT_STATUSES:
        shown = (problem or "is JSON of another shape").partition(", not JSON")[0]
        return call.response_error(
            f"the response ({status}) {shown}, not an answer of Polytomic's API; check the host of the connection and "
            "any proxy in between",
            status_code=status,
        )
    if not isinstance(body, dict):
        body = {"message": f"the response {problem or 'is not a JSON object as the API returns'}"}
    older = body["error"] if isinstance(body.get("error"), dict) else {}
    message, secrets = body.get("message") or older.get("message") or body.get("error"), secrets_of(call, config)
    given = {"message": message, "key": body.get("key"), "metadata": body.get("metadata")}
    hidden: dict[str, Any] = {name: redact(_if_short(value), *secrets) for name, value in given.items()}
    return errors.class_of_status(status)(
        status,
        method=call.method,
        path=call.path,
        message=str(hidden["message"] or "") or None,
        key=str(hidden["key"]) if hidden["key"] else None,
        metadata=hidden["metadata"] if isinstance(hidden["metadata"], dict) else None,
        retry_after=read_retry_after(response.headers.get("retry-after")),
        headers=redact(errors.shown_headers(response.headers), *secrets),
        foreign=foreign,
    )


def _if_short(value: Any) -> Any:
    """Return a text, or another value whose JSON is short: redaction takes some time for each value in it."""
    if isinstance(value, str):
        return value
    left = MAX_DETAILS
    for part in json.JSONEncoder().iterencode(value):
        left -= len(part)
        if left < 0:
            return None
    return value


def _decode(response: Response, body: bytes) -> tuple[Any, str | None]:
    """Return the decoded JSON or the problem with it, so that no error raised for it has the cause as its context."""
    try:
        content = decompress(body, response.coding)
        if not content or content.isspace():
            return None, _EMPTY
        return decode_json(content), None
    except DecodingError as error:
        return None, f"{_BEYOND_LIMITS}: {error}"
    except ValueError:
        is_html = content[:1024].lstrip()[:1] == b"<" or "html" in response.headers.get("content-type", "")
        return None, _NOT_JSON.format("an HTML page" if is_html else "truncated or malformed")
