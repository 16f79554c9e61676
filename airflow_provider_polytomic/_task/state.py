"""State that a task instance keeps for its trigger and for its next attempts."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_provider_polytomic._compat import LastingStore, StateStore
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.results import Ownership

if TYPE_CHECKING:
    from airflow.sdk import Context

EXECUTION_XCOM_KEY = "polytomic_execution"
"""XCom with ``sync_id``, ``execution_id``, ``ownership`` and ``try_number`` of what a task instance waits for."""

RESULT_XCOM_KEY = "return_value"

SYNC_STORE_KEY = "polytomic_sync"
"""Key of the sync that a task instance has resolved a name to, in :class:`LastingStore`."""

SAVED_FACTS = {
    "generation": str, "past": list, "first_try": int, "try_number": int, "max_tries": int, "clear_number": int,
    "run": str,
}  # fmt: skip
"""The types of what :meth:`Attempt.save` returns."""

log = logging.getLogger(__name__)

_test_runs: dict[tuple[str, str, str, int], str] = {}
"""An id for the current run of each task instance in ``dag.test()`` on Airflow 2, see :func:`_run`."""


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task instance, as the Idempotency-Keys need it.

    :param identity: DAG id, run id, task id and map index
    :param generation: text that changes when the task instance is cleared, or its DAG run is deleted and made again
    :param first_try: number of the first attempt of this generation, or an earlier one if that is not known
    :param try_number: number of this attempt
    :param facts: facts by which the next attempt tells a clear from a retry
    :param past: generations before this one, as far as they are known
    """

    identity: tuple[str, str, str, int]
    generation: str
    first_try: int
    try_number: int
    facts: Mapping[str, Any]
    past: Sequence[str] = ()

    @property
    def key_facts(self) -> tuple[str | int, ...]:
        """Facts for Idempotency-Keys, which all attempts of this generation share, and no other attempt."""
        return (*self.identity, self.generation)

    @property
    def previous_attempts(self) -> int:
        """Number of attempts in this generation before this one, at most."""
        return self.try_number - self.first_try

    @classmethod
    def of(cls, context: Context, saved: Mapping[str, Any] | None = None) -> Attempt:
        """Read the attempt from the task's context.

        Airflow sets ``max_tries`` when it creates or clears a task instance, and leaves it alone when it retries one.
        ``retries`` of the task is read from the DAG file each time, so it may have changed since.

        :param saved: what an earlier attempt has saved with :meth:`save`
        """
        ti, dag_run = context["ti"], context.get("dag_run")
        identity = (ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
        facts = {
            "max_tries": ti.max_tries,
            "clear_number": getattr(dag_run, "clear_number", 0) or 0,
            "run": _run(identity, dag_run),
        }
        attempts_if_cleared = ti.max_tries - (context["task"].retries or 0)
        generation, first_try, past = f"{ti.max_tries}/{facts['run']}", 1, []
        if saved and not _was_cleared(saved, facts, range(saved["try_number"], ti.try_number), attempts_if_cleared):
            generation, first_try, past = saved["generation"], saved["first_try"], saved["past"]
        elif saved:
            # Attempts after the clear may not have been saved, but they found the same facts.
            first_try, past = saved["try_number"] + 1, [*saved["past"], saved["generation"]]
            if generation in past:
                generation += f"/{first_try}"
        elif facts["clear_number"] and attempts_if_cleared == ti.try_number - 1:
            first_try = ti.try_number
        return cls(identity, generation, first_try, ti.try_number, facts, past)

    def save(self) -> dict[str, Any]:
        """Return what the next attempt needs to continue this generation, or to see that the task was cleared."""
        return {
            "generation": self.generation,
            "past": list(self.past),
            "first_try": self.first_try,
            "try_number": self.try_number,
            **self.facts,
        }


def _was_cleared(
    saved: Mapping[str, Any], facts: Mapping[str, Any], attempts: Collection[int], attempts_if_cleared: int
) -> bool:
    """Return whether the task instance was cleared since an attempt has saved its facts.

    ``max_tries`` remains the same if ``retries`` was lowered by just the number of attempts before the clear. The clear
    of another task of the DAG run changes the ``clear_number``, too. If ``retries`` was lowered between that attempt
    and its retry, all facts are the same, but only a clear follows an attempt that has returned its result.

    :param attempts: attempts after which it may have been cleared
    :param attempts_if_cleared: number of attempts before the clear, if ``retries`` has not changed since then
    """
    if facts["max_tries"] != saved["max_tries"]:
        return True
    if facts["clear_number"] == saved["clear_number"]:
        return False
    return bool(facts["run"] != saved["run"] or (attempts_if_cleared in attempts and saved.get("released")))


def _run(identity: tuple[str, str, str, int], dag_run: Any) -> str:
    """Return a text that differs between two DAG runs of the same id, and is the same for all attempts in one.

    That is the time when the DAG run began. On Airflow 2 ``dag.test()`` begins each run at its logical date, so there
    it is an id that lives as long as the process.
    """
    began = getattr(dag_run, "start_date", None)
    if began is None:
        return ""
    if getattr(dag_run, "id", None) is not None and began == getattr(dag_run, "execution_date", None):
        return _test_runs.setdefault(identity, uuid4().hex)
    return str(began.astimezone(timezone.utc).isoformat())


def begin_attempt(context: Context) -> None:
    """Note that an attempt begins, and is not resumed: the first one begins another run of ``dag.test()``."""
    if context["ti"].try_number == 1:
        _test_runs.pop(Attempt.of(context).identity, None)


class TaskExecutionState:
    """The executions that a task instance waits for and has started.

    The awaited execution is an XCom: the kill guard of the trigger reads it, and Airflow deletes it when the next
    attempt starts. The started execution is in the task state store (Airflow 3.3 and later), where the next attempt
    finds it, also after its end, since its result may not have reached XCom.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ti = context["ti"]
        self._task = context["task"]
        self._store = StateStore(context)

    @cached_property
    def _saved(self) -> dict[str, Any]:
        saved = self._store.get() or {}
        return saved if all(isinstance(saved.get(name), kind) for name, kind in SAVED_FACTS.items()) else {}

    @cached_property
    def attempt(self) -> Attempt:
        """The attempt, in the generation of the earlier attempts unless the task was cleared since."""
        return Attempt.of(self._context, self._saved)

    def set_awaited(self, sync_id: str | None, execution_id: str | None, ownership: Ownership) -> bool:
        """Write the execution that this attempt waits for; the id is None while it is not known.

        :return: whether XCom has accepted it
        """
        value = {
            "sync_id": sync_id,
            "execution_id": execution_id,
            "ownership": ownership.value,
            "try_number": self._ti.try_number,
        }
        return not try_xcom_push(self._ti, EXECUTION_XCOM_KEY, value)

    def get_awaited(self) -> dict[str, Any] | None:
        """Return what this attempt waits for; None if the XCom is of an earlier attempt, as Airflow 3.0 keeps it."""
        awaited = try_xcom_pull(self._ti, EXECUTION_XCOM_KEY)
        is_of_this_try = isinstance(awaited, dict) and awaited.get("try_number") == self._ti.try_number
        return awaited if is_of_this_try else None

    def begin_generation(self) -> dict[str, Any]:
        """Begin another generation if the task was cleared since an attempt has saved an execution.

        :return: what was saved of the generation before, if the task was still to wait for its execution
        """
        saved = self._saved
        if not saved or saved["generation"] == self.attempt.generation:
            return {}
        self.save_started(None, None)
        return {} if saved.get("released") or not saved.get("execution_id") else saved

    def save_started(
        self,
        sync_id: str | None,
        execution_id: str | None,
        schema_results: Sequence[Mapping[str, Any]] = (),
        *,
        released: bool = False,
    ) -> None:
        """Save the execution that was started.

        :param schema_results: schema results of earlier executions that belong to its result
        :param released: whether the task does not wait for it, or no longer, so that a clear does not cancel it
        """
        self._saved = {
            **self.attempt.save(),
            "sync_id": sync_id,
            "execution_id": execution_id,
            "previous_schema_results": list(schema_results),
            "released": released,
        }
        self._store.set(self._saved)

    def get_started(self) -> dict[str, Any]:
        """Return what was saved since the last clear."""
        return self._saved if self._saved.get("generation") == self.attempt.generation else {}

    def release(self) -> None:
        """Save that the task returns its result; an attempt after this one begins another generation."""
        if started := self.get_started():
            self.save_started(
                started.get("sync_id"), started["execution_id"], started["previous_schema_results"], released=True
            )

    def get_sync_id(self, facts: Mapping[str, Any]) -> str | None:
        """Return the sync that an attempt since the last clear has resolved a name to.

        :param facts: the name, and what else it depends on
        """
        kept = LastingStore(self._context, SYNC_STORE_KEY).get() or {}
        sync_id = kept.pop("sync_id", None)
        same = kept == {**facts, "generation": self.attempt.generation}
        return sync_id if same and isinstance(sync_id, str) else None

    def save_sync_id(self, sync_id: str, facts: Mapping[str, Any]) -> None:
        """Save the sync that a name was resolved to."""
        value = {**facts, "generation": self.attempt.generation, "sync_id": sync_id}
        LastingStore(self._context, SYNC_STORE_KEY).set(value)

    def push_result(self, result: Any) -> str:
        """Push the result of a task that is about to fail.

        :return: why that was not possible, as a sentence for the message of the failure; "" if it was
        """
        if not getattr(self._task, "do_xcom_push", True):
            return ""
        reason = try_xcom_push(self._ti, RESULT_XCOM_KEY, result)
        return f"The result could not be pushed to XCom: {reason}" if reason else ""


def try_xcom_push(ti: Any, key: str, value: Any) -> str:
    """Push an XCom that the task can do without.

    :return: the error, if there is one; a custom XCom backend may raise any exception
    """
    try:
        ti.xcom_push(key=key, value=storable(value, f"XCom {key}"))
    except Exception as error:
        reason = error_line(error)
        log.warning("Could not push XCom %s: %s", key, reason)
        return reason
    return ""


def try_xcom_pull(ti: Any, key: str) -> Any:
    """Return an XCom of the task instance, or None if there is none or it cannot be read."""
    try:
        return ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)
    except Exception as error:
        log.warning("Could not read XCom %s: %s", key, error_line(error))
        return None


def error_line(error: Exception) -> str:
    """Return the class and the message of an exception in one line without secrets."""
    from airflow_provider_polytomic.api.redaction import one_line, redact

    return one_line(redact(f"{type(error).__name__}: {error}"))
