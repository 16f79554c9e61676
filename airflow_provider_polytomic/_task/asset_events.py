"""What an execution puts into the events of a task's outlets, and which of them it brings about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_polytomic._compat import EMITTED_OUTLETS
from airflow_provider_polytomic.assets import AssetUri

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow.sdk import BaseOperator, Context

    from airflow_provider_polytomic.executions import Execution
    from airflow_provider_polytomic.results import SchemaResult

SchemaOutlets = Literal["with_rows", "always"]

TOLD = ("kind", "sync_id", "execution_id", "status", "outcome", "started_at", "completed_at", "counts", "url")
"""What of a result an event has; errors and the rows of all schemas stay in the task's XCom."""


def checked(schema_outlets: SchemaOutlets) -> SchemaOutlets:
    """Return the choice of schema outlets.

    :raises ValueError: if there is no such choice
    """
    if schema_outlets not in ("with_rows", "always"):
        raise ValueError(f"schema_outlets is 'with_rows' or 'always', not {schema_outlets!r}")
    return schema_outlets


def emit_asset_events(task: BaseOperator, context: Context, *executions: Execution) -> None:
    """Put the result into the event of each declared outlet; of several executions, into those of their own syncs.

    Airflow makes an event for whatever is among the outlets when the task succeeds, so one that this execution has
    not brought about is taken from the task in this process. That is the asset of a schema that received no rows, and
    in a mapped task, whose instances all declare the same outlets, the asset of another sync.
    """
    due, idle = [], []
    for outlet in task.outlets:
        execution = _execution_for(outlet, executions)
        if execution and not _is_due(outlet, task, context, execution):
            idle.append(outlet)
            continue
        due.append(outlet)
        if execution and isinstance(outlet, EMITTED_OUTLETS):
            context["outlet_events"][outlet].extra.update(_extra(execution, _row(outlet, execution)))
    if idle:
        task.log.info("No event for outlets that received nothing: %s", ", ".join(outlet.uri for outlet in idle))
        task.outlets = due


def _execution_for(outlet: Any, executions: Sequence[Execution]) -> Execution | None:
    """Return the execution whose result an outlet's event has."""
    if len(executions) == 1:
        return executions[0]
    asset = _of_a_sync(outlet)
    own = (each for each in executions if asset and (asset.kind, asset.sync_id) == (each.kind, each.sync_id))
    return next(own, None)


def _is_due(outlet: Any, task: BaseOperator, context: Context, execution: Execution) -> bool:
    asset = _of_a_sync(outlet)
    if asset is None:
        return True
    if (asset.kind, asset.sync_id) != (execution.kind, execution.sync_id):
        return not _is_mapped(context)
    if asset.schema is None or getattr(task, "schema_outlets", "with_rows") == "always":
        return True
    row = _row(outlet, execution)
    return row is not None and bool(row["record_count"]) and row not in execution.failed_schemas


def _is_mapped(context: Context) -> bool:
    map_index = context["ti"].map_index
    return map_index is not None and map_index >= 0


def _of_a_sync(outlet: Any) -> AssetUri | None:
    return AssetUri.read(getattr(outlet, "uri", ""))


def _row(outlet: Any, execution: Execution) -> SchemaResult | None:
    """Return the row of the schema whose asset an outlet is."""
    asset = _of_a_sync(outlet)
    if asset is None or asset.sync_id != execution.sync_id:
        return None
    return next((row for row in execution.schemas if row["schema"] == asset.schema), None)


def _extra(execution: Execution, row: SchemaResult | None) -> dict[str, Any]:
    """Return what an event says of an execution; of one of its schemas, where a row is given."""
    result: Mapping[str, Any] = execution.result()
    told: dict[str, Any] = {name: result[name] for name in TOLD}
    told["duration"] = _seconds(execution.started_at, execution.completed_at)
    if row is None:
        return told
    counts = {"total": row["record_count"], "error": row["error_count"], "warnings": row["warning_count"]}
    return {
        **told,
        **{name: row[name] for name in ("schema", "output_name", "status", "started_at", "completed_at")},
        "counts": {**dict.fromkeys(execution.counts, 0), **{name: count or 0 for name, count in counts.items()}},
        "duration": _seconds(*(_moment(row[name]) for name in ("started_at", "completed_at"))),
    }


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return (end - begin).total_seconds() if begin and end else None


def _moment(text: str | None) -> datetime | None:
    from datetime import datetime

    return datetime.fromisoformat(text) if text else None
