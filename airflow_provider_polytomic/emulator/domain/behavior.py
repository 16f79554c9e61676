"""Choose what the emulator does where nobody has written down what Polytomic does.

Code that must survive both readings is tested under both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")

BEARER, BASIC_KEY, BASIC_ORGANIZATION = "bearer", "basic_key", "basic_organization"
_WORDS: dict[str, tuple[Any, ...]] = {
    "start_while_running": ("conflict", "queue"),
    "model_test": ("whole", "few", "nothing"),
    "interrupted": ("ends", "resumes"),
    "errors": ("ends", "resumes"),
    "no_execution": ("absent", "null"),
    "empty_list": ("list", "null"),
    "list_order": ("as_kept", "reversed"),
    "only_completed": ("ended", "completed"),
    "error_body": ("whole", "message", "empty"),
    "retry_after": ("seconds", "date", "absent"),
    "default_version": ("2025-09-18", "2021-05-23"),
    "malformed_idempotency_key": (400, 422, "accept"),
    "idempotency_mismatch": ("replay", "refuse"),
    "in_flight": ("own_words", "as_running"),
    "idempotency_scope": ("organization", "credential", "path"),
    "batch_status_unknown_id": ("omit", "refuse"),
    "batch_status_too_many": (400, 404, 414, "cut"),
    "no_body_status": (200, 204),
    "masked_secret": ("keep", "store", "refuse"),
    "proxy_body": ("text", "json"),
    "console_order": ("oldest_first", "newest_first"),
    "console_end": ("repeat", "absent", "null"),
    "event_order": ("newest_first", "oldest_first", "shuffled"),
    "event_paging": ("token", "none"),
    "event_sync_name": ("sync_name", "name"),
    "signature_hash": ("sha256", "sha1", "sha512"),
    "signature_encoding": ("hex", "base64"),
    "delivery_body": ("event", "whole"),
}
_SECONDS = (
    *("status_lag", "schema_refresh_seconds", "schema_refresh_lag"),
    *("job_seconds", "idempotency_seconds", "delivery_backoff"),
)
_NAMES = ("deployment_key_forms", "events_lost", "events_repeated")


@dataclass
class Behavior:
    """The present readings.

    :param start_while_running: ``conflict`` answers 409 to a start during an execution, ``queue`` queues it.
    :param start_inactive: status that refuses the start of an inactive model sync, or ``accept``.
    :param start_broken: status that refuses the start of a model sync with problems, or ``accept``.
    :param default_active: whether a sync created or replaced without ``active`` is active.
    :param model_test: what ``test`` makes of a model sync: the ``whole`` of it, a ``few`` records or ``nothing``.
    :param resync_dispositions: ``output_disposition`` of a bulk execution by its ``resync_mode``; else ``retain``.
    :param interrupted: whether an execution that is ``interrupted`` ``ends`` so, or ``resumes`` and completes.
    :param errors: the same of a bulk execution with ``errors``.
    :param cancel_idle: status of a cancel with nothing to cancel; 200 answers with a message.
    :param no_execution: ``current_execution`` or ``last_execution`` that there is not: ``absent`` or ``null``.
    :param status_lag: seconds that an execution which has ended is still missing from ``last_execution``.
    :param empty_list: ``data`` of an empty list: an empty ``list`` or ``null``.
    :param list_order: order of connections, their types and copies, schemas and the batch status: ``as_kept`` or
        ``reversed``.
    :param only_completed: whether it leaves of a model sync's executions those that ``ended`` or ``completed``.
    :param no_body_status: status of a success that says nothing, of deletions and connection tests: 200 or 204.
    :param execution_type: ``type`` of an execution started through the API.
    :param page_size: largest page of a list.
    :param error_body: body of an error: its ``whole``, its ``message`` alone, or an ``empty`` object.
    :param error_key: ``key`` of every error; None: a word that goes with the status.
    :param rate_limit: requests of one minute that are answered, the rest gets 429; None: all.
    :param retry_after: ``Retry-After`` of such a 429: ``seconds``, a ``date`` or ``absent``.
    :param default_version: API version of a request that names none; before 2025-09-18 a bulk start takes ``resync``.
    :param deployment_key_forms: how a deployment key may be sent: ``bearer``, ``basic_key`` (it is the user name and
        there is no password) or ``basic_organization`` (it is the password of an organization).
    :param idempotency_seconds: how long an outcome is kept.
    :param record_conflicts: whether an Idempotency-Key keeps a 409.
    :param record_rate_limits: whether it keeps a 429.
    :param record_unauthorized: whether it keeps a 401.
    :param record_client_errors: whether it keeps any other 4xx.
    :param malformed_idempotency_key: status that refuses it, or ``accept``.
    :param idempotency_mismatch: a known key with another path or body: ``replay`` or ``refuse`` with 422.
    :param in_flight: the 409 to a key in flight: in its ``own_words`` or ``as_running``, as to a sync that runs.
    :param replay_header: header that marks an answer that was kept; empty: none.
    :param idempotency_scope: where a key is known: in the ``organization``, to its ``credential`` or for its ``path``.
    :param batch_status_unknown_id: an unknown id in the batch status: ``omit`` it or ``refuse`` with 404.
    :param batch_status_most_ids: how many ids the batch status takes; None: any number.
    :param batch_status_too_many: status that refuses more, or ``cut`` to answer for the first ones only.
    :param connection_status: ``status`` of a connection that works.
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
    :param event_order: order of the events of a list, and of the deliveries of one moment.
    :param event_paging: whether a list of events offers a ``token`` for its next page or ``none``.
    :param event_sync_name: field that names the sync in an event.
    :param events_lost: events that nobody sees: their types, sync ids or execution ids; ``*`` stands for any text.
    :param events_repeated: events that are listed and delivered twice, named in the same way.
    :param events_delayed: seconds from an event to its listing and delivery, by names of the same kind; the first that
        fits counts.
    :param completed_beside_errors: whether ``completed`` is sent beside ``completed_with_errors``.
    :param signature_hash: hash of the signature of a delivery.
    :param signature_encoding: how that is written.
    :param signature_prefix: whether the name of the hash and ``=`` stand before it.
    :param delivery_body: what is delivered: ``type`` and ``event`` of an event, or the ``whole`` as it is listed.
    :param delivery_backoff: seconds before the second attempt to deliver; each further pause is twice as long.
    """

    start_while_running: str = "conflict"
    start_inactive: int | str = 400
    start_broken: int | str = 400
    default_active: bool = True
    model_test: str = "whole"
    resync_dispositions: Mapping[str, str] = field(default_factory=lambda: {"resync": "truncate", "rebuild": "rebuild"})
    interrupted: str = "ends"
    errors: str = "ends"
    cancel_idle: int = 200
    no_execution: str = "absent"
    status_lag: float = 0.0
    empty_list: str = "list"
    list_order: str = "as_kept"
    only_completed: str = "ended"
    no_body_status: int = 200
    execution_type: str = "manual"
    page_size: int = 50
    error_body: str = "whole"
    error_key: str | None = None
    rate_limit: int | None = None
    retry_after: str = "seconds"
    default_version: str = "2025-09-18"
    deployment_key_forms: Sequence[str] = (BEARER, BASIC_ORGANIZATION)
    idempotency_seconds: float = 24 * 60 * 60
    record_conflicts: bool = True
    record_rate_limits: bool = False
    record_unauthorized: bool = False
    record_client_errors: bool = True
    malformed_idempotency_key: int | str = 400
    idempotency_mismatch: str = "replay"
    in_flight: str = "own_words"
    replay_header: str = ""
    idempotency_scope: str = "organization"
    batch_status_unknown_id: str = "omit"
    batch_status_most_ids: int | None = None
    batch_status_too_many: int | str = 400
    connection_status: str = "healthy"
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
    signature_hash: str = "sha256"
    signature_encoding: str = "hex"
    signature_prefix: bool = False
    delivery_body: str = "event"
    delivery_backoff: float = 1.0

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

    def in_order(self, rows: Iterable[T]) -> list[T]:
        """Put the rows of a list whose order is not documented into one."""
        return list(rows)[:: -1 if self.list_order == "reversed" else 1]

    def records(self, status: int) -> bool:
        """Tell whether an Idempotency-Key keeps an outcome with this ``status``."""
        special = {401: self.record_unauthorized, 409: self.record_conflicts, 429: self.record_rate_limits}
        if status in special:
            return special[status]
        return self.record_client_errors or not 400 <= status < 500
