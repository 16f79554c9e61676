"""Which attempt of which task instance is at work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task instance, as the Idempotency-Keys need to know it.

    :param identity: DAG, run, task and map index
    :param generation: attempts before the task instance was last cleared, by which Airflow raises ``max_tries``
    :param before: attempts since then, without this one
    """

    identity: tuple[str, str, str, int]
    generation: int
    before: int

    @classmethod
    def of(cls, context: Context) -> Attempt:
        """Read the attempt from the task's context."""
        ti = context["ti"]
        generation = max(0, ti.max_tries - (context["task"].retries or 0))
        return cls(
            identity=(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
            generation=generation,
            before=max(0, ti.try_number - 1 - generation),
        )
