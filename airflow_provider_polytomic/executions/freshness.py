"""Whether a sync has succeeded lately."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.executions.outcome import Outcome
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.targets import CompletedSince


@dataclass(frozen=True)
class Freshness(CompletedSince):
    """The latest execution of a sync that succeeded, and completed at or after a moment; there may be none yet.

    When it began does not matter, nor what other executions have become of.

    :param since: the moment; with ``max_age``, the latest of both counts
    :param max_age: seconds before now, whenever it is looked for
    :param clock: seconds since the epoch
    """

    max_age: float | None = None
    clock: Callable[[], float] = field(default=time.time, compare=False)

    def __str__(self) -> str:
        asked = f"within {self.max_age:g} s" if self.max_age is not None else f"since {self.since.isoformat()}"
        return f"a successful execution of {sync_kind(self.kind).label} {self.sync_id} that completed {asked}"

    def fetch(self, *, without_retries: bool = False) -> Flow[Execution | None]:
        """Look for it in the history, and ask for it: only then are its counts and its schemas certain.

        :param without_retries: send each request a single time, for callers that come back anyway
        """
        since, kind = self._since(), sync_kind(self.kind)
        call: Call[Page[object]] | None = kind.executions(self.sync_id)
        while call is not None:
            page = yield from send(call.without_retries() if without_retries else call)
            all_later = True
            for told in page.rows:
                one: Execution = kind.read(self.sync_id, told)
                if one.completed_at is None:
                    continue
                if one.completed_at < since:
                    all_later = False
                elif one.outcome is Outcome.SUCCESS:
                    whole = yield from ExecutionRef(self.kind, self.sync_id, one.id).fetch(
                        without_retries=without_retries
                    )
                    if whole.outcome is Outcome.SUCCESS:
                        return whole
            call = next_page(call, page) if all_later else None
        return None

    def _since(self) -> datetime:
        if self.max_age is None:
            return self.since
        return max(self.since, datetime.fromtimestamp(self.clock() - self.max_age, timezone.utc))
