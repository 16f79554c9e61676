"""Remember what came of each Idempotency-Key, so that a repeated request changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.errors import ALREADY_RUNNING, ApiError
from airflow_provider_polytomic.emulator.http.responses import ApiResponse

_IN_FLIGHT = "A request with this Idempotency-Key is still being processed."
_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{8,255}")

Key = tuple[str, str]
"""An Idempotency-Key, and within what it is known."""

Fingerprint = tuple[str, bytes]


@dataclass
class _Memory:
    fingerprint: Fingerprint
    since: float
    answer: ApiResponse | None = None


class IdempotencyStore:
    """Keep the first answer to each key for as long as the switches say."""

    def __init__(self, behavior: Behavior) -> None:
        self._switches = behavior
        self._memories: dict[Key, _Memory] = {}

    def begin(self, key: Key, fingerprint: Fingerprint, now: float) -> ApiResponse | None:
        """Give the kept answer to ``key``, or None and take the key as in flight.

        :param fingerprint: path and body, by which a key used for another request shows.
        :raises Refused: when the key is malformed, in flight, or known for another request that may not replay.
        """
        reading = self._switches.malformed_idempotency_key
        if reading != "accept" and not _WELL_FORMED.fullmatch(key[0]):
            raise ApiError(int(reading), "Idempotency-Key must be 8 to 255 letters, digits, hyphens or underscores.")
        memory = self._memories.get(key)
        if memory is None or now - memory.since >= self._switches.idempotency_seconds:
            self._memories[key] = _Memory(fingerprint, now)
            return None
        if memory.fingerprint != fingerprint and self._switches.idempotency_mismatch == "refuse":
            raise ApiError(422, "This Idempotency-Key was used for a different request.")
        if memory.answer is None:
            raise ApiError(409, _IN_FLIGHT if self._switches.in_flight == "own_words" else ALREADY_RUNNING)
        return memory.answer

    def finish(self, key: Key, answer: ApiResponse) -> None:
        """Keep ``answer`` for ``key``, or forget the key where its status is not kept."""
        if self._switches.records(answer.status):
            self._memories[key].answer = answer
        else:
            self.abandon(key)

    def abandon(self, key: Key) -> None:
        """Forget ``key``."""
        self._memories.pop(key, None)
