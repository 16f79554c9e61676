"""Exceptions of the API client; no message, argument or attribute holds a key or a secret."""

from __future__ import annotations

import copyreg
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from airflow_provider_polytomic.api.redaction import one_line, redact

MAX_MESSAGE_LENGTH = 2000
"""Characters of the API's message in the text of an exception; the attribute ``message`` has more."""

REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "x-amzn-trace-id", "cf-ray")
"""Headers of a request's id, of the API itself first; the API documents none."""

MAX_HEADERS = 50
_HIDDEN_HEADER = re.compile(r"auth|cookie|location|secret|token|key|session|link")


class PolytomicError(Exception):
    """Catch this class to handle every error of the API client.

    .. code-block:: python

        try:
            client.send(syncs.start(sync_id))
        except PolytomicConflictError:
            pass  # it is running already
        except PolytomicError as error:
            print(error)

    .. seealso::
        How-to: ``docs/errors/rest_api.md``.
    """

    settings_in_use: frozenset[str] = frozenset()
    """Names of the optional settings of the client with which the request was sent."""

    advice: str | None = None
    """What to do instead, if a caller has found that out."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Support copies and pickling, whatever parameters the class has."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class PolytomicAPIError(PolytomicError):
    """The API returned an error status.

    :param status_code: HTTP status of the response.
    :param method: HTTP method of the request.
    :param path: Path of the request, without host and query.
    :param message: Message of the API; redacted here.
    :param key: Error code of the API, if there is one.
    :param metadata: Details from the API, left out where they are long; redacted here.
    :param retry_after: Value of the ``Retry-After`` header in seconds, if there is one.
    :param headers: Headers of the response, with names in lower case; those that may hold a secret are left out here.
    :param foreign: True if the response does not have the shape of an API error, so that something in front of the API
        sent it; default False.
    """

    follows_no_response = False
    """Whether the same request was sent before without a usable response, so that it may still be in progress."""

    def __init__(
        self,
        status_code: int,
        *,
        method: str,
        path: str,
        message: str | None = None,
        key: str | None = None,
        metadata: dict[str, Any] | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        foreign: bool = False,
    ) -> None:
        self.status_code = status_code
        self.method = method
        self.path = path
        self.message = redact(message or "no message")
        self.key = key
        self.metadata: dict[str, Any] = redact(metadata or {})
        self.retry_after = retry_after
        self.headers = {name: one_line(redact(value)) for name, value in shown_headers(headers or {}).items()}
        self.foreign = foreign
        shown = one_line(self.message, MAX_MESSAGE_LENGTH)
        super().__init__(f"{method} {path} was answered {status_code}: {shown}{self._used_by()}")

    @property
    def request_id(self) -> str | None:
        """Id of the request, for a support ticket; None if the response has none."""
        return next((self.headers[name] for name in REQUEST_ID_HEADERS if name in self.headers), None)

    def _used_by(self) -> str:
        users = self.metadata.get("used_by")
        if not isinstance(users, list) or not users:
            return ""
        named = (user for user in users if isinstance(user, dict))
        users_text = ", ".join(f"{user.get('type')} {user.get('name')!r} ({user.get('id')})" for user in named)
        return f"; used by {one_line(users_text, MAX_MESSAGE_LENGTH)}"


class PolytomicAuthError(PolytomicAPIError):
    """401: the API key is unknown, revoked or malformed."""


class PolytomicPermissionError(PolytomicAPIError):
    """403: the API key is valid but lacks the permission."""


class PolytomicNotFoundError(PolytomicAPIError):
    """404: the object does not exist, or the API key has no access to it."""


class PolytomicConflictError(PolytomicAPIError):
    """409: the state of the object forbids the request, or the same Idempotency-Key is in flight."""


class PolytomicValidationError(PolytomicAPIError):
    """400 or 422: the API does not accept the content of the request."""


class PolytomicRateLimitError(PolytomicAPIError):
    """429: too many requests; ``retry_after`` has the seconds to wait, if the API sent them."""


class PolytomicServerError(PolytomicAPIError):
    """5xx: the API or a proxy in front of it failed."""


class PolytomicTransportError(PolytomicError):
    """No response: name resolution, connection, TLS, timeout or reset.

    :param sent: False only if the request certainly did not reach the server.
    """

    def __init__(self, message: str, *, method: str, path: str, sent: bool) -> None:
        self.method = method
        self.path = path
        self.sent = sent
        super().__init__(one_line(redact(f"{method} {path} got no answer: {message}"), MAX_MESSAGE_LENGTH))


class PolytomicResponseError(PolytomicError):
    """A response that the API does not document: not JSON, truncated, a redirect, or of another shape.

    So is a refusal (4xx) that is not the API's own: a 404 of a proxy says nothing about an execution.

    :param transient: False if a retry would get the same response.
    :param is_json: True if the response is JSON, so that it comes from the API and not from a proxy.
    :param status_code: HTTP status of the response; None if it was not complete.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str,
        path: str,
        transient: bool = True,
        is_json: bool = False,
        status_code: int | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.transient = transient
        self.is_json = is_json
        self.status_code = status_code
        super().__init__(one_line(redact(f"{method} {path}: {message}"), MAX_MESSAGE_LENGTH))


_CLASS_OF_STATUS: dict[int, type[PolytomicAPIError]] = {
    400: PolytomicValidationError,
    401: PolytomicAuthError,
    403: PolytomicPermissionError,
    404: PolytomicNotFoundError,
    409: PolytomicConflictError,
    422: PolytomicValidationError,
    429: PolytomicRateLimitError,
}


TRANSIENT_STATUSES = (408, 425, 429)
"""Statuses below 500 after which the same request may succeed later."""

_ERROR_FIELDS: dict[str, type] = {"key": str, "message": str, "metadata": dict, "status": int}


def is_api_error(status_code: int, body: Any, headers: Mapping[str, str]) -> bool:
    """Return whether an error response is the API's own, and not that of a proxy or a load balancer in front of it.

    The API documents an object with ``key``, ``message``, ``metadata`` and ``status``, all optional; an older form is
    ``{"error": {"message": "…"}}``. An object with other fields or without any text counts only with the header
    ``X-Polytomic-Version``, which every response of the API has. A 401 may then have no body at all.

    :param body: Decoded JSON; None if the response is empty.
    """
    versioned = "x-polytomic-version" in headers
    if not isinstance(body, dict):
        return versioned and status_code == 401 and body is None
    if body.keys() == {"error"}:
        return isinstance(body["error"], dict) and isinstance(body["error"].get("message"), str)
    known = {name: value for name, value in body.items() if name in _ERROR_FIELDS and value is not None}
    if not all(isinstance(value, _ERROR_FIELDS[name]) for name, value in known.items()):
        return False
    documented = body.keys() <= _ERROR_FIELDS.keys()
    described = any(known.get(name) for name in ("key", "message"))
    return documented and described or versioned and (documented or described)


def is_proxy_refusal(error: PolytomicError) -> bool:
    """Return whether a proxy has refused the user or the password that it was given: 407."""
    tunnel_refused = isinstance(error, PolytomicTransportError) and "ProxyError: 407" in str(error)
    return tunnel_refused or getattr(error, "status_code", None) == 407


def class_of_status(status_code: int) -> type[PolytomicAPIError]:
    """Return the exception class for an HTTP error status."""
    if status_code >= 500:
        return PolytomicServerError
    return _CLASS_OF_STATUS.get(status_code, PolytomicAPIError)


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers of a response that hold no secret, up to a number; the names are in lower case."""
    shown = ((name.lower(), value) for name, value in headers.items() if not _HIDDEN_HEADER.search(name.lower()))
    return dict(islice(shown, MAX_HEADERS))
