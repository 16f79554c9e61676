"""Model syncs: reverse ETL, a query's rows into Salesforce, HubSpot and the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_polytomic.api.call import Call, given, path, query
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Activation, Message, Page
from airflow_provider_polytomic.api.models.executions import StartedExecution, SyncExecution, SyncStatus
from airflow_provider_polytomic.api.models.logs import ConsoleLog, LogFiles, LogsIndex
from airflow_provider_polytomic.api.models.syncs import ModelField, ScheduleOptions, Sync, SyncSource
from airflow_provider_polytomic.api.replacement import kept, only_known, refuse_masks

if TYPE_CHECKING:
    from typing_extensions import Unpack

_TWINS = (
    (frozenset({"identities"}), frozenset({"identity"})),
    (frozenset({"model_filters", "target_filters"}), frozenset({"filters", "filter_logic"})),
)
"""Fields that say a thing anew, and those that said it before; the API refuses both where they differ."""


class SyncOptions(TypedDict, total=False):
    """What a model sync may have besides its name, mode, fields, schedule and target.

    ``identities`` (``{"mappings": […], "strategy": "priority" | "and"}``) replaces ``identity``, which holds the
    first mapping only; ``model_filters`` and ``target_filters`` (``{"conditions": […], "logic": …}``) replace
    ``filters`` and ``filter_logic``. ``override_fields`` are fixed values, ``overrides`` conditional ones.
    ``policies`` are ids of permission policies, ``organization_id`` is for partner keys.
    """

    active: bool | None
    encryption_passphrase: str | None
    filter_logic: str | None
    filters: Sequence[Mapping[str, Any]] | None
    identities: Mapping[str, Any] | None
    identity: Mapping[str, Any] | None
    model_filters: Mapping[str, Any] | None
    only_enrich_updates: bool | None
    organization_id: str | None
    override_fields: Sequence[Mapping[str, Any]] | None
    overrides: Sequence[Mapping[str, Any]] | None
    policies: Sequence[str] | None
    skip_initial_backfill: bool | None
    sync_all_records: bool | None
    target_filters: Mapping[str, Any] | None


class SyncChanges(SyncOptions, total=False):
    """What of a model sync can change."""

    name: str
    mode: str
    fields: Sequence[Mapping[str, Any]]
    schedule: Mapping[str, Any]
    target: Mapping[str, Any]


def get_source(connection_id: str, params: Mapping[str, Any] | None = None) -> Call[SyncSource]:
    """Get what must be chosen to read from a connection: ``GET /api/connections/{id}/modelsync/source``.

    :param connection_id: id of the connection that is read from
    :param params: what has been chosen so far, which the further choices depend on; a value or a list of values each
    """
    return Call(
        "GET",
        path("/api/connections/{}/modelsync/source", connection_id),
        SyncSource,
        query=query(params=params),
        read_only=True,
    )


def get_source_fields(connection_id: str, params: Mapping[str, Any] | None = None) -> Call[Page[ModelField]]:
    """Get the columns that can be read from a connection: ``GET /api/connections/{id}/modelsync/source/fields``.

    :param connection_id: id of the connection that is read from
    :param params: what was chosen by :func:`get_source`; a value or a list of values each
    """
    return Call(
        "GET",
        path("/api/connections/{}/modelsync/source/fields", connection_id),
        Page[ModelField],
        query=query(params=params),
        read_only=True,
        enveloped=False,
    )


def get_schedule_options() -> Call[ScheduleOptions]:
    """Get the ways in which a model sync can be scheduled: ``GET /api/syncs/schedules``."""
    return Call("GET", "/api/syncs/schedules", ScheduleOptions, read_only=True)


def list(
    *,
    active: bool | None = None,
    mode: str | None = None,
    target_connection_id: str | None = None,
    limit: int | None = None,
) -> Call[Page[Sync]]:
    """List model syncs, the latest changed first: ``GET /api/syncs``.

    :param active: only those that are, or are not, active
    :param mode: only those of this mode, such as ``updateOrCreate``
    :param target_connection_id: only those that write to this connection
    :param limit: rows of one page, at most and by default 50
    """
    parameters = query(active=active, mode=mode, target_connection_id=target_connection_id, limit=limit)
    return Call("GET", "/api/syncs", Page[Sync], query=parameters, read_only=True, enveloped=False)


def get(sync_id: str) -> Call[Sync]:
    """Get one model sync: ``GET /api/syncs/{id}``.

    :param sync_id: id of the model sync
    """
    return Call("GET", path("/api/syncs/{}", sync_id), Sync, read_only=True)


def create(
    *,
    name: str,
    mode: str,
    fields: Sequence[Mapping[str, Any]],
    schedule: Mapping[str, Any],
    target: Mapping[str, Any],
    idempotency_key: str | None = None,
    **options: Unpack[SyncOptions],
) -> Call[Sync]:
    """Create a model sync: ``POST /api/syncs``.

    :param name: what people see
    :param mode: ``create``, ``update``, ``updateOrCreate``, ``replace``, ``append``, ``remove`` or ``snapshot``
    :param fields: which source field (``{"source": {"model_id": …, "field": …}``) goes to which ``target`` field
    :param schedule: when it runs by itself, such as ``{"frequency": "manual"}``
    :param target: where it writes, such as ``{"connection_id": …, "object": "Contact"}``
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    :param options: fields of :class:`SyncOptions`
    :raises TypeError: if one of ``options`` is none of those
    """
    body = _body(name, mode, fields, schedule, target, options)
    return Call("POST", "/api/syncs", Sync, body=body, idempotency_key=idempotency_key)


def update(
    sync_id: str,
    *,
    name: str,
    mode: str,
    fields: Sequence[Mapping[str, Any]],
    schedule: Mapping[str, Any],
    target: Mapping[str, Any],
    **options: Unpack[SyncOptions],
) -> Call[Sync]:
    """Replace a model sync as a whole: ``PUT /api/syncs/{id}``.

    Each field that is not given is cleared or falls back to its default, so use :func:`change` for some of them.

    :param sync_id: id of the model sync
    :param name: what people see
    :param mode: ``create``, ``update``, ``updateOrCreate``, ``replace``, ``append``, ``remove`` or ``snapshot``
    :param fields: which source field (``{"source": {"model_id": …, "field": …}``) goes to which ``target`` field
    :param schedule: when it runs by itself, such as ``{"frequency": "manual"}``
    :param target: where it writes, such as ``{"connection_id": …, "object": "Contact"}``
    :param options: fields of :class:`SyncOptions`
    :raises TypeError: if one of ``options`` is not of :class:`SyncOptions`
    """
    return _replace(sync_id, _body(name, mode, fields, schedule, target, options))


def change(sync_id: str, **changes: Unpack[SyncChanges]) -> Flow[Sync]:
    """Change some fields of a model sync and keep the others: get, then :func:`update` with everything.

    What somebody else writes between the two requests is lost; the API has no means against it.

    :param sync_id: id of the model sync
    :param changes: fields of :class:`SyncChanges` with their new values; None clears one
    :raises TypeError: if one of ``changes`` is none of those
    :raises ValueError: if the passphrase would be sent as the mask that the API may show; nothing is changed
    """
    only_known(changes, SyncChanges)
    shown = kept((yield from send(get(sync_id))), dropped={"problems", "model_ids"})
    for new, old in _TWINS:
        outdated = new if old & changes.keys() else old if new & (shown.keys() | changes.keys()) else frozenset()
        shown = {name: value for name, value in shown.items() if name not in outdated}
    body = given(**{**shown, **changes})
    refuse_masks(encryption_passphrase=body.get("encryption_passphrase"))
    return (yield from send(_replace(sync_id, body)))


def _body(
    name: str,
    mode: str,
    fields: Sequence[Mapping[str, Any]],
    schedule: Mapping[str, Any],
    target: Mapping[str, Any],
    options: SyncOptions,
) -> dict[str, Any]:
    known = only_known(options, SyncOptions)
    return given(name=name, mode=mode, fields=fields, schedule=schedule, target=target, **known)


def _replace(sync_id: str, body: Mapping[str, Any]) -> Call[Sync]:
    return Call("PUT", path("/api/syncs/{}", sync_id), Sync, body=body)


def delete(sync_id: str) -> Call[None]:
    """Delete a model sync for good, and cancel what runs of it: ``DELETE /api/syncs/{id}``.

    :param sync_id: id of the model sync
    """
    return Call("DELETE", path("/api/syncs/{}", sync_id), destructive=True, enveloped=False)


def activate(sync_id: str, active: bool, *, idempotency_key: str | None = None) -> Call[Activation]:
    """Turn a model sync on or off: ``POST /api/syncs/{id}/activate``.

    One that is off runs neither by its schedule nor when started; an execution that runs already goes on.
    Answered 422 while the sync has problems.

    :param sync_id: id of the model sync
    :param active: whether it is to run
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/syncs/{}/activate", sync_id),
        Activation,
        body=given(active=active),
        idempotency_key=idempotency_key,
    )


def start(
    sync_id: str,
    *,
    resync: bool | None = None,
    test: bool | None = None,
    identities: Sequence[str] | None = None,
    source_identities: Sequence[Sequence[Mapping[str, Any]]] | None = None,
    idempotency_key: str | None = None,
) -> Call[StartedExecution]:
    """Start an execution of a model sync: ``POST /api/syncs/{id}/executions``.

    :param sync_id: id of the model sync
    :param resync: sync all records, not only the changed ones
    :param test: passed on as it is; the API does not say what it does for a model sync
    :param identities: values of the identity field: only these records are synced
    :param source_identities: records named by model, field and value, at most 1000; not together with ``identities``
    :param idempotency_key: with it the same start sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/syncs/{}/executions", sync_id),
        StartedExecution,
        body=given(resync=resync, test=test, identities=identities, source_identities=source_identities),
        idempotency_key=idempotency_key,
    )


def cancel(sync_id: str, *, idempotency_key: str | None = None) -> Call[Message]:
    """Ask for the end of whatever execution of a model sync runs: ``POST /api/syncs/{id}/cancel``.

    The API only queues the request: the execution may still end as completed.

    :param sync_id: id of the model sync
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call("POST", path("/api/syncs/{}/cancel", sync_id), Message, idempotency_key=idempotency_key)


def get_status(sync_id: str) -> Call[SyncStatus]:
    """Get the current and the last execution of a model sync: ``GET /api/syncs/{id}/status``.

    :param sync_id: id of the model sync
    """
    return Call("GET", path("/api/syncs/{}/status", sync_id), SyncStatus, read_only=True)


def list_executions(
    sync_id: str, *, only_completed: bool | None = None, ascending: bool | None = None
) -> Call[Page[SyncExecution]]:
    """List the executions of a model sync: ``GET /api/syncs/{id}/executions``.

    Counts and errors are only certain in :func:`get_execution`.

    :param sync_id: id of the model sync
    :param only_completed: leave out those that have not ended
    :param ascending: the oldest first; by default the latest started is
    """
    return Call(
        "GET",
        path("/api/syncs/{}/executions", sync_id),
        Page[SyncExecution],
        query=query(only_completed=only_completed, ascending=ascending),
        read_only=True,
        enveloped=False,
    )


def get_execution(sync_id: str, execution_id: str) -> Call[SyncExecution]:
    """Get one execution of a model sync: ``GET /api/syncs/{id}/executions/{execution id}``.

    :param sync_id: id of the model sync
    :param execution_id: id of the execution
    """
    return Call("GET", path("/api/syncs/{}/executions/{}", sync_id, execution_id), SyncExecution, read_only=True)


def cancel_execution(sync_id: str, execution_id: str, *, idempotency_key: str | None = None) -> Call[Message]:
    """Ask for the end of one execution: ``POST /api/syncs/{id}/executions/{execution id}/cancel``.

    :param sync_id: id of the model sync
    :param execution_id: id of the execution
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/syncs/{}/executions/{}/cancel", sync_id, execution_id),
        Message,
        idempotency_key=idempotency_key,
    )


def get_console_log(
    sync_id: str, execution_id: str, *, after: str | None = None, limit: int | None = None
) -> Call[ConsoleLog]:
    """Get an execution's console lines: ``GET /api/syncs/{id}/executions/{execution id}/consolelog``.

    The API keeps the latest 50 only: who asks too seldom misses lines.

    :param sync_id: id of the model sync
    :param execution_id: id of the execution
    :param after: ``next_cursor`` of an earlier answer: only what is newer
    :param limit: lines of one page, at most 50
    """
    return Call(
        "GET",
        path("/api/syncs/{}/executions/{}/consolelog", sync_id, execution_id),
        ConsoleLog,
        query=query(limit=limit, after=after),
        read_only=True,
    )


def get_logs_index(sync_id: str, execution_id: str) -> Call[LogsIndex]:
    """Get which records an execution logged, by kind: ``GET /api/syncs/{id}/executions/{execution id}/logs``.

    :param sync_id: id of the model sync
    :param execution_id: id of the execution
    """
    return Call("GET", path("/api/syncs/{}/executions/{}/logs", sync_id, execution_id), LogsIndex, read_only=True)


def get_log_urls(sync_id: str, execution_id: str, type: str) -> Call[LogFiles]:
    """Get signed URLs of an execution's log files: ``GET /api/syncs/{id}/executions/{execution id}/{type}``.

    The URLs expire soon; this call gives new ones.

    :param sync_id: id of the model sync
    :param execution_id: id of the execution
    :param type: ``records``, ``errors``, ``warnings``, ``inserts``, ``updates`` or ``deletes``
    """
    return Call("GET", path("/api/syncs/{}/executions/{}/{}", sync_id, execution_id, type), LogFiles, read_only=True)
