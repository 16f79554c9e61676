"""Bulk syncs: ELT, whole schemas of a source into a warehouse, a database or a bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_polytomic.api.call import Call, given, path, query
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Activation, Message, Page
from airflow_provider_polytomic.api.models.bulk_syncs import BulkSchema, BulkSync, BulkSyncSummary
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution, BulkSyncStatus
from airflow_provider_polytomic.api.models.logs import ConsoleLog, LogFiles
from airflow_provider_polytomic.api.replacement import kept, only_known

if TYPE_CHECKING:
    from typing_extensions import Unpack


class BulkSyncOptions(TypedDict, total=False):
    """What a bulk sync may have besides its name, its two ends and its schedule.

    ``mode`` is ``replicate``, ``append`` or ``snapshot``. ``schemas`` lists schema ids, or mappings with an ``id`` and
    the schema's settings. ``automatically_add_new_objects`` and ``automatically_add_new_fields`` are ``all``,
    ``onlyIncremental``, ``onlyNonIncremental`` or ``none``; ``normalize_names`` is ``enabled``, ``disabled`` or
    ``legacy``. ``policies`` are ids of permission policies, ``organization_id`` is for partner keys.
    """

    active: bool | None
    additional_schedules: Sequence[Mapping[str, Any]] | None
    automatically_add_new_fields: str | None
    automatically_add_new_objects: str | None
    concurrency_limit: int | None
    data_cutoff_timestamp: datetime | str | None
    disable_record_timestamps: bool | None
    mode: str | None
    normalize_names: str | None
    organization_id: str | None
    policies: Sequence[str] | None
    resync_concurrency_limit: int | None
    schemas: Sequence[str | Mapping[str, Any]] | None
    source_configuration: Mapping[str, Any] | None


class BulkSyncChanges(BulkSyncOptions, total=False):
    """What of a bulk sync can change."""

    name: str
    source_connection_id: str
    destination_connection_id: str
    destination_configuration: Mapping[str, Any]
    default_schedule: Mapping[str, Any]


def list(*, active: bool | None = None, limit: int | None = None) -> Call[Page[BulkSync]]:
    """List bulk syncs, the latest changed first: ``GET /api/bulk/syncs``.

    :param active: only those that are, or are not, active
    :param limit: rows of one page, at most and by default 50
    """
    parameters = query(active=active, limit=limit)
    return Call("GET", "/api/bulk/syncs", Page[BulkSync], query=parameters, read_only=True, enveloped=False)


def get(bulk_sync_id: str, *, refresh_schemas: bool | None = None) -> Call[BulkSync]:
    """Get one bulk sync, without its schemas: ``GET /api/bulk/syncs/{id}``.

    :param bulk_sync_id: id of the bulk sync
    :param refresh_schemas: passed on as it is; the API does not say what it does
    """
    parameters = query(refresh_schemas=refresh_schemas)
    return Call("GET", path("/api/bulk/syncs/{}", bulk_sync_id), BulkSync, query=parameters, read_only=True)


def create(
    *,
    name: str,
    source_connection_id: str,
    destination_connection_id: str,
    destination_configuration: Mapping[str, Any],
    default_schedule: Mapping[str, Any],
    idempotency_key: str | None = None,
    **options: Unpack[BulkSyncOptions],
) -> Call[BulkSync]:
    """Create a bulk sync: ``POST /api/bulk/syncs``.

    :param name: what people see
    :param source_connection_id: connection that is read from
    :param destination_connection_id: connection that is written to
    :param destination_configuration: settings that this type of destination asks for, such as the schema written to
    :param default_schedule: when it runs by itself, such as ``{"frequency": "manual"}``; times are in UTC
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    :param options: fields of :class:`BulkSyncOptions`
    :raises TypeError: if one of ``options`` is none of those
    """
    ends = (source_connection_id, destination_connection_id, destination_configuration)
    body = _body(name, *ends, default_schedule, options)
    return Call("POST", "/api/bulk/syncs", BulkSync, body=body, idempotency_key=idempotency_key)


def update(
    bulk_sync_id: str,
    *,
    name: str,
    source_connection_id: str,
    destination_connection_id: str,
    destination_configuration: Mapping[str, Any],
    default_schedule: Mapping[str, Any],
    **options: Unpack[BulkSyncOptions],
) -> Call[BulkSync]:
    """Replace a bulk sync as a whole: ``PUT /api/bulk/syncs/{id}``.

    Each field that is not given is cleared or falls back to its default, so use :func:`change` for some of them.
    ``schemas`` alone differs: given, it replaces the selection; left out or empty, the selection stays.

    :param bulk_sync_id: id of the bulk sync
    :param name: what people see
    :param source_connection_id: connection that is read from
    :param destination_connection_id: connection that is written to
    :param destination_configuration: settings that this type of destination asks for, such as the schema written to
    :param default_schedule: when it runs by itself, such as ``{"frequency": "manual"}``; times are in UTC
    :param options: fields of :class:`BulkSyncOptions`
    :raises TypeError: if one of ``options`` is not of :class:`BulkSyncOptions`
    """
    ends = (source_connection_id, destination_connection_id, destination_configuration)
    return _replace(bulk_sync_id, _body(name, *ends, default_schedule, options))


def change(bulk_sync_id: str, **changes: Unpack[BulkSyncChanges]) -> Flow[BulkSync]:
    """Change some fields of a bulk sync and keep the others: get, then :func:`update` with everything.

    What somebody else writes between the two requests is lost; the API has no means against it.

    :param bulk_sync_id: id of the bulk sync
    :param changes: fields of :class:`BulkSyncChanges` with their new values; None clears one
    :raises TypeError: if one of ``changes`` is none of those
    """
    only_known(changes, BulkSyncChanges)
    current = yield from send(get(bulk_sync_id))
    return (yield from send(_replace(bulk_sync_id, given(**{**kept(current), **changes}))))


def _body(
    name: str,
    source_connection_id: str,
    destination_connection_id: str,
    destination_configuration: Mapping[str, Any],
    default_schedule: Mapping[str, Any],
    options: BulkSyncOptions,
) -> dict[str, Any]:
    return given(
        name=name,
        source_connection_id=source_connection_id,
        destination_connection_id=destination_connection_id,
        destination_configuration=destination_configuration,
        default_schedule=default_schedule,
        **only_known(options, BulkSyncOptions),
    )


def _replace(bulk_sync_id: str, body: Mapping[str, Any]) -> Call[BulkSync]:
    return Call("PUT", path("/api/bulk/syncs/{}", bulk_sync_id), BulkSync, body=body)


def delete(bulk_sync_id: str) -> Call[None]:
    """Delete a bulk sync with its schedules, schema settings and executions: ``DELETE /api/bulk/syncs/{id}``.

    :param bulk_sync_id: id of the bulk sync
    """
    return Call("DELETE", path("/api/bulk/syncs/{}", bulk_sync_id), destructive=True, enveloped=False)


def activate(bulk_sync_id: str, active: bool, *, idempotency_key: str | None = None) -> Call[Activation]:
    """Turn the schedule of a bulk sync on or off: ``POST /api/bulk/syncs/{id}/activate``.

    Turning it off also asks for the end of the execution that runs, unlike for a model sync.

    :param bulk_sync_id: id of the bulk sync
    :param active: whether it is to run by itself
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/bulk/syncs/{}/activate", bulk_sync_id),
        Activation,
        body=given(active=active),
        idempotency_key=idempotency_key,
    )


def start(
    bulk_sync_id: str,
    *,
    schemas: Sequence[str] | None = None,
    resync_mode: str | None = None,
    fetch_mode: str | None = None,
    test: bool | None = None,
    idempotency_key: str | None = None,
) -> Call[BulkSyncExecution]:
    """Start an execution of a bulk sync, active or not: ``POST /api/bulk/syncs/{id}/executions``.

    Answered 409 while another execution runs.

    :param bulk_sync_id: id of the bulk sync
    :param schemas: ids of the schemas to sync; by default all that are enabled
    :param resync_mode: ``refetch``, ``resync`` or ``rebuild``; not together with ``test``
    :param fetch_mode: ``none``, ``incremental`` or ``full``; the latter two for Salesforce only
    :param test: sync at most five records of each schema
    :param idempotency_key: with it the same start sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/bulk/syncs/{}/executions", bulk_sync_id),
        BulkSyncExecution,
        body=given(schemas=schemas, resync_mode=resync_mode, fetch_mode=fetch_mode, test=test),
        idempotency_key=idempotency_key,
    )


def cancel(bulk_sync_id: str, *, idempotency_key: str | None = None) -> Call[Message]:
    """Ask for the end of whatever execution of a bulk sync runs: ``POST /api/bulk/syncs/{id}/cancel``.

    The API only queues the request: the execution may still end as completed.

    :param bulk_sync_id: id of the bulk sync
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call("POST", path("/api/bulk/syncs/{}/cancel", bulk_sync_id), Message, idempotency_key=idempotency_key)


def get_status(bulk_sync_id: str) -> Call[BulkSyncStatus]:
    """Get the current and the last execution of a bulk sync: ``GET /api/bulk/syncs/{id}/status``.

    :param bulk_sync_id: id of the bulk sync
    """
    return Call("GET", path("/api/bulk/syncs/{}/status", bulk_sync_id), BulkSyncStatus, read_only=True)


def list_status(
    *, sync_id: str | Sequence[str] | None = None, all: bool | None = None, active: bool | None = None
) -> Call[Page[BulkSyncSummary]]:
    """Get the status of many bulk syncs in one request: ``GET /api/bulk/syncs/status``.

    How many ids fit is not said, only that they stand in the URL; a foreign id may fail the whole request with 404.

    :param sync_id: ids of the bulk syncs; without effect beside ``all`` or ``active``
    :param all: every bulk sync of the organization
    :param active: every active bulk sync of the organization
    """
    parameters = query(all=all, active=active, sync_id=sync_id)
    return Call(
        "GET", "/api/bulk/syncs/status", Page[BulkSyncSummary], query=parameters, read_only=True, enveloped=False
    )


def list_executions(
    bulk_sync_id: str,
    *,
    only_terminal: bool | None = None,
    ascending: bool | None = None,
    limit: int | None = None,
) -> Call[Page[BulkSyncExecution]]:
    """List the executions of a bulk sync: ``GET /api/bulk/syncs/{id}/executions``.

    :param bulk_sync_id: id of the bulk sync
    :param only_terminal: leave out those that have not ended, and order the others by their last change
    :param ascending: the oldest first; by default the latest started is
    :param limit: rows of one page, at most 100
    """
    return Call(
        "GET",
        path("/api/bulk/syncs/{}/executions", bulk_sync_id),
        Page[BulkSyncExecution],
        query=query(only_terminal=only_terminal, ascending=ascending, limit=limit),
        read_only=True,
        enveloped=False,
    )


def get_execution(bulk_sync_id: str, execution_id: str) -> Call[BulkSyncExecution]:
    """Get one execution of a bulk sync: ``GET /api/bulk/syncs/{id}/executions/{execution id}``.

    :param bulk_sync_id: id of the bulk sync
    :param execution_id: id of the execution
    """
    return Call(
        "GET", path("/api/bulk/syncs/{}/executions/{}", bulk_sync_id, execution_id), BulkSyncExecution, read_only=True
    )


def cancel_execution(bulk_sync_id: str, execution_id: str, *, idempotency_key: str | None = None) -> Call[Message]:
    """Ask for the end of one execution: ``POST /api/bulk/syncs/{id}/executions/{execution id}/cancel``.

    :param bulk_sync_id: id of the bulk sync
    :param execution_id: id of the execution
    :param idempotency_key: with it the same request sent again is answered as the first one was, for 24 hours
    """
    return Call(
        "POST",
        path("/api/bulk/syncs/{}/executions/{}/cancel", bulk_sync_id, execution_id),
        Message,
        idempotency_key=idempotency_key,
    )


def get_logs(bulk_sync_id: str, execution_id: str) -> Call[LogFiles]:
    """Get signed URLs of an execution's log files: ``GET /api/bulk/syncs/{id}/executions/{execution id}/logs``.

    :param bulk_sync_id: id of the bulk sync
    :param execution_id: id of the execution
    """
    return Call(
        "GET", path("/api/bulk/syncs/{}/executions/{}/logs", bulk_sync_id, execution_id), LogFiles, read_only=True
    )


def get_console_log(
    bulk_sync_id: str, execution_id: str, *, after: str | None = None, limit: int | None = None
) -> Call[ConsoleLog]:
    """Get an execution's console lines: ``GET /api/bulk/syncs/{id}/executions/{execution id}/consolelog``.

    The API keeps the latest 50 only: who asks too seldom misses lines.

    :param bulk_sync_id: id of the bulk sync
    :param execution_id: id of the execution
    :param after: ``next_cursor`` of an earlier answer: only what is newer
    :param limit: lines of one page, at most 50
    """
    return Call(
        "GET",
        path("/api/bulk/syncs/{}/executions/{}/consolelog", bulk_sync_id, execution_id),
        ConsoleLog,
        query=query(limit=limit, after=after),
        read_only=True,
    )


def list_schemas(bulk_sync_id: str, *, filters: Mapping[str, Any] | None = None) -> Call[Page[BulkSchema]]:
    """List the schemas of a bulk sync, without fields and filters: ``GET /api/bulk/syncs/{id}/schemas``.

    :param bulk_sync_id: id of the bulk sync
    :param filters: ``{"enabled": True}`` for those that are synced, ``{"enabled": False}`` for the others
    """
    return Call(
        "GET",
        path("/api/bulk/syncs/{}/schemas", bulk_sync_id),
        Page[BulkSchema],
        query=query(filters=filters),
        read_only=True,
        enveloped=False,
    )


def update_schemas(bulk_sync_id: str, schemas: Sequence[Mapping[str, Any]]) -> Call[Page[BulkSchema]]:
    """Change some schemas of a bulk sync and leave the others: ``PATCH /api/bulk/syncs/{id}/schemas``.

    :param bulk_sync_id: id of the bulk sync
    :param schemas: mappings with an ``id`` and what is to change, such as ``{"id": "contact", "enabled": False}``
    """
    return Call(
        "PATCH",
        path("/api/bulk/syncs/{}/schemas", bulk_sync_id),
        Page[BulkSchema],
        body=given(schemas=schemas),
        enveloped=False,
    )
