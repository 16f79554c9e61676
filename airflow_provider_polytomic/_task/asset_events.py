"""Add the result of an execution to the asset events of a task, and leave out the outlets that it did not update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_polytomic._compat import EMITTED_OUTLETS, AssetAlias, add_alias_event
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.assets import DEFAULT_HOST, AssetUri, bulk_sync_asset

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_polytomic.executions import Execution
    from airflow_provider_polytomic.results import SchemaResult

SchemaOutlets = Literal["with_rows", "always"]

XCOM_ONLY_FIELDS = ("created_at", "errors", "schemas")
"""Fields of the result that are not in the extra of an event."""

MAX_ALIAS_EVENTS = 1000
"""Events of an alias from one task. Airflow creates all of them in one request, which has few seconds."""

MAX_URI_LENGTH = 1500
"""Characters of a URI that Airflow stores."""


def emit_asset_events(task: BaseOperator, context: Context, *executions: Execution) -> None:
    """Add the result to the event of each declared outlet; with several executions, to those of their own syncs.

    Airflow emits an event for each outlet when the task succeeds. So outlets that the execution did not update are
    removed from the task in this process. One is the asset of a schema that received no rows. Another is the asset of
    another sync in a mapped task, whose instances all declare the same outlets. An alias gets an event for each schema
    of a bulk sync that was updated.
    """
    updated, unchanged = [], []
    for outlet in task.outlets:
        execution = _execution_for(outlet, task, executions)
        if execution and not _is_updated(outlet, task, context, execution):
            unchanged.append(outlet)
            continue
        updated.append(outlet)
        if execution and isinstance(outlet, EMITTED_OUTLETS):
            row = _schema_result(outlet, task, execution)
            context["outlet_events"][outlet].extra.update(_extra(execution, row))
    if unchanged:
        uris = ", ".join(outlet.uri for outlet in unchanged)
        task.log.info("No event for outlets that the execution has not updated: %s", uris)
        task.outlets = updated
    aliases = [outlet for outlet in task.outlets if isinstance(outlet, AssetAlias)]
    if aliases:
        _emit_alias_events(task, context, aliases, executions)


def _emit_alias_events(
    task: BaseOperator, context: Context, aliases: Sequence[AssetAlias], executions: Sequence[Execution]
) -> None:
    """Emit an event through each alias for each schema that was updated."""
    updated = [(execution, row) for execution in executions for row in _updated_schemas(task, execution)]
    organization_id = _organization_of(task)
    for execution, row in updated[:MAX_ALIAS_EVENTS]:
        uri = AssetUri(DEFAULT_HOST, "bulk", execution.sync_id, row["schema"], organization_id)
        if len(str(uri)) > MAX_URI_LENGTH:
            task.log.warning("No event for schema %.100r…: its asset would have too long a URI", row["schema"])
            continue
        asset = bulk_sync_asset(execution.sync_id, schema=row["schema"], organization_id=organization_id)
        extra = _extra(execution, row)
        for alias in aliases:
            add_alias_event(context, alias, asset, extra)
    names, left_out = ", ".join(alias.name for alias in aliases), len(updated) - MAX_ALIAS_EVENTS
    task.log.info("%d schemas have received rows: events through %s", min(len(updated), MAX_ALIAS_EVENTS), names)
    if left_out > 0:
        task.log.warning("No event for %d more schemas: a task emits at most %d", left_out, MAX_ALIAS_EVENTS)


def _updated_schemas(task: BaseOperator, execution: Execution) -> Iterator[SchemaResult]:
    """List the results of the schemas that have an event: one for each, although the response may repeat a schema."""
    for schema in dict.fromkeys(row["schema"] for row in execution.schemas):
        row = _updated_schema(task, execution, schema)
        if schema and row:
            yield row


def _updated_schema(task: BaseOperator, execution: Execution, schema: str) -> SchemaResult | None:
    """Return the result of a schema that has completed and received rows; with ``"always"``, also without rows."""
    from airflow_provider_polytomic.executions import Outcome

    if execution.schema_outcome(schema) is not Outcome.SUCCESS:
        return None
    row = execution.for_schema(schema).schemas[0]
    return row if row["record_count"] or _emits_always(task) else None


def _execution_for(outlet: Any, task: Any, executions: Sequence[Execution]) -> Execution | None:
    """Return the execution whose result belongs to the event of an outlet."""
    if len(executions) == 1:
        return executions[0]
    asset = _parse(outlet)
    return next((each for each in executions if asset and _is_of(asset, task, each)), None)


def _is_updated(outlet: Any, task: BaseOperator, context: Context, execution: Execution) -> bool:
    asset = _parse(outlet)
    if asset is None:
        return True
    if not _is_of(asset, task, execution):
        map_index = context["ti"].map_index
        return map_index is None or map_index < 0
    if asset.schema is None:
        return True
    if execution.schema not in (None, asset.schema):
        return False
    return _emits_always(task) or _updated_schema(task, execution, asset.schema) is not None


def _emits_always(task: BaseOperator) -> bool:
    return getattr(task, "schema_outlets", "with_rows") == "always"


def _parse(outlet: Any) -> AssetUri | None:
    return AssetUri.read(getattr(outlet, "uri", ""))


def _is_of(asset: AssetUri, task: Any, execution: Execution) -> bool:
    """Return whether an asset is that of the sync of an execution, or of one of its schemas."""
    organizations = (asset.organization_id, _organization_of(task))
    same_organization = None in organizations or len(set(organizations)) == 1
    return same_organization and (asset.kind, asset.sync_id) == (execution.kind, execution.sync_id)


def _organization_of(task: Any) -> str | None:
    """Return the organization that a task names; None for the one of its connection."""
    organization_id: str | None = task._hook.organization_id
    return organization_id


def _schema_result(outlet: Any, task: Any, execution: Execution) -> SchemaResult | None:
    """Return the result of the schema that an outlet or the execution stands for."""
    asset, schema = _parse(outlet), execution.schema
    if asset and _is_of(asset, task, execution):
        schema = asset.schema or schema
    return next(iter(execution.for_schema(schema).schemas), None) if schema else None


def _extra(execution: Execution, row: SchemaResult | None) -> dict[str, Any]:
    """Return the extra of an event for an execution, or for one schema of it if ``row`` is given."""
    from airflow_provider_polytomic.executions.execution import parse_moment

    result = replace(execution, schemas=(), left_out=0).result()
    extra: dict[str, Any] = {name: each for name, each in result.items() if name not in XCOM_ONLY_FIELDS}
    extra["duration"] = _seconds(execution.started_at, execution.completed_at)
    if row:
        counts = {"total": row["record_count"], "error": row["error_count"], "warnings": row["warning_count"]}
        extra["counts"] = {**dict.fromkeys(execution.counts, 0), **counts}
        extra["schema"] = row["schema"]
        for name in ("output_name", "status", "started_at", "completed_at"):
            extra[name] = row[name]
        extra["duration"] = _seconds(parse_moment(row["started_at"]), parse_moment(row["completed_at"]))
    return storable({**extra, "payload": _payload(execution, extra)}, "the extra of an asset event")


def _payload(execution: Execution, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload that an event of ``PolytomicEventTrigger`` has, and the fields of the extra."""
    from airflow_provider_polytomic.executions.events import end_of, event_errors

    end = end_of(execution)
    fields = {
        "event": end,
        "event_id": f"{execution.id}/{end}" if end else None,
        "sync_name": execution.sync_name,
        **extra,
    }
    return {**fields, "created_at": extra["completed_at"], "errors": event_errors(execution.errors)}


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return (end - begin).total_seconds() if begin and end else None
