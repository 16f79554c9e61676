"""Model syncs (reverse ETL): write the rows of a query to Salesforce, HubSpot and the like.

.. code-block:: python

    started = client.send(syncs.start("248df4b7-aa70-47b8-a036-33ac447e668d", resync=True))

.. seealso::
    How-to: ``docs/model_syncs.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from airflow_provider_polytomic.api.call import Call, body_of, check_fields, path, query, reject_masks
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models import executions
from airflow_provider_polytomic.api.models.base import Activation, Message, Page
from airflow_provider_polytomic.api.models.syncs import ModelField, ScheduleOptions, Sync, SyncErrorHandling, SyncSource

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
    "get_error_handling",
    "get_execution",
    "get_log_urls",
    "get_logs_index",
    "get_schedule_options",
    "get_source",
    "get_source_fields",
    "get_status",
    "list",
    "list_executions",
    "start",
    "update",
)
SyncMode: TypeAlias = Literal["create", "update", "updateOrCreate", "replace", "append", "remove", "snapshot"]
LogType: TypeAlias = Literal["records", "errors", "warnings", "inserts", "updates", "deletes"]

_SUPERSEDED_FIELDS = (
    (frozenset({"identities"}), frozenset({"identity"})),
    (frozenset({"model_filters", "target_filters"}), frozenset({"filters", "filter_logic"})),
)
"""New fields and the old ones that they replace; the API refuses both if they differ."""


class SyncOptions(TypedDict, total=False):
    """Optional settings of a model sync.

    :ivar active: Whether the sync runs on its schedule and when started.
    :ivar encryption_passphrase: Passphrase that encrypts the data of the sync.
    :ivar filter_logic: Logic that combines ``filters``; replaced by ``model_filters``.
    :ivar filters: Conditions for the records to sync; replaced by ``model_filters`` and ``target_filters``.
    :ivar identities: How records are matched: ``{"mappings": […], "strategy": "priority" | "and"}``.
    :ivar identity: First mapping of ``identities`` only; replaced by it.
    :ivar model_filters: Conditions on fields of the source: ``{"conditions": […], "logic": …}``.
    :ivar only_enrich_updates: Sync a record only after a change of a base model, not of an enrichment model.
    :ivar organization_id: Organization, for partner keys.
    :ivar override_fields: Fixed values for fields of the target.
    :ivar overrides: Conditional values for fields of the target.
    :ivar policies: Ids of permission policies.
    :ivar skip_initial_backfill: Sync only records that appear after the sync is switched on.
    :ivar sync_all_records: Sync all records at each execution, not only changed ones.
    :ivar target_filters: Conditions on fields of the target: ``{"conditions": […], "logic": …}``.
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
    """Settings of a model sync that can change."""

    name: str
    mode: SyncMode
    fields: Sequence[Mapping[str, Any]]
    schedule: Mapping[str, Any]
    target: Mapping[str, Any]


def get_source(connection_id: str, params: Mapping[str, Any] | None = None) -> Call[SyncSource]:
    """Get the settings that select the source data of a connection: ``GET /api/connections/{id}/modelsync/source``.

    :param connection_id: Id of the source connection.
    :param params: Settings so far, each a value or a list of values; the possible values of others depend on them.
    """
    return Call.get(SyncSource, "/api/connections/{}/modelsync/source", connection_id, query=query(params=params))


def get_source_fields(
    connection_id: str, params: Mapping[str, Any] | None = None, *, page_token: str | None = None
) -> Call[Page[ModelField]]:
    """Get the columns of the source data of a connection: ``GET /api/connections/{id}/modelsync/source/fields``.

    :param connection_id: Id of the source connection.
    :param params: Settings of :func:`get_source`, each a value or a list of values.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    parameters = query(params=params, page_token=page_token)
    return Call.get(Page[ModelField], "/api/connections/{}/modelsync/source/fields", connection_id, query=parameters)


def get_schedule_options() -> Call[ScheduleOptions]:
    """Get the types of schedule for model syncs: ``GET /api/syncs/schedules``."""
    return Call.get(ScheduleOptions, "/api/syncs/schedules")


def list(
    *,
    active: bool | None = None,
    mode: SyncMode | None = None,
    target_connection_id: str | None = None,
    limit: int | None = None,
    page_token: str | None = None,
) -> Call[Page[Sync]]:
    """List model syncs, the last changed first: ``GET /api/syncs``.

    :param active: List only active or only inactive syncs.
    :param mode: List only syncs of this mode, such as ``updateOrCreate``.
    :param target_connection_id: List only syncs to this connection.
    :param limit: Number of rows of a page; default and maximum 50.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[Sync], "/api/syncs", query=query(**locals()))


def get(sync_id: str) -> Call[Sync]:
    """Get one model sync: ``GET /api/syncs/{id}``.

    :param sync_id: Id of the model sync.
    """
    return Call.get(Sync, "/api/syncs/{}", sync_id)


def get_error_handling(sync_id: str) -> Call[SyncErrorHandling]:
    """Get what a model sync does about records with errors: ``GET /api/syncs/{id}/error-handling``.

    :param sync_id: Id of the model sync.
    """
    return Call.get(SyncErrorHandling, "/api/syncs/{}/error-handling", sync_id)


def create(
    *,
    name: str,
    mode: SyncMode,
    fields: Sequence[Mapping[str, Any]],
    schedule: Mapping[str, Any],
    target: Mapping[str, Any],
    idempotency_key: str | None = None,
    **options: Unpack[SyncOptions],
) -> Call[Sync]:
    """Create a model sync: ``POST /api/syncs``.

    :param name: Name shown in Polytomic.
    :param mode: ``create``, ``update``, ``updateOrCreate``, ``replace``, ``append``, ``remove`` or ``snapshot``.
    :param fields: Which source field (``{"source": {"model_id": …, "field": …}``) goes to which ``target`` field.
    :param schedule: Schedule, such as ``{"frequency": "manual"}``.
    :param target: Where it writes, such as ``{"connection_id": …, "object": "Contact"}``.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    :param options: Fields of :class:`SyncOptions`.
    :raises TypeError: If an option has another name.
    """
    body = body_of({**locals(), **check_fields(options, SyncOptions)}, "options")
    return Call.post(Sync, "/api/syncs", body=body, key=idempotency_key)


def update(
    sync_id: str,
    *,
    name: str,
    mode: SyncMode,
    fields: Sequence[Mapping[str, Any]],
    schedule: Mapping[str, Any],
    target: Mapping[str, Any],
    **options: Unpack[SyncOptions],
) -> Call[Sync]:
    """Replace a model sync as a whole: ``PUT /api/syncs/{id}``.

    Fields that are left out are cleared or get their default. Use :func:`change` to change some fields only.

    :param sync_id: Id of the model sync.
    :param name: Name shown in Polytomic.
    :param mode: ``create``, ``update``, ``updateOrCreate``, ``replace``, ``append``, ``remove`` or ``snapshot``.
    :param fields: Which source field (``{"source": {"model_id": …, "field": …}``) goes to which ``target`` field.
    :param schedule: Schedule, such as ``{"frequency": "manual"}``.
    :param target: Where it writes, such as ``{"connection_id": …, "object": "Contact"}``.
    :param options: Fields of :class:`SyncOptions`.
    :raises TypeError: If an option has another name.
    """
    body = body_of({**locals(), **check_fields(options, SyncOptions)}, "options", "sync_id")
    return Call.put(Sync, "/api/syncs/{}", sync_id, body=body)


def change(sync_id: str, **changes: Unpack[SyncChanges]) -> Flow[Sync]:
    """Change some fields of a model sync and keep the others: get, then :func:`update` with everything.

    A change by another user between the two requests is lost; the API has no protection against it.

    :param sync_id: Id of the model sync.
    :param changes: New values of the fields of :class:`SyncChanges`; None clears a field.
    :raises TypeError: If a change has another name.
    :raises ValueError: If the passphrase is a mask that the API returned; nothing is changed.
    """
    check_fields(changes, SyncChanges)
    sync = yield from send(get(sync_id))
    current = sync.writable_fields(exclude={"problems", "model_ids"})
    for new, old in _SUPERSEDED_FIELDS:
        outdated = new if old & changes.keys() else old if new & (current.keys() | changes.keys()) else frozenset()
        current = {name: value for name, value in current.items() if name not in outdated}
    body = {**current, **changes}
    reject_masks(encryption_passphrase=body.get("encryption_passphrase"))
    return (yield from send(Call.put(Sync, "/api/syncs/{}", sync_id, body=body)))


def delete(sync_id: str) -> Call[None]:
    """Delete a model sync and cancel its running execution: ``DELETE /api/syncs/{id}``.

    :param sync_id: Id of the model sync.
    """
    return Call("DELETE", path("/api/syncs/{}", sync_id))


def activate(sync_id: str, active: bool, *, idempotency_key: str | None = None) -> Call[Activation]:
    """Switch a model sync on or off: ``POST /api/syncs/{id}/activate``.

    An inactive sync runs neither on its schedule nor when started; a running execution continues. The API returns 422
    while the sync has problems.

    :param sync_id: Id of the model sync.
    :param active: True to switch the sync on.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Activation, "/api/syncs/{}/activate", sync_id, body={"active": active}, key=idempotency_key)


def start(
    sync_id: str,
    *,
    resync: bool | None = None,
    test: bool | None = None,
    identities: Sequence[str] | None = None,
    source_identities: Sequence[Sequence[Mapping[str, Any]]] | None = None,
    idempotency_key: str | None = None,
) -> Call[executions.StartedExecution]:
    """Start an execution of a model sync: ``POST /api/syncs/{id}/executions``.

    :param sync_id: Id of the model sync.
    :param resync: Sync all records, not only changed ones.
    :param test: Passed to the API, which does not document it for model syncs.
    :param identities: Values of the identity field, to sync only these records.
    :param source_identities: Records to sync, each by pairs of source and value; at most 1000, not with ``identities``.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    body = body_of(locals(), "sync_id")
    return Call.post(executions.StartedExecution, "/api/syncs/{}/executions", sync_id, body=body, key=idempotency_key)


def cancel(sync_id: str, *, idempotency_key: str | None = None) -> Call[Message]:
    """Cancel the running execution of a model sync: ``POST /api/syncs/{id}/cancel``.

    The API only queues the request, so the execution may still complete.

    :param sync_id: Id of the model sync.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Message, "/api/syncs/{}/cancel", sync_id, key=idempotency_key)


def get_status(sync_id: str) -> Call[executions.SyncStatus]:
    """Get the current and the last execution of a model sync: ``GET /api/syncs/{id}/status``.

    :param sync_id: Id of the model sync.
    """
    return Call.get(executions.SyncStatus, "/api/syncs/{}/status", sync_id)


def list_executions(
    sync_id: str, *, only_completed: bool | None = None, ascending: bool | None = None, page_token: str | None = None
) -> Call[Page[executions.SyncExecution]]:
    """List the executions of a model sync: ``GET /api/syncs/{id}/executions``.

    Counts and errors are reliable in :func:`get_execution` only.

    :param sync_id: Id of the model sync.
    :param only_completed: List only executions that have ended.
    :param ascending: List the oldest first; the default is the latest first.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    parameters = query(only_completed=only_completed, ascending=ascending, page_token=page_token)
    return Call.get(Page[executions.SyncExecution], "/api/syncs/{}/executions", sync_id, query=parameters)


def get_execution(sync_id: str, execution_id: str) -> Call[executions.SyncExecution]:
    """Get one execution of a model sync: ``GET /api/syncs/{id}/executions/{execution id}``.

    :param sync_id: Id of the model sync.
    :param execution_id: Id of the execution.
    """
    return Call.get(executions.SyncExecution, "/api/syncs/{}/executions/{}", sync_id, execution_id)


def cancel_execution(sync_id: str, execution_id: str, *, idempotency_key: str | None = None) -> Call[Message]:
    """Cancel one execution: ``POST /api/syncs/{id}/executions/{execution id}/cancel``.

    :param sync_id: Id of the model sync.
    :param execution_id: Id of the execution.
    :param idempotency_key: Key for which the API repeats the first response, for 24 hours.
    """
    return Call.post(Message, "/api/syncs/{}/executions/{}/cancel", sync_id, execution_id, key=idempotency_key)


def get_console_log(
    sync_id: str, execution_id: str, *, after: str | None = None, limit: int | None = None
) -> Call[executions.ConsoleLog]:
    """Get the console log of an execution: ``GET /api/syncs/{id}/executions/{execution id}/consolelog``.

    The API keeps the latest 50 lines only.

    :param sync_id: Id of the model sync.
    :param execution_id: Id of the execution.
    :param after: ``next_cursor`` of an earlier response, to get newer lines only.
    :param limit: Number of lines of a page, at most 50.
    """
    template, parameters = "/api/syncs/{}/executions/{}/consolelog", query(limit=limit, after=after)
    return Call.get(executions.ConsoleLog, template, sync_id, execution_id, query=parameters)


def get_logs_index(sync_id: str, execution_id: str) -> Call[executions.LogsIndex]:
    """Get the record counts and URLs of the logs: ``GET /api/syncs/{id}/executions/{execution id}/logs``.

    :param sync_id: Id of the model sync.
    :param execution_id: Id of the execution.
    """
    return Call.get(executions.LogsIndex, "/api/syncs/{}/executions/{}/logs", sync_id, execution_id)


def get_log_urls(sync_id: str, execution_id: str, type: LogType) -> Call[executions.LogFiles]:
    """Get the signed URLs of a log of an execution: ``GET /api/syncs/{id}/executions/{execution id}/{type}``.

    The URLs expire soon; repeat the call for new ones.

    :param sync_id: Id of the model sync.
    :param execution_id: Id of the execution.
    :param type: ``records``, ``errors``, ``warnings``, ``inserts``, ``updates`` or ``deletes``.
    """
    return Call.get(executions.LogFiles, "/api/syncs/{}/executions/{}/{}", sync_id, execution_id, type)


def __dir__() -> tuple[str, ...]:
    return __all__
