"""Choose what the emulator does where nobody has written down what Polytomic does.

Code that must survive both readings is tested under both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

_WORDS: dict[str, tuple[Any, ...]] = {
    "start_while_running": ("conflict", "queue"),
    "no_execution": ("absent", "null"),
    "empty_list": ("list", "null"),
    "malformed_idempotency_key": ("refuse", "accept"),
    "idempotency_mismatch": ("replay", "refuse"),
    "batch_status_unknown_id": ("omit", "refuse"),
    "no_body_status": (200, 204),
    "masked_secret": ("keep", "store", "refuse"),
    "proxy_body": ("text", "json"),
    "console_order": ("oldest_first", "newest_first"),
    "console_end": ("repeat", "absent", "null"),
    "event_order": ("newest_first", "oldest_first", "shuffled"),
    "event_paging": ("token", "none"),
    "event_sync_name": ("sync_name", "name"),
}
_SECONDS = ("schema_refresh_seconds", "schema_refresh_lag", "job_seconds", "idempotency_seconds")
_NAMES = ("events_lost", "events_repeated")


@dataclass
class Switches:
    """The present readings.

    :param start_while_running: ``conflict`` answers 409 to a start during an execution, ``queue`` queues it.
    :param start_inactive: status that refuses the start of an inactive model sync, or ``accept``.
    :param start_broken: status that refuses the start of a model sync with problems, or ``accept``.
    :param default_active: whether a sync created or replaced without ``active`` is active.
    :param cancel_idle: status of a cancel with nothing to cancel; 200 answers with a message.
    :param no_execution: ``current_execution`` or ``last_execution`` that there is not: ``absent`` or ``null``.
    :param empty_list: ``data`` of an empty list: an empty ``list`` or ``null``.
    :param no_body_status: status of a success that says nothing, of deletions and connection tests: 200 or 204.
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
    :param masked_secret: a mask sent back in an update: ``keep`` the secret, ``store`` the mask, ``refuse`` with 422.
    :param schema_refresh_seconds: how long a refresh of schemas takes; ``inf`` never ends.
    :param schema_refresh_lag: seconds before the status shows that a refresh has begun.
    :param schema_refresh_ends: ``cache_status`` after a refresh; any word but ``fresh`` tells of a failure.
    :param schema_refresh_finishes: whether ``last_refresh_finished`` moves when a refresh ends.
    :param proxy_body: JSON from behind a connection as ``text`` or as the ``json`` it is.
    :param job_seconds: how long a job takes that an API call begins.
    :param console_level: ``level`` of an ordinary line of a console log.
    :param console_order: order of the lines of one page.
    :param console_end: ``next_cursor`` when nothing is new: ``repeat`` the one that was sent, ``absent`` or ``null``.
    :param event_order: order of the events of a list.
    :param event_paging: whether a list of events offers a ``token`` for its next page or ``none``.
    :param event_sync_name: field that names the sync in an event.
    :param events_lost: events that are never listed: their types, sync ids or execution ids; ``*`` stands for any text.
    :param events_repeated: events that are listed twice, named in the same way.
    :param events_delayed: seconds from an event to its listing, by names of the same kind; the first that fits counts.
    :param completed_beside_errors: whether ``completed`` is sent beside ``completed_with_errors``.
    """

    start_while_running: str = "conflict"
    start_inactive: int | str = 400
    start_broken: int | str = 400
    default_active: bool = True
    cancel_idle: int = 200
    no_execution: str = "absent"
    empty_list: str = "list"
    no_body_status: int = 200
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
    masked_secret: str = "keep"
    schema_refresh_seconds: float = 5.0
    schema_refresh_lag: float = 0.0
    schema_refresh_ends: str = "fresh"
    schema_refresh_finishes: bool = True
    proxy_body: str = "text"
    job_seconds: float = 5.0
    console_level: str = "info"
    console_order: str = "oldest_first"
    console_end: str = "repeat"
    event_order: str = "newest_first"
    event_paging: str = "token"
    event_sync_name: str = "sync_name"
    events_lost: Sequence[str] = ()
    events_repeated: Sequence[str] = ()
    events_delayed: Mapping[str, float] = field(default_factory=dict)
    completed_beside_errors: bool = False

    def set(self, name: str, value: Any) -> None:
        """Turn the switch ``name`` to ``value``."""
        known = [each.name for each in fields(self)]
        if name not in known:
            raise ValueError(f"There is no switch {name!r}; there are {', '.join(known)}.")
        allowed = _WORDS.get(name)
        if allowed is not None and value not in allowed:
            raise ValueError(f"{name} is one of {', '.join(map(str, allowed))}, not {value!r}.")
        if name in _SECONDS:
            value = float(value)
        if name in _NAMES and isinstance(value, str):
            raise ValueError(f"{name} is a list of names.")
        setattr(self, name, value)

    def records(self, status: int) -> bool:
        """Tell whether an Idempotency-Key keeps an outcome with this ``status``."""
        if status == 409:
            return self.record_conflicts
        if status == 429:
            return self.record_rate_limits
        return self.record_client_errors or not 400 <= status < 500
