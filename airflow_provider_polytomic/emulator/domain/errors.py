"""Errors as the API answers them."""

from __future__ import annotations

from typing import Any

ALREADY_RUNNING = "The sync already has an execution in progress."
_KEYS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    422: "unprocessable",
    429: "rate_limited",
}


class ApiError(Exception):
    """Answer a request with an error.

    :param status: HTTP status.
    :param message: text of the error.
    :param metadata: further facts for the caller.
    """

    def __init__(self, status: int, message: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.metadata = metadata or {}

    def body(self, key: str | None = None, shape: str = "whole") -> dict[str, Any]:
        """Return the error body.

        :param key: value of its ``key``; None: a word for the status.
        :param shape: a value of the switch ``error_body``.
        """
        whole = {
            "key": _KEYS.get(self.status, "error") if key is None else key,
            "message": self.message,
            "metadata": self.metadata,
            "status": self.status,
        }
        bodies: dict[str, dict[str, Any]] = {"whole": whole, "message": {"message": self.message}, "empty": {}}
        return bodies[shape]
