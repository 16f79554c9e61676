"""The calls with an Idempotency-Key that the agent of a task instance makes."""

from __future__ import annotations

import json
import time
from typing import Any

from airflow_provider_polytomic._compat import StateStore
from airflow_provider_polytomic._task.state import Attempt
from airflow_provider_polytomic.api import Call
from airflow_provider_polytomic.api.call import idempotency_key

CALLS_STATE_KEY = "polytomic_calls"

MAX_REPEAT_AGE = 24 * 3600
"""Seconds for which Polytomic returns the response to an earlier request with the same Idempotency-Key."""


class TaskCalls:
    """Number the calls of one attempt, and note them for the next attempt.

    Both are in the task state store, because the attempt continues in another process after an approval. The n-th of
    equal calls has the same Idempotency-Key in each attempt, so a repeated call starts nothing.

    :param attempt: Attempt of the task instance.
    :param store: Store of the task instance.
    """

    def __init__(self, attempt: Attempt, store: StateStore) -> None:
        self.attempt = attempt
        self._store = store
        saved = store.get() or {}
        is_same_attempt = saved.get("try_number") == attempt.try_number
        self._numbers: dict[str, int] = saved["numbers"] if is_same_attempt else {}
        self._sent: dict[str, float] = saved.get("sent", {})

    def key_facts(self, operation: str, call: Call[Any]) -> tuple[str | int, ...]:
        """Return the facts of the Idempotency-Key of the next such call."""
        body = json.dumps(call.body, sort_keys=True, default=str)
        equal = (*self.attempt.key_facts, operation, call.path, body)
        return (*equal, self._numbers.get(idempotency_key(*equal), 0) + 1)

    def was_sent(self, key_facts: tuple[str | int, ...]) -> bool:
        """Return whether an earlier attempt has sent this call, so that Polytomic returns its response again."""
        return time.time() - self._sent.get(idempotency_key(*key_facts), 0) < MAX_REPEAT_AGE

    def note(self, key_facts: tuple[str | int, ...]) -> None:
        """Note a call that is about to be sent."""
        *equal, number = key_facts
        self._numbers[idempotency_key(*equal)] = int(number)
        self._sent.setdefault(idempotency_key(*key_facts), time.time())
        self._store.set({"try_number": self.attempt.try_number, "numbers": self._numbers, "sent": self._sent})
