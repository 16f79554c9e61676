"""Check if an execution that ended well has sent suspiciously few records."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from statistics import median

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.history import list_executions
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.outcome import Outcome

log = logging.getLogger(__name__)

MAX_COMPARED_EXECUTIONS = 10
MIN_COMPARED_EXECUTIONS = 3
MAX_SEARCHED_SUCCESSES = 50
"""Executions that are listed, since later ones may precede those to compare with."""


@dataclass(frozen=True)
class RecordLimits:
    """Limit how few records an execution may send.

    :param min_records: smallest number of records; default: any
    :param max_deviation: largest share by which the number may be below the median of the executions before; default:
        any
    """

    min_records: int | None = None
    max_deviation: float | None = None

    @property
    def are_set(self) -> bool:
        """Return whether there is a limit."""
        return self.min_records is not None or self.max_deviation is not None

    def find_shortage(self, execution: Execution, *, may_be_retried: bool = False) -> Flow[str | None]:
        """Return why an ended execution has sent too few records, as the end of a sentence about the sync.

        :param may_be_retried: whether to raise an error that another attempt may not meet, instead of skipping the
            check: an earlier attempt may have failed because of the same execution
        :return: None if it has not, or if there are too few executions before to compare with
        :raises PolytomicError: if so
        """
        sent = execution.records_written
        if self.min_records is not None and sent < self.min_records:
            return f"has sent {sent} records, fewer than min_records={self.min_records}"
        if self.max_deviation is None:
            return None
        try:
            before = yield from _records_before(execution)
        except PolytomicError as error:
            if may_be_retried and is_transient(error):
                raise
            log.warning("Skipped the check of max_deviation: the executions before are not known: %s", error)
            return None
        if len(before) < MIN_COMPARED_EXECUTIONS:
            log.warning(
                "Skipped the check of max_deviation: it needs %d successful executions before, and there are %d",
                MIN_COMPARED_EXECUTIONS,
                len(before),
            )
            return None
        usual = median(before)
        if sent >= usual or (usual - sent) / usual <= self.max_deviation:  # exact where a product is rounded
            return None
        return (
            f"has sent {sent} records, more than max_deviation={self.max_deviation:g} below {usual:.15g}, the median "
            f"of the {len(before)} successful executions before"
        )


def _records_before(execution: Execution) -> Flow[list[int]]:
    """Return how many records each of the successful executions before has sent; a list may lack the numbers."""
    kind, sync_id, success = execution.kind, execution.sync_id, (Outcome.SUCCESS.value,)
    listed = yield from list_executions(kind, sync_id, outcomes=success, limit=MAX_SEARCHED_SUCCESSES)
    ids = [each.id for each in listed]
    first = ids.index(execution.id) + 1 if execution.id in ids else 0
    found: list[int] = []
    for each in listed[first : first + MAX_COMPARED_EXECUTIONS]:
        known = each if each.counted else (yield from ExecutionRef(kind, sync_id, each.id).fetch())
        found.append(known.records_written)
    return found
