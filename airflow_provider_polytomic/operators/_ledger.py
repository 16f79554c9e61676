"""What a task instance writes down about its execution, for those that come after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import StateStore
from airflow_provider_polytomic.operators._attempt import Attempt
from airflow_provider_polytomic.triggers.guard import EXECUTION_XCOM_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

RESULT_XCOM_KEY = "return_value"


class Ledger:
    """Two books of one task instance.

    What it waits for stands in XCom, where the trigger's guard reads it; Airflow removes it when the next attempt
    starts. What it has started is kept in the task state store, where there is one, for the next attempt.
    """

    def __init__(self, context: Context) -> None:
        self._ti = context["ti"]
        self._task = context["task"]
        self._store = StateStore(context)
        self._generation = Attempt.of(context).generation

    def waits_for(self, execution_id: str | None, role: str) -> None:
        """Write what this attempt waits for.

        :param execution_id: None: for an execution that is not known yet
        :param role: what it is to the task: ``ours``, ``joined`` or ``in the way``
        """
        note = {"execution_id": execution_id, "role": role, "try_number": self._ti.try_number}
        self._ti.xcom_push(key=EXECUTION_XCOM_KEY, value=note)

    def waited_for(self) -> dict[str, Any] | None:
        """Return what this attempt waited for; None where only an earlier attempt's note is left, as on Airflow 3.0."""
        note: dict[str, Any] | None = self._ti.xcom_pull(
            task_ids=self._ti.task_id, key=EXECUTION_XCOM_KEY, map_indexes=self._ti.map_index
        )
        return note if note and note["try_number"] == self._ti.try_number else None

    def keep(self, execution_id: str, carried: Sequence[Mapping[str, Any]] = ()) -> None:
        """Keep the execution that was started, and the rows that belong to its result."""
        self._store.set({"execution_id": execution_id, "generation": self._generation, "carried": list(carried)})

    def kept(self) -> tuple[dict[str, Any], bool]:
        """Return what an earlier attempt has kept, and whether it is from before a clear."""
        kept = self._store.get() or {}
        return kept, bool(kept) and kept.get("generation") != self._generation

    def forget(self) -> None:
        """Keep nothing any longer."""
        self._store.delete()

    def settle(self, succeeded: bool) -> None:
        """Note that the execution has been judged, so that nobody goes on with it.

        :param succeeded: whether it was what the task asks; then another attempt can only come from a clear
        """
        self.forget()
        self._amend(settled=succeeded)

    def announce_retry(self) -> None:
        """Note that the next attempt is to go on with the execution."""
        self._amend(retry=True)

    def _amend(self, **news: Any) -> None:
        """Add to the note of a task that begins in the triggerer, where the next attempt finds nothing else."""
        note = self.waited_for() if self._task.start_from_trigger else None
        if note:
            self._ti.xcom_push(key=EXECUTION_XCOM_KEY, value={**note, **news})

    def push_result(self, result: Any) -> None:
        """Hand the result on although the task is about to fail."""
        if getattr(self._task, "do_xcom_push", True):
            self._ti.xcom_push(key=RESULT_XCOM_KEY, value=result)
