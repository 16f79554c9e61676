"""HTTP responses as values, and the store that replays them for an Idempotency-Key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.errors import ALREADY_RUNNING, ApiError

Headers = tuple[tuple[str, str], ...]
_JSON: Headers = (("content-type", "application/json"),)
_IN_FLIGHT = "A request with this Idempotency-Key is still being processed."
_WELL_FORMED_KEY = re.compile(r"[A-Za-z0-9_-]{8,255}")

ScopedKey = tuple[str, str]
"""An Idempotency-Key and its scope."""

Fingerprint = tuple[str, bytes]
"""Path and body of a request, by which the use of a key for another request is recognized."""


@dataclass(frozen=True)
class ApiResponse:
    """One HTTP response.

    :param foreign: whether it comes from a proxy in front of the API, and so without the header of the API's version.
    """

    status: int
    body: bytes
    headers: Headers = ()
    foreign: bool = False

    @classmethod
    def from_json(cls, value: Any, status: int = 200, headers: Headers = ()) -> ApiResponse:
        """Respond with ``value`` as JSON."""
        return cls(status, json.dumps(value).encode(), _JSON + headers)

    @classmethod
    def from_error(cls, error: ApiError, behavior: Behavior, headers: Headers = ()) -> ApiResponse:
        """Respond with the error body of ``error``, in the form that the switches give it."""
        return cls.from_json(error.body(behavior.error_key, behavior.error_body), error.status, headers)


@dataclass
class _Entry:
    fingerprint: Fingerprint
    since: float
    response: ApiResponse | None = None


class IdempotencyStore:
    """Keep the first response to each Idempotency-Key for the time that the switch ``idempotency_seconds`` sets."""

    def __init__(self) -> None:
        self._entries: dict[ScopedKey, _Entry] = {}

    def begin(self, key: ScopedKey, fingerprint: Fingerprint, now: float, behavior: Behavior) -> ApiResponse | None:
        """Return the stored response to ``key``, or mark the key as in flight and return None.

        :raises ApiError: if the key is malformed, in flight, or known for another request and not to be replayed.
        """
        malformed_status = behavior.malformed_idempotency_key
        if malformed_status != "accept" and not _WELL_FORMED_KEY.fullmatch(key[0]):
            message = "Idempotency-Key must be 8 to 255 letters, digits, hyphens or underscores."
            raise ApiError(int(malformed_status), message)
        entry = self._entries.get(key)
        if entry is None or now - entry.since >= behavior.idempotency_seconds:
            self._entries[key] = _Entry(fingerprint, now)
            return None
        if entry.fingerprint != fingerprint and behavior.idempotency_mismatch == "refuse":
            raise ApiError(422, "This Idempotency-Key was used for a different request.")
        if entry.response is None:
            raise ApiError(409, _IN_FLIGHT if behavior.in_flight == "own_words" else ALREADY_RUNNING)
        return entry.response

    def finish(self, key: ScopedKey, response: ApiResponse, behavior: Behavior) -> None:
        """Store ``response`` for ``key``, or forget the key if a response with its status is not kept."""
        if behavior.keeps(response.status):
            self._entries[key].response = response
        else:
            self.abandon(key)

    def abandon(self, key: ScopedKey) -> None:
        """Forget ``key``."""
        self._entries.pop(key, None)
