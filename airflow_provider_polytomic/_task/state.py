"""What a task instance writes down about its execution, for those that come after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import StateStore
from airflow_provider_polytomic._task.attempt import Attempt
from airflow_provider_polytomic._task.kill_guard import EXECUTION_XCOM_KEY, RESULT_XCOM_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context


class TaskExecutionState:
    """Two books of one task instance.

    What it waits for stands in XCom, where the trigger's guard reads it; Airflow removes it when the next attempt
    starts. What it has started is kept in the task state store, where there is one, for the next attempt.
    """

    def __init__(self, context: Context) -> None:
        self._ti = context["ti"]
        self._task = context["task"]
        self._store = StateStore(context)
        self._generation = Attempt.of(context).generation

    def set_awaited(self, execution_id: str | None, ownership: str) -> None:
        """Write what this attempt waits for.

        :param execution_id: None: for an execution that is not known yet
        :param ownership: what it is to the task: ``ours``, ``joined`` or ``in the way``
        """
        note = {"execution_id": execution_id, "ownership": ownership, "try_number": self._ti.try_number}
        self._ti.xcom_push(key=EXECUTION_XCOM_KEY, value=note)

    def get_awaited(self) -> dict[str, Any] | None:
        """Return what this attempt waited for; None where only an earlier attempt's note is left, as on Airflow 3.0."""
        note: dict[str, Any] | None = self._ti.xcom_pull(
            task_ids=self._ti.task_id, key=EXECUTION_XCOM_KEY, map_indexes=self._ti.map_index
        )
        return note if note and note["try_number"] == self._ti.try_number else None

    def save_started(self, execution_id: str, previous_schema_results: Sequence[Mapping[str, Any]] = ()) -> None:
        """Keep the execution that was started, and the rows that belong to its result."""
        self._store.set(
            {
                "execution_id": execution_id,
                "generation": self._generation,
                "previous_schema_results": list(previous_schema_results),
            }
        )

    def get_started(self) -> tuple[dict[str, Any], bool]:
        """Return what an earlier attempt has kept, and whether it is from before a clear."""
        kept = self._store.get() or {}
        return kept, bool(kept) and kept.get("generation") != self._generation

    def clear_started(self) -> None:
        """Keep nothing any longer."""
        self._store.delete()

    def push_result(self, result: Any) -> None:
        """Hand the result on although the task is about to fail."""
        if getattr(self._task, "do_xcom_push", True):
            self._ti.xcom_push(key=RESULT_XCOM_KEY, value=result)
