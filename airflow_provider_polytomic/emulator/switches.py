"""Choose what the emulator does where nobody has written down what Polytomic does.

Code that must survive both readings is tested under both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

_WORDS = {
    "start_while_running": ("conflict", "queue"),
    "no_execution": ("absent", "null"),
    "empty_list": ("list", "null"),
    "malformed_idempotency_key": ("refuse", "accept"),
    "idempotency_mismatch": ("replay", "refuse"),
    "batch_status_unknown_id": ("omit", "refuse"),
}


@dataclass
class Switches:
    """The present readings.

    :param start_while_running: ``conflict`` answers 409 to a start during an execution, ``queue`` queues it.
    :param start_inactive: status that refuses the start of an inactive model sync, or ``accept``.
    :param cancel_idle: status of a cancel with nothing to cancel; 200 answers with a message.
    :param no_execution: ``current_execution`` or ``last_execution`` that there is not: ``absent`` or ``null``.
    :param empty_list: ``data`` of an empty list: an empty ``list`` or ``null``.
    :param execution_type: ``type`` of an execution started through the API.
    :param page_size: largest page of a list.
    :param idempotency_seconds: how long an outcome is kept.
    :param record_conflicts: whether an Idempotency-Key keeps a 409.
    :param record_rate_limits: whether it keeps a 429.
    :param record_client_errors: whether it keeps any other 4xx.
    :param malformed_idempotency_key: ``refuse`` with 400 or ``accept``.
    :param idempotency_mismatch: a known key with another path or body: ``replay`` or ``refuse`` with 422.
    :param batch_status_unknown_id: an unknown id in the batch status: ``omit`` it or ``refuse`` with 404.
    :param connection_failure: message that every test or creation of a connection fails with; None: they succeed.
    :param connection_failure_status: status of such a failure.
    """

    start_while_running: str = "conflict"
    start_inactive: int | str = 400
    cancel_idle: int = 200
    no_execution: str = "absent"
    empty_list: str = "list"
    execution_type: str = "manual"
    page_size: int = 50
    idempotency_seconds: float = 24 * 60 * 60
    record_conflicts: bool = True
    record_rate_limits: bool = False
    record_client_errors: bool = True
    malformed_idempotency_key: str = "refuse"
    idempotency_mismatch: str = "replay"
    batch_status_unknown_id: str = "omit"
    connection_failure: str | None = None
    connection_failure_status: int = 400

    def set(self, name: str, value: Any) -> None:
        """Turn the switch ``name`` to ``value``."""
        known = [each.name for each in fields(self)]
        if name not in known:
            raise ValueError(f"There is no switch {name!r}; there are {', '.join(known)}.")
        allowed = _WORDS.get(name)
        if allowed is not None and value not in allowed:
            raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}.")
        setattr(self, name, value)

    def records(self, status: int) -> bool:
        """Tell whether an Idempotency-Key keeps an outcome with this ``status``."""
        if status == 409:
            return self.record_conflicts
        if status == 429:
            return self.record_rate_limits
        return self.record_client_errors or not 400 <= status < 500
