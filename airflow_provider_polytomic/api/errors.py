"""What can go wrong with one request, as exceptions; nothing in them holds a key or a secret."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.api.redaction import redact


class PolytomicError(Exception):
    """Root of everything that the API client raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be copied and sent between processes, whatever arguments its class asks for."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[PolytomicError], args: tuple[Any, ...], facts: dict[str, Any]) -> PolytomicError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class PolytomicAPIError(PolytomicError):
    """The API answered with an error status.

    :param status_code: HTTP status of the answer
    :param method: HTTP method of the request
    :param path: path of the request, without host and query
    :param message: the API's own words; redacted here
    :param key: the API's word for the kind of error, if it gave one
    :param metadata: further facts that the API gave; redacted here
    :param retry_after: seconds that the answer asked to wait, if it did
    """

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
    ) -> None:
        self.status_code = status_code
        self.method = method
        self.path = path
        self.message = redact(message or "no message")
        self.key = key
        self.metadata: dict[str, Any] = redact(metadata or {})
        self.retry_after = retry_after
        super().__init__(f"{method} {path} was answered {status_code}: {self.message}{self._used_by()}")

    def _used_by(self) -> str:
        users = self.metadata.get("used_by")
        if not isinstance(users, list) or not users:
            return ""
        named = (user for user in users if isinstance(user, dict))
        return "; used by " + ", ".join(f"{user.get('type')} {user.get('name')!r} ({user.get('id')})" for user in named)


class PolytomicAuthError(PolytomicAPIError):
    """401: the key is unknown, revoked or malformed."""


class PolytomicPermissionError(PolytomicAPIError):
    """403: the key is valid and may not do this."""


class PolytomicNotFoundError(PolytomicAPIError):
    """404: there is no such object, or the key cannot see it."""


class PolytomicConflictError(PolytomicAPIError):
    """409: the object's state forbids it, or the same Idempotency-Key is in flight."""


class PolytomicValidationError(PolytomicAPIError):
    """400 or 422: the API does not accept the request as it is."""


class PolytomicRateLimitError(PolytomicAPIError):
    """429: too many requests; ``retry_after`` says when to come back, if the answer did."""


class PolytomicServerError(PolytomicAPIError):
    """5xx: the API, or a proxy before it, failed."""


class PolytomicTransportError(PolytomicError):
    """No answer: name resolution, connection, TLS, timeout or reset.

    :param sent: False only when the request certainly never reached the server
    """

    def __init__(self, message: str, *, method: str, path: str, sent: bool) -> None:
        self.method = method
        self.path = path
        self.sent = sent
        super().__init__(redact(f"{method} {path} got no answer: {message}"))


class PolytomicResponseError(PolytomicError):
    """An answer that is not what the API promises: not JSON, cut short, a redirect, or of another shape.

    :param passing: False if the same request would be answered in the same way
    """

    def __init__(self, message: str, *, method: str, path: str, transient: bool = True) -> None:
        self.method = method
        self.path = path
        self.transient = transient
        super().__init__(redact(f"{method} {path}: {message}"))


_CLASS_OF_STATUS: dict[int, type[PolytomicAPIError]] = {
    400: PolytomicValidationError,
    401: PolytomicAuthError,
    403: PolytomicPermissionError,
    404: PolytomicNotFoundError,
    409: PolytomicConflictError,
    422: PolytomicValidationError,
    429: PolytomicRateLimitError,
}


def class_of_status(status_code: int) -> type[PolytomicAPIError]:
    """Return the exception class that stands for an HTTP error status."""
    if status_code >= 500:
        return PolytomicServerError
    return _CLASS_OF_STATUS.get(status_code, PolytomicAPIError)
