"""Types of the results of executions that tasks, the hook and the clients return.

.. code-block:: python

    from airflow_provider_polytomic.results import ExecutionResult

    @task
    def rows_sent(result: ExecutionResult) -> int:
        return result["counts"]["total"] - result["counts"]["error"]

.. seealso::
    How-to: ``docs/quickstart.md``. API: ``GET /api/syncs/{sync_id}/executions/{id}``
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypedDict

SyncKindName = Literal["model", "bulk"]
"""The kinds of sync that Polytomic has: ``model`` for a model sync, ``bulk`` for a bulk sync."""


class Ownership(Enum):
    """Describe the relation of an execution to the task that waits for it.

    ``OWNED``: the task instance has started it, and may cancel it. ``JOINED``: somebody else has started it, and its
    result is the result of the task. ``BLOCKING``: it must end before the task can start its own.
    """

    OWNED = "owned"
    JOINED = "joined"
    BLOCKING = "blocking"


class SchemaResult(TypedDict):
    """Describe how one schema of a bulk sync execution went.

    * ``schema`` (str): id of the schema
    * ``output_name`` (str or None): name of the schema in the destination
    * ``status`` (str): status of the schema, as Polytomic reports it
    * ``status_message`` (str or None): Polytomic's message about the status, redacted
    * ``record_count``, ``error_count``, ``warning_count`` (int): records read, and those with errors and warnings
    * ``started_at``, ``completed_at`` (str or None): times in ISO 8601, UTC
    """

    schema: str
    output_name: str | None
    status: str
    status_message: str | None
    record_count: int
    error_count: int
    warning_count: int
    started_at: str | None
    completed_at: str | None


class SchemaSensorResult(SchemaResult):
    """Describe how one schema went in one execution: the result of ``PolytomicBulkSchemaSensor``.

    * ``sync_id``, ``execution_id`` (str): the bulk sync and its execution
    * the fields of :class:`SchemaResult`
    """

    sync_id: str
    execution_id: str


class LeftOut(TypedDict, total=False):
    """Describe the schemas that a result leaves out.

    * ``schemas_left_out`` (int): number of schemas that are not in ``schemas``
    """

    schemas_left_out: int


class RecordNumbers(TypedDict, total=False):
    """Describe how many records an ended execution has sent; a number that is not known is absent.

    * ``records_sent`` (int): records that reached the target
    * ``records_expected`` (int): records that the execution of a model sync had to send
    """

    records_sent: int
    records_expected: int


class ExecutionResult(LeftOut, RecordNumbers):
    """Describe an execution as JSON: what a task pushes to XCom and what crosses the trigger boundary.

    * ``kind`` (``model`` or ``bulk``), ``sync_id``, ``execution_id`` (str): the sync and its execution
    * ``sync_name`` (str or None): name of the sync; None if it is not known
    * ``status`` (str): status of the execution, as Polytomic reports it
    * ``outcome`` (str): ``success``, ``partial``, ``failed``, ``canceled`` or ``running``
    * ``created_at``, ``started_at``, ``completed_at`` (str or None): times in ISO 8601, UTC
    * ``counts`` (dict of int): records as ``total``, ``insert``, ``update``, ``upserts``, ``delete``, ``error`` and
      ``warnings``
    * ``errors`` (list of str): Polytomic's error messages, at most 100, redacted
    * ``schemas`` (list of :class:`SchemaResult`): the schemas of a bulk sync execution, at most 1,000 and then those
      that failed first; empty for a model sync
    * ``url`` (str or None): address of the sync in Polytomic
    """

    kind: SyncKindName
    sync_id: str
    sync_name: str | None
    execution_id: str
    status: str
    outcome: Literal["success", "partial", "failed", "canceled", "running"]
    created_at: str | None
    started_at: str | None
    completed_at: str | None
    counts: dict[str, int]
    errors: list[str]
    schemas: list[SchemaResult]
    url: str | None
