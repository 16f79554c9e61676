"""Add the result of an execution to the asset events of a task, and leave out the outlets that it did not update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_polytomic._compat import EMITTED_OUTLETS
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.assets import AssetUri

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_polytomic.executions import Execution

SchemaOutlets = Literal["with_rows", "always"]

XCOM_ONLY_FIELDS = ("created_at", "errors", "schemas")
"""Fields of the result that are not in the extra of an event."""


def emit_asset_events(task: BaseOperator, context: Context, *executions: Execution) -> None:
    """Add the result to the event of each declared outlet; with several executions, to those of their own syncs.

    Airflow emits an event for each outlet when the task succeeds, so outlets that the execution did not update are
    removed from the task in this process: the asset of a schema that received no rows, and in a mapped task, whose
    instances all declare the same outlets, the asset of another sync.
    """
    updated, unchanged = [], []
    for outlet in task.outlets:
        execution = _execution_for(outlet, executions)
        if execution and not _is_updated(outlet, task, context, execution):
            unchanged.append(outlet)
            continue
        updated.append(outlet)
        if execution and isinstance(outlet, EMITTED_OUTLETS):
            extra = _extra(execution, _schema_result(outlet, execution))
            extra = storable({**extra, "payload": _payload(execution, extra)}, "the extra of an asset event")
            context["outlet_events"][outlet].extra.update(extra)
    if unchanged:
        uris = ", ".join(outlet.uri for outlet in unchanged)
        task.log.info("No event for outlets that the execution has not updated: %s", uris)
        task.outlets = updated


def _execution_for(outlet: Any, executions: Sequence[Execution]) -> Execution | None:
    """Return the execution whose result belongs to the event of an outlet."""
    if len(executions) == 1:
        return executions[0]
    asset = _parse(outlet)
    matching = (each for each in executions if asset and (asset.kind, asset.sync_id) == (each.kind, each.sync_id))
    return next(matching, None)


def _is_updated(outlet: Any, task: BaseOperator, context: Context, execution: Execution) -> bool:
    asset = _parse(outlet)
    if asset is None:
        return True
    if (asset.kind, asset.sync_id) != (execution.kind, execution.sync_id):
        map_index = context["ti"].map_index
        return map_index is None or map_index < 0
    if asset.schema is None or getattr(task, "schema_outlets", "with_rows") == "always":
        return True
    row = _schema_result(outlet, execution)
    return row is not None and bool(row["record_count"]) and row not in execution.failed_schemas


def _parse(outlet: Any) -> AssetUri | None:
    return AssetUri.read(getattr(outlet, "uri", ""))


def _schema_result(outlet: Any, execution: Execution) -> Mapping[str, Any] | None:
    """Return the result of the schema that an outlet stands for."""
    asset = _parse(outlet)
    if asset is None or asset.sync_id != execution.sync_id:
        return None
    return next((row for row in execution.schemas if row["schema"] == asset.schema), None)


def _extra(execution: Execution, row: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the extra of an event for an execution, or for one schema of it if ``row`` is given."""
    extra: dict[str, Any] = {name: each for name, each in execution.result().items() if name not in XCOM_ONLY_FIELDS}
    extra["duration"] = _seconds(execution.started_at, execution.completed_at)
    if row is None:
        return extra
    counts = {"total": row["record_count"], "error": row["error_count"], "warnings": row["warning_count"]}
    return {
        **extra,
        **{name: row[name] for name in ("schema", "output_name", "status", "started_at", "completed_at")},
        "counts": {**dict.fromkeys(execution.counts, 0), **{name: count or 0 for name, count in counts.items()}},
        "duration": _seconds(
            *(datetime.fromisoformat(row[name]) if row[name] else None for name in ("started_at", "completed_at"))
        ),
    }


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
