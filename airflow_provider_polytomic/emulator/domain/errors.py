"""Refuse a request the way the API does."""

from __future__ import annotations

from typing import Any

_KEYS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    422: "unprocessable",
    429: "rate_limited",
}

ALREADY_RUNNING = "The sync already has an execution in progress."


class ApiError(Exception):
    """A request the API answers with an error.

    :param status: HTTP status.
    :param message: the API's words.
    :param metadata: further facts for the caller.
    """

    def __init__(self, status: int, message: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.metadata = metadata or {}

    def body(self, key: str | None = None, shape: str = "whole") -> dict[str, Any]:
        """Give the error body.

        :param key: its ``key``; None: a word that goes with the status.
        :param shape: how much there is of it: see the switch ``error_body``.
        """
        whole = {
            "key": _KEYS.get(self.status, "error") if key is None else key,
            "message": self.message,
            "metadata": self.metadata,
            "status": self.status,
        }
        kept: dict[str, dict[str, Any]] = {"whole": whole, "message": {"message": self.message}, "empty": {}}
        return kept[shape]
