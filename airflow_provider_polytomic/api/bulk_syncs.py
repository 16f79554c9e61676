"""Bulk syncs (ELT): copy whole schemas of a source to a warehouse, database or bucket.

.. code-block:: python

    started = client.send(bulk_syncs.start("48c1a0c1-e5a5-4f7f-9d3c-1e2a7d3b5b5a", schemas=["contact"]))

.. seealso::
    How-to: ``docs/bulk_syncs.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from airflow_provider_polytomic.api.call import Call, body_of, check_fields, path, query
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Activation, Message, Page
from airflow_provider_polytomic.api.models.executions import BulkSyncExecution, BulkSyncStatus, ConsoleLog, LogFiles
from airflow_provider_polytomic.api.models.syncs import BulkSchema, BulkSync, BulkSyncSummary

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = (
    "activate",
    "cancel",
    "cancel_execution",
    "change",
    "create",
    "delete",
    "get",
    "get_console_log",
    "get_execution",
    "get_logs",
    "get_status",
    "list",
    "list_executions",
    "list_schemas",
    "list_status",
    "start",
    "update",
    "update_schemas",
)


BulkSyncMode: TypeAlias = Literal["replicate", "append", "snapshot"]
NewObjects: TypeAlias = Literal["all", "onlyIncremental", "onlyNonIncremental", "none"]
NormalizeNames: TypeAlias = Literal["enabled", "disabled", "legacy"]
ResyncMode: TypeAlias = Literal["refetch", "resync", "rebuild"]
FetchMode: TypeAlias = Literal["none", "incremental", "full"]


class BulkSyncOptions(TypedDict, total=False):
    """Optional settings of a bulk sync.

    :ivar active: Whether the sync runs on its schedule.
    :ivar additional_schedules: Schedules besides the default one.
    :ivar automatically_add_new_fields: New fields of the source to sync, too.
    :ivar automatically_add_new_objects: New objects of the source to sync, too.
    :ivar concurrency_limit: Limit of concurrency for this sync, in place of the default.
    :ivar data_cutoff_timestamp: Sync no older records; UTC unless the time has a time zone.
    :ivar disable_record_timestamps: Write no columns with timestamps of Polytomic's own.
    :ivar mode: ``replicate``, ``append`` or ``snapshot``.
    :ivar normalize_names: Whether names of tables and columns are normalized.
    :ivar organization_id: Organization, for partner keys.
    :ivar policies: Ids of permission policies.
    :ivar resync_concurrency_limit: Limit of concurrency for resyncs, in place of the default.
    :ivar schemas: Ids of the schemas to sync, or mappings with an ``id`` and the settings of the schema; default all.
    :ivar source_configuration: Settings of the source.
    """

    active: bool | None
    additional_schedules: Sequence[Mapping[str, Any]] | None
    automatically_add_new_fields: NewObjects | None
    automatically_add_new_objects: NewObjects | None
    concurrency_limit: int | None
    data_cutoff_timestamp: datetime | str | None
    disable_record_timestamps: bool | None
    mode: BulkSyncMode | None
    normalize_names: NormalizeNames | None
    organization_id: str | None
    policies: Sequence[str] | None
    resync_concurrency_limit: int | None
    schemas: Sequence[str | Mapping[str, Any]] | None
    source_configuration: Mapping[str, Any] | None


class BulkSyncChanges(BulkSyncOptions, total=False):
    """Settings of a bulk sync that can change."""

    name: str
    source_connection_id: str
    destination_connection_id: str
    destination_configuration: Mapping[str, Any]
    default_schedule: Mapping[str, Any]


def list(
    *, active: bool | None = None, limit: int | None = None, page_token: str | None = None
) -> Call[Page[BulkSync]]:
    """List bulk syncs, the last changed first: ``GET /api/bulk/syncs``.

    :param active: List only active or only inactive syncs.
    :param limit: Number of rows of a page; default and maximum 50.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[BulkSync], "/api/bulk/syncs", query=query(**locals()))


def get(sync_id: str, *, refresh_schemas: bool | None = None) -> Call[BulkSync]:
    """Get one bulk sync, without its schemas: ``GET /api/bulk/syncs/{id}``.

    :param sync_id: Id of the bulk sync.
    :param refresh_schemas: Passed to the API, which does not document it.
    """
    return Call.get(BulkSync, "/api/bulk/syncs/{}", sync_id, query=query(refresh_schemas=refresh_schemas))


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

    :param name: Name shown in Polytomic.
    :param source_connection_id: Source connection.
    :param destination_connection_id: Destination connection.
    :param destination_configuration: Settings of the destination, such as the schema to write to.
    :param default_schedule: Schedule, such as ``{"frequency": "manual"}``; times are in UTC.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    :param options: Fields of :class:`BulkSyncOptions`.
    :raises TypeError: If an option has another name.
    """
    body = body_of({**locals(), **check_fields(options, BulkSyncOptions)}, "options")
    return Call.post(BulkSync, "/api/bulk/syncs", body=body, key=idempotency_key)


def update(
    sync_id: str,
    *,
    name: str,
    source_connection_id: str,
    destination_connection_id: str,
    destination_configuration: Mapping[str, Any],
    default_schedule: Mapping[str, Any],
    **options: Unpack[BulkSyncOptions],
) -> Call[BulkSync]:
    """Replace a bulk sync as a whole: ``PUT /api/bulk/syncs/{id}``.

    Fields that are left out are cleared or get their default. Use :func:`change` to change some fields only.
    ``schemas`` is an exception: if it is left out or empty, the selection does not change.

    :param sync_id: Id of the bulk sync.
    :param name: Name shown in Polytomic.
    :param source_connection_id: Source connection.
    :param destination_connection_id: Destination connection.
    :param destination_configuration: Settings of the destination, such as the schema to write to.
    :param default_schedule: Schedule, such as ``{"frequency": "manual"}``; times are in UTC.
    :param options: Fields of :class:`BulkSyncOptions`.
    :raises TypeError: If an option has another name.
    """
    body = body_of({**locals(), **check_fields(options, BulkSyncOptions)}, "options", "sync_id")
    return Call.put(BulkSync, "/api/bulk/syncs/{}", sync_id, body=body)


def change(sync_id: str, **changes: Unpack[BulkSyncChanges]) -> Flow[BulkSync]:
    """Change some fields of a bulk sync and keep the others: get, then :func:`update` with everything.

    A change by another user between the two requests is lost; the API has no protection against it.

    :param sync_id: Id of the bulk sync.
    :param changes: New values of the fields of :class:`BulkSyncChanges`; None clears a field.
    :raises TypeError: If a change has another name.
    """
    check_fields(changes, BulkSyncChanges)
    current = yield from send(get(sync_id))
    update = Call.put(BulkSync, "/api/bulk/syncs/{}", sync_id, body={**current.writable_fields(), **changes})
    return (yield from send(update))


def delete(sync_id: str) -> Call[None]:
    """Delete a bulk sync with its schedules, schema settings and executions: ``DELETE /api/bulk/syncs/{id}``.

    :param sync_id: Id of the bulk sync.
    """
    return Call("DELETE", path("/api/bulk/syncs/{}", sync_id))


def activate(sync_id: str, active: bool, *, idempotency_key: str | None = None) -> Call[Activation]:
    """Switch the schedule of a bulk sync on or off: ``POST /api/bulk/syncs/{id}/activate``.

    Switching it off also cancels the running execution, unlike for a model sync.

    :param sync_id: Id of the bulk sync.
    :param active: True to switch the schedule on.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Activation, "/api/bulk/syncs/{}/activate", sync_id, body={"active": active}, key=idempotency_key)


def start(
    sync_id: str,
    *,
    schemas: Sequence[str] | None = None,
    resync_mode: ResyncMode | None = None,
    fetch_mode: FetchMode | None = None,
    test: bool | None = None,
    idempotency_key: str | None = None,
) -> Call[BulkSyncExecution]:
    """Start an execution of a bulk sync, active or not: ``POST /api/bulk/syncs/{id}/executions``.

    The API returns 409 while another execution is running.

    :param sync_id: Id of the bulk sync.
    :param schemas: Ids of the schemas to sync; default all enabled ones.
    :param resync_mode: ``refetch``, ``resync`` or ``rebuild``; not with ``test``.
    :param fetch_mode: ``none``, ``incremental`` or ``full``; the latter two for Salesforce only.
    :param test: Sync at most five records of each schema.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    body = dict(schemas=schemas, resync_mode=resync_mode, fetch_mode=fetch_mode, test=test)
    return Call.post(BulkSyncExecution, "/api/bulk/syncs/{}/executions", sync_id, body=body, key=idempotency_key)


def cancel(sync_id: str, *, idempotency_key: str | None = None) -> Call[Message]:
    """Cancel the running execution of a bulk sync: ``POST /api/bulk/syncs/{id}/cancel``.

    The API only queues the request, so the execution may still complete.

    :param sync_id: Id of the bulk sync.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Message, "/api/bulk/syncs/{}/cancel", sync_id, key=idempotency_key)


def get_status(sync_id: str) -> Call[BulkSyncStatus]:
    """Get the current and the last execution of a bulk sync: ``GET /api/bulk/syncs/{id}/status``.

    :param sync_id: Id of the bulk sync.
    """
    return Call.get(BulkSyncStatus, "/api/bulk/syncs/{}/status", sync_id)


def list_status(
    *,
    sync_id: str | Sequence[str] | None = None,
    all: bool | None = None,
    active: bool | None = None,
    page_token: str | None = None,
) -> Call[Page[BulkSyncSummary]]:
    """Get the status of many bulk syncs in one request: ``GET /api/bulk/syncs/status``.

    The ids are part of the URL; the API documents no maximum. One unknown id may fail the request with 404.

    :param sync_id: Ids of bulk syncs; ignored with ``all`` or ``active``.
    :param all: Get all bulk syncs of the organization.
    :param active: Get all active bulk syncs of the organization.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[BulkSyncSummary], "/api/bulk/syncs/status", query=query(**locals()))


def list_executions(
    sync_id: str,
    *,
    only_terminal: bool | None = None,
    ascending: bool | None = None,
    limit: int | None = None,
    page_token: str | None = None,
) -> Call[Page[BulkSyncExecution]]:
    """List the executions of a bulk sync: ``GET /api/bulk/syncs/{id}/executions``.

    :param sync_id: Id of the bulk sync.
    :param only_terminal: List only executions that have ended, by their last change.
    :param ascending: List the oldest first; the default is the latest first.
    :param limit: Number of rows of a page, at most 100.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    parameters = query(only_terminal=only_terminal, ascending=ascending, limit=limit, page_token=page_token)
    return Call.get(Page[BulkSyncExecution], "/api/bulk/syncs/{}/executions", sync_id, query=parameters)


def get_execution(sync_id: str, execution_id: str) -> Call[BulkSyncExecution]:
    """Get one execution of a bulk sync: ``GET /api/bulk/syncs/{id}/executions/{execution id}``.

    :param sync_id: Id of the bulk sync.
    :param execution_id: Id of the execution.
    """
    return Call.get(BulkSyncExecution, "/api/bulk/syncs/{}/executions/{}", sync_id, execution_id)


def cancel_execution(sync_id: str, execution_id: str, *, idempotency_key: str | None = None) -> Call[Message]:
    """Cancel one execution: ``POST /api/bulk/syncs/{id}/executions/{execution id}/cancel``.

    :param sync_id: Id of the bulk sync.
    :param execution_id: Id of the execution.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Message, "/api/bulk/syncs/{}/executions/{}/cancel", sync_id, execution_id, key=idempotency_key)


def get_logs(sync_id: str, execution_id: str) -> Call[LogFiles]:
    """Get the signed URLs of the logs of an execution: ``GET /api/bulk/syncs/{id}/executions/{execution id}/logs``.

    :param sync_id: Id of the bulk sync.
    :param execution_id: Id of the execution.
    """
    return Call.get(LogFiles, "/api/bulk/syncs/{}/executions/{}/logs", sync_id, execution_id)


def get_console_log(
    sync_id: str, execution_id: str, *, after: str | None = None, limit: int | None = None
) -> Call[ConsoleLog]:
    """Get the console log of an execution: ``GET /api/bulk/syncs/{id}/executions/{execution id}/consolelog``.

    The API keeps the latest 50 lines only.

    :param sync_id: Id of the bulk sync.
    :param execution_id: Id of the execution.
    :param after: ``next_cursor`` of an earlier response, to get newer lines only.
    :param limit: Number of lines of a page, at most 50.
    """
    parameters = query(limit=limit, after=after)
    return Call.get(ConsoleLog, "/api/bulk/syncs/{}/executions/{}/consolelog", sync_id, execution_id, query=parameters)


def list_schemas(
    sync_id: str, *, filters: Mapping[str, Any] | None = None, page_token: str | None = None
) -> Call[Page[BulkSchema]]:
    """List the schemas of a bulk sync, without fields and filters: ``GET /api/bulk/syncs/{id}/schemas``.

    :param sync_id: Id of the bulk sync.
    :param filters: ``{"enabled": True}`` or ``{"enabled": False}``; default both.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    parameters = query(filters=filters, page_token=page_token)
    return Call.get(Page[BulkSchema], "/api/bulk/syncs/{}/schemas", sync_id, query=parameters)


def update_schemas(sync_id: str, schemas: Sequence[Mapping[str, Any]]) -> Call[Page[BulkSchema]]:
    """Change some schemas of a bulk sync: ``PATCH /api/bulk/syncs/{id}/schemas``.

    :param sync_id: Id of the bulk sync.
    :param schemas: Mappings of an ``id`` and the changed settings, such as ``{"id": "contact", "enabled": False}``.
    """
    return Call("PATCH", path("/api/bulk/syncs/{}/schemas", sync_id), Page[BulkSchema], body={"schemas": schemas})


def __dir__() -> tuple[str, ...]:
    return __all__
