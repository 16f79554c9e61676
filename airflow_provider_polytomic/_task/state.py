"""State that a task instance keeps for its trigger and for its next attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import StateStore
from airflow_provider_polytomic.results import Ownership

if TYPE_CHECKING:
    from airflow.sdk import Context

EXECUTION_XCOM_KEY = "polytomic_execution"
"""XCom with the execution that a task instance waits for: ``execution_id``, ``ownership`` and ``try_number``."""

RESULT_XCOM_KEY = "return_value"


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task instance, as the Idempotency-Keys need it.

    :param identity: DAG id, run id, task id and map index
    :param generation: number of attempts before the task instance was last cleared; Airflow raises ``max_tries`` by it
    :param previous_attempts: number of attempts since then, without this one
    """

    identity: tuple[str, str, str, int]
    generation: int
    previous_attempts: int

    @classmethod
    def of(cls, context: Context) -> Attempt:
        """Read the attempt from the task's context."""
        ti = context["ti"]
        generation = max(0, ti.max_tries - (context["task"].retries or 0))
        return cls(
            identity=(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
            generation=generation,
            previous_attempts=max(0, ti.try_number - 1 - generation),
        )


class TaskExecutionState:
    """The executions that a task instance waits for and has started.

    The awaited execution is an XCom: the kill guard of the trigger reads it, and Airflow deletes it when the next
    attempt starts. The started execution is in the task state store (Airflow 3.3 and later), where the next attempt
    finds it.
    """

    def __init__(self, context: Context) -> None:
        self._ti = context["ti"]
        self._task = context["task"]
        self._store = StateStore(context)
        self._generation = Attempt.of(context).generation

    def set_awaited(self, execution_id: str | None, ownership: Ownership) -> None:
        """Write the execution that this attempt waits for; the id is None while it is not known."""
        value = {"execution_id": execution_id, "ownership": ownership.value, "try_number": self._ti.try_number}
        self._ti.xcom_push(key=EXECUTION_XCOM_KEY, value=value)

    def get_awaited(self) -> dict[str, Any] | None:
        """Return what this attempt waits for; None if the XCom is of an earlier attempt, as Airflow 3.0 keeps it."""
        awaited: dict[str, Any] | None = self._ti.xcom_pull(
            task_ids=self._ti.task_id, key=EXECUTION_XCOM_KEY, map_indexes=self._ti.map_index
        )
        return awaited if awaited and awaited["try_number"] == self._ti.try_number else None

    def save_started(self, execution_id: str, schema_results: Sequence[Mapping[str, Any]] = ()) -> None:
        """Save the execution that was started.

        :param schema_results: schema results of earlier executions that belong to its result
        """
        self._store.set(
            {
                "execution_id": execution_id,
                "generation": self._generation,
                "previous_schema_results": list(schema_results),
            }
        )

    def get_started(self) -> tuple[dict[str, Any], bool]:
        """Return what an earlier attempt has saved, and whether the task was cleared since."""
        started = self._store.get() or {}
        return started, bool(started) and started.get("generation") != self._generation

    def clear_started(self) -> None:
        """Delete the saved execution."""
        self._store.delete()

    def push_result(self, result: Any) -> None:
        """Push the result of a task that is about to fail."""
        if getattr(self._task, "do_xcom_push", True):
            self._ti.xcom_push(key=RESULT_XCOM_KEY, value=result)
