"""The switches: behavior of the emulator where that of Polytomic is not documented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")

BEARER, BASIC_KEY, BASIC_ORGANIZATION = "bearer", "basic_key", "basic_organization"


@dataclass
class Behavior:
    """Choose how the emulator behaves where Polytomic is not documented; for defaults see ``docs/emulator.md``.

    :param start_while_running: start during an execution: ``conflict`` responds with 409, ``queue`` queues it.
    :param start_inactive: status of the response to the start of an inactive model sync, or ``accept``.
    :param start_broken: status of the response to the start of a model sync with problems, or ``accept``.
    :param default_active: whether a sync created or replaced without ``active`` is active.
    :param model_test: records that ``test`` moves in a model sync: the ``whole``, a ``few`` or ``nothing``.
    :param auto_retry_record_errors: setting of the error handling of model syncs: ``on``, ``off``, ``null``, or
        ``absent`` with all other settings.
    :param resync_dispositions: ``output_disposition`` of a bulk execution by its ``resync_mode``; else ``retain``.
    :param interrupted: an ``interrupted`` execution ``ends``, or ``resumes`` and completes.
    :param errors: a bulk execution with ``errors`` ``ends``, or ``resumes`` and completes.
    :param cancel_idle: status of a cancel with nothing to cancel; 200 answers with a message.
    :param no_execution: missing ``current_execution`` or ``last_execution``: ``absent`` or ``null``.
    :param status_lag: seconds until ``last_execution`` shows an execution that has ended.
    :param empty_list: ``data`` of an empty list: an empty ``list`` or ``null``.
    :param list_order: order of lists whose order is not documented: ``as_kept`` or ``reversed``.
    :param only_completed: executions of a model sync that it selects: those that ``ended`` or those that ``completed``.
    :param no_body_status: status of a successful deletion or connection test, which has no body: 200 or 204.
    :param execution_type: ``type`` of an execution started through the API.
    :param page_size: largest page of a list.
    :param error_body: body of an error: its ``whole``, its ``message`` alone, or an ``empty`` object.
    :param error_key: ``key`` of every error; None: a word that goes with the status.
    :param rate_limit: requests a minute; the others get 429. None: no limit.
    :param retry_after: ``Retry-After`` of such a 429: ``seconds``, a ``date`` or ``absent``.
    :param default_version: API version of a request without ``X-Polytomic-Version``; before 2025-09-18 a bulk start
        accepts ``resync``.
    :param deployment_key_forms: accepted forms of a deployment key: ``bearer``, ``basic_key`` (user name, without a
        password) and ``basic_organization`` (password of an organization).
    :param idempotency_seconds: seconds for which the response to an Idempotency-Key is kept.
    :param record_conflicts: whether the response to an Idempotency-Key is kept if it is a 409.
    :param record_rate_limits: whether it is kept if it is a 429.
    :param record_unauthorized: whether it is kept if it is a 401.
    :param record_client_errors: whether it is kept if it is another 4xx.
    :param malformed_idempotency_key: status of the response to a malformed key, or ``accept``.
    :param idempotency_mismatch: known key with another path or body: ``replay`` the response or ``refuse`` with 422.
    :param in_flight: text of the 409 to a key in flight: its ``own_words``, or ``as_running`` as for a sync that runs.
    :param replay_header: header that marks a replayed response; empty: none.
    :param idempotency_scope: scope of a key: the ``organization``, its ``credential`` or its ``path``.
    :param batch_status_unknown_id: unknown id in the batch status: ``omit`` it or ``refuse`` with 404.
    :param batch_status_most_ids: largest number of ids in the batch status; None: no limit.
    :param batch_status_too_many: status of the response to more ids, or ``cut`` to answer for the first ones only.
    :param connection_status: ``status`` of a connection that works.
    :param connection_failure: message that every test or creation of a connection fails with; None: they succeed.
    :param connection_failure_status: status of such a failure.
    :param masked_secret: mask in an update: ``keep`` the secret, ``store`` the mask or ``refuse`` with 422.
    :param schema_refresh_seconds: seconds that a refresh of schemas takes; ``inf`` never ends.
    :param schema_refresh_lag: seconds until the status shows a refresh.
    :param schema_refresh_ends: ``cache_status`` after a refresh; any word but ``fresh`` is a failure.
    :param schema_refresh_finishes: whether ``last_refresh_finished`` moves when a refresh ends.
    :param schemas_while_refreshing: schemas of a bulk sync that a list has while its source refreshes: ``all`` or
        ``none``.
    :param start_while_refreshing: status of the response to a bulk start while its source refreshes, or ``accept``.
    :param proxy_body: JSON from the system behind a connection: as ``text`` or as ``json``.
    :param job_seconds: seconds that a job takes which an API call starts.
    :param console_level: ``level`` of an ordinary line of a console log.
    :param console_order: order of the lines of one page.
    :param console_end: ``next_cursor`` without new lines: ``repeat`` the cursor of the request, ``absent`` or ``null``.
    :param event_order: order of events in the list, and of deliveries at one moment.
    :param event_paging: pages of the list of events: by ``token`` or ``none``.
    :param event_sync_name: field that names the sync in an event.
    :param events_lost: events never listed or delivered, by type, sync id or execution id; ``*`` matches any text.
    :param events_repeated: events that are listed and delivered twice, named likewise.
    :param events_delayed: seconds until an event is listed and delivered, by names likewise; the first match counts.
    :param completed_beside_errors: whether a ``completed`` event accompanies ``completed_with_errors``.
    :param signature_hash: hash of the signature of a delivery.
    :param signature_encoding: encoding of the signature.
    :param signature_prefix: whether the signature begins with the name of the hash and ``=``.
    :param delivery_body: body of a delivery: ``type`` and ``event``, or the ``whole`` event as it is listed.
    :param delivery_backoff: seconds before the second attempt to deliver; each further pause is twice as long.
    """

    start_while_running: Literal["conflict", "queue"] = "conflict"
    start_inactive: int | str = 400
    start_broken: int | str = 400
    default_active: bool = True
    model_test: Literal["whole", "few", "nothing"] = "whole"
    auto_retry_record_errors: Literal["on", "off", "null", "absent"] = "on"
    resync_dispositions: Mapping[str, str] = field(default_factory=lambda: {"resync": "truncate", "rebuild": "rebuild"})
    interrupted: Literal["ends", "resumes"] = "ends"
    errors: Literal["ends", "resumes"] = "ends"
    cancel_idle: int = 200
    no_execution: Literal["absent", "null"] = "absent"
    status_lag: float = 0.0
    empty_list: Literal["list", "null"] = "list"
    list_order: Literal["as_kept", "reversed"] = "as_kept"
    only_completed: Literal["ended", "completed"] = "ended"
    no_body_status: Literal[200, 204] = 200
    execution_type: str = "manual"
    page_size: int = 50
    error_body: Literal["whole", "message", "empty"] = "whole"
    error_key: str | None = None
    rate_limit: int | None = None
    retry_after: Literal["seconds", "date", "absent"] = "seconds"
    default_version: Literal["2025-09-18", "2021-05-23"] = "2025-09-18"
    deployment_key_forms: Sequence[str] = (BEARER, BASIC_ORGANIZATION)
    idempotency_seconds: float = 24 * 60 * 60
    record_conflicts: bool = True
    record_rate_limits: bool = False
    record_unauthorized: bool = False
    record_client_errors: bool = True
    malformed_idempotency_key: Literal[400, 422, "accept"] = 400
    idempotency_mismatch: Literal["replay", "refuse"] = "replay"
    in_flight: Literal["own_words", "as_running"] = "own_words"
    replay_header: str = ""
    idempotency_scope: Literal["organization", "credential", "path"] = "organization"
    batch_status_unknown_id: Literal["omit", "refuse"] = "omit"
    batch_status_most_ids: int | None = None
    batch_status_too_many: Literal[400, 404, 414, "cut"] = 400
    connection_status: str = "healthy"
    connection_failure: str | None = None
    connection_failure_status: int = 400
    masked_secret: Literal["keep", "store", "refuse"] = "keep"
    schema_refresh_seconds: float = 5.0
    schema_refresh_lag: float = 0.0
    schema_refresh_ends: str = "fresh"
    schema_refresh_finishes: bool = True
    schemas_while_refreshing: Literal["all", "none"] = "all"
    start_while_refreshing: int | str = "accept"
    proxy_body: Literal["text", "json"] = "text"
    job_seconds: float = 5.0
    console_level: str = "info"
    console_order: Literal["oldest_first", "newest_first"] = "oldest_first"
    console_end: Literal["repeat", "absent", "null"] = "repeat"
    event_order: Literal["newest_first", "oldest_first", "shuffled"] = "newest_first"
    event_paging: Literal["token", "none"] = "token"
    event_sync_name: Literal["sync_name", "name"] = "sync_name"
    events_lost: Sequence[str] = ()
    events_repeated: Sequence[str] = ()
    events_delayed: Mapping[str, float] = field(default_factory=dict)
    completed_beside_errors: bool = False
    signature_hash: Literal["sha256", "sha1", "sha512"] = "sha256"
    signature_encoding: Literal["hex", "base64"] = "hex"
    signature_prefix: bool = False
    delivery_body: Literal["event", "whole"] = "event"
    delivery_backoff: float = 1.0

    def set(self, name: str, value: Any) -> None:
        """Set the switch ``name`` to ``value``.

        :raises ValueError: if there is no such switch, or it does not take the value.
        """
        if name not in _TYPES:
            raise ValueError(f"There is no switch {name!r}. Use one of {', '.join(_TYPES)}.")
        allowed = allowed_values(name)
        if allowed and value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}.")
        if _TYPES[name] == (int | str) and value not in ("accept", *range(400, 600)):
            raise ValueError(f"{name} must be the status of an error or accept, not {value!r}.")
        if _TYPES[name] is float:
            value = float(value)
        if _TYPES[name] == Sequence[str] and isinstance(value, str):
            raise ValueError(f"{name} must be a list of names.")
        setattr(self, name, value)

    def in_order(self, rows: Iterable[T]) -> list[T]:
        """Order the rows of a list whose order is not documented."""
        return list(rows)[:: -1 if self.list_order == "reversed" else 1]

    def keeps(self, status: int) -> bool:
        """Return whether a response with this ``status`` is kept for its Idempotency-Key."""
        special = {401: self.record_unauthorized, 409: self.record_conflicts, 429: self.record_rate_limits}
        if status in special:
            return special[status]
        return self.record_client_errors or not 400 <= status < 500


_TYPES = get_type_hints(Behavior)


def allowed_values(name: str) -> tuple[Any, ...]:
    """Return the values of a switch that takes only some; nothing for the others."""
    return get_args(_TYPES[name]) if get_origin(_TYPES[name]) is Literal else ()
